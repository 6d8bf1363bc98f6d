// @ts-check
/** The delivery light: what it claims, and when it claims nothing. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { ASKED_MIN, deliveryLight, percentOf, stateOf } from '../../static/js/logic/console_delivery.js';

/** @param {number} asked @param {number} reports @param {number} within_400 */
const delivery = (asked, reports, within_400) => ({
  share: asked ? within_400 / asked : null, within_ms: 400, window_s: 60, p50_ms: null, p99_ms: null,
  asked, reports, within_400, viewers: reports, recent_events: 1, events: [],
});
/** @param {[asked: number, reports: number, within_400: number]} figures */
const light = (...figures) => deliveryLight(delivery(...figures));

test('without an event, or before the first read, nothing is claimed', () => {
  assert.equal(deliveryLight(null).key, 'none');
  assert.deepEqual(light(0, 0, 0), { state: 'none', key: 'none', percent: 0, one_in: 0 });
});

test('too few answers claim nothing, good or bad', () => {
  assert.equal(light(ASKED_MIN - 1, ASKED_MIN - 1, ASKED_MIN - 1).key, 'few');
  assert.equal(light(ASKED_MIN - 1, 0, 0).state, 'none');
  assert.equal(light(ASKED_MIN, ASKED_MIN, ASKED_MIN).key, 'fine');
});

test('many who were asked and nobody who answered is no lack of reports but a failure', () => {
  assert.deepEqual(light(200, 0, 0), { state: 'bad', key: 'silent', percent: 0, one_in: 1 });
});

test('jade from 99 %, amber from 95 %, coral below', () => {
  assert.deepEqual([99, 98.9, 95, 94.9].map(stateOf), ['fine', 'late', 'late', 'bad']);
  assert.deepEqual(light(1000, 1000, 992), { state: 'fine', key: 'fine', percent: 99.2, one_in: 125 });
  assert.deepEqual(light(1000, 1000, 971), { state: 'late', key: 'late', percent: 97.1, one_in: 34 });
});

test('a share is cut, so that 100 % means everybody', () => {
  assert.equal(percentOf(9_999, 10_000), 99.9);
  assert.equal(percentOf(29, 50), 58);
  assert.equal(percentOf(1149, 1150), 99.9);
  assert.equal(percentOf(50, 50), 100);
  assert.equal(light(50, 50, 50).one_in, 0);
});

test('coral says what most of the others lack', () => {
  assert.equal(light(100, 98, 88).key, 'slow');
  assert.equal(light(100, 90, 88).key, 'silent');
  assert.equal(light(100, 98, 88).one_in, 8);
});
