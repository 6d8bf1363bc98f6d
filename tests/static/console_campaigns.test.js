// @ts-check
/** What the form of a campaign price asks for, what it refuses, and what sets one again. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { phaseOfPrice } from '../../static/js/logic/campaign_prices.js';
import { againOf, readCampaignForm, suggestedCampaign } from '../../static/js/logic/console_campaigns.js';

const NOW_MS = new Date('2026-11-23T19:30').getTime();
const MINUTE_MS = 60_000;
const LIMITS = { list_minor: 32_900, minor_units: 100, floor_minor: null };

/**
 * @param {Partial<import('../../static/js/logic/console_campaigns.js').CampaignFields>} fields
 * @param {Partial<import('../../static/js/logic/console_campaigns.js').CampaignLimits>} [limits]
 */
const read = (fields, limits) => readCampaignForm({ ...suggestedCampaign(LIMITS), ...fields }, { ...LIMITS, ...limits }, NOW_MS);

test('the form opens with a tenth off for a day from now', () => {
  assert.deepEqual(read({}).wish, { price_minor: 29_600, until_ms: NOW_MS + 1_440 * MINUTE_MS });
});

test('times are whole milliseconds, whatever the clock of the page says', () => {
  const { wish } = readCampaignForm(suggestedCampaign(LIMITS), LIMITS, NOW_MS + 0.4);
  assert.equal(wish?.until_ms, NOW_MS + 1 + 1_440 * MINUTE_MS);
});

test('it lasts from its start on, in hours and minutes', () => {
  const { wish } = read({ starts: '2026-11-24T08:00', hours: '1', minutes: '30' });
  const from_ms = new Date('2026-11-24T08:00').getTime();
  assert.deepEqual([wish?.from_ms, wish?.until_ms], [from_ms, from_ms + 90 * MINUTE_MS]);
  assert.equal(read({ hours: '', minutes: '5' }).wish?.until_ms, NOW_MS + 5 * MINUTE_MS);
});

test('a price below the list price, and a time that is one', () => {
  assert.deepEqual(['', 'x', '0'].map((price) => read({ price }).problems.price), ['price', 'price', 'price']);
  assert.deepEqual(['329', '328.99'].map((price) => read({ price }).problems.price), ['not_lower', undefined]);
  const lasts = [['0', '0'], ['', ''], ['8760', '1'], ['8760', '0'], ['x', '1']].map(([hours, minutes]) => read({ hours, minutes }).problems.hours);
  assert.deepEqual(lasts, ['lasts', 'lasts', 'lasts', undefined, 'lasts']);
  const starts = ['?', '2026-11-23T19:30', '2026-11-23T19:31', '2028-01-01T00:00'].map((text) => read({ starts: text }).problems.starts);
  assert.deepEqual(starts, ['starts', 'starts_past', undefined, 'starts_far']);
});

test('a deep cut, or one below the floor, is typed twice', () => {
  const deep = read({ price: '19' });
  assert.deepEqual([deep.wish, deep.asksRepeat, deep.problems.repeat], [null, true, 'repeat']);
  assert.equal(read({ price: '19', repeat: '18' }).wish, null);
  assert.equal(read({ price: '19', repeat: '19' }).wish?.confirm_price_minor, 1_900);
  const low = read({ price: '280' }, { floor_minor: 29_000 });
  assert.deepEqual([low.wish, low.belowFloor_minor], [null, 29_000]);
  assert.deepEqual(read({ price: '290' }, { floor_minor: 29_000 }).wish, { price_minor: 29_000, until_ms: NOW_MS + 1_440 * MINUTE_MS, floor_minor: 29_000 });
});

test('one that was withdrawn is set again for the rest of its window', () => {
  const campaign = { id: 'c', price_minor: 1_900, from_ms: 100, until_ms: 200 };
  assert.deepEqual(againOf(campaign, 150), { price_minor: 1_900, until_ms: 200, confirm_price_minor: 1_900 });
  assert.equal(againOf(campaign, 50).from_ms, 100);
});

test('a price is to come, holds, and is over', () => {
  const campaign = { id: 'c', price_minor: 1, from_ms: 100, until_ms: 200 };
  assert.deepEqual([99, 100, 199, 200].map((now_ms) => phaseOfPrice(campaign, now_ms)), ['coming', 'running', 'running', null]);
  assert.equal(phaseOfPrice(null, 0), null);
});
