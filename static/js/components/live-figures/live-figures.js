// @ts-check
/**
 * Six figures of the show, each with its formula behind an *i*.
 *
 * HTML: `<live-figures></live-figures>`. Properties: `figures` (Figures or null), `viewers` (live count), `currency`. Events: none.
 */
import { money, number, people } from '../../lib/format.js';
import { html, render } from '../../lib/html.js';
import { t } from '../../lib/i18n.js';
import { LiveElement, define, find, setAttribute, setText } from '../../lib/element.js';

/** @typedef {import('../../net/console_api.js').Figures} Figures */

const NAMES = /** @type {const} */ (['gmv', 'orders', 'watching', 'average', 'conversion', 'per_viewer', 'peak', 'buyers']);
/** Shown to roles that see no money. */
const PLAIN = new Set(['watching', 'average', 'peak']);
/** Ratios need the number of visitors; without it their places show plain counts. */
const RATIOS = new Set(['conversion', 'per_viewer']);
const COUNTS = new Set(['peak', 'buyers']);

/**
 * The values as text; a ratio without visitors is a dash.
 * @param {Figures} figures
 * @param {number} viewers
 * @param {string} currency
 * @returns {Record<typeof NAMES[number], string>}
 */
function valuesOf(figures, viewers, currency) {
  const { gmv_minor = 0, orders = 0, buyers = 0, visitors = 0 } = figures;
  const share = visitors > 0 ? `${number(Math.round((buyers / visitors) * 1000) / 10)} %` : '–';
  return {
    gmv: money(gmv_minor, currency),
    orders: number(orders),
    watching: people(viewers),
    average: people(Math.round(figures.viewers_avg ?? viewers)),
    conversion: share,
    per_viewer: visitors > 0 ? money(Math.round(gmv_minor / visitors), currency) : '–',
    peak: people(Math.max(figures.viewers_peak ?? 0, viewers)),
    buyers: number(buyers),
  };
}

export class LiveFigures extends LiveElement {
  /** @type {Figures | null} */
  figures = null;
  viewers = 0;
  currency = 'CNY';
  /** @type {string | null} the figure whose formula is open */
  #open = null;

  build() {
    render(this, html`<dl class="figures">${NAMES.map((name) => html`
      <div class="figure" data-name="${name}">
        <dt>${t(`console.figure.${name}`)}
          <button class="figure-how" type="button" aria-expanded="false" aria-label="${t('console.figure_how', { name: t(`console.figure.${name}`) })}">i</button></dt>
        <dd></dd>
        <p class="figure-tip" hidden></p>
      </div>`)}</dl>`);
    for (const figure of this.querySelectorAll('.figure')) {
      const name = /** @type {HTMLElement} */ (figure).dataset['name'] ?? '';
      find('button', figure).addEventListener('click', () => {
        this.#open = this.#open === name ? null : name;
        this.update();
      });
      find('button', figure).addEventListener('blur', () => {
        if (this.#open === name) this.#open = null;
        this.update();
      });
    }
  }

  update() {
    const { figures } = this;
    if (!figures) return;
    const values = valuesOf(figures, this.viewers, this.currency);
    const hasVisitors = figures.visitors !== undefined;
    const seesMoney = figures.gmv_minor !== undefined;
    for (const name of NAMES) {
      const figure = find(`[data-name="${name}"]`, this);
      const isReplaced = hasVisitors ? COUNTS.has(name) : RATIOS.has(name);
      figure.hidden = isReplaced || (!seesMoney && !PLAIN.has(name));
      setText(find('dd', figure), values[name]);
      setAttribute(find('button', figure), 'aria-expanded', String(this.#open === name));
      const tip = find('.figure-tip', figure);
      tip.hidden = this.#open !== name;
      setText(tip, t(`console.formula.${name}`, {
        peak: values.peak, visitors: number(figures.visitors ?? 0), buyers: number(figures.buyers ?? 0),
        refunded: money(figures.refunded_minor ?? 0, this.currency),
        net: money((figures.gmv_minor ?? 0) - (figures.refunded_minor ?? 0), this.currency),
      }));
    }
  }
}

define('live-figures', LiveFigures);
