// @ts-check
/**
 * The receipt of a paid order, with the proof a buyer can check.
 *
 * HTML: `<live-receipt></live-receipt>`
 * Properties: `order` as of `GET /api/orders/{id}` or null, `roomPath` where *Back to the show* leads, or null when the
 * receipt lies over the show itself. Events: `live:receipt-back`.
 * Invariant: it shows what the server decided and nothing computed here.
 */
import { define, LiveElement } from '../../lib/element.js';
import { dayAndTime, money, moneyExact, number, timeWithMillis } from '../../lib/format.js';
import { html, icon, render } from '../../lib/html.js';
import { t, titleOf } from '../../lib/i18n.js';

/** @typedef {{sku: string, title: string, title_zh?: string | null, picture?: string | null, qty: number, unit_price_minor: number,
 *   reservation: string, sale: string, no?: number | null, origin?: string,
 *   unlock?: {state: 'open' | 'unlocked' | 'missed', units: number, price_minor: number, total_minor: number, otherwise: 'charge' | 'release'},
 *   group?: {id: string, state: string, paid: number, need: number, deadline_ms: number, is_completed?: boolean}}} OrderLine `origin` draw: whose receipt has the place */
/** @typedef {{id: string, state: 'pending' | 'done' | 'failed', amount_minor: number, currency: string, reason: string, origin: 'person' | 'late' | 'excess', created_at_ms: number,
 *   lines?: {reservation: string, qty: number}[]}} Refund `lines`: the units that went back */
/** @typedef {{id: string, state: 'awaiting_payment' | 'awaiting_group' | 'paid' | 'cancelled' | 'expired' | 'refunded', total_minor: number, parts?: import('../live-checkout/live-checkout.js').PriceParts, currency: string,
 *   created_at_ms: number, paid_at_ms: number | null, room: string, lines: OrderLine[],
 *   payment?: {id: string, state: string, url: string, reason?: string} | null, refunded_minor?: number, refunds?: Refund[],
 *   proof?: {place: number, of: number, decided_at_ms: number} | null}} Order */

export class LiveReceipt extends LiveElement {
  /** @type {Order | null} */
  #order = null;
  /** @type {string | null} */
  #roomPath = null;

  get order() {
    return this.#order;
  }

  set order(order) {
    this.#order = order;
    this.changed();
  }

  get roomPath() {
    return this.#roomPath;
  }

  set roomPath(path) {
    this.#roomPath = path;
    this.changed();
  }

  build() {
    this.addEventListener('click', (event) => {
      if (/** @type {Element} */ (event.target).closest('[data-act="back"]')) this.emit('receipt-back');
    });
  }

  update() {
    const order = this.#order;
    if (!order) return;
    const back = this.#roomPath
      ? html`<a class="button button-main button-dark" href="${this.#roomPath}">${t('receipt.back')}</a>`
      : html`<button class="button button-main button-dark" type="button" data-act="back">${t('receipt.back')}</button>`;
    const see = this.#roomPath
      ? html`<a class="button button-main" href="/orders">${t('orders.all')}</a>`
      : html`<a class="button button-main" href="/orders/${order.id}">${t('receipt.see_order')}</a>`;
    render(this, html`
      <div class="receipt-head"><span class="receipt-check">${icon('check')}</span><h2>${t('receipt.title')}</h2></div>
      ${order.lines.map((line) => lineRow(line, order))}
      ${partRows(order)}
      ${refundRows(order)}
      ${order.proof ? proof(order, order.proof) : ''}
      <div class="receipt-buttons">${see}${back}</div>`);
  }
}

/**
 * One line of an order, used by the order pages too.
 * @param {OrderLine} line
 * @param {Order} order
 */
export function lineRow(line, order) {
  const picture = line.picture
    ? html`<img src="${line.picture}" alt="" width="60" height="60">${line.no ? html`<span class="good-number">${line.no}</span>` : ''}`
    : line.no;
  return html`<div class="order-line">
    <div class="good-picture">${picture}</div>
    <div class="order-words"><h3>${titleOf(line)} × ${number(line.qty)}</h3>${line === order.lines[0] ? html`<p class="muted">${t('receipt.order', { id: shortId(order.id) })}</p>` : ''}
      ${line.origin === 'draw' ? html`<p class="muted" data-drawn="${line.sale}">${t('draw.by_draw')}</p>` : ''}
      ${line.unlock?.state === 'unlocked' ? html`<p class="muted">${t('receipt.unlocked', { units: number(line.unlock.units) })}</p>` : ''}
      ${line.group?.state === 'formed' ? html`<p class="muted">${t(line.group.is_completed ? 'receipt.group_completed' : 'receipt.group_formed', { paid: number(line.group.paid), need: number(line.group.need) })}</p>` : ''}</div>
    <b class="price">${money(line.unit_price_minor * line.qty, order.currency)}</b>
  </div>`;
}

/**
 * The total alone; used by the order pages too.
 * @param {Order} order
 */
export function totalRow({ total_minor, currency }) {
  return html`<dl class="sums"><div class="sums-total"><dt>${t('checkout.total')}</dt><dd>${moneyExact(total_minor, currency)}</dd></div></dl>`;
}

/**
 * What the total is made of, where it is more than the price of one line; used by the order pages too.
 * @param {Order} order
 */
export function partRows(order) {
  const { parts, currency } = order;
  if (!parts || (parts.discounts.length === 0 && !parts.shipping_minor && !parts.tax_minor)) return order.lines.length > 1 ? totalRow(order) : '';
  return html`<dl class="sums">
    <div><dt>${t('checkout.goods')}</dt><dd>${moneyExact(parts.subtotal_minor, currency)}</dd></div>
    ${parts.discounts.map((one) => html`<div data-part="discount"><dt>${titleOf(one)}</dt><dd>−${moneyExact(one.amount_minor, currency)}</dd></div>`)}
    ${parts.shipping_minor ? html`<div><dt>${t('checkout.shipping')}</dt><dd>${moneyExact(parts.shipping_minor, currency)}</dd></div>` : ''}
    ${parts.tax_minor ? html`<div><dt>${t(parts.tax_included ? 'checkout.tax_included' : 'checkout.tax')}</dt><dd>${moneyExact(parts.tax_minor, currency)}</dd></div>` : ''}
    <div class="sums-total"><dt>${t('checkout.total')}</dt><dd>${moneyExact(order.total_minor, currency)}</dd></div>
  </dl>`;
}

/**
 * Money of an order that went back or is on its way, used by the order pages too.
 * @param {Order} order
 */
export function refundRows(order) {
  const refunds = (order.refunds ?? []).filter(({ origin }) => origin !== 'late');
  if (refunds.length === 0) return '';
  const titles = new Map(order.lines.map((line) => [line.reservation, titleOf(line)]));
  const goods = (/** @type {Refund} */ { lines = [] }) => lines.map(({ reservation, qty }) => html`<span class="muted receipt-units">${titles.get(reservation)} × ${number(qty)}</span>`);
  return html`<section class="receipt-refunds" aria-label="${t('orders.refunds')}"><h3>${t('orders.refunds')}</h3><dl class="sums">${refunds.map((refund) =>
    html`<div data-refund="${refund.state}"><dt>${t(`orders.refund.${refund.state}`, { time: dayAndTime(refund.created_at_ms) })}${goods(refund)}<span class="muted">${refund.origin === 'excess' ? t('orders.refund_excess') : refund.reason}</span></dt><dd>${moneyExact(refund.amount_minor, refund.currency)}</dd></div>`)}</dl></section>`;
}

/**
 * Why money was let go: it came too late, could not be taken, or came by a card that may not pay for so many.
 * @param {Order} order
 * @param {readonly import('../../logic/room_state.js').Sale[]} [sales] those of the room, where they are known
 * @returns {string}
 */
export function letGoWords(order, sales = []) {
  const reason = order.payment?.reason;
  if (reason === 'coupon_gone') return t('receipt.coupon_gone');
  if (reason === 'total_mismatch') return t('receipt.total_mismatch');
  if (reason === 'not_unlocked') return t('receipt.not_unlocked');
  if (reason === 'captured_early') return t('receipt.captured_early');
  if (reason === 'capture_failed') return t('receipt.capture_failed');
  if (reason === 'card_unknown') return t('receipt.card_unknown');
  if (reason !== 'card_limit') return t('receipt.voided', { price: money(order.total_minor, order.currency) });
  const ordered = new Set(order.lines.map((line) => line.sale));
  const per_card = sales.find((sale) => ordered.has(sale.id) && sale.rules?.per_card)?.rules?.per_card;
  return per_card ? t('receipt.card_limit', { count: per_card }) : t('receipt.card_limit_plain');
}

/**
 * The end of an order's id, which is what people read out to each other.
 * @param {string} id
 * @returns {string}
 */
export function shortId(id) {
  return id.length > 16 ? id.slice(-12) : id;
}

/**
 * @param {Order} order
 * @param {{place: number, of: number, decided_at_ms: number}} facts
 */
function proof(order, { place, of, decided_at_ms }) {
  return html`<section class="receipt-proof">
    <h3>${icon('verified')}${t('receipt.proof')}</h3>
    <dl class="sums">
      <div><dt>${t('receipt.place')}</dt><dd>${t('receipt.place_value', { place: number(place), of: number(of) })}</dd></div>
      <div><dt>${t('receipt.decided')}</dt><dd>${timeWithMillis(decided_at_ms)}</dd></div>
      <div><dt>${t('receipt.price')}</dt><dd>${money(order.total_minor, order.currency)}</dd></div>
    </dl>
  </section>`;
}

define('live-receipt', LiveReceipt);
