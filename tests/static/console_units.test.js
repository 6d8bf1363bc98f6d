// @ts-check
/** What may be added or taken back, what is said beforehand, and what an undo may take. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { parseUnits, readUnits, suggestedUnits, undoOf } from '../../static/js/logic/console_units.js';

/** @typedef {import('../../static/js/logic/console_units.js').UnitsLimits} UnitsLimits */

/** @param {Partial<UnitsLimits>} [change] @returns {UnitsLimits} */
const limits = (change) => ({ kind: 'sale', stock: [17, 42, 41], waiting: [3, 0], spare: 90, ...change });
/** @param {string} quantity @param {Partial<UnitsLimits>} [change] @param {string} [reason] */
const read = (quantity, change, reason = '') => readUnits({ quantity, reason }, limits(change));

test('a number is read with its sign, however it is written', () => {
  assert.deepEqual(['10', '+10', '-5', '\u22125', ' 1,000 '].map(parseUnits), [10, 10, -5, -5, 1000]);
  assert.deepEqual(['', 'ten', '1.5', '--5', '9999999999'].map(parseUnits), [null, null, null, null, null]);
});

test('those who wait come first', () => {
  assert.deepEqual(read('10').change, { delta: 10, reason: '', toList: 3 });
  assert.deepEqual(read('2').change, { delta: 2, reason: '', toList: 2 });
  assert.deepEqual(read('-2').change, { delta: -2, reason: '', toList: 0 });
});

test('a change of nothing is none', () => {
  for (const quantity of ['', '0', 'x']) assert.equal(read(quantity).problems.quantity, 'none');
});

test('a sale gets no more than its item has free', () => {
  assert.equal(read('90').problems.quantity, undefined);
  assert.deepEqual([read('91').problems.quantity, read('91').max], ['spare', 90]);
  assert.equal(read('91', { kind: 'stock' }, 'delivery').problems.quantity, undefined);
});

test('only free units are taken back', () => {
  assert.equal(read('-17').problems.quantity, undefined);
  assert.deepEqual([read('-18').problems.quantity, read('-18').max], ['free', 17]);
});

test('a flash sale keeps one unit, stock does not', () => {
  assert.deepEqual([read('-17', { stock: [17, 0, 0] }).problems.quantity, read('-17', { stock: [17, 0, 0] }).max], ['last', 16]);
  assert.equal(read('-17', { kind: 'stock', stock: [17, 0, 0] }, 'broken').problems.quantity, undefined);
});

test('a change of stock says why, one of a sale may', () => {
  assert.equal(read('5', { kind: 'stock' }, '  ').problems.reason, 'reason');
  assert.deepEqual(read('5', { kind: 'stock' }, ' delivery ').change, { delta: 5, reason: 'delivery', toList: 3 });
});

test('ten more are suggested, or what there is', () => {
  assert.equal(suggestedUnits(limits()).quantity, '10');
  assert.equal(suggestedUnits(limits({ spare: 4 })).quantity, '4');
  assert.equal(suggestedUnits(limits({ spare: 0 })).quantity, '');
  assert.equal(suggestedUnits(limits({ kind: 'stock', spare: 0 })).quantity, '10');
});

test('an undo leaves people what went to them', () => {
  assert.equal(undoOf({ added: 10, to_waiting_list: 3 }), -7);
  assert.equal(undoOf({ added: 3, to_waiting_list: 3 }), 0);
  assert.equal(undoOf({ added: -5, to_waiting_list: 0 }), 5);
});
