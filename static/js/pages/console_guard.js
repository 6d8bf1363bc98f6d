// @ts-check
/**
 * The misprice guard at the console: a price that the server takes for a mistake is typed once more, or not used.
 *
 * Invariant: only the very price that was asked for is a yes.
 */
import { minorUnits, money } from '../lib/format.js';
import { t } from '../lib/i18n.js';
import { parsePrice } from '../logic/typed.js';
import { asApiError } from '../net/api.js';

/**
 * Ask the server for something with a price; when it doubts the price, ask the host, and then once more with the confirmation.
 * @param {import('../components/live-ask/live-ask.js').LiveAsk} ask
 * @param {string} currency
 * @param {number} price_minor the lowest price that anybody may come to pay
 * @param {(confirm_price_minor?: number) => Promise<any>} send
 */
export async function sendSurely(ask, currency, price_minor, send) {
  try {
    return await send();
  } catch (error) {
    const { code, detail } = asApiError(error);
    if (code !== 'price_needs_confirmation') throw error;
    const now = money(detail.price_minor, currency);
    const lines = [t('console.guard_cut', { percent: detail.cut_percent })];
    if (detail.floor_minor !== undefined) lines.push(t('console.guard_floor', { price: money(detail.floor_minor, currency) }));
    const answer = await ask.ask({
      title: t('console.guard_title'), prices: { now, before: money(detail.list_price_minor, currency) }, lines,
      yes: t('console.guard_yes', { price: now }), isStop: true, field: { label: t('console.guard_label'), value: '', length_max: 12, isNeeded: true },
    });
    if (!answer || parsePrice(answer.text, minorUnits(currency)) !== price_minor) throw error;
    return send(price_minor);
  }
}
