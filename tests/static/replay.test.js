// @ts-check
/** Places of a replay: which moment, what was shown, what was said. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { chapterAt, linesAt, stateAt, wallOf } from '../../static/js/logic/replay.js';

const NOON = 1_795_346_000_000;
const PARTS = [
  { no: 1, from_ms: NOON, to_ms: NOON + 100_000, start_ms: 0 },
  { no: 2, from_ms: NOON + 160_000, to_ms: NOON + 200_000, start_ms: 100_000 },
];
const EMPTY = /** @type {any} */ ({ room: 'demo', show: null, pinned: null, bag: [], sales: [], viewers: 0, likes: 0, modes: {}, chat: [] });
/** @type {import('../../static/js/logic/replay.js').LoggedEvent[]} */
const EVENTS = [
  [1, 'room.state', { show: { id: 'w' }, pinned: null, bag: [{ item: 'a' }], sales: [], announcement: null }, NOON],
  [2, 'show.pinned', { item: 'a' }, NOON + 10_000],
  [3, 'a.kind.of.tomorrow', {}, NOON + 11_000],
  [4, 'announcement', { text: 'Hello' }, NOON + 20_000],
  [5, 'show.unpinned', { item: 'a' }, NOON + 30_000],
];

test('a hole in the picture takes no time of the video', () => {
  assert.equal(wallOf(PARTS, 0), NOON);
  assert.equal(wallOf(PARTS, 99_999), NOON + 99_999);
  assert.equal(wallOf(PARTS, 100_000), NOON + 160_000);
  assert.equal(wallOf(PARTS, 999_000), NOON + 200_000);
  assert.equal(wallOf([], 5), 0);
});

test('a place shows the same whether one played up to it or jumped back', () => {
  const pinnedAt = (/** @type {number} */ s) => stateAt(EMPTY, EVENTS, NOON + s * 1000).pinned;
  assert.deepEqual([9, 10, 25, 31, 15].map(pinnedAt), [null, 'a', 'a', null, 'a']);
  assert.equal(stateAt(EMPTY, EVENTS, NOON + 25_000).announcement, 'Hello');
  assert.equal(stateAt(EMPTY, EVENTS, NOON - 1), EMPTY);
  assert.equal(EMPTY.pinned, null);
});

test('the chat has what had been said, the newest of it', () => {
  const lines = Array.from({ length: 100 }, (_, i) => /** @type {any} */ ([`l${i}`, 'u', 'Mika', `${i}`, [], NOON + i * 1000]));
  assert.equal(linesAt(lines, NOON - 1).length, 0);
  assert.deepEqual(linesAt(lines, NOON + 2_000).map(([id]) => id), ['l0', 'l1', 'l2']);
  assert.equal(linesAt(lines, NOON + 99_000).length, 60);
  assert.equal(linesAt(lines, NOON + 99_000).at(-1)?.[0], 'l99');
});

test('a chapter holds from its beginning to before its end', () => {
  const one = { item: 'a', no: 1, title: 'Bowl', title_zh: null, at_ms: NOON, start_ms: 10_000, end_ms: 30_000 };
  assert.deepEqual([9_999, 10_000, 29_999, 30_000].map((at) => chapterAt([one], at)?.no ?? null), [null, 1, 1, null]);
});
