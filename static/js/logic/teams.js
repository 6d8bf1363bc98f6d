// @ts-check
/**
 * Group buys: which one a room shows, which teams can be joined, where one's own team stands.
 *
 * Invariant: the server decides who has a seat; a team or a way in that is shown here may still be refused.
 */
import { itemOf } from './room_state.js';

/** @typedef {import('./room_state.js').RoomState} RoomState */
/** @typedef {import('./room_state.js').Sale} Sale */
/** @typedef {import('./room_state.js').Team} Team */
/** @typedef {{id: string, sale: string, room: string, sku: string, title: string, title_zh?: string | null, price_minor: number,
 *   normal_price_minor: number, currency: string, need: number, joined: number, paid: number, state: 'forming' | 'formed' | 'failed',
 *   leader: string, deadline_ms: number, reason?: string, is_completed?: boolean, is_open?: boolean}} TeamView a team as `/api/groups` has it */
/** @typedef {{group: TeamView, reservation: string, state: string, is_leader: boolean, order?: string}} Seat one's own */
/** @typedef {'pay' | 'wait' | 'join' | 'open' | 'formed' | 'full' | 'over'} TeamPhase what the card is about: one's seat is to be paid, or
 *   waits for the others; a team to join, none to join but one to open; one has what one may have; nothing to be had now; gone */
/** @typedef {{sale: Sale, teams: Team[], canOpen: boolean, seat: Seat | null, phase: TeamPhase}} TeamFacts */

/** What became of one's own team stays on the screen this long after the group buy itself went. */
export const OVER_MS = 15_000;
const LIVE_SEATS = new Set(['held', 'paying', 'sold']);

/** Whether a seat is in a team that still forms. @param {Seat} seat */
export function isForming({ group, state }) {
  return group.state === 'forming' && LIVE_SEATS.has(state);
}

/**
 * The teams of a sale that can be joined, soonest to end first.
 * @param {RoomState} state
 * @param {string} sale
 * @param {number} now_ms
 * @returns {Team[]}
 */
export function openTeams(state, sale, now_ms) {
  return (state.groups ?? []).filter((team) => team.sale === sale && team.joined < team.need && now_ms < team.deadline_ms);
}

/**
 * Whether all seats of one more team can be had beside what the open ones still need, as far as a room knows.
 * @param {Sale} sale
 * @param {readonly Team[]} teams
 * @param {number} now_ms
 */
export function canOpen(sale, teams, now_ms) {
  if (sale.state !== 'open' || (sale.ends_at_ms !== null && now_ms >= sale.ends_at_ms)) return false;
  const promised = teams.reduce((sum, team) => sum + team.need - team.joined, 0);
  return sale.stock[0] - promised >= (sale.group?.need ?? Infinity);
}

/**
 * One's seat in a sale: in the team that forms, else in the newest that has formed.
 * @param {readonly Seat[]} seats newest first
 * @param {string} sale
 * @returns {Seat | null}
 */
export function seatIn(seats, sale) {
  const own = seats.filter(({ group }) => group.sale === sale);
  return own.find(isForming) ?? own.find(({ group, state }) => group.state === 'formed' && LIVE_SEATS.has(state)) ?? null;
}

/**
 * @param {RoomState} state
 * @param {Sale} sale
 * @param {readonly Seat[]} seats
 * @param {boolean} isHeld
 * @param {number} now_ms
 * @returns {TeamFacts}
 */
function factsOf(state, sale, seats, isHeld, now_ms) {
  const seat = seatIn(seats, sale.id);
  const teams = openTeams(state, sale.id, now_ms);
  const isOpen = canOpen(sale, teams, now_ms);
  const bought = seats.filter(({ group, state: held }) => group.sale === sale.id && group.state === 'formed' && LIVE_SEATS.has(held)).length;
  /** @returns {TeamPhase} */
  const phase = () => {
    // Also in a team that is whole: the shop completed it, or one's money could not be taken.
    if (seat && isHeld) return 'pay';
    if (seat && isForming(seat)) return 'wait';
    if (bought >= (sale.per_buyer ?? Infinity)) return 'formed';
    if (teams.length > 0) return 'join';
    return isOpen ? 'open' : seat ? 'formed' : 'full';
  };
  return { sale, teams, canOpen: isOpen, seat, phase: phase() };
}

/**
 * The group buy that a room shows: that of one's own team, else of the pinned item, else the newest; null without one that
 * is open, or has a team that one could join or is in.
 * @param {RoomState} state
 * @param {readonly Seat[]} seats one's own, newest first
 * @param {(sale: string) => boolean} isHeld whether one holds a unit of a sale that is not paid
 * @param {number} now_ms
 * @returns {TeamFacts | null}
 */
export function groupBuyOnShow(state, seats, isHeld, now_ms) {
  if (state.show?.status !== 'live') return null;
  const all = state.sales.filter((sale) => sale.kind === 'group').map((sale) => factsOf(state, sale, seats, isHeld(sale.id), now_ms));
  const mine = all.filter(({ phase }) => phase === 'pay' || phase === 'wait');
  const isOn = (/** @type {Sale} */ sale) => sale.state === 'open' && (sale.ends_at_ms === null || now_ms < sale.ends_at_ms);
  const on = all.filter(({ sale, phase }) => phase === 'join' || isOn(sale));
  const pinned = on.filter(({ sale }) => state.pinned !== null && itemOf(state, state.pinned)?.sku === sale.sku);
  return mine.at(-1) ?? pinned.at(-1) ?? on.at(-1) ?? null;
}

/**
 * A group buy that is no longer on show, as long as there is fresh news of it to be read.
 * @param {RoomState} state
 * @param {{sale: string, at_ms: number} | null} news
 * @param {number} now_ms
 * @returns {TeamFacts | null}
 */
export function whatWent(state, news, now_ms) {
  const sale = news && now_ms - news.at_ms < OVER_MS ? state.sales.find(({ id }) => id === news.sale) : undefined;
  return sale ? { sale, teams: [], canOpen: false, seat: null, phase: 'over' } : null;
}
