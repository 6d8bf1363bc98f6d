// @ts-check
/**
 * Viewers, orders a minute and paid money over the time of the show, with pins and the windows of flash sales and group buys; the same data as a table.
 *
 * HTML: `<live-plot></live-plot>`. Properties: `series` (Series or null), `start_ms`, `now_ms` (server clock), `currency`, `titleOfItem(item)`.
 * Events: none. Keys on the picture: ← → move the cursor by 10 s.
 */
import { money, minorUnits, number, people } from '../../lib/format.js';
import { html, render } from '../../lib/html.js';
import { t } from '../../lib/i18n.js';
import { LiveElement, define, setAttribute, setText } from '../../lib/element.js';
import { pointAt, shortNumber, sinceStart } from '../../logic/console_plot.js';
import { drawPicture, frameOf } from './strips.js';

/** @typedef {import('../../net/console_api.js').Series} Series */
/** @typedef {import('../../logic/console_plot.js').Point} Point */
/** @typedef {import('./strips.js').Strip} Strip */

const MINUTE_MS = 60_000;
const CURSOR_STEP_MS = 10_000;
/** Viewers are sampled every 10 s; three missing samples are a gap. */
const VIEWERS_GAP_MS = 35_000;

/**
 * A cumulative sum by the minute drawn as steps up to now: a minute's sum stands at its end, and between two orders nothing was paid.
 * @param {readonly Point[]} points
 * @param {number} start_ms
 * @param {number} now_ms
 * @returns {Point[]}
 */
function asSteps(points, start_ms, now_ms) {
  /** @type {Point[]} */
  const steps = [[start_ms, 0]];
  for (const [minute_ms, value] of points) {
    const at = Math.min(minute_ms + MINUTE_MS, now_ms);
    const before = steps.at(-1)?.[1] ?? 0;
    if (value !== before) steps.push([at, before]);
    steps.push([at, value]);
  }
  const last = points.at(-1);
  steps.push([now_ms, last?.[1] ?? 0]);
  return steps;
}

/**
 * What a strip says at a moment: a minute without orders is 0, a gap in the samples is a dash.
 * @param {Strip} strip
 * @param {number} at_ms
 * @returns {string}
 */
function valueAt(strip, at_ms) {
  const point = pointAt(strip.points, at_ms, strip.gap_ms);
  if (point) return strip.exact(point[1]);
  return strip.kind === 'bars' ? strip.exact(0) : '–';
}

export class LivePlot extends LiveElement {
  /** @type {Series | null} */
  series = null;
  start_ms = 0;
  now_ms = 0;
  currency = 'CNY';
  /** @type {(item: string) => string} */
  titleOfItem = () => '';
  /** @type {Record<string, number>} nice maxima only grow during a show */
  #maxima = {};
  /** @type {number | null} */
  #cursor_ms = null;
  #isTable = false;
  #shownStart_ms = 0;

  build() {
    render(this, html`
      <div class="plot-head"><p class="plot-read" role="status" data-ref="read"></p>
        <button class="plot-switch" type="button" data-ref="csv">${t('console.plot_csv')}</button>
        <button class="plot-switch" type="button" aria-pressed="false" data-ref="switch">${t('console.plot_table')}</button></div>
      <div class="plot-canvas" data-ref="canvas" tabindex="0" aria-label="${t('console.plot')}" role="group"></div>
      <div class="plot-table" data-ref="table" hidden></div>`);
    const canvas = this.ref('canvas');
    canvas.addEventListener('pointermove', (event) => this.#point(event.clientX - canvas.getBoundingClientRect().left));
    canvas.addEventListener('pointerleave', () => this.#setCursor(null));
    canvas.addEventListener('blur', () => this.#setCursor(null));
    canvas.addEventListener('keydown', (event) => this.#key(event));
    this.ref('csv').addEventListener('click', () => this.#saveCsv());
    this.ref('switch').addEventListener('click', () => {
      this.#isTable = !this.#isTable;
      this.update();
    });
  }

  connected() {
    this.observer = new ResizeObserver(() => this.changed());
    this.observer.observe(this.ref('canvas'));
  }

  disconnected() {
    this.observer?.disconnect();
  }

  /** @param {number | null} at_ms */
  #setCursor(at_ms) {
    this.#cursor_ms = at_ms === null ? null : Math.min(this.now_ms, Math.max(this.start_ms, at_ms));
    this.changed();
  }

  /** @param {number} x px from the canvas's left edge */
  #point(x) {
    const frame = frameOf({ width: this.ref('canvas').clientWidth, start_ms: this.start_ms, now_ms: this.now_ms });
    this.#setCursor(frame.at(x));
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const step = event.key === 'ArrowLeft' ? -CURSOR_STEP_MS : event.key === 'ArrowRight' ? CURSOR_STEP_MS : 0;
    if (!step) return;
    event.preventDefault();
    this.#setCursor((this.#cursor_ms ?? this.now_ms) + step);
  }

  /** @returns {Strip[]} */
  #strips() {
    const { series, currency } = this;
    if (!series) return [];
    const unit = minorUnits(currency);
    const sign = money(0, currency).replace(/[\d.,\s]/g, '');
    /** @type {Strip[]} */
    const strips = [{ name: t('console.plot_viewers'), kind: 'line', tone: 'viewers', points: series.viewers.map(([at, count]) => [Math.max(at, this.start_ms), count]), gap_ms: VIEWERS_GAP_MS, axis: shortNumber, exact: people }];
    if (series.orders) strips.push({ name: t('console.plot_orders'), kind: 'bars', tone: 'orders', points: series.orders, gap_ms: MINUTE_MS, axis: shortNumber, exact: number });
    if (series.gmv) {
      const points = asSteps(series.gmv.map(([at, minor]) => [at, minor / unit]), this.start_ms, this.now_ms);
      strips.push({ name: t('console.plot_gmv'), kind: 'line', tone: 'gmv', points, gap_ms: Infinity, axis: (value) => (value ? sign : '') + shortNumber(value), exact: (value) => money(Math.round(value * unit), currency) });
    }
    return strips;
  }

  /** @param {Strip[]} strips */
  #reading(strips) {
    const at_ms = this.#cursor_ms;
    if (at_ms === null) return '';
    const values = strips.map((strip) => {
      return `${strip.name} ${valueAt(strip, at_ms)}`;
    });
    return [sinceStart(at_ms - this.start_ms), ...values].join(t('site.separator'));
  }

  /** One row a minute: time since the start, then each strip's value. @param {Strip[]} strips @returns {string[][]} */
  #rows(strips) {
    const rows = [];
    for (let at = Math.floor(this.start_ms / MINUTE_MS) * MINUTE_MS; at <= this.now_ms; at += MINUTE_MS) {
      const end_ms = Math.min(at + MINUTE_MS - 1, this.now_ms);
      rows.push([sinceStart(Math.max(0, at - this.start_ms)), ...strips.map((strip) => valueAt(strip, end_ms))]);
    }
    return rows;
  }

  #saveCsv() {
    const strips = this.series && this.start_ms ? this.#strips() : [];
    const lines = [[t('console.plot_time'), ...strips.map((strip) => strip.name)], ...this.#rows(strips)];
    const text = lines.map((cells) => cells.map((cell) => `"${cell.replaceAll('"', '""')}"`).join(',')).join('\r\n');
    const link = document.createElement('a');
    link.href = URL.createObjectURL(new Blob(['\ufeff', text], { type: 'text/csv' }));
    link.download = 'show.csv';
    link.click();
    URL.revokeObjectURL(link.href);
  }

  /** @param {Strip[]} strips */
  #drawTable(strips) {
    render(this.ref('table'), html`<table><caption class="visually-hidden">${t('console.plot')}</caption>
      <thead><tr><th scope="col">${t('console.plot_time')}</th>${strips.map((strip) => html`<th scope="col">${strip.name}</th>`)}</tr></thead>
      <tbody>${this.#rows(strips).reverse().map(([time, ...cells]) => html`<tr><th scope="row">${time}</th>${cells.map((cell) => html`<td>${cell}</td>`)}</tr>`)}</tbody></table>`);
  }

  /** @param {Series} series @returns {import('./strips.js').Window[]} those that were ever open */
  #windows({ flash, groups }) {
    return [
      ...groups.map(({ from_ms, to_ms, need }) => ({ kind: /** @type {const} */ ('group'), label: t('console.plot_group', { need }), from_ms, to_ms })),
      ...flash.map(({ from_ms, to_ms, quantity }) => ({ kind: /** @type {const} */ ('flash'), label: t('console.plot_flash', { count: quantity }), from_ms, to_ms: to_ms ?? Math.max(this.now_ms, from_ms + 1) })),
    ].filter(({ from_ms, to_ms }) => to_ms > from_ms);
  }

  update() {
    const canvas = this.ref('canvas');
    const isReady = Boolean(this.series && this.start_ms);
    const strips = isReady ? this.#strips() : [];
    canvas.hidden = this.#isTable;
    this.ref('table').hidden = !this.#isTable;
    setAttribute(this.ref('switch'), 'aria-pressed', String(this.#isTable));
    setText(this.ref('read'), isReady ? this.#reading(strips) : t('console.plot_empty'));
    if (!isReady) {
      render(this.ref('table'), html``);
      return render(canvas, html``);
    }
    if (this.#shownStart_ms !== this.start_ms) this.#maxima = {};
    this.#shownStart_ms = this.start_ms;
    if (this.#isTable) return this.#drawTable(strips);
    const { clientWidth: width, clientHeight: height } = canvas;
    if (width < 120 || height < 90) return undefined;
    const series = /** @type {Series} */ (this.series);
    const pins = series.pins.map((pin) => ({ label: String(pin.no), title: t('console.plot_pin', { no: pin.no, title: this.titleOfItem(pin.item) }), at_ms: pin.from_ms }));
    const windows = this.#windows(series);
    return render(canvas, drawPicture({ width, height, start_ms: this.start_ms, now_ms: this.now_ms, strips, pins, windows, maxima: this.#maxima, cursor_ms: this.#cursor_ms }, t('console.plot')));
  }
}

define('live-plot', LivePlot);
