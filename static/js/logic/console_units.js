// @ts-check
/**
 * More or fewer units, from a form: of a flash sale while it runs, or of an item's stock.
 *
 * Invariant: what is held or paid is never taken away, and a change of the stock has a reason. The server decides; this
 * says beforehand what it will say.
 */

/** @typedef {import('./room_state.js').Stock} Stock */
/** @typedef {import('./room_state.js').Waiting} Waiting */
/** @typedef {{kind: 'sale' | 'stock', stock: Stock, waiting: Waiting, spare: number}} UnitsLimits what is changed, how it
 *   stands, how many wait for it, and for a sale how many units its item has free */
/** @typedef {{quantity: string, reason: string}} UnitsFields */
/** @typedef {'none' | 'spare' | 'free' | 'last' | 'reason'} UnitsProblem */
/** @typedef {{delta: number, reason: string, toList: number}} UnitsChange `toList`: how many go to those who wait */
/** @typedef {{change: UnitsChange | null, problems: {quantity?: UnitsProblem, reason?: UnitsProblem}, max: number}} UnitsReading
 *   `max`: the most units that may be put in or taken back */

/** As many as one press usually adds. */
const SUGGESTED = 10;
/** A sentence for whoever counts the shelf later. */
export const REASON_CHARS_MAX = 120;

/**
 * A whole number with its sign, or null.
 * @param {string} text
 * @returns {number | null}
 */
export function parseUnits(text) {
  const plain = text.trim().replace(/[\u2212\u2013]/, '-').replace(/[,\s]/g, '');
  return /^[+-]?\d{1,9}$/.test(plain) ? Number(plain) : null;
}

/**
 * The most that may go in or out.
 * @param {number} delta
 * @param {UnitsLimits} limits
 * @returns {{max: number, problem: UnitsProblem}}
 */
function limitOf(delta, { kind, stock, spare }) {
  const [available, held, paid] = stock;
  if (delta > 0) return { max: kind === 'sale' ? spare : Infinity, problem: 'spare' };
  // A flash sale keeps at least one unit, its last included.
  const kept = kind === 'sale' && held + paid === 0 ? 1 : 0;
  return kept > 0 ? { max: available - kept, problem: 'last' } : { max: available, problem: 'free' };
}

/**
 * What a form asks for, or what is wrong with it.
 * @param {UnitsFields} fields
 * @param {UnitsLimits} limits
 * @returns {UnitsReading}
 */
export function readUnits(fields, limits) {
  const delta = parseUnits(fields.quantity) ?? 0;
  const reason = fields.reason.trim();
  const { max, problem } = limitOf(delta, limits);
  /** @type {UnitsReading['problems']} */
  const problems = {};
  if (delta === 0) problems.quantity = 'none';
  else if (Math.abs(delta) > max) problems.quantity = problem;
  if (limits.kind === 'stock' && !reason) problems.reason = 'reason';
  const isWhole = Object.keys(problems).length === 0;
  const toList = delta > 0 ? Math.min(delta, limits.waiting[0]) : 0;
  return { change: isWhole ? { delta, reason, toList } : null, problems, max };
}

/**
 * What the form begins with: ten more, or what there is.
 * @param {UnitsLimits} limits
 * @returns {UnitsFields}
 */
export function suggestedUnits({ kind, spare }) {
  const quantity = kind === 'sale' ? Math.max(0, Math.min(SUGGESTED, spare)) : SUGGESTED;
  return { quantity: String(quantity || ''), reason: '' };
}

/**
 * What takes a change back: units that went to people who wait are theirs.
 * @param {{added: number, to_waiting_list: number}} done as the server answered
 * @returns {number} units, 0 when nothing can be taken back
 */
export function undoOf({ added, to_waiting_list }) {
  return added > 0 ? -(added - to_waiting_list) || 0 : -added;
}
