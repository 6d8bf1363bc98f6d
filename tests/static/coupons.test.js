// @ts-check
/** Which drop a room shows, which coupon is best, and what one does not go with. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { OVER_MS, bestCoupon, dropOnShow, phaseOf, pricesUnfit } from '../../static/js/logic/coupons.js';

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

test('a coupon says each kind of price that it does not go with', () => {
  assert.equal(pricesUnfit(['list', 'campaign', 'flash', 'group']), null);
  assert.equal(pricesUnfit(['list', 'campaign']), 'both');
  assert.equal(pricesUnfit(['list', 'flash']), 'team');
  assert.equal(pricesUnfit(['group']), 'flash');
});
