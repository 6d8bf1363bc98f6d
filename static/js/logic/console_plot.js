// @ts-check
/**
 * The geometry of the console's plots: nice axes, paths with honest gaps, bars, and labels that do not collide.
 *
 * Invariant: pure numbers in, pure numbers and path texts out; a gap in the data is a gap in the path.
 */

/** @typedef {[at_ms: number, value: number]} Point */
/** @typedef {(value: number) => number} Scale */

const MINUTE_MS = 60_000;
/** The axis begins this long and grows by as much. */
const SPAN_STEP_MS = 15 * MINUTE_MS;
/** Distances between ticks that people read well. */
const TICKS_MIN = [2, 5, 10, 15, 30, 60, 120, 240];
const TICKS_MAX = 8;
/** About the width of one letter of axis text, and of a Chinese one. */
const LETTER_PX = 6.4;
const WIDE_PX = 11.5;
const WIDE = /[\p{Script=Han}，。（）：]/u;

/**
 * The smallest of 1, 2, 5 × 10ⁿ (at least `floor`) that holds a value; below ten 4 and 10, whose halves are whole.
 * @param {number} value
 * @param {number} [floor] also the result for no data; even, so that half of it is a whole number
 * @returns {number}
 */
export function niceMaximum(value, floor = 2) {
  if (!(value > floor)) return floor;
  if (value <= 10) return value <= 4 ? 4 : 10;
  const power = 10 ** Math.floor(Math.log10(value));
  for (const step of [1, 2, 5, 10]) {
    if (value <= step * power * 1.000001) return step * power;
  }
  return 10 * power;
}

/**
 * The time axis: from the start to the next full quarter of an hour, with its ticks.
 * @param {number} start_ms
 * @param {number} now_ms
 * @returns {{span_ms: number, ticks_ms: number[]}} ticks as time since the start
 */
export function timeAxis(start_ms, now_ms) {
  const past_ms = Math.max(0, now_ms - start_ms);
  const span_ms = Math.max(1, Math.ceil((past_ms + 1) / SPAN_STEP_MS)) * SPAN_STEP_MS;
  const step_min = TICKS_MIN.find((step) => span_ms / (step * MINUTE_MS) <= TICKS_MAX) ?? 480;
  const ticks_ms = [];
  for (let at = 0; at <= span_ms; at += step_min * MINUTE_MS) ticks_ms.push(at);
  return { span_ms, ticks_ms };
}

/**
 * A linear scale.
 * @param {[number, number]} from
 * @param {[number, number]} to
 * @returns {Scale}
 */
export function scale([from, until], [low, high]) {
  const width = until - from || 1;
  return (value) => low + ((value - from) / width) * (high - low);
}

/**
 * Points split where data is missing for longer than `gap_ms`.
 * @param {readonly Point[]} points in order of time
 * @param {number} gap_ms
 * @returns {Point[][]}
 */
export function unbroken(points, gap_ms) {
  /** @type {Point[][]} */
  const runs = [];
  let last_ms = -Infinity;
  for (const point of points) {
    if (point[0] - last_ms > gap_ms || runs.length === 0) runs.push([]);
    runs.at(-1)?.push(point);
    last_ms = point[0];
  }
  return runs;
}

/**
 * At most `most` points, the last of each stretch of time kept, so that a path stays short in a long show.
 * @param {readonly Point[]} points
 * @param {number} most
 * @returns {readonly Point[]}
 */
export function thin(points, most) {
  if (points.length <= most) return points;
  const step = points.length / most;
  return Array.from({ length: most }, (_, index) => /** @type {Point} */ (points[Math.min(points.length - 1, Math.floor((index + 1) * step) - 1)]));
}

/** @param {number} value */
const short = (value) => String(Math.round(value * 10) / 10);

/**
 * The line of a run of points.
 * @param {readonly Point[]} run
 * @param {Scale} x
 * @param {Scale} y
 * @returns {string} an SVG path
 */
export function linePath(run, x, y) {
  return run.map(([at, value], index) => `${index === 0 ? 'M' : 'L'}${short(x(at))} ${short(y(value))}`).join('');
}

/**
 * The area under a run of points, closed on the strip's foot.
 * @param {readonly Point[]} run
 * @param {Scale} x
 * @param {Scale} y
 * @returns {string} an SVG path
 */
export function areaPath(run, x, y) {
  const first = run[0];
  const last = run.at(-1);
  if (!first || !last) return '';
  return `${linePath(run, x, y)}L${short(x(last[0]))} ${short(y(0))}L${short(x(first[0]))} ${short(y(0))}Z`;
}

/**
 * The newest point at or before a moment, unless it is older than `gap_ms`.
 * @param {readonly Point[]} points
 * @param {number} at_ms
 * @param {number} gap_ms
 * @returns {Point | null}
 */
export function pointAt(points, at_ms, gap_ms) {
  let found = null;
  for (const point of points) {
    if (point[0] > at_ms) break;
    found = point;
  }
  return found && at_ms - found[0] <= gap_ms ? found : null;
}

/**
 * Which labels fit on one line: later ones win, a label that would touch the next one is left out.
 * @param {readonly {x: number, width: number}[]} labels in order of x (their middle)
 * @param {number} [space] px between two
 * @returns {boolean[]} whether each is shown
 */
export function fitLabels(labels, space = 4) {
  const shown = labels.map(() => true);
  let limit = Infinity;
  for (let index = labels.length - 1; index >= 0; index -= 1) {
    const label = labels[index];
    if (!label) continue;
    if (label.x + label.width / 2 + space > limit) shown[index] = false;
    else limit = label.x - label.width / 2;
  }
  return shown;
}

/**
 * About how wide a label of axis text is, to place it before it is drawn.
 * @param {string} text
 * @returns {number} px
 */
export function labelWidth(text) {
  return Array.from(text).reduce((width, sign) => width + (WIDE.test(sign) ? WIDE_PX : LETTER_PX), 0);
}

/**
 * A time since the start as h:mm.
 * @param {number} past_ms
 * @returns {string}
 */
export function sinceStart(past_ms) {
  const minutes = Math.floor(past_ms / MINUTE_MS);
  return `${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, '0')}`;
}

/**
 * A number for an axis: 950, 1.2k, 20k, 3M.
 * @param {number} value
 * @returns {string}
 */
export function shortNumber(value) {
  for (const [size, sign] of /** @type {[number, string][]} */ ([[1e6, 'M'], [1e3, 'k']])) {
    if (Math.abs(value) >= size) return `${(Math.round((value / size) * 10) / 10).toString()}${sign}`;
  }
  return (Math.round(value * 10) / 10).toString();
}
