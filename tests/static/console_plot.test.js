// @ts-check
/** The plots' geometry: nice axes, honest gaps, labels that fit. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { areaPath, fitLabels, labelWidth, linePath, niceMaximum, pointAt, scale, shortNumber, sinceStart, thin, timeAxis, unbroken } from '../../static/js/logic/console_plot.js';

/** @typedef {import('../../static/js/logic/console_plot.js').Point} Point */

const MINUTE_MS = 60_000;

test('an axis ends at 1, 2 or 5 times a power of ten', () => {
  const cases = [[0, 2], [3, 4], [5, 10], [11, 20], [20, 20], [19_204, 20_000], [20_001, 50_000], [99, 100]];
  for (const [value, most] of cases) assert.equal(niceMaximum(/** @type {number} */ (value)), most);
});

test('the time axis grows by a quarter of an hour', () => {
  assert.equal(timeAxis(0, 0).span_ms, 15 * MINUTE_MS);
  assert.equal(timeAxis(0, 15 * MINUTE_MS).span_ms, 30 * MINUTE_MS);
  assert.deepEqual(timeAxis(0, 50 * MINUTE_MS).ticks_ms.map((past) => past / MINUTE_MS), [0, 10, 20, 30, 40, 50, 60]);
  assert.ok(timeAxis(0, 16 * 60 * MINUTE_MS).ticks_ms.length <= 9);
});

test('a gap in the data is a gap in the line', () => {
  /** @type {Point[]} */
  const points = [[0, 1], [10, 2], [100, 3], [110, 4]];
  assert.deepEqual(unbroken(points, 35).map((run) => run.length), [2, 2]);
  assert.deepEqual(unbroken([], 35), []);
});

test('a line and its area share their points', () => {
  /** @type {Point[]} */
  const run = [[0, 1], [10, 2]];
  const x = scale([0, 10], [50, 150]);
  const y = scale([0, 2], [100, 0]);
  assert.equal(linePath(run, x, y), 'M50 50L150 0');
  assert.equal(areaPath(run, x, y), 'M50 50L150 0L150 100L50 100Z');
  assert.equal(areaPath([], x, y), '');
});

test('a scale of no width stays finite', () => {
  assert.ok(Number.isFinite(scale([5, 5], [0, 100])(5)));
});

test('thinning keeps the newest point and the limit', () => {
  const points = Array.from({ length: 1_000 }, (_, at) => /** @type {Point} */ ([at, at]));
  const few = thin(points, 240);
  assert.equal(few.length, 240);
  assert.deepEqual(few.at(-1), [999, 999]);
  assert.equal(thin(few, 240), few);
});

test('the cursor reads the newest point before it, unless that is too old', () => {
  /** @type {Point[]} */
  const points = [[0, 1], [10, 2]];
  assert.deepEqual(pointAt(points, 15, 10), [10, 2]);
  assert.equal(pointAt(points, 30, 10), null);
  assert.equal(pointAt(points, -1, 10), null);
});

test('of labels that would touch, the later one stays', () => {
  assert.deepEqual(fitLabels([{ x: 0, width: 18 }, { x: 10, width: 18 }, { x: 60, width: 18 }]), [false, true, true]);
});

test('a Chinese label is as wide as it is drawn', () => {
  assert.ok(labelWidth('限时抢 100') > labelWidth('Flash 1'));
  assert.equal(labelWidth(''), 0);
});

test('times and numbers are short', () => {
  assert.equal(sinceStart(42 * MINUTE_MS), '0:42');
  assert.equal(sinceStart(61 * MINUTE_MS), '1:01');
  assert.deepEqual([0, 950, 1_250, 20_000, 3_000_000].map(shortNumber), ['0', '950', '1.3k', '20k', '3M']);
});
