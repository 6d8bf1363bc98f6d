// @ts-check
/** A price that may fall for everybody: how far it is, and whose hold gets cheaper. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { repricedHolds, unlockOf } from '../../static/js/logic/unlocks.js';

/** @param {object} change @param {object} [sale] @returns {import('../../static/js/logic/room_state.js').Sale} */
const saleWith = (change, sale = {}) => /** @type {any} */ ({
  id: 's', state: 'open', ends_at_ms: 1_000, currency: 'CNY', ...sale,
  unlock: { units: 30, price_minor: 5_900, plain_minor: 7_900, otherwise: 'charge', state: 'open', promised: 23, ...change },
});

test('what is missing, and the part of the way', () => {
  const unlock = unlockOf(saleWith({}), 0);
  assert.deepEqual([unlock?.state, unlock?.missing, unlock?.part], ['open', 7, 23 / 30]);
  assert.equal(unlockOf(saleWith({ promised: 33, state: 'unlocked' }), 0)?.part, 1);
  assert.equal(unlockOf(/** @type {any} */ ({ id: 's', state: 'open' }), 0), null);
});

test('a window that has run out is missed before anybody says so; what has fallen stays', () => {
  assert.equal(unlockOf(saleWith({}), 1_000)?.state, 'missed');
  assert.equal(unlockOf(saleWith({}, { state: 'ended' }), 0)?.state, 'missed');
  assert.equal(unlockOf(saleWith({ state: 'unlocked' }), 2_000)?.state, 'unlocked');
});

test('a hold gets cheaper until it is ordered', () => {
  const hold = /** @type {any} */ ({ id: 'h', sale: 's', state: 'held', unit_price_minor: 7_900 });
  assert.equal(repricedHolds(new Map([['s', hold]]), 's', 5_900).get('s')?.unit_price_minor, 5_900);
  const paying = new Map([['s', { ...hold, state: /** @type {const} */ ('paying') }]]);
  assert.equal(repricedHolds(paying, 's', 5_900), paying);
  assert.equal(hold.unit_price_minor, 7_900);
});
