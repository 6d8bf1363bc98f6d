// @ts-check
/**
 * A price that falls for everybody once enough units are promised: how far it is.
 *
 * Invariant: what is counted is money that is granted; a press alone is none.
 */

/** @typedef {import('./room_state.js').Sale} Sale */
/** @typedef {import('./room_state.js').Unlock} Unlock */

/** States in which people can still add to the count. @type {ReadonlySet<string>} */
const COUNTS = new Set(['armed', 'open', 'sold_out', 'halted']);

/**
 * How a sale's threshold stands; null for a sale without one. A window that has run out is one that was missed, told or not.
 * @param {Sale | null | undefined} sale
 * @param {number} now_ms
 * @returns {(Unlock & {missing: number, part: number}) | null} `part` of the way, 0 to 1
 */
export function unlockOf(sale, now_ms) {
  const unlock = sale?.unlock;
  if (!sale || !unlock) return null;
  const isOver = !COUNTS.has(sale.state) || now_ms >= (sale.ends_at_ms ?? Infinity);
  const state = unlock.state === 'open' && isOver ? 'missed' : unlock.state;
  const missing = Math.max(0, unlock.units - unlock.promised);
  return { ...unlock, state, missing, part: Math.min(1, unlock.promised / unlock.units) };
}

/**
 * The holds after the price of a sale fell: those that are not ordered cost the lower one.
 * @param {Map<string, import('./card_state.js').Hold>} holds by sale
 * @param {string} sale
 * @param {number} price_minor
 */
export function repricedHolds(holds, sale, price_minor) {
  const hold = holds.get(sale);
  return hold?.state === 'held' ? new Map(holds).set(sale, { ...hold, unit_price_minor: price_minor }) : holds;
}
