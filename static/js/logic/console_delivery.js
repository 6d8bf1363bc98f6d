// @ts-check
/**
 * What the delivery light says of the last minute, from what viewers' own pages reported.
 *
 * Invariant: it never says more than was measured. Shares are cut, not rounded, and too few answers are none.
 */

/** @typedef {{offset: number, type: string, at_ms: number, asked: number, acked: number, within_400: number,
 *   p50_ms: number | null, p99_ms: number | null}} EventDelivery */
/** @typedef {{share: number | null, within_ms: number, window_s: number, p50_ms: number | null, p99_ms: number | null,
 *   asked: number, reports: number, within_400: number, viewers: number, recent_events: number,
 *   events: EventDelivery[]}} Delivery */
/** @typedef {'none' | 'fine' | 'late' | 'bad'} LightState */
/** @typedef {{state: LightState, key: 'none' | 'few' | 'fine' | 'late' | 'slow' | 'silent', percent: number, one_in: number}} Light */

/** One viewer in a hundred may be in a lift. */
const FINE_PERCENT = 99;
/** From one in twenty on, what is said on camera is not what people see. */
const LATE_PERCENT = 95;
/** With fewer answers asked for, a single slow viewer would move the share by more than 5 points. */
export const ASKED_MIN = 20;

/**
 * A share in percent, cut to one digit.
 * @param {number} within
 * @param {number} asked above 0
 * @returns {number}
 */
export function percentOf(within, asked) {
  return Math.floor((within * 1000) / asked) / 10;
}

/**
 * How a share looks: jade, amber or coral.
 * @param {number} percent
 * @returns {LightState}
 */
export function stateOf(percent) {
  if (percent >= FINE_PERCENT) return 'fine';
  return percent >= LATE_PERCENT ? 'late' : 'bad';
}

/**
 * The light: its colour, which sentence, and its numbers.
 * @param {Delivery | null} delivery
 * @returns {Light}
 */
export function deliveryLight(delivery) {
  if (!delivery || delivery.asked === 0) return { state: 'none', key: 'none', percent: 0, one_in: 0 };
  const { asked, reports, within_400 } = delivery;
  if (asked < ASKED_MIN) return { state: 'none', key: 'few', percent: 0, one_in: 0 };
  const percent = percentOf(within_400, asked);
  const state = stateOf(percent);
  const missed = asked - within_400;
  const one_in = missed > 0 ? Math.floor(asked / missed) : 0;
  if (state !== 'bad') return { state, key: state === 'fine' ? 'fine' : 'late', percent, one_in };
  const silent = asked - reports;
  return { state, key: silent > reports - within_400 ? 'silent' : 'slow', percent, one_in };
}
