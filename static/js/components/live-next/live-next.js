// @ts-check
/**
 * The one lime press of the console: says in words what it will do, and does it.
 *
 * HTML: `<live-next></live-next>`. Properties: `step` (NextStep), `armed` (first press or null), `currency`, `isLive`.
 * Events: `live:next`.
 */
import { money, number } from '../../lib/format.js';
import { html, render } from '../../lib/html.js';
import { t, titleOf } from '../../lib/i18n.js';
import { LiveElement, define, setAttribute, setText } from '../../lib/element.js';

/** @typedef {import('../../logic/console_run.js').NextStep} NextStep */

export class LiveNext extends LiveElement {
  /** @type {NextStep} */
  step = { kind: 'none' };
  /** @type {import('../../logic/console_run.js').Armed | null} */
  armed = null;
  currency = 'CNY';
  isLive = false;

  build() {
    render(this, html`
      <button class="next" type="button" data-ref="button">
        <span class="next-words"><span class="next-title" data-ref="title"></span><span class="next-does" data-ref="does" aria-live="polite"></span></span>
        <kbd class="key next-key" aria-hidden="true">N</kbd>
      </button>`);
    this.ref('button').addEventListener('click', () => this.emit('next'));
  }

  /** @returns {[title: string, does: string]} */
  #words() {
    const { step } = this;
    if (!this.isLive) return [t('console.next_before'), t('console.next_before_note')];
    if (step.kind === 'none') return [t('console.next_none'), t('console.next_none_note')];
    const { item, plan, stays } = step;
    const no = item.no;
    const title = titleOf(item);
    if (plan) {
      const price = money(plan.price_minor, this.currency);
      const values = { no, title, price, quantity: number(plan.quantity), seconds: plan.countdown_s };
      if (this.armed?.item === item.item) return [t('console.next_again', values), t('console.next_arms', values)];
      return [t('console.next', values), t('console.next_arms', values)];
    }
    if (stays) return [t('console.next', { no }), t('console.next_stays', { no, from: stays.no })];
    return [t('console.next', { no }), t('console.next_pins', { title })];
  }

  update() {
    const [title, does] = this.#words();
    setText(this.ref('title'), title);
    setText(this.ref('does'), does);
    const isIdle = !this.isLive || this.step.kind === 'none';
    const state = isIdle ? 'idle' : this.armed ? 'armed' : 'ready';
    setAttribute(this.ref('button'), 'data-state', state);
    setAttribute(this.ref('button'), 'aria-disabled', isIdle ? 'true' : null);
  }
}

define('live-next', LiveNext);
