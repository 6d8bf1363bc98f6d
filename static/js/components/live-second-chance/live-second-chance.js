// @ts-check
/**
 * One came back and it is this person's turn: how long, what, for how much, yes or no.
 *
 * HTML: `<live-second-chance></live-second-chance>` inside a live-sheet.
 * Properties: `offer` {hold, item, left, waiting} or null. Methods: `opened()`, when its sheet has come up.
 * Events: `live:chance-pay` {hold}, `live:chance-pass` {hold}.
 * Invariant: yes and no cost one press each; for a moment after the sheet came up neither counts, because that press
 * was meant for what lay there before.
 */
import { define, LiveElement, setText } from '../../lib/element.js';
import { duration, money, number } from '../../lib/format.js';
import { html, render } from '../../lib/html.js';
import { t, titleOf } from '../../lib/i18n.js';

/** @typedef {import('../../logic/card_state.js').Hold} Hold */
/** @typedef {import('../../logic/room_state.js').BagItem} BagItem */
/** @typedef {{hold: Hold, item: BagItem | null, left: {left_ms: number, part: number, isLast: boolean}, waiting: number}} ChanceOffer */
/** @typedef {import('../live-hold-ring/live-hold-ring.js').LiveHoldRing} LiveHoldRing */

/** A press on its way is over by then. */
const DEAF_MS = 350;

export class LiveSecondChance extends LiveElement {
  /** @type {ChanceOffer | null} */
  #offer = null;
  #deafUntil = 0;

  get offer() {
    return this.#offer;
  }

  set offer(offer) {
    this.#offer = offer;
    this.changed();
  }

  build() {
    render(this, html`
      <header class="chance-head"><live-hold-ring big data-ref="ring"></live-hold-ring>
        <div class="chance-words"><h2>${t('chance.title')}</h2><p class="chance-note" data-ref="note"></p></div></header>
      <div class="chance-row">
        <div class="good-picture"><img data-ref="image" alt="" width="60" height="60"><span class="good-number" data-ref="number"></span></div>
        <div class="chance-words"><h3 data-ref="what"></h3><p class="muted">${t('chance.price')}</p></div>
        <b class="price" data-ref="price"></b>
      </div>
      <button class="button button-main button-lime" type="button" data-ref="pay"></button>
      <button class="button button-main button-plain chance-pass" type="button" data-ref="pass"></button>`);
    this.ref('pay').addEventListener('click', () => this.#press('chance-pay'));
    this.ref('pass').addEventListener('click', () => this.#press('chance-pass'));
  }

  opened() {
    this.#deafUntil = performance.now() + DEAF_MS;
  }

  /** @param {'chance-pay' | 'chance-pass'} event */
  #press(event) {
    if (this.#offer && performance.now() >= this.#deafUntil) this.emit(event, { hold: this.#offer.hold });
  }

  update() {
    if (!this.#offer) return;
    const { hold, item, left, waiting } = this.#offer;
    const price = money(hold.unit_price_minor * hold.qty, hold.currency);
    const image = /** @type {HTMLImageElement} */ (this.ref('image'));
    if (item?.picture && image.getAttribute('src') !== item.picture) image.src = item.picture;
    image.hidden = !item?.picture;
    setText(this.ref('number'), String(item?.no ?? ''));
    setText(this.ref('note'), t('chance.note', { duration: duration(left.left_ms) }));
    setText(this.ref('what'), t('chance.what', { title: titleOf(item), qty: hold.qty }));
    setText(this.ref('price'), price);
    setText(this.ref('pay'), t('chance.pay', { price }));
    setText(this.ref('pass'), waiting > 0 ? t('chance.pass', { count: number(waiting) }) : t('chance.pass_none'));
    /** @type {LiveHoldRing} */ (this.ref('ring')).left = left;
  }
}

define('live-second-chance', LiveSecondChance);
