// @ts-check
/**
 * A coupon in the reader's own words: what it takes off, and of what.
 */
import { money } from '../../lib/format.js';
import { t } from '../../lib/i18n.js';
import { pricesUnfit } from '../../logic/coupons.js';

/** @typedef {import('../../logic/room_state.js').Coupon} Coupon */

/**
 * @param {Coupon} coupon
 * @returns {string}
 */
export function couponOff(coupon) {
  if (!coupon.percent) return t('coupon.off', { price: money(coupon.amount_minor ?? 0, coupon.currency) });
  const off = t('coupon.percent', { percent: coupon.percent });
  return coupon.max_minor ? t('coupon.percent_max', { off, price: money(coupon.max_minor, coupon.currency) }) : off;
}

/**
 * @param {Coupon} coupon
 * @returns {string}
 */
export function couponTerms(coupon) {
  const parts = [coupon.threshold_minor ? t('coupon.from', { price: money(coupon.threshold_minor, coupon.currency) }) : t('coupon.from_any')];
  if (coupon.scope === 'shop') parts.push(t('coupon.every_room'));
  if (coupon.skus?.length) parts.push(t('coupon.some_goods'));
  const unfit = pricesUnfit(coupon.sources);
  if (unfit) parts.push(t(`coupon.not_with.${unfit}`));
  return parts.join(t('site.separator'));
}
