// @ts-check
/** What a draw lets a page show, and how seldom it has to ask. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { askLineIn, askUnheardIn, drawPhase, drawState, mayHaveEntry } from '../../static/js/logic/draws.js';

const NOW = 1_000_000;
const DRAW = { commit: 'c', entry_closes_at_ms: NOW + 20_000, entries: 3 };
/** @param {Partial<import('../../static/js/logic/room_state.js').Sale>} [change] @returns {import('../../static/js/logic/room_state.js').Sale} */
const makeSale = (change) => ({ id: 'f', kind: 'flash', sku: 'bowl', price_minor: 1, currency: 'CNY', state: 'open', opens_at_ms: NOW - 1000, ends_at_ms: NOW + 60_000, per_buyer: 1, stock: [1, 0, 0], draw: DRAW, ...change });
/** @param {import('../../static/js/logic/draws.js').OwnEntry['state']} state */
const makeEntry = (state) => ({ id: 'e', sale: 'f', qty: 1, state, rank: null, of: null, waiting: null });

test('a draw is entered until its window closes, then awaited, then done', () => {
  assert.equal(drawPhase(makeSale(), NOW), 'enter');
  assert.equal(drawPhase(makeSale(), NOW + 19_999), 'enter');
  assert.equal(drawPhase(makeSale(), NOW + 20_000), 'drawing');
  assert.equal(drawPhase(makeSale({ draw: { ...DRAW, seed: 's' } }), NOW), 'drawn');
});

test('a sale that is not drawn has no phase', () => {
  const { draw: _, ...plain } = makeSale();
  assert.equal(drawPhase(plain, NOW), null);
  assert.equal(drawState(plain, makeEntry('lost'), NOW), null);
  assert.equal(drawPhase(null, NOW), null);
});

test('after the draw a sale speaks for itself, but for those who lost', () => {
  const drawn = makeSale({ draw: { ...DRAW, seed: 's' } });
  assert.equal(drawState(drawn, null, NOW), null);
  assert.equal(drawState(drawn, makeEntry('won'), NOW), null);
  assert.equal(drawState(drawn, makeEntry('void'), NOW), null);
  assert.equal(drawState(drawn, makeEntry('lost'), NOW), 'lost');
});

test('nobody asks for an entry before the opening, after the end, or in a sale that is not drawn', () => {
  assert.equal(mayHaveEntry(makeSale(), NOW), true);
  assert.equal(mayHaveEntry(makeSale({ state: 'sold_out' }), NOW), true);
  assert.equal(mayHaveEntry(makeSale({ state: 'armed', opens_at_ms: NOW + 1 }), NOW), false);
  assert.equal(mayHaveEntry(makeSale({ state: 'ended' }), NOW), false);
  const { draw: _, ...plain } = makeSale();
  assert.equal(mayHaveEntry(plain, NOW), false);
});

test('those who ask spread over seconds', () => {
  assert.deepEqual([0, 0.5, 1].map(askUnheardIn), [3_000, 6_000, 9_000]);
  assert.deepEqual([0, 0.5, 1].map(askLineIn), [0, 2_000, 4_000]);
});
