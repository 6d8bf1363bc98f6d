// @ts-check
/**
 * My orders, and one order: what was reserved, paid, cancelled; pay, cancel, receipt.
 *
 * Invariant: a state is shown only as the server tells it; while a payment or a team is open the page asks again by itself.
 */
import '../components/live-evidence/live-evidence.js';
import '../components/live-hold-ring/live-hold-ring.js';
import '../components/live-receipt/live-receipt.js';
import '../components/live-sheet/live-sheet.js';
import { letGoWords, lineRow, partRows, refundRows, shortId, totalRow } from '../components/live-receipt/live-receipt.js';
import { couponOff, couponTerms } from '../components/live-drop/coupon_words.js';
import { holdLeft } from '../logic/countdown.js';
import { find, setText } from '../lib/element.js';
import { dayAndTime, duration, money, number, ordinal } from '../lib/format.js';
import { html, render } from '../lib/html.js';
import { t, titleOf } from '../lib/i18n.js';
import { itemOfSale } from '../logic/card_state.js';
import { asApiError, get, intentKey, post, remove, settleIntent } from '../net/api.js';
import { tellPlaces } from './drawn_places.js';
import { OlderOrders } from './orders_older.js';

/** @typedef {import('../components/live-receipt/live-receipt.js').Order} Order */
/** @typedef {import('../components/live-hold-ring/live-hold-ring.js').LiveHoldRing} LiveHoldRing */
/** @typedef {import('../components/live-sheet/live-sheet.js').LiveSheet} LiveSheet */
/** @typedef {import('../components/live-evidence/live-evidence.js').LiveEvidence} LiveEvidence */
/** @typedef {import('../components/live-receipt/live-receipt.js').LiveReceipt} LiveReceipt */
/** @typedef {{id: string, sale: string, qty: number, unit_price_minor: number, currency: string, expires_in_ms: number, state: string, room: string}} Reservation */
/** @typedef {import('../logic/waiting_list.js').Entry & {state: string, room: string}} Entry */
/** @typedef {import('../logic/room_state.js').BagItem} BagItem */
/** @typedef {{id: string, state: 'claimed' | 'locked' | 'used' | 'expired' | 'halted', coupon: import('../logic/room_state.js').Coupon,
 *   expires_at_ms: number, order?: string}} Claim */

/** While a payment is open its outcome is asked for this often, and slower after a while. */
const ASK_MS = 1_500;
const ASK_SLOW_MS = 6_000;
const ASK_QUICKLY_TIMES = 20;
/** A hold's length when only what is left of it is known. */
const HOLD_MS = 300_000;

const list = document.querySelector('#orders');
const detail = document.querySelector('#order');
const title = document.title;

/** @param {Order} order */
function stateWord(order) {
  const isThreshold = order.state === 'awaiting_group' && order.lines.some((line) => line.unlock);
  const word = t(isThreshold ? 'orders.state.awaiting_unlock' : `orders.state.${order.state}`);
  const back = order.state === 'paid' && order.refunded_minor ? t('orders.part_back', { word, price: money(order.refunded_minor, order.currency) }) : word;
  return html`<span class="order-state" data-state="${order.state}">${back}</span>`;
}

/** @param {Order} order */
function orderTime(order) {
  return order.paid_at_ms
    ? t('orders.paid', { time: dayAndTime(order.paid_at_ms) })
    : t('orders.placed', { time: dayAndTime(order.created_at_ms) });
}

/** @param {Order} order */
function orderCard(order) {
  return html`<li><a class="order-card" href="/orders/${order.id}">
    ${order.lines.map((line) => lineRow(line, order))}
    ${partRows(order)}
    <div class="order-foot">${stateWord(order)}<span>${orderTime(order)}</span></div>
  </a></li>`;
}

/**
 * A hold can be paid from here: a show that has ended has no card for it any more.
 * @param {Reservation} hold
 * @param {BagItem | null} item
 */
function holdRow(hold, item) {
  const price = money(hold.unit_price_minor * hold.qty, hold.currency);
  return html`<li class="hold-row" data-hold="${hold.id}">
    <live-hold-ring></live-hold-ring>
    <div>${item ? html`<p class="waiting-of">${t('orders.waiting_of', { no: item.no, title: titleOf(item) })}${hold.qty > 1 ? ` × ${number(hold.qty)}` : ''}</p>` : ''}<p class="muted" role="status">${t('orders.hold_note')}</p><a class="orders-back" href="/r/${hold.room}">${t('orders.go_room')}</a></div>
    <button class="button button-dark" type="button" data-pay="${hold.id}">${t('orders.pay', { price })}</button>
  </li>`;
}

/**
 * Order one hold, with the key the room would use, and go to its payment page.
 * @param {HTMLButtonElement} button
 */
async function payHold(button) {
  const id = button.dataset['pay'] ?? '';
  const intent = `order.${id}`;
  const note = button.closest('li')?.querySelector('[role="status"]');
  button.disabled = true;
  try {
    const { payment } = await post('/api/orders', { reservations: [id] }, intentKey(intent));
    settleIntent(intent);
    location.assign(payment.url);
  } catch (thrown) {
    const { code, retryable } = asApiError(thrown);
    if (!retryable) settleIntent(intent);
    const isGone = code === 'reservation_gone' || code === 'not_found';
    if (note) setText(note, isGone ? t('card.gone') : retryable ? t('checkout.unknown') : t('checkout.failed', { code }));
    button.disabled = isGone;
  }
}

/**
 * One's place in a line, and the way out of it.
 * @param {Entry} entry
 * @param {BagItem | null} item null when its room could not be read
 */
function waitingRow(entry, item) {
  const place = entry.place === null ? t('orders.waiting_none') : t('orders.waiting_place', { place: ordinal(entry.place) });
  return html`<li class="hold-row waiting-row" data-entry="${entry.id}">
    ${item?.picture ? html`<div class="good-picture"><img src="${item.picture}" alt="" width="60" height="60"><span class="good-number">${item.no}</span></div>` : ''}
    <div>${item ? html`<p class="waiting-of">${t('orders.waiting_of', { no: item.no, title: titleOf(item) })}</p>` : ''}<p class="muted" role="status">${place}</p><a class="orders-back" href="/r/${entry.room}">${t('orders.go_room')}</a></div>
    <button class="button" type="button" data-leave="${entry.id}">${t('orders.waiting_leave')}</button>
  </li>`;
}

/**
 * What people hold or wait for, by the id of hold or entry: the rooms know it.
 * @param {readonly {id: string, sale: string, room: string}[]} entries
 * @returns {Promise<Map<string, BagItem>>}
 */
async function itemsOf(entries) {
  /** @type {Map<string, BagItem>} */
  const items = new Map();
  const rooms = [...new Set(entries.map((entry) => entry.room))];
  await Promise.all(rooms.map(async (room) => {
    const state = await get(`/api/rooms/${encodeURIComponent(room)}`).catch(() => null);
    for (const entry of entries) {
      const sale = state?.sales?.find((/** @type {{id: string}} */ one) => one.id === entry.sale);
      const item = entry.room === room && sale ? itemOfSale(state, sale) : null;
      if (item) items.set(entry.id, item);
    }
  }));
  return items;
}

/** Leave one line, with one key however often it is pressed. @param {HTMLButtonElement} button */
async function leaveLine(button) {
  const id = button.dataset['leave'] ?? '';
  const intent = `leave.${id}`;
  const note = button.closest('li')?.querySelector('[role="status"]');
  button.disabled = true;
  try {
    await remove(`/api/waiting-list/${encodeURIComponent(id)}`, intentKey(intent));
    settleIntent(intent);
    if (note) setText(note, t('orders.waiting_left'));
  } catch (thrown) {
    if (note) setText(note, t('orders.waiting_failed'));
    button.disabled = asApiError(thrown).status === 404;
  }
}

/**
 * Keep rings and the tab's title counting.
 * @param {Reservation[]} holds
 */
function countHolds(holds) {
  const read_ms = performance.now();
  const draw = () => {
    const left_ms = holds.map((hold) => hold.expires_in_ms - (performance.now() - read_ms));
    holds.forEach((hold, index) => {
      const ring = /** @type {LiveHoldRing | null} */ (document.querySelector(`[data-hold="${CSS.escape(hold.id)}"] live-hold-ring`));
      const whole_ms = Math.max(HOLD_MS, hold.expires_in_ms);
      if (ring) ring.left = holdLeft(left_ms[index] ?? 0, whole_ms, 0);
      const declined = document.querySelector(`[data-declined="${CSS.escape(hold.id)}"]`);
      if (declined) setText(declined, t('checkout.declined', { duration: duration(left_ms[index] ?? 0) }));
    });
    const soonest_ms = Math.min(...left_ms.filter((left) => left > 0));
    document.title = Number.isFinite(soonest_ms) ? `${t('ring.title', { duration: duration(soonest_ms) })}${t('site.separator')}${title}` : title;
  };
  draw();
  return setInterval(draw, 500);
}

/** One's coupons; without an answer the rest of the page stands. @returns {Promise<Claim[]>} */
async function readClaims() {
  const answer = await get('/api/coupons').catch(() => null);
  return answer?.claims ?? [];
}

/** @param {Claim} claim */
function claimRow({ coupon, state, expires_at_ms, order }) {
  const until = state === 'claimed' ? t('coupon.until', { time: dayAndTime(expires_at_ms) }) : t(`coupon.state.${state}`, { reason: coupon.halt_reason ?? '' });
  const where = order
    ? html`<a class="orders-back" href="/orders/${order}">${t('receipt.see_order')}</a>`
    : state === 'claimed' ? html`<a class="orders-back" href="/r/${coupon.room}">${t('orders.go_room')}</a>` : '';
  return html`<li class="coupon-row" data-state="${state}"><div><p class="coupon-off">${couponOff(coupon)}</p><p class="muted">${couponTerms(coupon)}${t('site.separator')}${until}</p></div>${where}</li>`;
}

/**
 * What a hold costs with everything that comes to it; until that is known its goods' price stands there.
 * @param {Element} place
 * @param {readonly Reservation[]} holds
 */
async function tellTotals(place, holds) {
  await Promise.all(holds.map(async (hold) => {
    const answer = await post('/api/quotes', { reservations: [hold.id] }).catch(() => null);
    const button = place.querySelector(`[data-pay="${CSS.escape(hold.id)}"]`);
    if (answer?.quote && button) setText(button, t('orders.pay', { price: money(answer.quote.total_minor, hold.currency) }));
  }));
}

/** @param {Element} place */
async function showList(place) {
  try {
    const [{ orders }, { reservations }, { entries }, claims] = await Promise.all([get('/api/orders'), get('/api/reservations'), get('/api/waiting-list'), readClaims()]);
    // Whose turn it is has a hold, which is above.
    const waiting = /** @type {Entry[]} */ (entries).filter((entry) => entry.state === 'waiting');
    const holds = /** @type {Reservation[]} */ (reservations).filter((hold) => hold.state === 'held');
    const items = await itemsOf([...holds, ...waiting]);
    render(place, html`
      ${holds.length ? html`<h2>${t('orders.holds')}</h2><ul class="orders-list">${holds.map((hold) => holdRow(hold, items.get(hold.id) ?? null))}</ul>` : ''}
      ${waiting.length ? html`<h2>${t('orders.waiting')}</h2><ul class="orders-list">${waiting.map((entry) => waitingRow(entry, items.get(entry.id) ?? null))}</ul>` : ''}
      ${claims.length ? html`<h2>${t('orders.coupons')}</h2><ul class="orders-list" data-coupons>${claims.map(claimRow)}</ul>` : ''}
      ${orders.length && (holds.length || waiting.length || claims.length) ? html`<h2>${t('orders.own')}</h2>` : ''}
      ${orders.length ? html`<ul class="orders-list orders-own">${orders.map(orderCard)}</ul>${OlderOrders.markup}` : empty('orders.empty', 'orders.empty_note')}`);
    for (const button of place.querySelectorAll('[data-pay]')) button.addEventListener('click', () => void payHold(/** @type {HTMLButtonElement} */ (button)));
    for (const button of place.querySelectorAll('[data-leave]')) button.addEventListener('click', () => void leaveLine(/** @type {HTMLButtonElement} */ (button)));
    countHolds(holds);
    void tellPlaces(place, orders);
    void tellTotals(place, holds);
    // Only the way to older orders speaks from here on: a page of them is no news.
    place.setAttribute('aria-live', 'off');
    if (orders.length) await new OlderOrders(place, orders, orderCard, (more) => void tellPlaces(place, more)).restore();
  } catch (thrown) {
    const { status } = asApiError(thrown);
    if (status === 401) render(place, empty('orders.empty', 'orders.sign_in'));
    else showFailure(place);
  }
}

/**
 * @param {string} heading
 * @param {string} note
 */
function empty(heading, note) {
  return html`<div class="empty"><h2>${t(heading)}</h2><p class="muted">${t(note)}</p><a class="button button-dark" href="/">${t('orders.rooms')}</a></div>`;
}

/** @param {Element} place */
function showFailure(place) {
  render(place, html`<div class="empty"><p>${t('orders.failed')}</p><button class="button button-dark" type="button" data-act="reload">${t('orders.retry')}</button></div>`);
  place.querySelector('[data-act="reload"]')?.addEventListener('click', () => location.reload());
}

class OrderPage {
  #asked = 0;
  #counting = 0;
  /** @type {Order | null} */
  #order = null;

  /** @param {Element} place */
  constructor(place) {
    this.place = place;
    this.id = location.pathname.split('/').filter(Boolean).at(-1) ?? '';
    this.sheet = /** @type {LiveSheet} */ (find('#cancel-sheet'));
    find('#evidence-open').addEventListener('click', () => /** @type {LiveEvidence} */ (find('live-evidence')).open(this.id));
    find('#cancel-no').addEventListener('click', () => this.sheet.close());
    find('#cancel-yes').addEventListener('click', () => void this.#cancel());
    place.addEventListener('click', (event) => {
      if (/** @type {Element} */ (event.target).closest('[data-act="cancel"]')) this.sheet.open();
    });
  }

  async show() {
    try {
      const { order } = await get(`/api/orders/${encodeURIComponent(this.id)}`);
      const isNew = JSON.stringify(order) !== JSON.stringify(this.#order);
      this.#order = order;
      find('#evidence-open').hidden = false;
      if (isNew) {
        await this.#draw(order);
        void tellPlaces(this.place, [order]);
      }
      if (order.state === 'awaiting_payment' || order.state === 'awaiting_group') this.#askAgain();
    } catch (thrown) {
      const { status } = asApiError(thrown);
      if (status === 404 || status === 403) render(this.place, empty('orders.none', 'orders.empty_note'));
      else if (status === 401) render(this.place, empty('orders.none', 'orders.sign_in'));
      else if (this.#order) this.#askAgain();
      else showFailure(this.place);
    }
  }

  #askAgain() {
    this.#asked += 1;
    setTimeout(() => void this.show(), this.#asked < ASK_QUICKLY_TIMES ? ASK_MS : ASK_SLOW_MS);
  }

  /** @param {Order} order */
  async #draw(order) {
    clearInterval(this.#counting);
    document.title = title;
    if (order.state === 'paid') {
      render(this.place, html`<div class="order-detail"><live-receipt></live-receipt></div>`);
      const receipt = /** @type {LiveReceipt} */ (find('live-receipt'));
      receipt.roomPath = `/r/${order.room}`;
      receipt.order = order;
      return;
    }
    const isOpen = order.state === 'awaiting_payment';
    const hold = isOpen ? await this.#holdOf(order) : null;
    const team = order.state === 'awaiting_group' ? order.lines.find((line) => line.group)?.group ?? null : null;
    const acts = team || unlockOn(order)
      ? html`<div class="order-acts"><button class="button button-main" type="button" data-act="cancel">${t(team ? 'orders.leave_group' : 'orders.cancel')}</button>
          <a class="button button-main button-dark" href="/r/${order.room}">${t('receipt.back')}</a></div>`
      : isOpen
      ? html`<div class="order-acts"><button class="button button-main" type="button" data-act="cancel">${t('orders.cancel')}</button>
          <a class="button button-main button-lime" href="${order.payment?.url ?? '#'}">${t('orders.pay', { price: money(order.total_minor, order.currency) })}</a></div>`
      : html`<div class="order-acts"><a class="button button-main" href="/orders">${t('orders.all')}</a><a class="button button-main button-dark" href="/r/${order.room}">${t('receipt.back')}</a></div>`;
    render(this.place, html`<div class="order-detail">
      <div class="order-head" data-hold="${hold?.id ?? ''}"><div><h1>${stateWord(order)}</h1><p class="muted">${t('orders.of', { id: shortId(order.id) })}${t('site.separator')}${orderTime(order)}</p></div>${hold ? html`<live-hold-ring></live-hold-ring>` : ''}</div>
      ${team ? html`<p class="order-note" data-tone="calm">${t('orders.group_note', { paid: number(team.paid), need: number(team.need) })} <a href="/g/${team.id}">${t('orders.group_link')}</a></p>` : noteOf(order, hold)}
      ${order.lines.map((line) => lineRow(line, order))}
      ${partRows(order) || totalRow(order)}
      ${refundRows(order)}
      ${acts}</div>`);
    if (hold) this.#counting = countHolds([hold]);
  }

  /** @param {Order} order @returns {Promise<Reservation | null>} */
  async #holdOf(order) {
    try {
      const { reservations } = await get('/api/reservations');
      return reservations.find((/** @type {Reservation} */ one) => order.lines.some((line) => line.reservation === one.id)) ?? null;
    } catch {
      return null;
    }
  }

  async #cancel() {
    this.sheet.close();
    try {
      await post(`/api/orders/${encodeURIComponent(this.id)}/cancel`);
    } catch (thrown) {
      const { code } = asApiError(thrown);
      this.place.insertAdjacentHTML('afterbegin', html`<p class="order-note" role="alert">${t('orders.cancel_failed', { code })}</p>`.markup);
      return;
    }
    await this.show();
  }
}

/** @param {Order} order @param {Reservation | null} hold */
function noteOf(order, hold) {
  const state = order.payment?.state ?? '';
  if (order.state !== 'refunded' && (state === 'voided' || state === 'refunded')) return html`<p class="order-note">${letGoWords(order)}</p>`;
  const unlock = unlockOn(order);
  if (unlock) return html`<p class="order-note" data-tone="calm">${t(`orders.unlock_${unlock.otherwise}`, { units: number(unlock.units), price: money(unlock.total_minor, order.currency), total: money(order.total_minor, order.currency) })}</p>`;
  if (order.state !== 'awaiting_payment') return '';
  if (state === 'declined') {
    const note = hold ? t('checkout.declined', { duration: duration(hold.expires_in_ms) }) : t('orders.declined');
    return html`<p class="order-note" data-declined="${hold?.id ?? ''}">${note}</p>`;
  }
  // The shop completed the team, or the money for this seat could not be taken.
  if (order.lines.some(({ group }) => group?.state === 'formed')) return html`<p class="order-note">${t('team.formed_unpaid')}</p>`;
  return html`<p class="order-note" data-tone="calm">${t('orders.waiting_note')}</p>`;
}

/** The threshold that an order waits for, while it is open. @param {Order} order */
function unlockOn(order) {
  return order.state === 'awaiting_group' ? order.lines.find((line) => line.unlock?.state === 'open')?.unlock ?? null : null;
}

if (list) {
  void showList(list);
  // Back from the payment page: what was shown may be out of date.
  addEventListener('pageshow', (event) => event.persisted && location.reload());
}
if (detail) void new OrderPage(detail).show();
