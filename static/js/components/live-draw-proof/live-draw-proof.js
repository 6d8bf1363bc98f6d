// @ts-check
/**
 * How a sale was drawn: the public numbers, one's own part, and how anybody can compute the order again.
 *
 * HTML: `<live-draw-proof></live-draw-proof>`. Properties: `facts` (DrawFacts or null). Events: none.
 * Invariant: it shows what the server published and computes nothing.
 */
import { define, LiveElement } from '../../lib/element.js';
import { number } from '../../lib/format.js';
import { html, render } from '../../lib/html.js';
import { t } from '../../lib/i18n.js';

/** @typedef {import('../../logic/draws.js').OwnEntry} OwnEntry */
/** @typedef {{sale: string, draw: import('../../logic/room_state.js').Draw, entry: OwnEntry | null}} DrawFacts */

/** The script that the shop serves, standard library only. */
const SCRIPT = '/static/verify/draw.py';

export class LiveDrawProof extends LiveElement {
  /** @type {DrawFacts | null} */
  #facts = null;

  get facts() {
    return this.#facts;
  }

  set facts(facts) {
    this.#facts = facts;
    this.changed();
  }

  update() {
    if (!this.#facts) return;
    const { sale, draw, entry } = this.#facts;
    const command = ['python draw.py', location.origin, sale, ...(entry ? ['--entry', entry.id] : [])].join(' ');
    render(this, html`
      <h2>${t('draw.how')}</h2>
      <p class="muted">${t('draw.how_note')}</p>
      <dl class="sums">
        ${row('draw.fact_entries', number(draw.entries ?? 0))}
        ${row('draw.fact_winners', number(draw.winners ?? 0))}
        ${entry && entry.rank !== null ? row('draw.fact_place', t('draw.place', { rank: number(entry.rank), of: number(entry.of ?? 0) })) : ''}
      </dl>
      <dl class="draw-hashes">
        ${entry ? row('draw.fact_entry', entry.id) : ''}
        ${row('draw.fact_commit', draw.commit)}
        ${row('draw.fact_seed', draw.seed ?? '')}
        ${row('draw.fact_digest', draw.digest ?? '')}
      </dl>
      <h3>${t('draw.again')}</h3>
      <p class="draw-links"><a class="button" href="/api/sales/${encodeURIComponent(sale)}/draw">${t('draw.data')}</a><a class="button" href="${SCRIPT}" download>${t('draw.script')}</a></p>
      <p><code class="draw-command">${command}</code></p>
      <p class="muted">${t('draw.limits')}</p>`);
  }
}

/**
 * @param {string} key
 * @param {string} value
 */
function row(key, value) {
  return html`<div><dt>${t(key)}</dt><dd>${value}</dd></div>`;
}

define('live-draw-proof', LiveDrawProof);
