// @ts-check
/**
 * A drop of coupons in the room: what it takes off, when it opens, how many are left, one button.
 *
 * HTML: `<live-drop></live-drop>`. Properties: `facts` (DropFacts or null: nothing to show). Events: `live:claim {drop}`.
 */
import { define, LiveElement, setAttribute, setText } from '../../lib/element.js';
import { duration, number } from '../../lib/format.js';
import { html, icon, render } from '../../lib/html.js';
import { hasText, t } from '../../lib/i18n.js';
import { phaseOf } from '../../logic/coupons.js';
import { couponOff, couponTerms } from './coupon_words.js';

/** @typedef {{drop: import('../../logic/room_state.js').Drop, now_ms: number, isAsking: boolean, hasClaim: boolean,
 *   refusal: string | null}} DropFacts */

export class LiveDrop extends LiveElement {
  /** @type {DropFacts | null} */
  #facts = null;

  get facts() {
    return this.#facts;
  }

  set facts(facts) {
    this.#facts = facts;
    this.changed();
  }

  build() {
    render(this, html`
      <section class="drop" aria-label="${t('drop.title')}" data-ref="card">
        <div class="drop-words"><h2 class="drop-off" data-ref="off"></h2><p class="muted" data-ref="terms"></p></div>
        <div class="drop-end"><button class="button button-white drop-claim" type="button" data-ref="claim"></button><p class="muted" data-ref="left"></p></div>
        <p class="drop-note" role="status" data-ref="note">${icon('check')}<span data-ref="words"></span></p>
      </section>`);
    this.ref('claim').addEventListener('click', () => {
      if (this.#facts) this.emit('claim', { drop: this.#facts.drop.id });
    });
  }

  update() {
    const facts = this.#facts;
    this.hidden = facts === null;
    if (!facts) return;
    const { drop, now_ms, isAsking, hasClaim, refusal } = facts;
    const phase = phaseOf(drop, now_ms);
    const button = /** @type {HTMLButtonElement} */ (this.ref('claim'));
    setAttribute(this.ref('card'), 'data-phase', phase);
    setText(this.ref('off'), couponOff(drop.coupon));
    setText(this.ref('terms'), couponTerms(drop.coupon));
    const reason = drop.coupon.halt_reason;
    button.hidden = hasClaim || phase === 'gone' || reason !== undefined;
    button.disabled = isAsking || phase !== 'open';
    setText(button, phase === 'armed' ? t('drop.opens_in', { duration: duration(drop.opens_at_ms - now_ms) }) : t(isAsking ? 'drop.asking' : 'drop.claim'));
    const to_go = phase === 'open' ? `${t('site.separator')}${duration(drop.ends_at_ms - now_ms)}` : '';
    setText(this.ref('left'), reason !== undefined ? t('drop.halted') : phase === 'gone' ? t('drop.gone') : `${t('drop.left', { left: number(drop.left), of: number(drop.quantity) })}${to_go}`);
    const note = reason !== undefined ? t('drop.halted_note', { reason }) : hasClaim ? t('drop.mine') : refusal ? t(hasText(`drop.refused.${refusal}`) ? `drop.refused.${refusal}` : 'drop.failed') : '';
    setText(this.ref('words'), note);
    this.ref('note').hidden = note === '';
    setAttribute(this.ref('note'), 'data-tone', hasClaim && reason === undefined ? 'good' : null);
  }
}

define('live-drop', LiveDrop);
