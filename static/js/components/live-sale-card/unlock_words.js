// @ts-check
/** What the room and the console say of a price that may fall for everybody. */
import { money, number } from '../../lib/format.js';
import { t } from '../../lib/i18n.js';
import { unlockOf } from '../../logic/unlocks.js';

/**
 * The threshold of a sale in one or two short sentences, and how much of the way is gone; null for a sale without one.
 * @param {import('../../logic/room_state.js').Sale | null | undefined} sale
 * @param {number} now_ms
 * @returns {{text: string, note: string, part: number, state: 'open' | 'unlocked' | 'missed'} | null}
 */
export function unlockWords(sale, now_ms) {
  const unlock = unlockOf(sale, now_ms);
  if (!sale || !unlock) return null;
  // Called off before anybody paid: there is no price to speak of.
  if (sale.state === 'cancelled' && unlock.promised === 0) return null;
  const { state, part, otherwise } = unlock;
  const words = {
    count: number(unlock.missing), price: money(unlock.price_minor, sale.currency), plain: money(unlock.plain_minor, sale.currency),
    promised: number(unlock.promised), units: number(unlock.units),
  };
  const text = t(`unlock.${state}`, words);
  const note = state === 'unlocked' ? '' : t(state === 'open' ? `unlock.else_${otherwise}` : `unlock.missed_${otherwise}`, words);
  return { text, note, part, state };
}
