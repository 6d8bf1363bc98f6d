// @ts-check
/**
 * The audit light: a dot and words, never the dot alone. A press opens what was found, and how far everything was looked at.
 *
 * HTML: `<live-audit-light></live-audit-light>`. Properties: `audit` (Audit or null), `now_ms` (server clock). Events: none.
 */
import { duration, number } from '../../lib/format.js';
import { create, html, render } from '../../lib/html.js';
import { hasText, t, titleOf } from '../../lib/i18n.js';
import { keyedList } from '../../lib/keyed_list.js';
import { define, find, setAttribute, setText } from '../../lib/element.js';
import { SheetElement } from '../../lib/sheet_element.js';

/** @typedef {import('../../net/console_api.js').Broken} Broken */

/** An audit older than this no longer vouches for the present. */
const STALE_MS = 15_000;
/** From here on an age is written as m:ss. */
const MINUTE_MS = 60_000;

/** @param {number} age_ms */
const ago = (age_ms) => (age_ms < MINUTE_MS ? t('console.seconds_ago', { seconds: Math.floor(age_ms / 1000) }) : t('console.time_ago', { duration: duration(age_ms) }));

/** @param {string} check @returns {string} in words; a check that this page does not know is shown as it is */
const checkName = (check) => (hasText(`console.audit_check.${check}`) ? t(`console.audit_check.${check}`) : check);

/** @param {Broken} broken @returns {string} the sale and the check; who is not told of sales reads the check alone */
const nameOf = ({ sale, check }) => sale === undefined ? checkName(check) : t('console.audit_broken', {
  sale: sale ? t('console.audit_sale', { no: sale.no, title: titleOf(sale) }) : t('console.audit_sale_none'), check: checkName(check),
});

/** @param {Record<string, unknown>} row */
const rowText = (row) => Object.entries(row).map(([name, value]) => `${name}=${value}`).join(' ');

export class LiveAuditLight extends SheetElement {
  /** @type {import('../../net/console_api.js').Audit | null} */
  audit = null;
  now_ms = 0;

  build() {
    render(this, html`
      <button class="light light-button" type="button" data-ref="light" aria-haspopup="dialog"><span class="light-dot"></span><span>${t('console.audit')} <b data-ref="finding"></b> <span class="light-age" data-ref="age"></span></span></button>
      <live-sheet label="${t('console.audit_title')}">
        <h2>${t('console.audit_title')}</h2>
        <p class="audit-verdict" data-ref="verdict"></p>
        <ul class="audit-list" data-ref="violations"></ul>
        <h3 data-ref="warned">${t('console.audit_warnings')}</h3>
        <ul class="audit-list" data-ref="warnings"></ul>
        <p class="muted">${t('console.audit_note')} <span data-ref="turn"></span></p>
      </live-sheet>`);
    this.ref('light').addEventListener('click', () => this.sheet.open());
  }

  update() {
    const { audit } = this;
    const light = this.ref('light');
    const violations = audit?.violations ?? [];
    const warnings = audit?.warnings ?? [];
    this.#list(this.ref('violations'), violations);
    this.#list(this.ref('warnings'), warnings);
    this.ref('warned').hidden = warnings.length === 0;
    if (!audit) {
      setAttribute(light, 'data-state', 'none');
      setText(this.ref('finding'), t('console.audit_none'));
      for (const part of ['age', 'verdict', 'turn']) setText(this.ref(part), '');
      return;
    }
    const age_ms = Math.max(0, this.now_ms - audit.at_ms);
    const calm = warnings.length ? 'warned' : 'fine';
    const state = audit.ok ? (age_ms > STALE_MS ? 'late' : calm) : 'bad';
    setAttribute(light, 'data-state', state);
    const worst = violations[0] ?? warnings[0];
    setText(this.ref('finding'), worst ? nameOf(worst) : t('console.audit_oversold', { count: number(audit.oversold) }));
    setText(this.ref('age'), `· ${ago(age_ms)}`);
    setAttribute(light, 'title', t(`console.audit_${state}`));
    setText(this.ref('verdict'), t(`console.audit_${state}`));
    const ended_ms = audit.turn?.last_ended_at_ms ?? null;
    setText(this.ref('turn'), ended_ms === null ? t('console.audit_turn_none') : t('console.audit_turn', { ago: ago(Math.max(0, this.now_ms - ended_ms)) }));
  }

  /** @param {HTMLElement} list @param {Broken[]} broken */
  #list(list, broken) {
    keyedList(list, broken, {
      key: (one) => one.check,
      create: () => create(html`<li><b></b> <span class="audit-count"></span><code></code></li>`),
      update: (item, one) => {
        setText(find('b', item), nameOf(one));
        setText(find('.audit-count', item), t('console.audit_rows', { count: one.count }));
        setText(find('code', item), (one.rows ?? []).slice(0, 5).map(rowText).join('\n'));
      },
    });
  }
}

define('live-audit-light', LiveAuditLight);
