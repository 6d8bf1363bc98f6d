// @ts-check
/** The run sheet's rules: what Next does, when it asks twice, and what the live line adds. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { CONFIRM_MS, everySecond, moveSelection, nextStep, pressNext, refusals, saleOnShow, withLiveState } from '../../static/js/logic/console_run.js';

/** @typedef {import('../../static/js/logic/console_run.js').RunItem} RunItem */
/** @typedef {import('../../static/js/logic/room_state.js').Sale} Sale */
/** @typedef {import('../../static/js/logic/room_state.js').RoomState} RoomState */

/** @param {Partial<RunItem> & {no: number}} row @returns {RunItem} */
const makeRow = (row) => ({ item: `i${row.no}`, sku: `s${row.no}`, title: `Item ${row.no}`, currency: 'CNY', price_minor: 10_000, stock: [9, 0, 0], status: 'to_come', flash: null, ...row });

/** @param {Partial<Sale>} sale @returns {Sale} */
const makeSale = (sale) => ({ id: 'f1', kind: 'flash', sku: 's1', item: 'i1', price_minor: 900, currency: 'CNY', state: 'open', opens_at_ms: 1, ends_at_ms: 2, per_buyer: 1, stock: [5, 0, 0], ...sale });

/** @param {Partial<RoomState>} state @returns {RoomState} */
const makeState = (state) => ({ room: 'demo', show: null, pinned: null, bag: [], sales: [], viewers: 0, likes: 0, modes: {}, chat: [], ...state });

const PLAN = { price_minor: 6_900, quantity: 200, per_buyer: 1, countdown_s: 30, duration_s: 180 };

test('next pins the first item to come after the pinned one', () => {
  const run = [makeRow({ no: 1 }), makeRow({ no: 2, status: 'now' }), makeRow({ no: 3, status: 'done' }), makeRow({ no: 4 })];
  const step = nextStep(run, {});
  assert.equal(step.kind, 'pin');
  assert.equal(step.kind !== 'none' && step.item.no, 4);
});

test('next goes back to an item that was skipped when nothing follows', () => {
  const step = nextStep([makeRow({ no: 1 }), makeRow({ no: 2, status: 'now' })], {});
  assert.equal(step.kind !== 'none' && step.item.no, 1);
});

test('next has nothing to do at the end of the run sheet', () => {
  assert.deepEqual(nextStep([makeRow({ no: 1, status: 'done' })], {}), { kind: 'none' });
});

test('next says which running sale stays', () => {
  const run = [makeRow({ no: 3, status: 'now', flash: makeSale({ item: 'i3' }) }), makeRow({ no: 4 })];
  const step = nextStep(run, {});
  assert.equal(step.kind !== 'none' && step.stays?.no, 3);
});

test('next arms a planned flash sale, but not over a running one', () => {
  assert.equal(nextStep([makeRow({ no: 5 })], { i5: PLAN }).kind, 'arm');
  assert.equal(nextStep([makeRow({ no: 5, flash: makeSale({ item: 'i5', state: 'armed' }) })], { i5: PLAN }).kind, 'pin');
});

test('a press that arms money goes only when it is repeated in time', () => {
  const step = nextStep([makeRow({ no: 5 })], { i5: PLAN });
  const first = pressNext(step, null, 1_000);
  assert.equal(first.go, false);
  assert.equal(pressNext(step, first.armed, 1_000 + CONFIRM_MS).go, true);
  assert.equal(pressNext(step, first.armed, 1_001 + CONFIRM_MS).go, false);
});

test('the second press must be for the same item', () => {
  const step = nextStep([makeRow({ no: 5 })], { i5: PLAN });
  assert.equal(pressNext(step, { item: 'i4', until_ms: 9_999 }, 1_000).go, false);
});

test('a press that only pins goes at once', () => {
  assert.deepEqual(pressNext(nextStep([makeRow({ no: 1 })], {}), null, 0), { go: true, armed: null });
});

test('the live line decides what is pinned and what is left', () => {
  const run = [makeRow({ no: 1, status: 'now' }), makeRow({ no: 2 })];
  const state = makeState({
    pinned: 'i2',
    bag: [{ item: 'i2', no: 2, sku: 's2', title: '', price_minor: 1, currency: 'CNY', sale: 'r2' }],
    sales: [makeSale({ id: 'r2', kind: 'regular', item: 'i2', stock: [3, 2, 1] }), makeSale({ id: 'f2', item: 'i2' })],
  });
  const [one, two] = withLiveState(run, state);
  assert.equal(one?.status, 'done');
  assert.equal(two?.status, 'now');
  assert.deepEqual(two?.stock, [3, 2, 1]);
  assert.equal(two?.flash?.id, 'f2');
});

test('a cancelled flash sale leaves the panel to the regular one', () => {
  const bag = [{ item: 'i1', no: 1, sku: 's1', title: '', price_minor: 1, currency: 'CNY', sale: 'r1' }];
  const regular = makeSale({ id: 'r1', kind: 'regular' });
  assert.equal(saleOnShow(makeState({ bag, sales: [regular, makeSale({ state: 'open' })] }), 'i1')?.id, 'f1');
  assert.equal(saleOnShow(makeState({ bag, sales: [regular, makeSale({ state: 'cancelled' })] }), 'i1')?.id, 'r1');
});

test('the selection starts at the pinned row and stays at the ends', () => {
  const run = [makeRow({ no: 1 }), makeRow({ no: 2, status: 'now' }), makeRow({ no: 3 })];
  assert.equal(moveSelection(run, null, 1), 'i3');
  assert.equal(moveSelection(run, 'i3', 1), 'i3');
  assert.equal(moveSelection(run, 'i1', -1), 'i1');
  assert.equal(moveSelection([], null, 1), null);
});

test('refusals are summed and the most frequent reason comes first', () => {
  assert.deepEqual(refusals({ limit_reached: 12, not_open: 31, ended: 0 }), { total: 43, reasons: [['not_open', 31], ['limit_reached', 12]] });
});

test('seconds without a press are zero, not missing', () => {
  assert.deepEqual(everySecond([{ at_ms: 5_200, count: 3 }, { at_ms: 8_900, count: 1 }]), [3, 0, 0, 1]);
  assert.deepEqual(everySecond([]), []);
});
