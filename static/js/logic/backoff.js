// @ts-check
/**
 * When to come back after a connection was lost, and whether to come back at all.
 *
 * Invariant: the wait is fully jittered, so that a room that was cut off does not return as one wave.
 */

/** No sooner than this: a server that just fell over gets a breath. */
export const WAIT_MS_MIN = 500;
/** No later than this: people give up on a page that is silent for longer. */
export const WAIT_MS_MAX = 20_000;

/**
 * How long to wait before the next attempt.
 * @param {number} attempt 0 for the first
 * @param {number} random in [0, 1)
 * @returns {number} milliseconds, 500 to 20,000
 */
export function nextWait(attempt, random) {
  const ceiling = Math.min(WAIT_MS_MAX, WAIT_MS_MIN * 2 ** Math.min(attempt + 1, 16));
  return Math.round(WAIT_MS_MIN + random * (ceiling - WAIT_MS_MIN));
}

/**
 * What a close code asks of us.
 * @param {number} code
 * @returns {'stay_away' | 'back_off' | 'come_back'}
 */
export function decideReturn(code) {
  if (code >= 4000 && code <= 4099) return 'stay_away';
  if (code >= 4200 && code <= 4299) return 'come_back';
  return 'back_off';
}
