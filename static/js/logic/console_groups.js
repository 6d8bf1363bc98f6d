// @ts-check
/**
 * Group buys at the console: what the form asks for, which campaign the desk is about, what may be done to it.
 *
 * Invariant: units are always whole teams; a price far below the normal one is accepted only when it was typed twice.
 */
import { isDeepCut, readRules } from './console_flash.js';
import { parseCount, parsePrice } from './typed.js';
import { isRunning } from './console_run.js';
import { itemOf } from './room_state.js';

/** @typedef {import('./room_state.js').RoomState} RoomState */
/** @typedef {import('./room_state.js').Sale} Sale */
/** @typedef {import('./teams.js').TeamView} TeamView */
/** @typedef {'price' | 'need' | 'teams' | 'per_buyer' | 'hours' | 'minutes' | 'repeat'} GroupField */
/** @typedef {import('./console_flash.js').RuleField} RuleField */
/** @typedef {Record<GroupField, string> & Partial<Record<RuleField, string>>} GroupFields */
/** @typedef {{normal_minor: number, available: number, minor_units: number}} GroupLimits minor_units: 100 for CNY */
/** @typedef {{price_minor: number, need: number, quantity: number, per_buyer: number, lasts_s: number, floor_minor?: number,
 *   confirm_price_minor?: number, rules?: Partial<Record<RuleField, number>>}} GroupWish the confirmation is the price again, typed by the host */
/** @typedef {{open: number, formed: number, failed: number, completed: number, paid: number}} TeamCounts `paid` are people in teams that formed */

/** A card authorisation is good for no longer than this. */
const LASTS_H_MAX = 120;
const NEED_LIMITS = /** @type {const} */ ([2, 100]);
const PER_BUYER_MAX = 1_000;
const HOUR_S = 3_600;
const MINUTE_S = 60;
const USUAL_NEED = 3;
const TEAMS_USUAL_MAX = 20;

/**
 * What the form opens with: a fifth off in whole units, teams of three, half of what is there, a day, one each.
 * @param {GroupLimits} limits
 * @returns {GroupFields}
 */
export function suggestedGroup({ normal_minor, available, minor_units }) {
  const teams = Math.max(1, Math.min(TEAMS_USUAL_MAX, Math.floor(available / 2 / USUAL_NEED)));
  return { price: String(Math.max(1, Math.floor((normal_minor * 0.8) / minor_units))), need: String(USUAL_NEED), teams: String(teams), per_buyer: '1', hours: '24', minutes: '0', repeat: '' };
}

/**
 * What a form asks for, or which fields are wrong.
 * @param {GroupFields} fields
 * @param {GroupLimits} limits
 * @returns {{wish: GroupWish | null, wrong: (GroupField | RuleField)[], asksRepeat: boolean}}
 */
export function readGroupForm(fields, { normal_minor, available, minor_units }) {
  const price_minor = parsePrice(fields.price, minor_units);
  const need = parseCount(fields.need, ...NEED_LIMITS);
  const teams = parseCount(fields.teams, 1, Math.floor(available / (need ?? 1)));
  const per_buyer = parseCount(fields.per_buyer, 1, PER_BUYER_MAX);
  const hours = parseCount(fields.hours.trim() || '0', 0, LASTS_H_MAX);
  const minutes = parseCount(fields.minutes.trim() || '0', 0, 59);
  const lasts_s = (hours ?? 0) * HOUR_S + (minutes ?? 0) * MINUTE_S;
  const asksRepeat = price_minor !== null && isDeepCut(price_minor, normal_minor);
  /** @type {Partial<Record<RuleField, string>>} */
  const problems = {};
  const rules = readRules(fields, problems);
  /** @type {(GroupField | RuleField)[]} */
  const wrong = [];
  if (price_minor === null || price_minor >= normal_minor) wrong.push('price');
  if (asksRepeat && parsePrice(fields.repeat, minor_units) !== price_minor) wrong.push('repeat');
  if (need === null) wrong.push('need');
  if (teams === null) wrong.push('teams');
  if (hours === null || lasts_s > LASTS_H_MAX * HOUR_S) wrong.push('hours');
  if (minutes === null || (hours === 0 && minutes === 0)) wrong.push('minutes');
  if (per_buyer === null) wrong.push('per_buyer');
  wrong.push(.../** @type {RuleField[]} */ (Object.keys(problems)));
  if (wrong.length > 0 || price_minor === null || need === null || teams === null || per_buyer === null) return { wish: null, wrong, asksRepeat };
  const more = { ...(asksRepeat ? { confirm_price_minor: price_minor } : {}), ...(Object.keys(rules).length > 0 ? { rules } : {}) };
  return { wish: { price_minor, need, quantity: teams * need, per_buyer, lasts_s, ...more }, wrong, asksRepeat };
}

/**
 * The campaigns of a room, the newest last: those of earlier shows whose teams still form, and those of the room's state.
 * @param {RoomState} state
 * @param {readonly Sale[]} earlier the newest first
 * @returns {Sale[]}
 */
export function campaignsOf(state, earlier) {
  const groups = state.sales.filter(({ kind }) => kind === 'group');
  return [...earlier.filter(({ id }) => !groups.some((sale) => sale.id === id)).reverse(), ...groups];
}

/**
 * The campaigns that the desk may be about, the first of them unless its host chooses: those that run, that of the pinned
 * item first, then those with a team that forms; the newest before others.
 * @param {RoomState} state
 * @param {readonly TeamView[]} teams
 * @param {readonly Sale[]} earlier
 * @returns {Sale[]}
 */
export function campaignsOnDesk(state, teams, earlier) {
  const pinned = state.pinned === null ? undefined : itemOf(state, state.pinned)?.sku;
  const isForming = (/** @type {Sale} */ { id }) => teams.some((team) => team.sale === id && team.state === 'forming');
  const rank = (/** @type {Sale} */ sale) => (isRunning(sale) ? (sale.sku === pinned ? 0 : 1) : 2);
  return campaignsOf(state, earlier).filter((sale) => isRunning(sale) || isForming(sale)).reverse().sort((a, b) => rank(a) - rank(b));
}

/** Whether no team of a campaign is opened any more; one that is halted may have ended too. @param {Sale} sale @param {number} now_ms */
export function hasEnded({ state, ends_at_ms }, now_ms) {
  return state === 'ended' || state === 'cancelled' || (ends_at_ms !== null && ends_at_ms <= now_ms);
}

/**
 * The campaign that the kill switch is about: that of the item, unless a flash sale of it runs, which comes first.
 * @param {RoomState} state
 * @param {string | null} item
 * @returns {Sale | null}
 */
export function campaignToHalt(state, item) {
  const own = state.sales.filter((sale) => item !== null && sale.item === item && isRunning(sale));
  return own.some(({ kind }) => kind === 'flash') ? null : own.filter(({ kind }) => kind === 'group').at(-1) ?? null;
}

/** Nobody has a seat: the whole campaign can still be taken back. @param {Sale} sale */
export function isUntouched({ stock: [, held, sold] }) {
  return held === 0 && sold === 0;
}

/**
 * What became of a campaign's teams so far.
 * @param {readonly TeamView[]} teams of any sales
 * @param {string} sale
 * @returns {TeamCounts}
 */
export function countTeams(teams, sale) {
  const own = teams.filter((team) => team.sale === sale);
  const of = (/** @type {TeamView['state']} */ state) => own.filter((team) => team.state === state);
  const formed = of('formed');
  return {
    open: of('forming').length, formed: formed.length, failed: of('failed').length,
    completed: formed.filter((team) => team.is_completed).length,
    paid: formed.reduce((sum, team) => sum + team.paid, 0),
  };
}

/** Whether the shop may complete a team: somebody has paid, and somebody is missing. @param {TeamView} team @param {number} now_ms */
export function canComplete({ state, paid, need, deadline_ms }, now_ms) {
  return state === 'forming' && paid > 0 && paid < need && now_ms < deadline_ms;
}
