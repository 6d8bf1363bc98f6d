// @ts-check
/**
 * Coupons: which drop a room shows, which coupon is best, and what one does not go with.
 *
 * Invariant: the server decides what a coupon takes off; this only orders what it said.
 */

/** @typedef {import('./room_state.js').Drop} Drop */
/** @typedef {{id: string, title: string, title_zh?: string, expires_at_ms: number, off_minor?: number, why?: string,
 *   missing_minor?: number}} CouponOption one of the buyer's coupons, as a quote lists it */

/** A drop that is over stays on the screen this long, so that nobody wonders where it went. */
export const OVER_MS = 15_000;

/**
 * Where a drop stands at a moment of the server's clock.
 * @param {Drop} drop
 * @param {number} now_ms
 * @returns {'armed' | 'open' | 'gone' | 'over'}
 */
export function phaseOf(drop, now_ms) {
  if (drop.state === 'ended' || drop.state === 'cancelled') return 'over';
  if (drop.state === 'gone') return 'gone';
  if (now_ms < drop.opens_at_ms) return 'armed';
  if (now_ms >= drop.ends_at_ms) return 'over';
  return drop.left > 0 ? 'open' : 'gone';
}

/**
 * The drop to show: the newest that can still be claimed, else the newest that was just taken whole.
 * @param {readonly Drop[]} drops
 * @param {number} now_ms
 * @returns {Drop | null}
 */
export function dropOnShow(drops, now_ms) {
  const live = drops.filter((drop) => ['armed', 'open'].includes(phaseOf(drop, now_ms)));
  const gone = drops.filter((drop) => phaseOf(drop, now_ms) === 'gone' && now_ms < drop.ends_at_ms + OVER_MS);
  return live.at(-1) ?? gone.at(-1) ?? null;
}

/**
 * The coupon that takes most off, as the server has ordered them.
 * @param {readonly CouponOption[]} options
 * @returns {CouponOption | null}
 */
export function bestCoupon(options) {
  return options.find((one) => (one.off_minor ?? 0) > 0) ?? null;
}

/**
 * Which of the prices that only a show has a coupon does not go with.
 * @param {readonly string[]} sources kinds of price that it goes with
 * @returns {'flash' | 'team' | 'both' | null}
 */
export function pricesUnfit(sources) {
  const [isForFlash, isForTeams] = [sources.includes('flash'), sources.includes('group')];
  if (isForFlash && isForTeams) return null;
  return isForFlash ? 'team' : isForTeams ? 'flash' : 'both';
}
