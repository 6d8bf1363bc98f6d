// @ts-check
/**
 * The keyboard's map, with the switch that turns single keys off (WCAG 2.1.4).
 *
 * HTML: `<live-key-map></live-key-map>`. Properties: `isOn`. Methods: `open()`. Events: `live:switch-keys {isOn}`.
 */
import { html, render } from '../../lib/html.js';
import { t } from '../../lib/i18n.js';
import { define } from '../../lib/element.js';
import { SheetElement } from '../../lib/sheet_element.js';
import { KEY_MAP } from '../../logic/console_keys.js';

export class LiveKeyMap extends SheetElement {
  isOn = true;

  build() {
    render(this, html`
      <live-sheet label="${t('console.keys')}">
        <h2>${t('console.keys')}</h2>
        <label class="keys-switch"><input type="checkbox" data-ref="switch"> ${t('console.keys_on')}</label>
        <dl class="keys">${KEY_MAP.map(([caps, act]) => html`<div><dt>${caps.map((cap) => html`<kbd class="key">${cap}</kbd>`)}</dt><dd>${t(`console.key.${act}`)}</dd></div>`)}</dl>
        <p class="muted">${t('console.keys_note')}</p>
      </live-sheet>`);
    this.ref('switch').addEventListener('change', () => {
      this.isOn = this.#box.checked;
      this.emit('switch-keys', { isOn: this.isOn });
    });
  }

  get #box() {
    return /** @type {HTMLInputElement} */ (this.ref('switch'));
  }

  open() {
    this.sheet.open();
  }

  update() {
    this.#box.checked = this.isOn;
  }
}

define('live-key-map', LiveKeyMap);
