// @ts-check
/**
 * The picture light: first frame, stalls and delay as viewers' browsers measured them, median here and 95 % behind a press.
 *
 * HTML: `<live-picture-light></live-picture-light>`. Properties: `figures` (PictureFigures or null). Events: none.
 */
import { number } from '../../lib/format.js';
import { html, render } from '../../lib/html.js';
import { t } from '../../lib/i18n.js';
import { define, setAttribute, setText } from '../../lib/element.js';
import { SheetElement } from '../../lib/sheet_element.js';
import { pictureLight, seconds } from '../../logic/console_picture.js';

const ROWS = ['first_frame', 'behind'];

export class LivePictureLight extends SheetElement {
  /** @type {import('../../logic/console_picture.js').PictureFigures | null} */
  figures = null;

  build() {
    render(this, html`
      <button class="light light-button" type="button" data-ref="light" aria-haspopup="dialog" hidden><span class="light-dot"></span><span>${t('picture.title')} <b data-ref="finding"></b> <span class="light-age" data-ref="more"></span></span></button>
      <live-sheet label="${t('picture.long_title')}">
        <h2>${t('picture.long_title')}</h2>
        <p class="delivery-verdict" data-ref="verdict"></p>
        <table class="delivery-table">
          <caption class="visually-hidden">${t('picture.long_title')}</caption>
          <thead><tr>${['what', 'p50', 'p95'].map((name) => html`<th scope="col">${t(`picture.col_${name}`)}</th>`)}</tr></thead>
          <tbody>${ROWS.map((name) => html`<tr><th scope="row">${t(`picture.row_${name}`)}</th><td data-ref="${name}-50"></td><td data-ref="${name}-95"></td></tr>`)}</tbody>
        </table>
        <p class="delivery-note" data-ref="stalls"></p>
        <p class="muted">${t('picture.note')}</p>
      </live-sheet>`);
    this.ref('light').addEventListener('click', () => this.sheet.open());
  }

  update() {
    const { figures } = this;
    const { state, parts } = pictureLight(figures);
    const button = this.ref('light');
    // Where no picture is measured there is nothing to say.
    button.hidden = !figures || figures.beats === 0;
    if (!figures) return;
    const said = parts.map(({ word, value }) => t(word, { value }));
    const claim = said.length > 0 ? said.join(t('site.separator')) : t('picture.few');
    setAttribute(button, 'data-state', state);
    setAttribute(button, 'title', claim);
    setText(this.ref('finding'), said[0] ?? '');
    setText(this.ref('more'), said.length > 0 ? said.slice(1).join(t('site.separator')) : claim);
    setText(this.ref('verdict'), claim);
    for (const name of ROWS) {
      for (const percent of ['50', '95']) {
        const value = figures[/** @type {'behind_ms_p50'} */ (`${name}_ms_p${percent}`)];
        setText(this.ref(`${name}-${percent}`), value === null ? t('picture.unknown') : t('picture.seconds', { value: seconds(value) }));
      }
    }
    setText(this.ref('stalls'), t('picture.counts', { count: figures.stalls, stalls: number(figures.stalls), beats: number(figures.beats) }));
  }
}

define('live-picture-light', LivePictureLight);
