// @ts-check
/**
 * Check out: the goods, how it is paid, one total, one button.
 *
 * HTML: `<live-checkout></live-checkout>`
 * Properties: `order` {hold, item, left} or null, `price` (the server's quote, null while it is asked for; undefined: the
 * hold's own price), `isGoing` (the payment page is being opened), `problem` text or null.
 * Events: `live:pay` {hold}, `live:choose-coupon` {hold, coupon}.
 * Invariant: the total shown is the whole price, and nothing is added after it.
 */
import { define, LiveElement, setText } from '../../lib/element.js';
import { moneyExact } from '../../lib/format.js';
import { html, icon, render } from '../../lib/html.js';
import { t, titleOf } from '../../lib/i18n.js';

/** @typedef {import('../../logic/card_state.js').Hold} Hold */
/** @typedef {import('../../logic/room_state.js').BagItem} BagItem */
/** @typedef {{hold: Hold, item: BagItem | null, left: {left_ms: number, part: number, isLast: boolean}, isTeam?: boolean}} CheckoutOrder
 *   the money of a team's seat is taken when the team is full */
/** @typedef {import('../live-hold-ring/live-hold-ring.js').LiveHoldRing} LiveHoldRing */

/** @typedef {{subtotal_minor: number, discounts: {amount_minor: number, title?: string, title_zh?: string}[], shipping_minor: number,
 *   tax_minor: number, tax_included: boolean}} PriceParts */
/** @typedef {{parts: PriceParts, total_minor: number, coupons: import('../../logic/coupons.js').CouponOption[], coupon: string | null,
 *   unlocked_total_minor?: number}} Price the last where the price may fall for everybody */

/** More reasons than these only hide the one that one looks for. */
const WHY_MAX = 4;

export class LiveCheckout extends LiveElement {
  /** @type {CheckoutOrder | null} */
  #order = null;
  /** @type {Price | null | undefined} */
  #price = undefined;
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

  get price() {
    return this.#price;
  }

  set price(price) {
    this.#price = price;
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
      <div class="checkout-coupon" data-ref="coupon-row" hidden><label><span class="field-label">${t('checkout.coupon')}</span><select class="field" data-ref="coupon"></select></label><ul class="checkout-why muted" data-ref="why"></ul></div>
      <p class="field-error" role="alert" data-ref="problem"></p>
      <dl class="sums">
        <div><dt>${t('checkout.goods')}</dt><dd data-ref="goods"></dd></div>
        <div data-ref="off-row"><dt data-ref="off-title"></dt><dd data-ref="off"></dd></div>
        <div data-ref="shipping-row"><dt>${t('checkout.shipping')}</dt><dd data-ref="shipping"></dd></div>
        <div data-ref="tax-row"><dt data-ref="tax-title"></dt><dd data-ref="tax"></dd></div>
        <div class="sums-total"><dt>${t('checkout.total')}</dt><dd data-ref="total"></dd></div>
      </dl>
      <button class="button button-main button-lime" type="button" data-ref="pay"></button>
      <p class="checkout-foot muted" data-ref="foot"></p>`);
    this.ref('pay').addEventListener('click', () => {
      if (this.#order && !this.#isGoing && this.#price !== null) this.emit('pay', { hold: this.#order.hold });
    });
    const coupon = /** @type {HTMLSelectElement} */ (this.ref('coupon'));
    coupon.addEventListener('change', () => this.#order && this.emit('choose-coupon', { hold: this.#order.hold, coupon: coupon.value || null }));
  }

  update() {
    if (!this.#order) return;
    const { hold, item, left, isTeam } = this.#order;
    const price = this.#price;
    const low = price?.unlocked_total_minor;
    const foot = low === undefined ? t(isTeam ? 'team.promise' : 'checkout.foot') : t('checkout.unlock', { price: moneyExact(low, hold.currency), total: moneyExact(price?.total_minor ?? 0, hold.currency) });
    setText(this.ref('foot'), foot);
    const goods = moneyExact(price?.parts.subtotal_minor ?? hold.unit_price_minor * hold.qty, hold.currency);
    const total = price === null ? '…' : price ? moneyExact(price.total_minor, hold.currency) : goods;
    const image = /** @type {HTMLImageElement} */ (this.ref('image'));
    if (item?.picture && image.getAttribute('src') !== item.picture) image.src = item.picture;
    image.hidden = !item?.picture;
    setText(this.ref('number'), String(item?.no ?? ''));
    setText(this.ref('title'), titleOf(item));
    setText(this.ref('quantity'), t(hold.qty === 1 ? 'checkout.quantity' : 'checkout.quantity_many', { qty: hold.qty }));
    for (const name of ['sum', 'goods']) setText(this.ref(name), goods);
    setText(this.ref('total'), total);
    this.#updateParts(hold.currency);
    this.#updateCoupons(hold.currency);
    const pay = /** @type {HTMLButtonElement} */ (this.ref('pay'));
    pay.disabled = price === null;
    setText(pay, this.#isGoing ? t('checkout.going') : price === null ? t('checkout.counting') : t('checkout.pay', { total }));
    setText(this.ref('problem'), this.#problem ?? '');
    this.ref('problem').hidden = !this.#problem;
    /** @type {LiveHoldRing} */ (this.ref('ring')).left = left;
  }

  /** @param {string} currency */
  #updateParts(currency) {
    const parts = this.#price?.parts;
    const discount = parts?.discounts[0];
    this.ref('off-row').hidden = !discount;
    setText(this.ref('off-title'), discount ? titleOf(discount) : '');
    setText(this.ref('off'), discount ? `−${moneyExact(discount.amount_minor, currency)}` : '');
    this.ref('shipping-row').hidden = !parts?.shipping_minor;
    setText(this.ref('shipping'), moneyExact(parts?.shipping_minor ?? 0, currency));
    this.ref('tax-row').hidden = !parts?.tax_minor;
    setText(this.ref('tax-title'), t(parts?.tax_included ? 'checkout.tax_included' : 'checkout.tax'));
    setText(this.ref('tax'), moneyExact(parts?.tax_minor ?? 0, currency));
  }

  /** The coupons that apply, to choose from; below them why the others do not. @param {string} currency */
  #updateCoupons(currency) {
    const price = this.#price;
    if (!price) return;
    this.ref('coupon-row').hidden = price.coupons.length === 0;
    const usable = price.coupons.filter((one) => one.off_minor);
    const why = price.coupons.filter((one) => one.why).slice(0, WHY_MAX);
    const select = /** @type {HTMLSelectElement} */ (this.ref('coupon'));
    render(select, html`${usable.map((one) => html`<option value="${one.id}">${t('checkout.coupon_off', { title: titleOf(one), price: moneyExact(one.off_minor ?? 0, currency) })}</option>`)}<option value="">${t(usable.length ? 'checkout.coupon_none' : 'checkout.coupon_no_fit')}</option>`);
    select.value = price.coupon ?? '';
    render(this.ref('why'), html`${why.map((one) => html`<li>${titleOf(one)}: ${t(`coupon.why.${one.why}`, { price: moneyExact(one.missing_minor ?? 0, currency) })}</li>`)}`);
  }
}

define('live-checkout', LiveCheckout);
