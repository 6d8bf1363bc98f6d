// @ts-check
/** What the form of a group buy asks for, which campaign the desk is about, what may be done to a team. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { campaignsOnDesk, campaignToHalt, canComplete, countTeams, hasEnded, isUntouched, readGroupForm, suggestedGroup } from '../../static/js/logic/console_groups.js';

/** @typedef {import('../../static/js/logic/room_state.js').Sale} Sale */
/** @typedef {import('../../static/js/logic/teams.js').TeamView} TeamView */

const LIMITS = { normal_minor: 32_900, available: 20, minor_units: 100 };
const USUAL = suggestedGroup(LIMITS);
/** @type {Sale} */
const SALE = { id: 's', kind: 'group', sku: 'bowl', price_minor: 24_900, currency: 'CNY', state: 'open', opens_at_ms: 0, ends_at_ms: 9, per_buyer: 1, stock: [6, 0, 0] };
/** @type {TeamView} */
const TEAM = {
  id: 'a', sale: 's', room: 'demo', sku: 'bowl', title: 'Bowl', price_minor: 24_900, normal_price_minor: 32_900, currency: 'CNY', need: 3, joined: 2, paid: 1,
  state: 'forming', leader: 'A***', deadline_ms: 50_000,
};
/** @param {Sale[]} sales @param {string | null} [pinned] @returns {import('../../static/js/logic/room_state.js').RoomState} */
const room = (sales, pinned = null) => ({
  room: 'demo', show: null, pinned, sales, viewers: 1, likes: 0, modes: {}, chat: [],
  bag: [{ item: 'i1', no: 1, sku: 'bowl', title: 'Bowl', price_minor: 32_900, currency: 'CNY', sale: null }],
});

test('the form opens with what can be opened at once', () => {
  assert.deepEqual(readGroupForm(USUAL, LIMITS), { wish: { price_minor: 26_300, need: 3, quantity: 9, per_buyer: 1, lasts_s: 86_400 }, wrong: [], asksRepeat: false });
});

test('units are whole teams, no more than the stock has', () => {
  assert.equal(readGroupForm({ ...USUAL, need: '5', teams: '4' }, LIMITS).wish?.quantity, 20);
  assert.deepEqual(readGroupForm({ ...USUAL, need: '5', teams: '5' }, LIMITS).wrong, ['teams']);
  assert.deepEqual(readGroupForm({ ...USUAL, need: '1' }, LIMITS).wrong, ['need']);
});

test('hours and minutes make one time, and some time it must be', () => {
  assert.equal(readGroupForm({ ...USUAL, hours: '1', minutes: '30' }, LIMITS).wish?.lasts_s, 5_400);
  assert.equal(readGroupForm({ ...USUAL, hours: '', minutes: '5' }, LIMITS).wish?.lasts_s, 300);
  assert.deepEqual(readGroupForm({ ...USUAL, hours: '0', minutes: '0' }, LIMITS).wrong, ['minutes']);
  assert.deepEqual(readGroupForm({ ...USUAL, hours: '120', minutes: '1' }, LIMITS).wrong, ['hours']);
  assert.deepEqual(readGroupForm({ ...USUAL, hours: '121', minutes: 'x', per_buyer: '0' }, LIMITS).wrong, ['hours', 'minutes', 'per_buyer']);
});

test('a price is below the normal one, and a deep cut is typed twice', () => {
  assert.deepEqual(readGroupForm({ ...USUAL, price: '329' }, LIMITS).wrong, ['price']);
  const deep = readGroupForm({ ...USUAL, price: '24.9' }, LIMITS);
  assert.deepEqual([deep.wish, deep.wrong, deep.asksRepeat], [null, ['repeat'], true]);
  assert.equal(readGroupForm({ ...USUAL, price: '24.9', repeat: '24.90' }, LIMITS).wish?.price_minor, 2_490);
});

test('the desk is about what runs, then about what has teams that form', () => {
  const cup = { ...SALE, id: 't', sku: 'cup' };
  const over = { ...SALE, state: /** @type {const} */ ('ended') };
  const ids = (/** @type {Parameters<typeof campaignsOnDesk>} */ ...facts) => campaignsOnDesk(...facts).map(({ id }) => id);
  assert.deepEqual(ids(room([SALE, cup]), [], []), ['t', 's']);
  assert.deepEqual(ids(room([SALE, cup], 'i1'), [], []), ['s', 't']);
  assert.deepEqual(ids(room([over]), [TEAM], []), ['s']);
  assert.deepEqual(ids(room([over, cup]), [TEAM], []), ['t', 's']);
  assert.deepEqual(ids(room([over]), [{ ...TEAM, state: 'formed' }], []), []);
});

test('a campaign of an earlier show stays on the desk while a team of it forms, behind what runs', () => {
  const over = { ...SALE, id: 'e', state: /** @type {const} */ ('ended') };
  const forms = { ...TEAM, sale: 'e' };
  assert.deepEqual(campaignsOnDesk(room([]), [forms], [over]).map(({ id }) => id), ['e']);
  assert.deepEqual(campaignsOnDesk(room([SALE]), [forms], [over]).map(({ id }) => id), ['s', 'e']);
  assert.deepEqual(campaignsOnDesk(room([over]), [forms], [over]).map(({ id }) => id), ['e']);
});

test('what has ended opens no team, also while it is halted', () => {
  assert.equal(hasEnded(SALE, 8), false);
  assert.equal(hasEnded(SALE, 9), true);
  assert.equal(hasEnded({ ...SALE, state: 'ended' }, 8), true);
  assert.equal(hasEnded({ ...SALE, state: 'halted' }, 9), true);
  assert.equal(hasEnded({ ...SALE, ends_at_ms: null }, 9), false);
});

test('it is taken back while nobody has a seat, and teams are counted by what became of them', () => {
  assert.equal(isUntouched(SALE), true);
  assert.equal(isUntouched({ ...SALE, stock: [5, 1, 0] }), false);
  assert.equal(isUntouched({ ...SALE, stock: [5, 0, 1] }), false);
  const teams = [TEAM, { ...TEAM, state: /** @type {const} */ ('formed'), paid: 2, is_completed: true }, { ...TEAM, state: /** @type {const} */ ('failed') }, { ...TEAM, sale: 'x' }];
  assert.deepEqual(countTeams(teams, 's'), { open: 1, formed: 1, failed: 1, completed: 1, paid: 2 });
});

test('a team is completed when somebody has paid and its time is not over', () => {
  assert.equal(canComplete(TEAM, 1), true);
  assert.equal(canComplete({ ...TEAM, paid: 0 }, 1), false);
  assert.equal(canComplete({ ...TEAM, state: 'formed' }, 1), false);
  assert.equal(canComplete(TEAM, 50_000), false);
});

test('a deep price goes with its confirmation, and rules go along', () => {
  assert.equal(readGroupForm({ ...USUAL, price: '24.9', repeat: '24.90' }, LIMITS).wish?.confirm_price_minor, 2_490);
  assert.deepEqual(readGroupForm({ ...USUAL, drop_limit: '2' }, LIMITS).wish?.rules, { drop_limit: 2 });
  assert.deepEqual(readGroupForm({ ...USUAL, drop_limit: '0' }, LIMITS).wrong, ['drop_limit']);
});

test('the kill switch is about a flash sale first, then about the group buy', () => {
  const sale = (/** @type {object} */ change) => ({ id: 'g', kind: 'group', item: 'i1', state: 'open', ...change });
  const state = (/** @type {object[]} */ ...sales) => /** @type {any} */ ({ sales });
  assert.equal(campaignToHalt(state(sale({ id: 'r', kind: 'regular' }), sale({})), 'i1')?.id, 'g');
  assert.equal(campaignToHalt(state(sale({ state: 'halted' })), 'i1')?.id, 'g');
  assert.equal(campaignToHalt(state(sale({}), sale({ id: 'f', kind: 'flash' })), 'i1'), null);
  assert.equal(campaignToHalt(state(sale({ state: 'ended' })), 'i1'), null);
  assert.equal(campaignToHalt(state(sale({})), 'i2'), null);
});
