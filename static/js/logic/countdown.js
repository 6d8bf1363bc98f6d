// @ts-check
/**
 * What a countdown shows at a moment, and when it must be looked at again.
 *
 * Invariant: times are server times in ms; the text changes only when what it shows changes.
 */

/** The button fills over this last stretch. */
const FILL_MS = 30_000;
/** Tenths are shown for this last stretch. */
const TENTHS_MS = 3_000;
/** A hold turns amber here. */
export const LAST_MS = 60_000;

/**
 * @typedef {{left_ms: number, isOver: boolean, hasTenths: boolean, fill: number, next_ms: number}} Countdown
 * left_ms ≥ 0; fill 0 to 1; next_ms until the text changes, 0 when over
 */

/**
 * @param {number} until_ms
 * @param {number} now_ms
 * @returns {Countdown}
 */
export function countdown(until_ms, now_ms) {
  const left_ms = Math.max(0, until_ms - now_ms);
  const hasTenths = left_ms > 0 && left_ms <= TENTHS_MS;
  const step_ms = hasTenths ? 100 : 1000;
  return {
    left_ms,
    isOver: left_ms === 0,
    hasTenths,
    fill: Math.min(1, Math.max(0, 1 - left_ms / FILL_MS)),
    next_ms: left_ms === 0 ? 0 : left_ms % step_ms || step_ms,
  };
}

/**
 * What is left of a hold: 1 at its start, 0 at its end.
 * @param {number} until_ms
 * @param {number} whole_ms its whole length
 * @param {number} now_ms
 * @returns {{left_ms: number, part: number, isLast: boolean}}
 */
export function holdLeft(until_ms, whole_ms, now_ms) {
  const left_ms = Math.max(0, until_ms - now_ms);
  return { left_ms, part: whole_ms > 0 ? Math.min(1, left_ms / whole_ms) : 0, isLast: left_ms <= LAST_MS };
}
