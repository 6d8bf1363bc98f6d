// @ts-check
/**
 * Check out: the goods, how it is paid, one total, one button.
 *
 * HTML: `<live-checkout></live-checkout>`
 * Properties: `order` {hold, item, left} or null, `isGoing` (the payment page is being opened), `problem` text or null.
 * Events: `live:pay` {hold}.
 * Invariant: the total shown is the whole price, and nothing is added after it.
 */
import { define, LiveElement, setText } from '../../lib/element.js';
import { moneyExact } from '../../lib/format.js';
import { html, icon, render } from '../../lib/html.js';
import { t, titleOf } from '../../lib/i18n.js';

/** @typedef {import('../../logic/card_state.js').Hold} Hold */
/** @typedef {import('../../logic/room_state.js').BagItem} BagItem */
/** @typedef {{hold: Hold, item: BagItem | null, left: {left_ms: number, part: number, isLast: boolean}}} CheckoutOrder */
/** @typedef {import('../live-hold-ring/live-hold-ring.js').LiveHoldRing} LiveHoldRing */

export class LiveCheckout extends LiveElement {
  /** @type {CheckoutOrder | null} */
  #order = null;
  #isGoing = false;
  /** @type {string | null} */
  #problem = null;

  get order() {
    return this.#order;
  }

  set order(order) {
    this.#order = order;
    this.changed();
  }

  get isGoing() {
    return this.#isGoing;
  }

  set isGoing(isGoing) {
    this.#isGoing = isGoing;
    this.changed();
  }

  get problem() {
    return this.#problem;
  }

  set problem(problem) {
    this.#problem = problem;
    this.changed();
  }

  build() {
    render(this, html`
      <header class="checkout-head"><h2>${t('checkout.title')}</h2><span class="muted">${t('checkout.yours')}</span><live-hold-ring small data-ref="ring"></live-hold-ring></header>
      <div class="checkout-row">
        <div class="good-picture"><img data-ref="image" alt="" width="60" height="60"><span class="good-number" data-ref="number"></span></div>
        <div class="checkout-words"><h3 data-ref="title"></h3><p class="muted" data-ref="quantity"></p></div>
        <b class="price" data-ref="sum"></b>
      </div>
      <div class="checkout-row checkout-payment">${icon('card')}<div class="checkout-words"><p>${t('checkout.payment')}</p><p class="muted">${t('checkout.payment_note')}</p></div></div>
      <p class="field-error" role="alert" data-ref="problem"></p>
      <dl class="sums">
        <div><dt>${t('checkout.goods')}</dt><dd data-ref="goods"></dd></div>
        <div class="sums-total"><dt>${t('checkout.total')}</dt><dd data-ref="total"></dd></div>
      </dl>
      <button class="button button-main button-lime" type="button" data-ref="pay"></button>
      <p class="checkout-foot muted">${t('checkout.foot')}</p>`);
    this.ref('pay').addEventListener('click', () => {
      if (this.#order && !this.#isGoing) this.emit('pay', { hold: this.#order.hold });
    });
  }

  update() {
    if (!this.#order) return;
    const { hold, item, left } = this.#order;
    const total = moneyExact(hold.unit_price_minor * hold.qty, hold.currency);
    const image = /** @type {HTMLImageElement} */ (this.ref('image'));
    if (item?.picture && image.getAttribute('src') !== item.picture) image.src = item.picture;
    image.hidden = !item?.picture;
    setText(this.ref('number'), String(item?.no ?? ''));
    setText(this.ref('title'), titleOf(item));
    setText(this.ref('quantity'), t(hold.qty === 1 ? 'checkout.quantity' : 'checkout.quantity_many', { qty: hold.qty }));
    for (const name of ['sum', 'goods', 'total']) setText(this.ref(name), total);
    setText(this.ref('pay'), this.#isGoing ? t('checkout.going') : t('checkout.pay', { total }));
    setText(this.ref('problem'), this.#problem ?? '');
    this.ref('problem').hidden = !this.#problem;
    /** @type {LiveHoldRing} */ (this.ref('ring')).left = left;
  }
}

define('live-checkout', LiveCheckout);
