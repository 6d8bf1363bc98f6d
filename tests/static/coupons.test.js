// @ts-check
/** Which drop a room shows, which coupon is best, and what a host's form asks for. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { OVER_MS, USUAL, bestCoupon, dropOnShow, phaseOf, pricesUnfit, readDropForm } from '../../static/js/logic/coupons.js';

/** @typedef {import('../../static/js/logic/room_state.js').Drop} Drop */

/** @type {Drop} */
const DROP = {
  id: 'd', state: 'armed', quantity: 10, left: 10, opens_at_ms: 1_000, ends_at_ms: 5_000, min_age_s: 0,
  coupon: { id: 'c', room: 'demo', title: '30', amount_minor: 3_000, sources: ['list'], currency: 'CNY', valid_s: 60, per_person: 1 },
};

test('a drop opens and ends by the clock, whatever its state is so far', () => {
  assert.equal(phaseOf(DROP, 999), 'armed');
  assert.equal(phaseOf(DROP, 1_000), 'open');
  assert.equal(phaseOf({ ...DROP, left: 0 }, 1_000), 'gone');
  assert.equal(phaseOf({ ...DROP, state: 'open' }, 5_000), 'over');
  assert.equal(phaseOf({ ...DROP, state: 'gone' }, 9_000), 'gone');
  for (const state of /** @type {const} */ (['ended', 'cancelled'])) assert.equal(phaseOf({ ...DROP, state }, 2_000), 'over');
});

test('the newest live drop is shown, else the newest that went, for a while', () => {
  const gone = { ...DROP, id: 'gone', state: /** @type {const} */ ('gone'), left: 0 };
  const live = { ...DROP, id: 'live' };
  assert.equal(dropOnShow([], 2_000), null);
  assert.equal(dropOnShow([DROP, live, gone], 2_000)?.id, 'live');
  assert.equal(dropOnShow([gone], 5_000 + OVER_MS - 1)?.id, 'gone');
  assert.equal(dropOnShow([gone], 5_000 + OVER_MS), null);
  assert.equal(dropOnShow([{ ...DROP, state: 'cancelled' }], 2_000), null);
});

test('the best coupon is the first that takes something off', () => {
  const base = { title: 'x', expires_at_ms: 1 };
  assert.equal(bestCoupon([{ id: 'a', ...base, off_minor: 9 }, { id: 'b', ...base, off_minor: 3 }])?.id, 'a');
  assert.equal(bestCoupon([{ id: 'a', ...base, why: 'price_source' }]), null);
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

test('a coupon says each kind of price that it does not go with', () => {
  assert.equal(pricesUnfit(['list', 'campaign', 'flash', 'group']), null);
  assert.equal(pricesUnfit(['list', 'campaign']), 'both');
  assert.equal(pricesUnfit(['list', 'flash']), 'team');
  assert.equal(pricesUnfit(['group']), 'flash');
});
