// @ts-check
/**
 * A price of the whole shop for a while: what a regular sale costs at a moment.
 *
 * Invariant: the sale as the server tells it has its list price; the window and the clock say which of the two holds.
 */

/** @typedef {import('./room_state.js').Sale} Sale */

/**
 * A sale with the price that holds at a moment; the same object when that is its own.
 * @param {Sale | null} sale
 * @param {number} now_ms server time
 * @returns {Sale | null}
 */
export function pricedAt(sale, now_ms) {
  const campaign = sale?.campaign_price;
  if (!sale || !campaign || now_ms < campaign.from_ms || now_ms >= campaign.until_ms) return sale;
  return { ...sale, price_minor: campaign.price_minor };
}
