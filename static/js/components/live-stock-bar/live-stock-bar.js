// @ts-check
/**
 * Left, held and paid as one bar with its three numbers.
 *
 * HTML: `<live-stock-bar></live-stock-bar>`; attribute `big` makes it 14 px high (console).
 * Properties: `stock` [available, held, sold]. Events: none.
 * Invariant: the three parts are never merged, and each number stands below in words.
 */
import { define, LiveElement, setAttribute, setText } from '../../lib/element.js';
import { number } from '../../lib/format.js';
import { html, render } from '../../lib/html.js';
import { t } from '../../lib/i18n.js';

/** @typedef {import('../../logic/room_state.js').Stock} Stock */

const PARTS = /** @type {const} */ (['left', 'held', 'paid']);

export class LiveStockBar extends LiveElement {
  /** @type {Stock} */
  #stock = [0, 0, 0];

  get stock() {
    return this.#stock;
  }

  set stock(stock) {
    this.#stock = stock;
    this.changed();
  }

  build() {
    render(this, html`
      <div class="stock-track" role="img" data-ref="track">
        <i class="stock-paid" data-ref="paid"></i><i class="stock-held" data-ref="held"></i><i class="stock-left" data-ref="left"></i>
      </div>
      <p class="stock-key" aria-hidden="true">
        ${PARTS.map((name) => html`<span><i class="stock-${name}"></i><b data-ref="${name}-count"></b> ${t(`stock.${name}`)}</span>`)}
      </p>`);
  }

  update() {
    const [left, held, paid] = this.#stock;
    const counts = { left, held, paid };
    for (const name of PARTS) {
      const bar = this.ref(name);
      bar.style.setProperty('--units', String(counts[name]));
      bar.hidden = counts[name] === 0;
      setText(this.ref(`${name}-count`), number(counts[name]));
    }
    setAttribute(this.ref('track'), 'aria-label', t('stock.label', { left: number(left), held: number(held), paid: number(paid) }));
  }
}

define('live-stock-bar', LiveStockBar);
