// @ts-check
/**
 * The drawing of live-plot: three strips over one time axis as SVG markup with presentation attributes only.
 *
 * Invariant: at most about 500 nodes, whatever the length of the show.
 */
import { html } from '../../lib/html.js';
import { areaPath, fitLabels, labelWidth, linePath, niceMaximum, scale, sinceStart, thin, timeAxis, unbroken } from '../../logic/console_plot.js';

/** @typedef {import('../../logic/console_plot.js').Point} Point */
/** @typedef {{name: string, kind: 'line' | 'bars', tone: 'viewers' | 'orders' | 'gmv', points: readonly Point[], gap_ms: number,
 *   axis: (value: number) => string, exact: (value: number) => string}} Strip */
/** @typedef {{label: string, title: string, at_ms: number}} Pin */
/** @typedef {{kind: 'flash' | 'group', label: string, from_ms: number, to_ms: number}} Window */
/** @typedef {{width: number, height: number, start_ms: number, now_ms: number, strips: Strip[], pins: Pin[], windows: Window[],
 *   maxima: Record<string, number>, cursor_ms: number | null}} Picture */

const LEFT = 52;
const RIGHT = 18;
const TOP = 38;
const BOTTOM = 24;
const GAP = 18;
const MINUTE_MS = 60_000;
/** Nodes of one path or one set of bars stay within this, so that a redraw each second is cheap. */
const POINTS_MAX = 240;

/**
 * Where the plot lies in its picture, for drawing and for the cursor.
 * @param {{width: number, start_ms: number, now_ms: number}} picture
 */
export function frameOf({ width, start_ms, now_ms }) {
  const axis = timeAxis(start_ms, now_ms);
  const right = Math.max(LEFT + 60, width - RIGHT);
  return { ...axis, left: LEFT, right, x: scale([start_ms, start_ms + axis.span_ms], [LEFT, right]), at: scale([LEFT, right], [start_ms, start_ms + axis.span_ms]) };
}

/**
 * @param {Strip} strip
 * @param {Picture} picture
 * @param {{x: (at: number) => number, y: (value: number) => number, right: number, foot: number}} place
 */
function drawData(strip, picture, { x, y, right, foot }) {
  if (strip.kind === 'bars') {
    const wide = x(MINUTE_MS) - x(0);
    return strip.points.slice(-POINTS_MAX).map(([at, count]) => {
      const kinds = picture.windows.filter((window) => at < window.to_ms && at + MINUTE_MS > window.from_ms).map(({ kind }) => kind);
      const tone = kinds.includes('flash') ? ' plot-bar-flash' : kinds.length > 0 ? ' plot-bar-group' : '';
      const left = Math.max(LEFT, x(at) + 0.75);
      const width = Math.max(1, Math.min(right, x(at) + wide - 0.75) - left);
      return html`<rect class="plot-bar${tone}" x="${left.toFixed(1)}" y="${y(count).toFixed(1)}" width="${width.toFixed(1)}" height="${Math.max(0, foot - y(count)).toFixed(1)}" rx="1"></rect>`;
    });
  }
  const runs = unbroken(thin(strip.points, POINTS_MAX), Math.max(strip.gap_ms, (picture.now_ms - picture.start_ms) / 60));
  return runs.map((run) => html`<path class="plot-area plot-${strip.tone}" d="${areaPath(run, x, y)}"></path><path class="plot-line plot-${strip.tone}" d="${linePath(run, x, y)}"></path>`);
}

/**
 * @param {Strip} strip
 * @param {number} index
 * @param {Picture} picture
 * @param {ReturnType<typeof frameOf>} frame
 */
function drawStrip(strip, index, picture, frame) {
  const high = (picture.height - TOP - BOTTOM - GAP * (picture.strips.length - 1)) / picture.strips.length;
  const top = TOP + index * (high + GAP);
  const foot = top + high;
  const most = niceMaximum(Math.max(0, ...strip.points.map(([, value]) => value), picture.maxima[strip.tone] ?? 0));
  picture.maxima[strip.tone] = most;
  const y = scale([0, most], [foot, top + 8]);
  const grid = [most, most / 2, 0].map((value) => html`<line class="plot-grid" x1="${LEFT}" x2="${frame.right}" y1="${y(value).toFixed(1)}" y2="${y(value).toFixed(1)}"></line>
    <text class="plot-axis" x="${LEFT - 8}" y="${(y(value) + 4).toFixed(1)}" text-anchor="end">${strip.axis(value)}</text>`);
  const last = strip.kind === 'line' ? strip.points.at(-1) : undefined;
  const lastText = last ? strip.axis(last[1]) : '';
  const isTight = last ? frame.x(last[0]) + labelWidth(lastText) + 14 > frame.right : false;
  const end = last ? html`<circle class="plot-dot plot-${strip.tone}" cx="${frame.x(last[0]).toFixed(1)}" cy="${y(last[1]).toFixed(1)}" r="3.5"></circle>
    <text class="plot-last" x="${(frame.x(last[0]) + (isTight ? -9 : 9)).toFixed(1)}" y="${(y(last[1]) + (isTight ? -7 : 4)).toFixed(1)}" text-anchor="${isTight ? 'end' : 'start'}">${lastText}</text>` : '';
  return { markup: html`${grid}<text class="plot-name" x="${LEFT + 2}" y="${(top + 3).toFixed(1)}">${strip.name}</text>${drawData(strip, picture, { x: frame.x, y, right: frame.right, foot })}${end}`, top, foot };
}

/**
 * @param {Picture} picture
 * @param {ReturnType<typeof frameOf>} frame
 */
function drawMarks(picture, frame) {
  const bottom = picture.height - BOTTOM;
  const chips = picture.pins.map((pin) => ({ ...pin, x: frame.x(pin.at_ms), width: 18 }));
  const fits = fitLabels(chips);
  const bands = picture.windows.map((window) => {
    const left = Math.max(LEFT, frame.x(window.from_ms));
    const width = labelWidth(window.label);
    return { ...window, left, width, x: Math.min(left, frame.right - width) + width / 2 };
  }).sort((a, b) => a.x - b.x);
  const isNamed = fitLabels(bands);
  const windows = bands.map((window, index) => {
    const { left } = window;
    const width = Math.max(2, Math.min(frame.right, frame.x(window.to_ms)) - left);
    const isTight = left + window.width > frame.right;
    const tone = window.kind === 'group' ? ' plot-group' : '';
    return html`<rect class="plot-window${tone}" x="${left.toFixed(1)}" y="${TOP - 6}" width="${width.toFixed(1)}" height="${bottom - TOP + 6}"><title>${window.label}</title></rect>
      ${isNamed[index] ? html`<text class="plot-window-name${tone}" x="${(isTight ? frame.right : left).toFixed(1)}" y="10" text-anchor="${isTight ? 'end' : 'start'}">${window.label}</text>` : ''}`;
  });
  const pins = chips.map((chip, index) => html`<g><title>${chip.title}</title><line class="plot-pin" x1="${chip.x.toFixed(1)}" x2="${chip.x.toFixed(1)}" y1="${TOP - 9}" y2="${bottom}"></line>
    ${fits[index] ? html`<rect class="plot-chip" x="${(chip.x - 9).toFixed(1)}" y="${TOP - 26}" width="18" height="17" rx="5"></rect><text class="plot-chip-no" x="${chip.x.toFixed(1)}" y="${TOP - 13.5}" text-anchor="middle">${chip.label}</text>` : ''}</g>`);
  return html`${windows}${pins}`;
}

/**
 * The whole picture as one SVG element.
 * @param {Picture} picture
 * @param {string} label for screen readers
 */
export function drawPicture(picture, label) {
  const frame = frameOf(picture);
  const bottom = picture.height - BOTTOM;
  const strips = picture.strips.map((strip, index) => drawStrip(strip, index, picture, frame).markup);
  const times = frame.ticks_ms.map((past_ms) => html`<text class="plot-axis" x="${frame.x(picture.start_ms + past_ms).toFixed(1)}" y="${picture.height - 6}" text-anchor="middle">${sinceStart(past_ms)}</text>`);
  const now_x = frame.x(picture.now_ms).toFixed(1);
  const cursor = picture.cursor_ms === null ? '' : html`<line class="plot-cursor" x1="${frame.x(picture.cursor_ms).toFixed(1)}" x2="${frame.x(picture.cursor_ms).toFixed(1)}" y1="${TOP - 2}" y2="${bottom}"></line>`;
  return html`<svg class="plot" viewBox="0 0 ${picture.width} ${picture.height}" width="${picture.width}" height="${picture.height}" role="img" aria-label="${label}">
    ${drawMarks(picture, frame)}${strips}<line class="plot-now" x1="${now_x}" x2="${now_x}" y1="${TOP - 2}" y2="${bottom}"></line>${cursor}${times}</svg>`;
}
