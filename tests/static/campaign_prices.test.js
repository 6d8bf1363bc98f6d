// @ts-check
/** A campaign price holds in its window, to the millisecond, and leaves the list price beside it. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { pricedAt } from '../../static/js/logic/campaign_prices.js';
import { offerOf, priceOf } from '../../static/js/logic/card_state.js';

const campaign_price = { id: 'c', price_minor: 25_000, from_ms: 100, until_ms: 200 };
const sale = /** @type {any} */ ({ id: 's', kind: 'regular', sku: 'bowl', price_minor: 32_900, stock: [1, 0, 0], campaign_price });

test('the window says which price holds', () => {
  const prices = [99, 100, 199, 200].map((now_ms) => pricedAt(sale, now_ms)?.price_minor);
  assert.deepEqual(prices, [32_900, 25_000, 25_000, 32_900]);
  assert.equal(sale.price_minor, 32_900);
  assert.equal(pricedAt(null, 0), null);
  const { campaign_price: _, ...plain } = sale;
  assert.equal(pricedAt(plain, 150), plain);
});

test('an offer of the bag has the price of the moment, and the item its list price', () => {
  const item = /** @type {any} */ ({ item: 'i', sku: 'bowl', sale: 's', price_minor: 32_900 });
  const state = /** @type {any} */ ({ bag: [item], sales: [sale] });
  const offer = offerOf(state, item, [], 150);
  assert.deepEqual([offer.sale?.price_minor, offer.regular?.price_minor, offer.item.price_minor], [25_000, 25_000, 32_900]);
  assert.equal(offerOf(state, item, [], 200).sale?.price_minor, 32_900);
});

test('what an item costs now is the price of its open flash sale, else the campaign or the list price', () => {
  const item = /** @type {any} */ ({ item: 'i', sku: 'bowl', sale: 's', price_minor: 32_900 });
  const flash = { id: 'f', kind: 'flash', item: 'i', price_minor: 19_900 };
  const cost = (/** @type {string | null} */ state, /** @type {number} */ now_ms) => priceOf(
    /** @type {any} */ ({ bag: [item], sales: state ? [sale, { ...flash, state }] : [sale] }), item, now_ms);
  assert.deepEqual([cost(null, 150), cost(null, 200)], [25_000, 32_900]);
  assert.deepEqual(['armed', 'open', 'ended'].map((state) => cost(state, 150)), [25_000, 19_900, 25_000]);
  assert.equal(priceOf(/** @type {any} */ ({ bag: [item], sales: [] }), item, 150), 32_900);
});
