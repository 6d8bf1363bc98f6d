// @ts-check
/**
 * Which place the units of an order had in their draw, on its receipt and on the order pages.
 *
 * Invariant: a place is what the server says of one's own entry; nothing is computed here.
 */
import { setText } from '../lib/element.js';
import { number } from '../lib/format.js';
import { t } from '../lib/i18n.js';
import { get } from '../net/api.js';

/** @typedef {import('../components/live-receipt/live-receipt.js').Order} Order */

/**
 * Say with each line that came by a draw which place it had; without an answer it says that it was drawn.
 * @param {Element} place
 * @param {readonly Order[]} orders
 */
export async function tellPlaces(place, orders) {
  const lines = orders.flatMap((order) => order.lines).filter(({ origin }) => origin === 'draw');
  await Promise.all([...new Set(lines.map(({ sale }) => sale))].map(async (sale) => {
    const mine = await get(`/api/sales/${encodeURIComponent(sale)}/entries/mine`).catch(() => null);
    if (!mine?.rank) return;
    const words = t('draw.won', { rank: number(mine.rank), of: number(mine.of) });
    for (const line of place.querySelectorAll(`[data-drawn="${CSS.escape(sale)}"]`)) setText(line, words);
  }));
}
