// @ts-check
/**
 * A team and its price in the reader's own words.
 */
import { duration, money, number } from '../../lib/format.js';
import { t } from '../../lib/i18n.js';

/** @typedef {import('../../logic/teams.js').TeamFacts} TeamFacts */
/** @typedef {import('../../logic/room_state.js').Team} Team */

/** @param {import('../../logic/room_state.js').Sale} sale @param {number | null | undefined} normal_minor */
export function teamPrice(sale, normal_minor) {
  const words = { price: money(sale.price_minor, sale.currency), need: number(sale.group?.need ?? 0) };
  return normal_minor ? t('team.price', { ...words, normal: money(normal_minor, sale.currency) }) : t('team.price_alone', words);
}

/** What a team still needs, and how long it can wait. @param {Team} team @param {number} now_ms */
export function teamNeeds({ joined, need, deadline_ms }, now_ms) {
  return [t('team.needs', { missing: number(need - joined) }), duration(deadline_ms - now_ms)].join(t('site.separator'));
}

/** How far one's own team is; a seat in one that is whole may still have to be paid. @param {import('../../logic/teams.js').TeamView} team */
export function teamProgress({ joined, need, paid, is_completed, state }, isUnpaid = false) {
  if (isUnpaid && state === 'formed') return t('team.formed_unpaid');
  const words = { joined: number(joined), need: number(need), paid: number(paid), missing: number(need - joined) };
  if (state === 'formed') return t(is_completed ? 'team.completed' : 'team.formed');
  return t(joined < need ? 'team.in' : 'team.all_in', words);
}

/**
 * The one line that says how things stand.
 * @param {TeamFacts} facts
 * @param {number} now_ms
 */
export function teamLine({ phase, seat, teams }, now_ms) {
  if (seat && (phase === 'pay' || phase === 'wait' || phase === 'formed')) {
    const time = seat.group.state === 'forming' ? [duration(seat.group.deadline_ms - now_ms)] : [];
    return [teamProgress(seat.group, phase === 'pay'), ...time].join(t('site.separator'));
  }
  const [first] = teams;
  if (phase === 'join' && first) return [t('team.name', { name: first.leader }), teamNeeds(first, now_ms)].join(t('site.separator'));
  return t(phase === 'open' ? 'team.none_yet' : phase === 'over' ? 'team.over' : 'team.full');
}
