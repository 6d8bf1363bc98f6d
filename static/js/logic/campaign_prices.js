// @ts-check
/**
 * A price of the whole shop for a while: what a regular sale costs at a moment.
 *
 * Invariant: the sale as the server tells it has its list price; the window and the clock say which of the two holds.
 */

/** @typedef {import('./room_state.js').Sale} Sale */
/** @typedef {{id: string, price_minor: number, from_ms: number, until_ms: number}} CampaignPrice */

/**
 * Whether a campaign price holds, is to come, or is neither (over, or none).
 * @param {CampaignPrice | null | undefined} campaign
 * @param {number} now_ms server time
 * @returns {'coming' | 'running' | null}
 */
export function phaseOfPrice(campaign, now_ms) {
  if (!campaign || now_ms >= campaign.until_ms) return null;
  return now_ms < campaign.from_ms ? 'coming' : 'running';
}

/**
 * A sale with the price that holds at a moment; the same object when that is its own.
 * @param {Sale | null} sale
 * @param {number} now_ms server time
 * @returns {Sale | null}
 */
export function pricedAt(sale, now_ms) {
  const campaign = sale?.campaign_price;
  if (!sale || !campaign || phaseOfPrice(campaign, now_ms) !== 'running') return sale;
  return { ...sale, price_minor: campaign.price_minor };
}
