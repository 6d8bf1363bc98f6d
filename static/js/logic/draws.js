// @ts-check
/**
 * What a page makes of a sale that is drawn: which part of it is on, and what one's own entry means for the card.
 *
 * Invariant: nothing of a draw's outcome is computed here; the server tells who won.
 */

/** @typedef {import('./room_state.js').Sale} Sale */
/** @typedef {{id: string, sale: string, qty: number, state: 'entered' | 'won' | 'lost' | 'void', rank: number | null, of: number | null,
 *   waiting: number | null}} OwnEntry one's entry in a draw; `waiting` is one's place in line, as long as the line itself is not known */
/** @typedef {'enter' | 'drawing' | 'drawn'} DrawPhase */

/** Who has heard nothing of an entry this long after the draw asks; those who do spread over the time after it. */
const UNHEARD_MS = 3_000;
const UNHEARD_SPREAD_MS = 6_000;
/** Those who lost and wait ask for their line within this time. */
const LINE_SPREAD_MS = 4_000;
/** Sales whose entries can still matter. @type {ReadonlySet<string>} */
const GOES_ON = new Set(['armed', 'open', 'sold_out', 'halted']);

/**
 * Which part of its draw a sale is in; null when it is not drawn.
 * @param {Sale | null | undefined} sale
 * @param {number} now_ms server time
 * @returns {DrawPhase | null}
 */
export function drawPhase(sale, now_ms) {
  if (!sale?.draw) return null;
  if (sale.draw.seed) return 'drawn';
  return now_ms < sale.draw.entry_closes_at_ms ? 'enter' : 'drawing';
}

/**
 * The card of a sale that is open and drawn; null where the sale speaks for itself.
 * @param {Sale} sale
 * @param {OwnEntry | null | undefined} entry
 * @param {number} now_ms server time
 * @returns {'enter' | 'entered' | 'drawing' | 'lost' | null}
 */
export function drawState(sale, entry, now_ms) {
  const phase = drawPhase(sale, now_ms);
  // The answer to an entry may come before the room is told of the draw.
  if (phase && entry?.state === 'lost') return 'lost';
  if (phase === 'enter') return entry ? 'entered' : 'enter';
  return phase === 'drawing' ? 'drawing' : null;
}

/**
 * Whether the page has to ask for its own entry: a draw that people may have entered, and that is not over.
 * @param {Sale} sale
 * @param {number} now_ms server time
 */
export function mayHaveEntry(sale, now_ms) {
  return sale.draw !== undefined && GOES_ON.has(sale.state) && (sale.opens_at_ms ?? 0) <= now_ms;
}

/**
 * How long to wait for the news of one's entry before asking.
 * @param {number} share 0 to 1 at random, so that a room does not ask at once
 * @returns {number} ms
 */
export function askUnheardIn(share) {
  return UNHEARD_MS + Math.round(UNHEARD_SPREAD_MS * share);
}

/**
 * How long to wait before asking for the line that one was put in.
 * @param {number} share 0 to 1 at random
 * @returns {number} ms
 */
export function askLineIn(share) {
  return Math.round(LINE_SPREAD_MS * share);
}
