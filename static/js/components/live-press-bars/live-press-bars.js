// @ts-check
/**
 * Presses a second since the opening, as small bars.
 *
 * HTML: `<live-press-bars></live-press-bars>`. Properties: `seconds` (counts, oldest first). Events: none.
 */
import { html, render } from '../../lib/html.js';
import { number } from '../../lib/format.js';
import { t } from '../../lib/i18n.js';
import { LiveElement, define, setAttribute } from '../../lib/element.js';

/** Bars that fit; a longer sale is folded so that each bar stands for several seconds. */
const BARS = 40;
const WIDTH = 320;
const HEIGHT = 40;

/**
 * Fold counts so that at most `BARS` remain; a bar is the mean of its seconds, so that its height keeps its meaning.
 * @param {readonly number[]} seconds
 * @returns {number[]}
 */
export function foldSeconds(seconds) {
  const fold = Math.ceil(seconds.length / BARS) || 1;
  const bars = [];
  for (let index = 0; index < seconds.length; index += fold) {
    const part = seconds.slice(index, index + fold);
    bars.push(part.reduce((sum, count) => sum + count, 0) / part.length);
  }
  return bars;
}

export class LivePressBars extends LiveElement {
  /** @type {number[]} */
  #seconds = [];

  get seconds() {
    return this.#seconds;
  }

  set seconds(seconds) {
    this.#seconds = seconds;
    this.changed();
  }

  build() {
    render(this, html`<svg class="press-bars" viewBox="0 0 ${WIDTH} ${HEIGHT}" preserveAspectRatio="xMinYMax meet" role="img" data-ref="svg"></svg>`);
  }

  update() {
    const bars = foldSeconds(this.#seconds);
    const most = Math.max(1, ...bars);
    const step = Math.min(22, WIDTH / Math.max(1, bars.length));
    const drawn = bars.map((count, index) => {
      const height = count > 0 ? Math.max(2, (count / most) * HEIGHT) : 1;
      return html`<rect x="${(index * step).toFixed(1)}" y="${(HEIGHT - height).toFixed(1)}" width="${Math.max(1.5, step - 2).toFixed(1)}" height="${height.toFixed(1)}" rx="1"></rect>`;
    });
    const svg = this.ref('svg');
    render(svg, html`${drawn}`);
    setAttribute(svg, 'aria-label', t('console.presses_chart', { most: number(Math.round(Math.max(0, ...this.#seconds))), count: this.#seconds.length }));
  }
}

define('live-press-bars', LivePressBars);
