// @ts-check
/** What people type into fields: prices and counts. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { parseCount, parsePrice } from '../../static/js/logic/typed.js';

test('a price is read with point, comma and sign, and never rounded from too many digits', () => {
  assert.equal(parsePrice('199', 100), 19_900);
  assert.equal(parsePrice(' ¥199,5', 100), 19_950);
  assert.equal(parsePrice('1500', 1), 1_500);
  for (const wrong of ['', '0', '-5', '1.234', '1e3', 'abc', '99999999999']) assert.equal(parsePrice(wrong, 100), null, wrong);
});

test('a count is whole and within its bounds', () => {
  assert.equal(parseCount(' 12 ', 1, 12), 12);
  for (const wrong of ['', '0', '13', '1.5', '-1', '1e1', '9999999999']) assert.equal(parseCount(wrong, 1, 12), null, wrong);
});
