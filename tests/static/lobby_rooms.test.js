// @ts-check
/** The lobby's order. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { comingRooms, isSameDay, liveRooms, minutesUntil, replayRooms } from '../../static/js/logic/lobby_rooms.js';

/** @typedef {import('../../static/js/logic/lobby_rooms.js').LobbyRoom} LobbyRoom */

/** @param {Partial<LobbyRoom>} room @returns {LobbyRoom} */
const makeRoom = (room) => ({ room: 'a', host: { id: 'h', name: 'Host' }, show: null, next_show: null, viewers: 0, next_event: null, poster: null, ...room });
const live = { id: 's', title: 'On', status: 'live' };

test('the most watched live show comes first, and only live ones are there', () => {
  const rooms = [makeRoom({ room: 'a', show: live, viewers: 3 }), makeRoom({ room: 'b', show: live, viewers: 9 }), makeRoom({ room: 'c', show: { ...live, status: 'ended' } })];
  assert.deepEqual(liveRooms(rooms).map((room) => room.room), ['b', 'a']);
});

test('shows to come are in order of time', () => {
  const show = (/** @type {number} */ starts_at_ms) => ({ id: 's', title: 'T', starts_at_ms, items: 1 });
  const rooms = [makeRoom({ room: 'a', next_show: show(20) }), makeRoom({ room: 'b', next_show: show(10) }), makeRoom({ room: 'c' })];
  assert.deepEqual(comingRooms(rooms).map((room) => room.room), ['b', 'a']);
});

test('what can be watched again is there, the newest first', () => {
  const replay = (/** @type {number} */ started_at_ms) => ({ show: 's', title: 'T', started_at_ms, length_ms: 1 });
  const rooms = [makeRoom({ room: 'a', replay: replay(10) }), makeRoom({ room: 'b', replay: replay(20), show: live }), makeRoom({ room: 'c', replay: null }), makeRoom({ room: 'd' })];
  assert.deepEqual(replayRooms(rooms).map((room) => room.room), ['b', 'a']);
});

test('minutes are said only when a show is near', () => {
  assert.equal(minutesUntil(34 * 60_000, 0), 34);
  assert.equal(minutesUntil(0, 1), null);
  assert.equal(minutesUntil(91 * 60_000, 0), null);
});

test('days are compared where the reader is', () => {
  const noon = new Date(2026, 10, 22, 12).getTime();
  assert.equal(isSameDay(noon, noon + 3_600_000), true);
  assert.equal(isSameDay(noon, noon + 86_400_000), false);
});
