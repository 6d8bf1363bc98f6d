// @ts-check
/** What a host's form of a drop asks for, what may be added, and what of it is wrong. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { LIMIT_FIELDS, USUAL, readDropForm, readDropLimits } from '../../static/js/logic/console_coupons.js';

/** @typedef {import('../../static/js/logic/console_coupons.js').LimitField} LimitField */

const EMPTY = /** @type {Record<LimitField, string>} */ (Object.fromEntries(LIMIT_FIELDS.map((name) => [name, ' '])));

test('nothing is asked for where nothing is written', () => {
  assert.deepEqual(readDropLimits(EMPTY, 100, false), { limits: {}, wrong: [] });
});

test('hours, minutes and amounts become the server’s terms', () => {
  const fields = { valid_h: '48', budget: '500', max: '20.5', per_person: '2', min_age_min: '10', claims_per_address_s: '3' };
  const terms = { valid_s: 172_800, budget_minor: 50_000, max_minor: 2_050, per_person: 2, min_age_s: 600, claims_per_address_s: 3 };
  assert.deepEqual(readDropLimits(fields, 100, true), { limits: terms, wrong: [] });
});

test('what is wrong is named, and an amount has no highest amount', () => {
  const bad = { valid_h: '8785', budget: '0', max: 'x', per_person: '101', min_age_min: '43201', claims_per_address_s: '0' };
  assert.deepEqual(readDropLimits(bad, 100, true).wrong, [...LIMIT_FIELDS]);
  assert.deepEqual(readDropLimits({ ...EMPTY, max: '20' }, 100, false).wrong, ['max']);
});

test('a form takes an amount or a percentage', () => {
  assert.deepEqual(readDropForm(USUAL, 100).wish, {
    amount_minor: 3_000, percent: 0, threshold_minor: 0, quantity: 100, countdown_s: 10, duration_s: 300, sources: ['list', 'campaign'],
  });
  const percent = readDropForm({ ...USUAL, off: ' 15% ', threshold: '', every: true }, 100).wish;
  assert.deepEqual([percent?.percent, percent?.amount_minor, percent?.threshold_minor, percent?.sources.length], [15, 0, 0, 4]);
});

test('a card may be limited, and is not by default', () => {
  assert.equal(readDropForm({ ...USUAL, per_card: ' 2 ' }, 100).wish?.per_card, 2);
  assert.equal('per_card' in (readDropForm(USUAL, 100).wish ?? {}), false);
  for (const per_card of ['0', '1001', 'x', '1.5']) assert.deepEqual(readDropForm({ ...USUAL, per_card }, 100).wrong, ['per_card'], per_card);
});

test('a coupon is good in this room, in every room, or for one item in every room', () => {
  const terms = (/** @type {Partial<typeof USUAL>} */ change, /** @type {string | null} */ sku = 'bowl') => {
    const { scope, skus } = readDropForm({ ...USUAL, ...change }, 100, sku).wish ?? {};
    return [scope, skus];
  };
  assert.deepEqual(terms({}), [undefined, undefined]);
  assert.deepEqual(terms({ where: 'shop' }), ['shop', undefined]);
  assert.deepEqual(terms({ where: 'item' }), ['shop', ['bowl']]);
});

test('a form names what is wrong', () => {
  for (const off of ['', '0', '0%', '100%', 'x', '-3']) assert.deepEqual(readDropForm({ ...USUAL, off }, 100).wrong, ['off'], off);
  assert.deepEqual(readDropForm({ ...USUAL, threshold: 'x', quantity: '0', countdown_s: '', duration_s: '0' }, 100).wrong, ['threshold', 'quantity', 'countdown_s', 'duration_s']);
  assert.equal(readDropForm({ ...USUAL, quantity: '1.5' }, 100).wish, null);
});
