// @ts-check
/**
 * The audit light: a dot and words, never the dot alone.
 *
 * HTML: `<live-audit-light></live-audit-light>`. Properties: `audit` ({ok, oversold, at_ms} or null), `now_ms` (server clock). Events: none.
 */
import { duration, number } from '../../lib/format.js';
import { html, render } from '../../lib/html.js';
import { t } from '../../lib/i18n.js';
import { LiveElement, define, setAttribute, setText } from '../../lib/element.js';

/** An audit older than this no longer vouches for the present. */
const STALE_MS = 15_000;
/** From here on an age is written as m:ss. */
const MINUTE_MS = 60_000;

export class LiveAuditLight extends LiveElement {
  /** @type {import('../../net/console_api.js').Audit | null} */
  audit = null;
  now_ms = 0;

  build() {
    render(this, html`<span class="light" data-ref="light"><span class="light-dot"></span><span>${t('console.audit')} <b data-ref="finding"></b> <span class="light-age" data-ref="age"></span></span></span>`);
  }

  update() {
    const { audit } = this;
    const light = this.ref('light');
    if (!audit) {
      setAttribute(light, 'data-state', 'none');
      setText(this.ref('finding'), t('console.audit_none'));
      setText(this.ref('age'), '');
      return;
    }
    const age_ms = Math.max(0, this.now_ms - audit.at_ms);
    const age = age_ms < MINUTE_MS ? t('console.seconds_ago', { seconds: Math.floor(age_ms / 1000) }) : t('console.time_ago', { duration: duration(age_ms) });
    const state = audit.ok ? (age_ms > STALE_MS ? 'late' : 'fine') : 'bad';
    setAttribute(light, 'data-state', state);
    const finding = audit.ok || audit.oversold > 0 ? t('console.audit_oversold', { count: number(audit.oversold) }) : t('console.audit_violations', { count: number(audit.violations?.length ?? 1) });
    setText(this.ref('finding'), finding);
    setText(this.ref('age'), `· ${age}`);
    setAttribute(light, 'title', t(`console.audit_${state}`));
  }
}

define('live-audit-light', LiveAuditLight);
