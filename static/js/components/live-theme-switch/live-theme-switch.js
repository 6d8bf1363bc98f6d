// @ts-check
/**
 * The switch between dark and light of the pages that have both.
 *
 * HTML: `<live-theme-switch></live-theme-switch>`. Properties and events: none; the choice lives in lib/theme.
 */
import { html, icon, render } from '../../lib/html.js';
import { t } from '../../lib/i18n.js';
import { chooseTheme, theme } from '../../lib/theme.js';
import { LiveElement, define, setAttribute } from '../../lib/element.js';

export class LiveThemeSwitch extends LiveElement {
  build() {
    render(this, html`<button class="theme-switch" type="button" data-ref="button" aria-label="${t('site.theme')}" title="${t('site.theme')}">${icon('theme')}</button>`);
    this.ref('button').addEventListener('click', () => {
      chooseTheme(theme() === 'dark' ? 'light' : 'dark');
      this.update();
    });
  }

  update() {
    setAttribute(this.ref('button'), 'aria-pressed', String(theme() === 'light'));
  }
}

define('live-theme-switch', LiveThemeSwitch);
