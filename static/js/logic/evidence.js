// @ts-check
/**
 * The evidence of an order as one line of time: what was shown, said, pressed and paid, oldest first.
 *
 * Invariant: every entry is a fact of the bundle with its own time; nothing is guessed or left out for looks.
 */

/** @typedef {{id: string, at_ms: number, user: string | null, name: string, text: string, is_buyer: boolean, is_host: boolean, removed?: {at_ms: number} | null}} EvidenceLine */
/** @typedef {{offset: number, at_ms: number, type: string, payload: any}} EvidenceEvent */
/** @typedef {{no: number, title: string, title_zh?: string | null,
 *   press: {reservation: string, at_ms: number, sale: string, qty: number, origin: string, asked_at_ms: number | null, log_offset: number | null, stock: {free: number},
 *     draw: {entered_at_ms: number, rank: number, of: number} | null},
 *   pin: {item: string, no: number | null, title: string | null, title_zh?: string | null, since_ms: number, is_this_item: boolean} | null,
 *   card: {at_ms: number, title: string | null, title_zh?: string | null, sale: {price_minor: number, normal_price_minor: number, stock: number[]}} | null,
 *   price: {unit_price_minor: number}, terms: {version: number, fields: Record<string, any>} | null,
 *   events: EvidenceEvent[], clip_at: {offset_ms: number | null}, clip?: {show: string, from_ms: number} | null}} EvidenceOrderLine */
/** @typedef {{at_ms: number, is_complete: boolean, is_cut: boolean, lines: EvidenceLine[]}} EvidenceChat */
/** @typedef {{id: string, provider: string, provider_ref: string | null, amount_minor: number, state: string, created_at_ms: number, authorised_at_ms: number | null, updated_at_ms: number}} EvidencePayment */
/** @typedef {{view: 'staff' | 'buyer', made_at_ms: number, order: {id: string, room: string, total_minor: number, currency: string, created_at_ms: number, buyer: {name: string},
 *   coupon?: {title: string, halt: {at_ms: number, reason: string} | null} | null},
 *   show: {title: string, started_at_ms: number | null}, lines: EvidenceOrderLine[], chat: EvidenceChat[],
 *   money: {payments: EvidencePayment[], refunds: {amount_minor: number, state: string, reason: string, created_at_ms: number}[]}, digest: string}} Evidence */
/** @typedef {'start' | 'pin' | 'card' | 'event' | 'said' | 'entered' | 'asked' | 'press' | 'chat' | 'ordered' | 'coupon' | 'payment' | 'refund'} EntryKind */
/** @typedef {{at_ms: number, kind: EntryKind, key: string, line?: EvidenceOrderLine, event?: EvidenceEvent, chat?: EvidenceLine,
 *   payment?: EvidencePayment & {word: string}, refund?: {amount_minor: number, state: string, reason: string},
 *   coupon?: {title: string, reason: string}}} Entry */

/** Of things of one millisecond what was shown comes before what was done about it. */
/** @type {readonly EntryKind[]} */
const ORDER = ['start', 'pin', 'card', 'event', 'said', 'entered', 'asked', 'press', 'ordered', 'coupon', 'payment', 'refund', 'chat'];
/** The events that are entries of their own; pins and cards have theirs. */
const TOLD = new Set(['flash.opened', 'flash.halted', 'flash.unhalted', 'flash.sold_out', 'flash.resumed', 'flash.closed']);
/** States that a payment ends in, or waits in, after it was opened. */
const SETTLED = new Set(['captured', 'declined', 'voided', 'refunded']);

/**
 * @param {Evidence} bundle
 * @returns {Entry[]}
 */
export function timelineOf(bundle) {
  /** @type {Map<string, Entry>} */
  const entries = new Map();
  /** @param {Entry} entry what two lines of a cart share is one entry */
  const add = (entry) => entries.set(entry.key, entry);
  if (bundle.show.started_at_ms !== null) add({ at_ms: bundle.show.started_at_ms, kind: 'start', key: 'start' });
  for (const line of bundle.lines) {
    const { press, pin, card } = line;
    const pinned = pin && `pin ${pin.item} ${pin.since_ms}`;
    // Of a cart the line that was pinned says so for all.
    if (pin && pinned && !entries.get(pinned)?.line?.pin?.is_this_item) add({ at_ms: pin.since_ms, kind: 'pin', key: pinned, line });
    if (card) add({ at_ms: card.at_ms, kind: 'card', key: `card ${press.sale}`, line });
    for (const event of line.events) {
      if (TOLD.has(event.type)) add({ at_ms: event.at_ms, kind: 'event', key: `event ${event.offset}`, event });
      if (event.type === 'announcement' && event.payload.text) add({ at_ms: event.at_ms, kind: 'said', key: `event ${event.offset}`, event });
    }
    if (press.draw) add({ at_ms: press.draw.entered_at_ms, kind: 'entered', key: `entered ${press.reservation}`, line });
    // Who entered a draw asked by that.
    if (press.asked_at_ms !== null && press.origin !== 'draw') add({ at_ms: press.asked_at_ms, kind: 'asked', key: `asked ${press.reservation}`, line });
    add({ at_ms: press.at_ms, kind: 'press', key: `press ${press.reservation}`, line });
  }
  for (const window of bundle.chat) {
    for (const chat of window.lines) add({ at_ms: chat.at_ms, kind: 'chat', key: `chat ${chat.id}`, chat });
  }
  add({ at_ms: bundle.order.created_at_ms, kind: 'ordered', key: 'ordered' });
  const { coupon } = bundle.order;
  if (coupon?.halt) add({ at_ms: coupon.halt.at_ms, kind: 'coupon', key: 'coupon', coupon: { title: coupon.title, reason: coupon.halt.reason } });
  for (const payment of bundle.money.payments) {
    /** @param {number} at_ms @param {string} word */
    const paid = (at_ms, word) => add({ at_ms, kind: 'payment', key: `${word} ${payment.id}`, payment: { ...payment, word } });
    paid(payment.created_at_ms, 'created');
    if (payment.authorised_at_ms !== null) paid(payment.authorised_at_ms, 'authorised');
    if (SETTLED.has(payment.state)) paid(payment.updated_at_ms, payment.state);
  }
  bundle.money.refunds.forEach((refund, index) => add({ at_ms: refund.created_at_ms, kind: 'refund', key: `refund ${index}`, refund }));
  return [...entries.values()].sort((a, b) => a.at_ms - b.at_ms || ORDER.indexOf(a.kind) - ORDER.indexOf(b.kind));
}

/**
 * What a reader has to know about what is not there.
 * @param {Evidence} bundle
 * @returns {('chat_cut' | 'chat_to_come' | 'no_offset' | 'no_terms')[]}
 */
export function gapsOf(bundle) {
  /** @type {('chat_cut' | 'chat_to_come' | 'no_offset' | 'no_terms')[]} */
  const gaps = [];
  if (bundle.chat.some((window) => window.is_cut)) gaps.push('chat_cut');
  if (bundle.chat.some((window) => !window.is_complete)) gaps.push('chat_to_come');
  if (bundle.lines.some((line) => line.press.log_offset === null)) gaps.push('no_offset');
  if (bundle.lines.some((line) => line.terms === null)) gaps.push('no_terms');
  return gaps;
}
