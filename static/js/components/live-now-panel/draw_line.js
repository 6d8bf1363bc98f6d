// @ts-check
/**
 * What the now panel says of a draw: how many are in, and when it is drawn or how it went.
 *
 * Invariant: the outcome is the server's; only the time left is computed here.
 */
import { drawPhase } from '../../logic/draws.js';
import { duration, number, timeWithSeconds } from '../../lib/format.js';
import { html } from '../../lib/html.js';
import { t } from '../../lib/i18n.js';

/** @typedef {import('../../logic/room_state.js').Sale} Sale */

/**
 * @param {Sale} sale one that is drawn
 * @param {number} now_ms server time
 */
export function drawLine(sale, now_ms) {
  const count = sale.draw?.entries ?? 0;
  return html`<span><b>${number(count)}</b> ${t('console.entries', { count })}</span> <span>${drawnWhen(sale, now_ms)}</span>`;
}

/**
 * @param {Sale} sale
 * @param {number} now_ms
 * @returns {string}
 */
function drawnWhen(sale, now_ms) {
  const { entry_closes_at_ms = 0, winners = 0 } = sale.draw ?? {};
  const phase = drawPhase(sale, now_ms);
  if (phase === 'drawn') return t('console.drawn', { count: winners, total: number(winners) });
  if (sale.state === 'ended' || sale.state === 'cancelled') return t('console.not_drawn');
  if (phase === 'drawing') return t(sale.state === 'halted' ? 'console.draw_waits' : 'draw.drawing');
  const words = { time: timeWithSeconds(entry_closes_at_ms), duration: duration(entry_closes_at_ms - now_ms) };
  return t(sale.state === 'armed' ? 'console.draw_at' : 'console.draw_in', words);
}
