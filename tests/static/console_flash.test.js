// @ts-check
/** The arm form: what is accepted, and that a misprice is caught. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { isDeepCut, readFlashForm, RULE_LIMITS, suggestedFields } from '../../static/js/logic/console_flash.js';

const LIMITS = { normal_minor: 32_900, available: 100, minor_units: 100 };
const FIELDS = { price: '199', quantity: '100', per_buyer: '1', countdown_s: '30', duration_s: '180' };
/** @param {Partial<import('../../static/js/logic/console_flash.js').FlashFields>} change */
const read = (change) => readFlashForm({ ...FIELDS, ...change }, LIMITS);

test('a good form becomes the request', () => {
  assert.deepEqual(read({}).plan, { price_minor: 19_900, quantity: 100, per_buyer: 1, countdown_s: 30, duration_s: 180 });
});

test('first come says nothing, a draw its window', () => {
  assert.deepEqual(read({ fairness: 'first_come', entry_s: 'x' }).plan, read({}).plan);
  assert.deepEqual(read({ fairness: 'draw', entry_s: '30' }).plan, { ...read({}).plan, fairness: 'draw', entry_s: 30 });
});

test('entries close between 5 and 600 s, and before the sale does', () => {
  for (const entry_s of ['', '4', '601', 'soon']) assert.equal(read({ fairness: 'draw', entry_s, duration_s: '3600' }).problems.entry_s, 'entry', entry_s);
  assert.equal(read({ fairness: 'draw', entry_s: '180' }).problems.entry_s, 'entry_long');
  assert.equal(read({ fairness: 'draw', entry_s: '180' }).plan, null);
  assert.equal(read({ fairness: 'draw', entry_s: '179' }).plan?.entry_s, 179);
});

test('a threshold goes with the request, at the list price too, and its price is the one to be sure of', () => {
  const threshold = { unlock_units: '30', unlock_price: '250' };
  assert.deepEqual(read({ price: '329', ...threshold }).plan?.unlock, { units: 30, price_minor: 25_000, otherwise: 'charge' });
  assert.equal(read({ price: '329', ...threshold, otherwise: 'release' }).plan?.unlock?.otherwise, 'release');
  assert.equal(read({ price: '329' }).problems.price, 'not_lower');
  assert.deepEqual(Object.keys(read({ unlock_units: '101', unlock_price: '199' }).problems).sort(), ['unlock_price', 'unlock_units']);
  assert.deepEqual(Object.keys(read({ unlock_units: '30' }).problems), ['unlock_price']);
  const deep = read({ price: '329', unlock_units: '30', unlock_price: '59' });
  assert.deepEqual([deep.asksRepeat, deep.problems.repeat], [true, 'repeat']);
  assert.equal(read({ price: '329', unlock_units: '30', unlock_price: '59', repeat: '59' }).plan?.confirm_price_minor, 5_900);
  assert.equal(read({ fairness: 'draw', entry_s: '30', ...threshold }).plan?.unlock, undefined);
});

test('each wrong field is named', () => {
  const { plan, problems } = read({ price: '', quantity: '101', per_buyer: '0', countdown_s: '-1', duration_s: '0' });
  assert.equal(plan, null);
  assert.deepEqual(Object.keys(problems).sort(), ['countdown_s', 'duration_s', 'per_buyer', 'price', 'quantity']);
});

test('a flash price must be below the normal one', () => {
  assert.equal(read({ price: '329' }).problems.price, 'not_lower');
});

test('more than 40 % down asks for the price again', () => {
  assert.equal(isDeepCut(19_740, 32_900), false);
  assert.equal(isDeepCut(19_739, 32_900), true);
  assert.equal(read({ price: '19' }).problems.repeat, 'repeat');
  assert.equal(read({ price: '19', repeat: '91' }).plan, null);
  assert.equal(read({ price: '19', repeat: '19' }).plan?.confirm_price_minor, 1_900);
  assert.equal(read({ price: '199' }).plan?.confirm_price_minor, undefined);
});

test('what the form suggests is itself accepted', () => {
  assert.notEqual(readFlashForm(suggestedFields(LIMITS), LIMITS).plan, null);
  const one = { normal_minor: 500, available: 1, minor_units: 100 };
  assert.notEqual(readFlashForm(suggestedFields(one), one).plan, null);
});

test('rules that are filled in go with the request, empty ones do not', () => {
  assert.equal(read({}).plan?.rules, undefined);
  assert.equal(read({ present_s: ' ', per_card: '' }).plan?.rules, undefined);
  assert.deepEqual(read({ present_s: '20', per_card: '2', drop_limit: '3', presses_per_user_s: '5', presses_per_address_s: '50' }).plan?.rules, {
    present_s: 20, per_card: 2, drop_limit: 3, presses_per_user_s: 5, presses_per_address_s: 50,
  });
});

test('a rule out of its range is named, and nothing is armed', () => {
  for (const [name, [low, high]] of Object.entries(RULE_LIMITS)) {
    assert.deepEqual(Object.keys(read({ [name]: String(low) }).problems), []);
    assert.deepEqual(Object.keys(read({ [name]: String(high) }).problems), []);
    for (const wrong of [String(low - 1), String(high + 1), 'two', '1.5', '-1']) {
      const { plan, problems } = read({ [name]: wrong });
      assert.equal(plan, null);
      assert.deepEqual(problems, { [name]: 'rule' });
    }
  }
});

test('a price below the host\'s floor asks for the price again, and an empty floor asks nothing', () => {
  assert.equal(read({ floor: '' }).plan?.floor_minor, undefined);
  assert.deepEqual([read({ floor: '199' }).asksRepeat, read({ floor: '199' }).plan?.floor_minor], [false, 19_900]);
  const below = read({ floor: '200' });
  assert.deepEqual([below.plan, below.problems.repeat, below.belowFloor_minor], [null, 'repeat', 20_000]);
  assert.equal(read({ floor: '200', repeat: '199' }).plan?.confirm_price_minor, 19_900);
  assert.equal(read({ floor: 'low' }).problems.floor, 'price');
});

test('the form opens with the floor that the item had', () => {
  assert.equal(suggestedFields({ ...LIMITS, floor_minor: 25_050 }).floor, '250.5');
  assert.equal(suggestedFields(LIMITS).floor, '');
});
