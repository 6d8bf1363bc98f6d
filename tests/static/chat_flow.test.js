// @ts-check
/** Chat at reading speed: what is shown, what is counted, and one's own lines. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { acceptOwn, addOwn, countSaid, rejectOwn, removeLine, startFlow, takeLines, tickFlow } from '../../static/js/logic/chat_flow.js';

/** @typedef {import('../../static/js/logic/room_state.js').ChatLine} ChatLine */

/** @param {number} count @param {string} [user] @param {string[]} [flags] @returns {ChatLine[]} */
const makeLines = (count, user = 'u', flags = []) => Array.from({ length: count }, (_, index) => [`${user}-${index}`, user, user, `line ${index}`, flags, 1]);

test('a tick draws four lines and keeps their order', () => {
  const flow = tickFlow(takeLines(startFlow(), makeLines(9), 0, null), 250, null);
  assert.deepEqual(flow.rows.map((row) => row.id), ['u-5', 'u-6', 'u-7', 'u-8']);
});

test('host, moderators and oneself are never left out', () => {
  const lines = [...makeLines(2, 'host', ['host']), ...makeLines(2, 'mod', ['mod']), ...makeLines(2, 'me'), ...makeLines(9)];
  const ids = tickFlow(takeLines(startFlow(), lines, 0, 'me'), 250, 'me').rows.map((row) => row.id);
  assert.deepEqual(ids, ['host-0', 'host-1', 'mod-0', 'mod-1', 'me-0', 'me-1']);
});

test('a busy room says one in how many, at most every five seconds', () => {
  let flow = startFlow();
  for (let tick = 1; tick <= 20; tick += 1) flow = tickFlow(takeLines(flow, makeLines(4, `t${tick}`), 8, null), tick * 250, null);
  assert.equal(flow.oneIn, 3);
  const said_ms = flow.oneInAt_ms;
  for (let tick = 21; tick <= 60; tick += 1) {
    flow = tickFlow(flow, tick * 250, null);
    if (tick * 250 - said_ms < 5_000) assert.equal(flow.oneIn, 3);
  }
  assert.equal(flow.oneIn, 1);
});

test('a quarter left out is not worth a word', () => {
  const flow = tickFlow(takeLines(startFlow(), makeLines(3), 1, null), 250, null);
  assert.equal(flow.oneIn, 1);
});

test('an own line is there at once and becomes the echo', () => {
  const own = { key: 'own-1', user: 'me', name: 'Me', text: 'hello', at_ms: 1 };
  const pending = addOwn(startFlow(), own);
  assert.equal(pending.rows[0]?.state, 'pending');
  const echoed = takeLines(pending, [['id-1', 'me', 'Me', 'hello', [], 2]], 0, 'me');
  assert.deepEqual([echoed.rows.length, echoed.rows[0]?.key, echoed.rows[0]?.id, echoed.rows[0]?.state], [1, 'own-1', 'id-1', 'shown']);
});

test('an accepted line does not come twice', () => {
  const own = { key: 'own-1', user: 'me', name: 'Me', text: 'hello', at_ms: 1 };
  const accepted = acceptOwn(addOwn(startFlow(), own), 'own-1', 'id-1');
  const flow = tickFlow(takeLines(accepted, [['id-1', 'me', 'Me', 'hello', [], 2]], 0, 'me'), 250, 'me');
  assert.deepEqual(flow.rows.map((row) => [row.id, row.state]), [['id-1', 'shown']]);
});

test('a lost line stays to be sent again, a refused one goes back to the field', () => {
  const own = { key: 'own-1', user: 'me', name: 'Me', text: 'hello', at_ms: 1 };
  assert.equal(rejectOwn(addOwn(startFlow(), own), 'own-1', 'failed').rows[0]?.state, 'failed');
  assert.equal(rejectOwn(addOwn(startFlow(), own), 'own-1', 'refused').rows.length, 0);
});

test('a removed line says so for two seconds, then goes', () => {
  const flow = removeLine(startFlow(makeLines(2)), 'u-0', 1_000);
  assert.equal(flow.rows[0]?.state, 'removed');
  assert.equal(tickFlow(flow, 2_900, null).rows.length, 2);
  assert.deepEqual(tickFlow(flow, 3_000, null).rows.map((row) => row.id), ['u-1']);
});

test('a removed line that was not shown yet is not shown', () => {
  const flow = removeLine(takeLines(startFlow(), makeLines(1), 0, null), 'u-0', 1);
  assert.equal(tickFlow(flow, 250, null).rows.length, 0);
});

test('the page keeps at most 120 rows', () => {
  let flow = startFlow();
  for (let tick = 1; tick <= 40; tick += 1) flow = tickFlow(takeLines(flow, makeLines(4, `t${tick}`), 0, null), tick * 250, null);
  assert.equal(flow.rows.length, 120);
});

test('nothing new is the same flow', () => {
  const flow = startFlow(makeLines(1));
  assert.equal(tickFlow(flow, 250, null), flow);
});

test('a line that stands for twelve counts twelve times, shown or not', () => {
  const [cheer, ...others] = makeLines(9);
  /** @type {ChatLine} */
  const twelve = [.../** @type {ChatLine} */ (cheer)];
  twelve[4] = ['x12'];
  assert.equal(countSaid([twelve, ...others]), 20);
  const missed = tickFlow(takeLines(startFlow(), [twelve, ...others], 0, null), 250, null);
  assert.deepEqual(missed.tallies, [{ at_ms: 250, shown: 4, missed: 16 }]);
  const shown = tickFlow(takeLines(startFlow(), [...others, twelve], 0, null), 250, null);
  assert.deepEqual(shown.tallies, [{ at_ms: 250, shown: 15, missed: 5 }]);
  assert.equal(shown.rows.at(-1)?.stands_for, 12);
  assert.equal(shown.oneIn, 1);
});

test('the echo of an own line says whom else it stands for', () => {
  let flow = addOwn(startFlow(), { key: 'own-1', user: 'me', name: 'Me', text: '666', at_ms: 1 });
  flow = acceptOwn(flow, 'own-1', 'a');
  flow = takeLines(flow, [['a', 'me', 'Me', '666', ['x3'], 1]], 0, 'me');
  assert.deepEqual(flow.rows.map((row) => [row.key, row.stands_for]), [['own-1', 3]]);
  assert.equal(flow.queue.length, 0);
});
