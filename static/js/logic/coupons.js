// @ts-check
/**
 * Coupons: which drop a room shows, which coupon is best, and what a host's form asks for.
 *
 * Invariant: the server decides what a coupon takes off; this only orders what it said, and reads a form.
 */
import { parsePrice } from './typed.js';

/** @typedef {import('./room_state.js').Drop} Drop */
/** @typedef {{id: string, title: string, title_zh?: string, expires_at_ms: number, off_minor?: number, why?: string,
 *   missing_minor?: number}} CouponOption one of the buyer's coupons, as a quote lists it */
/** @typedef {{off: string, threshold: string, quantity: string, countdown_s: string, duration_s: string, per_card: string, every: boolean,
 *   where: DropScope}} DropFields `per_card` empty: no limit */
/** @typedef {'room' | 'shop' | 'item'} DropScope everything in this room, everything in the shop, or one item in every room */
/** @typedef {{amount_minor: number, percent: number, threshold_minor: number, quantity: number, countdown_s: number,
 *   duration_s: number, sources: string[], per_card?: number, scope?: 'shop', skus?: string[]} & import('./console_coupons.js').DropLimits} DropWish */

/** A drop that is over stays on the screen this long, so that nobody wonders where it went. */
export const OVER_MS = 15_000;
const EVERY_SOURCE = ['list', 'campaign', 'flash', 'group'];
const PLAIN_SOURCES = ['list', 'campaign'];
/** What a host usually drops. @type {DropFields} */
export const USUAL = { off: '30', threshold: '0', quantity: '100', countdown_s: '10', duration_s: '300', per_card: '', every: false, where: 'room' };

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

/**
 * @param {string} text
 * @param {number} lowest
 * @param {number} highest
 * @returns {number | null}
 */
function whole(text, lowest, highest) {
  const plain = text.trim();
  const value = /^\d{1,9}$/.test(plain) ? Number(plain) : NaN;
  return value >= lowest && value <= highest ? value : null;
}

/**
 * What a form asks for, or the fields that are wrong. `off` is an amount, or a percentage with its sign.
 * @param {DropFields} fields
 * @param {number} minor_units
 * @param {string | null} [sku] of the item that *only this* means
 * @returns {{wish: DropWish | null, wrong: string[]}}
 */
export function readDropForm(fields, minor_units, sku = null) {
  const off = fields.off.trim();
  const isPercent = /[%％]$/.test(off);
  const percent = isPercent ? whole(off.slice(0, -1), 1, 99) : 0;
  const amount_minor = isPercent ? 0 : parsePrice(off, minor_units);
  const threshold_minor = /^0*$/.test(fields.threshold.trim()) ? 0 : parsePrice(fields.threshold, minor_units);
  const quantity = whole(fields.quantity, 1, 1_000_000);
  const countdown_s = whole(fields.countdown_s, 0, 3_600);
  const duration_s = whole(fields.duration_s, 1, 86_400);
  const isLimited = fields.per_card.trim() !== '';
  const per_card = isLimited ? whole(fields.per_card, 1, 1_000) : 0;
  const wrong = [];
  if (percent === null || amount_minor === null || (!isPercent && amount_minor === 0)) wrong.push('off');
  if (threshold_minor === null) wrong.push('threshold');
  if (quantity === null) wrong.push('quantity');
  if (countdown_s === null) wrong.push('countdown_s');
  if (duration_s === null) wrong.push('duration_s');
  if (per_card === null) wrong.push('per_card');
  if (percent === null || amount_minor === null || threshold_minor === null || quantity === null || countdown_s === null || duration_s === null || per_card === null || wrong.length > 0) return { wish: null, wrong };
  const limits = { ...(isLimited ? { per_card } : {}), ...scopeOf(fields.where, sku) };
  return { wish: { amount_minor, percent, threshold_minor, quantity, countdown_s, duration_s, sources: fields.every ? EVERY_SOURCE : PLAIN_SOURCES, ...limits }, wrong };
}

/**
 * Where and of what a coupon takes off, as the server is asked; in this room alone is not said.
 * @param {DropScope} where
 * @param {string | null} sku
 * @returns {{scope?: 'shop', skus?: string[]}}
 */
function scopeOf(where, sku) {
  if (where === 'room') return {};
  return where === 'item' && sku !== null ? { scope: 'shop', skus: [sku] } : { scope: 'shop' };
}
