// @ts-check
/** What of an order can still go back, and lists that are read in parts. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { linesLeft, mergeOrders, readLines, rowOf } from '../../static/js/logic/order_rows.js';

/** @typedef {import('../../static/js/logic/order_rows.js').StaffOrder} StaffOrder */
/** @typedef {import('../../static/js/logic/order_rows.js').StaffRefund} StaffRefund */

/** @param {Partial<StaffRefund>} change @returns {StaffRefund} */
const refund = (change) => ({ id: 'r', state: 'done', amount_minor: 500, origin: 'person', created_at_ms: 3, lines: [], ...change });
/** @param {Partial<StaffOrder>} [change] @returns {StaffOrder} */
const order = (change) => ({
  id: 'o', state: 'paid', total_minor: 2500, currency: 'CNY', created_at_ms: 1, paid_at_ms: 2, buyer: { id: 'b', name: 'Lena' },
  lines: [{ reservation: 'a', title: 'Bowl', no: 1, qty: 1, unit_price_minor: 500, total_minor: 500 }, { reservation: 'c', title: 'Cup', no: 2, qty: 4, unit_price_minor: 500, total_minor: 2000 }],
  ...change,
});

test('money on its way is not left; late money was never the order\'s', () => {
  const refunds = [refund({}), refund({ state: 'pending', amount_minor: 700 }), refund({ state: 'pending', origin: 'late', amount_minor: 900 })];
  const row = rowOf(order({ refunded_minor: 500, refunds }));
  assert.deepEqual([row.left_minor, row.refunded_minor, row.pending_refunds, row.failed_refund], [1300, 500, 2, null]);
  assert.deepEqual([row.title, row.no, row.buyer, row.at_ms], ['Bowl', 1, 'Lena', 2]);
});

test('the newest refund that failed is the one to try again', () => {
  const refunds = [refund({ id: 'r1', state: 'failed' }), refund({ id: 'r2', state: 'failed' }), refund({ id: 'r3' })];
  assert.equal(rowOf(order({ refunds })).failed_refund, 'r2');
});

test('a paid order whose money was not taken says so', () => {
  /** @param {Partial<StaffOrder>} change */
  const isUncollected = (change) => rowOf(order(change)).is_uncollected;
  assert.equal(isUncollected({ payment: { state: 'authorised' } }), false);
  assert.equal(isUncollected({ payment: { state: 'captured' } }), false);
  assert.equal(isUncollected({ payment: { state: 'authorised', error: 'no more' } }), true);
  assert.equal(isUncollected({ payment: { state: 'voided' } }), true);
  assert.equal(isUncollected({ state: 'cancelled', payment: { state: 'voided' } }), false);
});

test('units of refunds that failed are still there, others are not', () => {
  const refunds = [
    refund({ lines: [{ reservation: 'a', qty: 1 }] }),
    refund({ state: 'pending', lines: [{ reservation: 'c', qty: 2 }] }),
    refund({ state: 'failed', lines: [{ reservation: 'c', qty: 2 }] }),
  ];
  assert.deepEqual(linesLeft(order({ refunds })).map(({ reservation, left }) => [reservation, left]), [['c', 2]]);
});

test('lines are read as typed, and what cannot be taken is named', () => {
  const lines = linesLeft(order());
  assert.deepEqual(readLines(lines, { a: '1', c: ' 3 ' }), { wishes: [{ reservation: 'a', qty: 1 }, { reservation: 'c', qty: 3 }], wrong: [], cost_minor: 2000, units: 4 });
  assert.deepEqual(readLines(lines, { a: '0', c: '' }).wishes, []);
  assert.deepEqual(readLines(lines, { a: '2', c: '-1' }).wrong, ['a', 'c']);
  assert.deepEqual(readLines(lines, { a: '1.5' }).wrong, ['a']);
});

test('units cost what was paid for them, a discount taken off, and add up', () => {
  const lines = [{ reservation: 'c', title: 'Cup', no: 2, qty: 3, unit_price_minor: 500, total_minor: 1000 }];
  const back = [refund({ lines: [{ reservation: 'c', qty: 1 }] })];
  const cost = (/** @type {StaffRefund[]} */ refunds, /** @type {string} */ units) => readLines(linesLeft(order({ lines, refunds })), { c: units }).cost_minor;
  assert.deepEqual(['1', '2', '3'].map((units) => cost([], units)), [333, 666, 1000]);
  assert.deepEqual(['1', '2'].map((units) => cost(back, units)), [333, 667]);
});

test('what was read anew replaces, what is new comes first', () => {
  const known = [order({ id: 'o2' }), order({ id: 'o1' })];
  const merged = mergeOrders(known, [order({ id: 'o3' }), order({ id: 'o1', state: 'refunded' })]);
  assert.deepEqual(merged.map(({ id, state }) => [id, state]), [['o3', 'paid'], ['o2', 'paid'], ['o1', 'refunded']]);
});
