// @ts-check
/** Which group buy a room shows, which teams can be joined, and where one's own stands. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { OVER_MS, canOpen, groupBuyOnShow, openTeams, seatIn, whatWent } from '../../static/js/logic/teams.js';

/** @typedef {import('../../static/js/logic/room_state.js').Sale} Sale */
/** @typedef {import('../../static/js/logic/room_state.js').RoomState} RoomState */
/** @typedef {import('../../static/js/logic/teams.js').Seat} Seat */

/** @type {Sale} */
const SALE = {
  id: 's', kind: 'group', sku: 'bowl', price_minor: 24_900, currency: 'CNY', state: 'open', opens_at_ms: 0, ends_at_ms: 90_000,
  per_buyer: 1, stock: [6, 0, 0], item: 'i1', group: { need: 3, lasts_ms: 50_000 },
};
const TEAM = { id: 'a', sale: 's', joined: 2, need: 3, deadline_ms: 50_000, leader: 'A***' };

/** @param {Partial<RoomState>} [changes] @returns {RoomState} */
const room = (changes) => ({
  room: 'demo', show: { id: 'x', title: '', status: 'live' }, pinned: null, sales: [SALE], groups: [TEAM], viewers: 1, likes: 0, modes: {}, chat: [],
  bag: [{ item: 'i1', no: 1, sku: 'bowl', title: 'Bowl', price_minor: 32_900, currency: 'CNY', sale: null }], ...changes,
});

/** @param {Partial<Seat>} [changes] @param {Partial<Seat['group']>} [group] @returns {Seat} */
const seat = (changes, group) => ({
  reservation: 'r', state: 'held', is_leader: false, ...changes,
  group: { ...TEAM, room: 'demo', sku: 'bowl', title: 'Bowl', price_minor: 24_900, normal_price_minor: 32_900, currency: 'CNY', paid: 0, state: 'forming', ...group },
});
const free = () => false;

test('a team is there to be joined until it is full or its time is over', () => {
  assert.deepEqual(openTeams(room(), 's', 49_999).map(({ id }) => id), ['a']);
  assert.deepEqual(openTeams(room(), 's', 50_000), []);
  assert.deepEqual(openTeams(room({ groups: [{ ...TEAM, joined: 3 }] }), 's', 1), []);
  assert.deepEqual(openTeams(room(), 'other', 1), []);
});

test('a new team needs all its seats beside what the others still need', () => {
  assert.equal(canOpen({ ...SALE, stock: [4, 2, 0] }, [TEAM], 1), true);
  assert.equal(canOpen({ ...SALE, stock: [3, 2, 0] }, [TEAM], 1), false);
  assert.equal(canOpen(SALE, [], 90_000), false);
  assert.equal(canOpen({ ...SALE, state: 'ended' }, [], 1), false);
});

test('the team that forms is one’s own before one that has formed; what was left is nobody’s', () => {
  const formed = seat({ state: 'sold' }, { id: 'f', state: 'formed' });
  assert.equal(seatIn([formed, seat()], 's')?.group.id, 'a');
  assert.equal(seatIn([formed], 's')?.group.id, 'f');
  assert.equal(seatIn([seat({ state: 'released' }), seat({ state: 'expired' }, { state: 'failed' })], 's'), null);
});

test('what the card is about: my seat, a team, a new one, or nothing', () => {
  const phase = (/** @type {RoomState} */ state, /** @type {Seat[]} */ seats = [], isHeld = free) => groupBuyOnShow(state, seats, isHeld, 1)?.phase;
  assert.equal(phase(room(), [seat()], () => true), 'pay');
  assert.equal(phase(room(), [seat({ state: 'paying' })]), 'wait');
  assert.equal(phase(room()), 'join');
  assert.equal(phase(room({ groups: [] })), 'open');
  assert.equal(phase(room({ groups: [], sales: [{ ...SALE, stock: [2, 0, 4] }] })), 'full');
  const formed = [seat({ state: 'sold' }, { id: 'f', state: 'formed' })];
  assert.equal(phase(room(), formed), 'formed');
  assert.equal(phase(room(), [seat({ state: 'held' }, { state: 'formed' })], () => true), 'pay');
  assert.equal(phase(room({ sales: [{ ...SALE, per_buyer: 2 }] }), formed), 'join');
});

test('a campaign that is closed stays while it has a team, and shows nothing without', () => {
  const closed = { ...SALE, state: /** @type {const} */ ('ended') };
  assert.equal(groupBuyOnShow(room({ sales: [closed] }), [], free, 1)?.phase, 'join');
  assert.equal(groupBuyOnShow(room({ sales: [closed], groups: [] }), [], free, 1), null);
  assert.equal(groupBuyOnShow(room({ sales: [closed], groups: [] }), [seat()], free, 1)?.phase, 'wait');
  assert.equal(groupBuyOnShow(room({ show: null }), [], free, 1), null);
});

test('of several, one’s own comes first, then that of the pinned item, then the newest', () => {
  const newer = { ...SALE, id: 't', sku: 'cup' };
  const two = room({ sales: [SALE, newer] });
  assert.equal(groupBuyOnShow(two, [], free, 1)?.sale.id, 't');
  assert.equal(groupBuyOnShow({ ...two, pinned: 'i1' }, [], free, 1)?.sale.id, 's');
  assert.equal(groupBuyOnShow(two, [seat()], free, 1)?.sale.id, 's');
});

test('news of one’s team can be read for a while after the group buy went', () => {
  const news = { sale: 's', at_ms: 1_000 };
  assert.equal(whatWent(room(), news, 1_000)?.phase, 'over');
  assert.equal(whatWent(room(), news, 1_000 + OVER_MS), null);
  assert.equal(whatWent(room({ sales: [] }), news, 1_000), null);
  assert.equal(whatWent(room(), null, 1_000), null);
});
