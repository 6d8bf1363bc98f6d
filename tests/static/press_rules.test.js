// @ts-check
/** The rules of who may press: how long a refusal of theirs lasts, and when a permit is asked for. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { isDue, isRuleShown, ruleOf, ruleWait, wantsPermit } from '../../static/js/logic/press_rules.js';

/** @param {any} more @returns {import('../../static/js/logic/card_state.js').Answer} */
const refused = (more) => ({ kind: 'refused', at_ms: 1_000, code: 'slow_down', ...more });
/** @param {any} change @returns {import('../../static/js/logic/room_state.js').Sale} */
const sale = (change) => ({
  id: 's', kind: 'flash', sku: 'k', price_minor: 1, currency: 'CNY', state: 'open', opens_at_ms: 0, ends_at_ms: null,
  per_buyer: 1, stock: [1, 0, 0], ...change,
});

test('a refusal names its rule, and other answers name none', () => {
  assert.equal(ruleOf(refused({ detail: { rule: 'present_s' } })), 'present_s');
  assert.equal(ruleOf(refused({ detail: { version: 3 } })), null);
  assert.equal(ruleOf(refused({})), null);
  assert.equal(ruleOf({ kind: 'asking', at_ms: 0 }), null);
  assert.equal(ruleOf(null), null);
});

test('one waits until the moment that the answer named, and no longer', () => {
  const answer = refused({ retry_ms: 12_000 });
  assert.equal(ruleWait(answer, 1_000), 12_000);
  assert.equal(ruleWait(answer, 12_999), 1);
  assert.equal(ruleWait(answer, 14_000), 0);
  assert.equal(ruleWait(refused({}), 1_000), 0);
  assert.equal(isRuleShown(answer, 12_999), true);
  assert.equal(isRuleShown(answer, 13_000), false);
});

test('a short pause is shown long enough to be read', () => {
  assert.equal(isRuleShown(refused({ retry_ms: 300 }), 3_999), true);
  assert.equal(isRuleShown(refused({ retry_ms: 300 }), 4_000), false);
});

test('a permit is of use where presence is asked for and something can still be bought', () => {
  assert.equal(wantsPermit(sale({})), false);
  assert.equal(wantsPermit(sale({ rules: { version: 1, per_card: 2 } })), false);
  for (const state of ['armed', 'open', 'sold_out', 'halted']) assert.equal(wantsPermit(sale({ state, rules: { version: 1, present_s: 20 } })), true, state);
  for (const state of ['ended', 'cancelled']) assert.equal(wantsPermit(sale({ state, rules: { version: 1, present_s: 20 } })), false, state);
});

test('a permit is renewed when a lost line would have less than 30 s to come back', () => {
  assert.equal(isDue(undefined, 0), true);
  assert.equal(isDue({ until_ms: 60_000 }, 30_000), false);
  assert.equal(isDue({ until_ms: 60_000 }, 30_001), true);
});
