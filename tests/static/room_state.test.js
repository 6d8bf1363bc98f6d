// @ts-check
/** Old state + event = state anew, over the cases in tests/events that the server's tests read too; and the other lanes. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import test from 'node:test';
import { applyEvent, applyFrame, applyKeys, applySales, hasGap, itemOf, modelOf, saleOf } from '../../static/js/logic/room_state.js';

/** @typedef {import('../../static/js/logic/room_state.js').RoomState} RoomState */
/** @typedef {import('../../static/js/logic/room_state.js').SaleEvent} SaleEvent */
/** @typedef {{name: string, before: RoomState, event: SaleEvent, after: RoomState}} Case */

const folder = new URL('../events/', import.meta.url);
const TYPES = ['room.state', 'show.pinned', 'show.unpinned', 'bag.changed', 'announcement', 'flash.armed', 'flash.opened', 'flash.sold_out', 'flash.resumed', 'flash.halted', 'flash.unhalted', 'flash.closed', 'chat.deleted', 'user.muted'];

/** @param {string} name @returns {Case} */
const readCase = (name) => JSON.parse(readFileSync(new URL(name, folder), 'utf8'));
const files = readdirSync(folder).filter((name) => name.endsWith('.json'));

test('every sale-lane type has a case', () => {
  const covered = new Set(files.map((file) => readCase(file).event[0]));
  assert.deepEqual(TYPES.filter((type) => !covered.has(type)), []);
});

for (const file of files) {
  const { name, before, event, after } = readCase(file);
  test(`${event[0]}: ${name}`, () => {
    const copy = structuredClone(before);
    assert.deepEqual(applyEvent(before, event), after);
    assert.deepEqual(before, copy, 'the state before was changed');
  });
}

const base = readCase('flash.opened.json').before;
const model = { ...modelOf(base), epoch: 'e1', offset: 10 };

test('an unknown type leaves the state, and still counts as an event', () => {
  const next = applySales(model, 11, [['poll.opened', { poll: 'p' }, 1]]);
  assert.equal(next.state, base);
  assert.equal(next.offset, 11);
});

test('a type named like a property of every object is unknown too', () => {
  assert.equal(applyEvent(base, ['constructor', {}, 1]), base);
});

test('events that are known already are skipped', () => {
  const next = applySales(model, 9, [['show.unpinned', {}, 1], ['show.unpinned', {}, 2], ['flash.opened', { sale: 'sale-f1' }, 3]]);
  assert.equal(next.state.pinned, 'item-3');
  assert.equal(next.offset, 11);
  assert.equal(next.state.sales.at(-1)?.state, 'open');
});

test('after a gap nothing is applied', () => {
  assert.ok(hasGap(model, 12));
  assert.equal(applySales(model, 12, [['show.unpinned', {}, 1]]), model);
});

test('what an event tells beside the state is kept as facts', () => {
  const next = applySales(model, 11, [['flash.sold_out', { sale: 'sale-f1', took_ms: 41_000 }, 1], ['flash.closed', { sale: 'sale-f1', state: 'cancelled', ends_at_ms: 5, reason: 'price' }, 2]]);
  assert.deepEqual(next.facts['sale-f1'], { took_ms: 41_000, reason: 'price' });
});

test('of a key only a newer version counts, and a hello forgets versions', () => {
  const first = applyKeys(model, { viewers: [5, 100], 'stock:sale-f1': [5, [17, 42, 41]], 'group:x': [1, [1, 2]] });
  assert.equal(first.state.viewers, 100);
  assert.deepEqual(first.state.sales.at(-1)?.stock, [17, 42, 41]);
  assert.equal(applyKeys(first, { viewers: [4, 1] }).state.viewers, 100);
  const greeted = applyFrame(first, ['h', { conn: 'g1-2' }]);
  assert.equal(applyKeys(greeted, { viewers: [1, 7] }).state.viewers, 7);
});

test('the picture is what was told last, and null once nobody publishes', () => {
  const picture = { live: true, since_ms: 5, viewers: 2, codec: 'H264' };
  const live = applyKeys(model, { video: [1, picture] });
  assert.deepEqual(live.state.video, picture);
  assert.equal(applyKeys(live, { video: [2, null] }).state.video, null);
});

test('who waits for a sale is there only while somebody does, as in a state fetched anew', () => {
  const told = applyKeys(model, { 'waiting:sale-f1': [5, [3, 1]], 'waiting:elsewhere': [1, [1, 0]] });
  assert.deepEqual(told.state.sales.at(-1)?.waiting, [3, 1]);
  assert.deepEqual(applyKeys(told, { 'waiting:sale-f1': [6, [0, 0]] }).state, model.state);
});

test('a team with a seat free is in its place by the time it ends, and null takes it out', () => {
  const told = applyKeys(model, { 'group:b': [1, [1, 3, 9_000, 'sale-f1', 'A***']], 'group:a': [2, [2, 3, 5_000, 'sale-f1', 'B***']] });
  assert.deepEqual(told.state.groups, [
    { id: 'a', sale: 'sale-f1', joined: 2, need: 3, deadline_ms: 5_000, leader: 'B***' },
    { id: 'b', sale: 'sale-f1', joined: 1, need: 3, deadline_ms: 9_000, leader: 'A***' },
  ]);
  assert.deepEqual(applyKeys(told, { 'group:a': [3, null] }).state.groups?.map(({ id }) => id), ['b']);
});

test('how the process is comes as keys, and belongs to the connection', () => {
  const told = applyKeys(model, { degraded: [3, true], load: [4, 2] });
  assert.deepEqual(told.carrier, { isDegraded: true, load: 2 });
  assert.equal(told.state, model.state);
  assert.deepEqual(applyKeys(told, { degraded: [2, false] }).carrier.isDegraded, true);
  assert.deepEqual(applyFrame(told, ['h', { conn: 'g1-3' }]).carrier, { isDegraded: false, load: 0 });
});

test('a snapshot replaces everything', () => {
  const next = applyFrame(model, ['Z', 'e2', 99, { ...base, viewers: 1 }]);
  assert.deepEqual([next.epoch, next.offset, next.state.viewers], ['e2', 99, 1]);
});

test('a chat line is added once', () => {
  const line = ['line-9', 'u', 'n', 'text', [], 1];
  const once = applyFrame(model, ['L', 10, [line], 0]);
  assert.equal(applyFrame(once, ['L', 10, [line], 0]).state.chat.length, base.chat.length + 1);
});

test('frames that are not about the room leave the model', () => {
  assert.equal(applyFrame(model, ['D', 'order.paid', {}]), model);
  assert.equal(applyFrame(model, ['?', 1]), model);
});

test('an item has its regular sale and its newest flash sale', () => {
  const item = itemOf(base, 'item-3');
  assert.ok(item);
  assert.equal(saleOf(base, item, 'regular')?.id, 'sale-r3');
  assert.equal(saleOf(base, item, 'flash')?.id, 'sale-f1');
  assert.equal(itemOf(base, 'nothing'), null);
});
