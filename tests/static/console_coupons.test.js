// @ts-check
/** What a host may add to a drop of coupons, and what of it is wrong. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { LIMIT_FIELDS, readDropLimits } from '../../static/js/logic/console_coupons.js';

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
