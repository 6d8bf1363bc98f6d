// @ts-check
/** When a place is asked for, which place is shown, and how often the room hears that one came back. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { askIn, cameBack, hasLine, hasMoved, movedUp, mustAsk, waitingOf } from '../../static/js/logic/waiting_list.js';

/** @typedef {import('../../static/js/logic/room_state.js').RoomState} RoomState */
/** @typedef {import('../../static/js/logic/room_state.js').Waiting} Waiting */

/** @param {Waiting} [waiting] @returns {RoomState} */
const roomWith = (waiting) => /** @type {RoomState} */ (/** @type {unknown} */ ({ sales: [{ id: 'f', ...(waiting ? { waiting } : {}) }, { id: 'other' }] }));
const entry = { id: 'e', sale: 'f', qty: 1, place: 4, waiting: 6 };

test('without the figure nobody waits', () => {
  assert.deepEqual(waitingOf(roomWith(), 'f'), [0, 0]);
  assert.deepEqual(waitingOf(roomWith(), 'unknown'), [0, 0]);
  assert.deepEqual(waitingOf(roomWith([3, 1]), 'f'), [3, 1]);
});

test('a line moves when somebody leaves it or is served, not when somebody joins', () => {
  assert.equal(hasMoved([5, 0], [4, 0]), true);
  assert.equal(hasMoved([5, 0], [5, 1]), true);
  assert.equal(hasMoved([5, 1], [6, 1]), false);
  assert.equal(hasMoved([5, 1], [5, 0]), false);
});

test('a place is asked for at most every few seconds, and less often further back', () => {
  assert.equal(askIn(1, 0, 10_000, 0), 0);
  assert.equal(askIn(1, 10_000, 10_000, 0), 3_100);
  assert.equal(askIn(100, 10_000, 10_000, 0), 13_000);
  assert.equal(askIn(4_000, 10_000, 10_000, 0), 30_000);
  assert.equal(askIn(null, 10_000, 10_000, 0), 3_100);
});

test('those who hear of it together do not ask together', () => {
  assert.equal(askIn(100, 0, 60_000, 0), 0);
  assert.equal(askIn(100, 0, 60_000, 1), 6_500);
});

test('nobody is shown further back than the line is long', () => {
  assert.equal(movedUp(entry, [7, 0], [6, 0]).place, 4);
  assert.equal(movedUp(entry, [3, 0], [2, 0]).place, 2);
  assert.equal(movedUp(entry, [1, 0], [0, 1]).place, 4);
  assert.equal(movedUp({ ...entry, place: null }, [3, 0], [2, 0]).place, null);
});

test('a length that is older than the entry moves nobody', () => {
  assert.equal(movedUp(entry, [3, 0], [3, 0]).place, 4);
  assert.equal(movedUp(entry, [2, 0], [3, 0]).place, 4);
});

test('the room hears that one came back, and not again for a while', () => {
  const [before, after] = [roomWith([3, 0]), roomWith([2, 1])];
  assert.deepEqual(cameBack(before, after, {}, 10_000), ['f']);
  assert.deepEqual(cameBack(before, after, { f: 5_000 }, 10_000), []);
  assert.deepEqual(cameBack(before, after, { f: 1_000 }, 10_000), ['f']);
});

test('an offer that is answered is no news', () => {
  assert.deepEqual(cameBack(roomWith([2, 1]), roomWith([2, 0]), {}, 10_000), []);
  assert.deepEqual(cameBack(roomWith([2, 1]), roomWith(), {}, 10_000), []);
  assert.deepEqual(cameBack(roomWith(), roomWith([1, 0]), {}, 10_000), []);
});

test('a line is there while somebody waits or has an offer', () => {
  assert.deepEqual([roomWith(), roomWith([0, 0]), roomWith([1, 0]), roomWith([0, 1])].map(hasLine), [false, false, true, true]);
});

test('those ask who know of an entry, and a page just opened where people wait', () => {
  const state = roomWith([3, 0]);
  assert.equal(mustAsk({ state, isOpened: true, knows: false }), true);
  assert.equal(mustAsk({ state, isOpened: false, knows: false }), false);
  assert.equal(mustAsk({ state: roomWith(), isOpened: true, knows: false }), false);
  assert.equal(mustAsk({ state: roomWith(), isOpened: false, knows: true }), true);
});
