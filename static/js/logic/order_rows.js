// @ts-check
/**
 * Orders as staff read them, made into rows, and what of one order can still be given back.
 *
 * Invariant: money and units that are on their way back are not there to be given a second time.
 */

/** @typedef {import('../net/console_api.js').FeedOrder} FeedOrder */
/** @typedef {{reservation: string, title: string, title_zh?: string | null, no: number, qty: number, unit_price_minor: number, total_minor: number}} StaffLine `total_minor`: what was paid for all its units */
/** @typedef {{id: string, state: string, amount_minor: number, origin: string, created_at_ms: number, lines: {reservation: string, qty: number}[]}} StaffRefund */
/** @typedef {{id: string, state: string, total_minor: number, currency: string, created_at_ms: number, paid_at_ms: number | null,
 *   lines: StaffLine[], buyer?: {id: string, name: string}, refunded_minor?: number, refunds?: StaffRefund[],
 *   payment?: {state: string, error?: string} | null}} StaffOrder */
/** @typedef {StaffLine & {left: number}} LineLeft */
/** @typedef {{reservation: string, qty: number}} LineWish */

/**
 * The row of the console's lists for an order.
 * @param {StaffOrder} order
 * @returns {FeedOrder}
 */
export function rowOf(order) {
  const refunds = order.refunds ?? [];
  const refunded_minor = order.refunded_minor ?? 0;
  const pending = refunds.filter(({ state }) => state === 'pending');
  const pending_minor = pending.filter(({ origin }) => origin === 'person').reduce((sum, refund) => sum + refund.amount_minor, 0);
  const [first] = order.lines;
  return {
    id: order.id,
    state: order.state,
    total_minor: order.total_minor,
    currency: order.currency,
    buyer: order.buyer?.name ?? '',
    at_ms: order.paid_at_ms ?? order.created_at_ms,
    refunded_minor,
    left_minor: order.total_minor - refunded_minor - pending_minor,
    pending_refunds: pending.length,
    failed_refund: refunds.findLast(({ state }) => state === 'failed')?.id ?? null,
    is_uncollected: order.state === 'paid' && (order.payment?.error !== undefined || order.payment?.state === 'voided'),
    title: first?.title ?? '',
    title_zh: first?.title_zh ?? null,
    no: first?.no ?? null,
  };
}

/**
 * A list after some of its orders were read anew: those are replaced, and those that are new come first.
 * @param {readonly StaffOrder[]} known newest first
 * @param {readonly StaffOrder[]} changed newest first
 * @returns {StaffOrder[]}
 */
export function mergeOrders(known, changed) {
  const fresh = new Map(changed.map((order) => [order.id, order]));
  const before = new Set(known.map(({ id }) => id));
  return [...changed.filter(({ id }) => !before.has(id)), ...known.map((order) => fresh.get(order.id) ?? order)];
}

/**
 * The units of each line that no refund has taken; lines without any are left out.
 * @param {StaffOrder} order
 * @returns {LineLeft[]}
 */
export function linesLeft(order) {
  /** @type {Map<string, number>} */
  const taken = new Map();
  for (const refund of order.refunds ?? []) {
    if (refund.state === 'failed') continue;
    for (const { reservation, qty } of refund.lines) taken.set(reservation, (taken.get(reservation) ?? 0) + qty);
  }
  return order.lines
    .map((line) => ({ ...line, left: line.qty - (taken.get(line.reservation) ?? 0) }))
    .filter(({ left }) => left > 0);
}

/**
 * What was paid for the next units of a line that come back, a discount taken off; however a line comes back, it adds up.
 * @param {LineLeft} line
 * @param {number} units
 */
function paidFor({ total_minor, qty, left }, units) {
  const before = qty - left;
  return Math.floor((total_minor * (before + units)) / qty) - Math.floor((total_minor * before) / qty);
}

/**
 * What a form asks to take of the lines: units as typed, by reservation.
 * @param {readonly LineLeft[]} lines
 * @param {Readonly<Record<string, string>>} typed a text for each line; empty or 0 takes nothing
 * @returns {{wishes: LineWish[], wrong: string[], cost_minor: number, units: number}} `wrong` are the lines whose text is no number
 *   that can be taken
 */
export function readLines(lines, typed) {
  /** @type {LineWish[]} */
  const wishes = [];
  /** @type {string[]} */
  const wrong = [];
  let cost_minor = 0;
  let units = 0;
  for (const line of lines) {
    const { reservation, left } = line;
    const text = (typed[reservation] ?? '').trim();
    const qty = text === '' ? 0 : /^\d{1,6}$/.test(text) ? Number(text) : NaN;
    if (!(qty <= left)) wrong.push(reservation);
    else if (qty > 0) {
      wishes.push({ reservation, qty });
      cost_minor += paidFor(line, qty);
      units += qty;
    }
  }
  return { wishes, wrong, cost_minor, units };
}
