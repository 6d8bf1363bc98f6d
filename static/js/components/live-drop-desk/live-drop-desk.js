// @ts-check
/**
 * The console's coupons: the drop that runs, with its figures and the ways to close it and to stop its coupon, and the form of a new one.
 *
 * HTML: `<live-drop-desk></live-drop-desk>`. Properties: `drop` (Drop or null), `now_ms`, `currency`, `isLive`,
 * `item` (RunItem or null: the one that *only this* means). Method: `open()`.
 * Events: `live:drop-coupons {wish, title}`, `live:close-drop {drop}`, `live:halt-coupon {coupon, what, isHalted}`, `live:open-coupons`.
 */
import { define, find, LiveElement, setAttribute, setText } from '../../lib/element.js';
import { duration, minorUnits, money, number } from '../../lib/format.js';
import { html, render } from '../../lib/html.js';
import { t, titleOf } from '../../lib/i18n.js';
import { LIMIT_FIELDS, readDropForm, readDropLimits, USUAL } from '../../logic/console_coupons.js';
import { phaseOf } from '../../logic/coupons.js';
import { couponOff } from '../live-drop/coupon_words.js';

/** @typedef {import('../live-sheet/live-sheet.js').LiveSheet} LiveSheet */

const FIELDS = /** @type {const} */ (['off', 'threshold', 'quantity', 'countdown_s', 'duration_s', 'per_card']);

const WHERE = /** @type {const} */ (['room', 'shop', 'item']);

export class LiveDropDesk extends LiveElement {
  /** @type {import('../../logic/room_state.js').Drop | null} */
  drop = null;
  now_ms = 0;
  currency = 'CNY';
  isLive = false;
  /** @type {import('../../logic/console_run.js').RunItem | null} */
  item = null;
  /** @type {LiveDropDesk['item']} as it was when the form was opened: a pin that moves must not move a coupon */
  #named = null;
  #isTried = false;

  build() {
    render(this, html`
      <p class="drop-desk"><span data-ref="line" role="status"></span>
        <button class="button console-button" type="button" data-ref="new">${t('console.drop_new')}<kbd class="key" aria-hidden="true">Q</kbd></button>
        <button class="button console-button" type="button" data-ref="close"></button>
        <button class="button console-button" type="button" data-ref="halt"></button>
        <button class="button console-button" type="button" data-ref="all">${t('console.coupons')}</button></p>
      <live-sheet label="${t('console.drop_title')}" data-ref="sheet"><form class="ask" novalidate data-ref="form">
        <h2>${t('console.drop_title')}</h2>
        <div class="drop-fields">${FIELDS.map((name) => html`<label><span class="field-label">${t(`console.field.drop_${name}`)}</span>
          <input class="field" name="${name}" value="${USUAL[name]}" autocomplete="off" maxlength="12"></label>`)}</div>
        <fieldset class="units-which"><legend class="field-label">${t('console.drop_where')}</legend>${WHERE.map((where) => html`
          <label class="ask-choice" data-where="${where}"><input type="radio" name="where" value="${where}"> <span>${t(`console.drop_where_${where}`)}</span></label>`)}</fieldset>
        <label class="drop-every"><input type="checkbox" name="every"> ${t('console.drop_every')}</label>
        <details class="arm-rules"><summary>${t('console.drop_limits')}</summary><p class="muted">${t('console.drop_limits_note')}</p>
          <div class="drop-fields">${LIMIT_FIELDS.map((name) => html`<label><span class="field-label">${t(`console.field.drop_${name}`)}</span>
            <input class="field" name="${name}" autocomplete="off" maxlength="12"></label>`)}</div></details>
        <p class="muted" data-ref="says" aria-live="polite"></p>
        <div class="ask-acts"><button class="button" type="button" data-ref="no">${t('site.cancel')}<kbd class="key" aria-hidden="true">Esc</kbd></button>
          <button class="button button-dark" type="submit">${t('console.drop_yes')}<kbd class="key" aria-hidden="true">Enter</kbd></button></div>
      </form></live-sheet>`);
    this.ref('new').addEventListener('click', () => this.open());
    this.ref('no').addEventListener('click', () => this.#sheet.close());
    this.ref('close').addEventListener('click', () => this.drop && this.emit('close-drop', { drop: this.drop.id }));
    this.ref('halt').addEventListener('click', () => this.#halt());
    this.ref('all').addEventListener('click', () => this.emit('open-coupons'));
    this.ref('form').addEventListener('input', () => this.update());
    this.ref('form').addEventListener('submit', (event) => {
      event.preventDefault();
      this.#send();
    });
  }

  get #sheet() {
    return /** @type {LiveSheet} */ (this.ref('sheet'));
  }

  /** @param {string} name */
  #input(name) {
    return /** @type {HTMLInputElement} */ (find(`input[name="${name}"]`, this));
  }

  /** Open the form of a new drop, where there may be one. */
  open() {
    if (this.ref('new').hidden) return;
    this.#isTried = false;
    this.#named = this.item;
    const only = find('[data-where="item"]', this);
    only.hidden = this.item === null;
    if (this.item) setText(find('span', only), t('console.drop_where_item', { no: this.item.no, title: titleOf(this.item) }));
    this.#choice('room').checked = true;
    this.#sheet.open();
    this.#input('off').select();
    this.update();
  }

  #halt() {
    if (!this.drop) return;
    const { coupon } = this.drop;
    this.emit('halt-coupon', { coupon: coupon.id, what: couponOff(coupon), isHalted: coupon.halt_reason !== undefined });
  }

  /** @param {import('../../logic/console_coupons.js').DropScope} where */
  #choice(where) {
    return /** @type {HTMLInputElement} */ (find(`input[value="${where}"]`, this));
  }

  #read() {
    const [off, threshold, quantity, countdown_s, duration_s, per_card] = /** @type {[string, string, string, string, string, string]} */ (FIELDS.map((name) => this.#input(name).value));
    const units = minorUnits(this.currency);
    const plain = readDropForm({ off, threshold, quantity, countdown_s, duration_s, per_card, every: this.#input('every').checked, where: WHERE.find((one) => this.#choice(one).checked) ?? 'room' }, units, this.#named?.sku ?? null);
    const fields = /** @type {Record<import('../../logic/console_coupons.js').LimitField, string>} */ (Object.fromEntries(LIMIT_FIELDS.map((name) => [name, this.#input(name).value])));
    const more = readDropLimits(fields, units, (plain.wish?.percent ?? 0) > 0);
    const wrong = [...plain.wrong, ...(plain.wish ? more.wrong : [])];
    return { wish: plain.wish && wrong.length === 0 ? { ...plain.wish, ...more.limits } : null, wrong };
  }

  #send() {
    const { wish, wrong } = this.#read();
    this.#isTried = true;
    this.update();
    if (LIMIT_FIELDS.some((name) => name === wrong[0])) /** @type {HTMLDetailsElement} */ (find('details', this)).open = true;
    if (wrong[0]) this.#input(wrong[0]).focus();
    if (!wish) return;
    this.#sheet.close();
    this.emit('drop-coupons', { wish, title: this.#title(wish) });
  }

  /** A title that reads the same in every language. @param {import('../../logic/console_coupons.js').DropWish} wish */
  #title({ amount_minor, percent, threshold_minor }) {
    const off = percent ? `−${percent}%` : `−${money(amount_minor, this.currency)}`;
    return threshold_minor ? `${off} ≥ ${money(threshold_minor, this.currency)}` : off;
  }

  update() {
    const { drop, now_ms } = this;
    const phase = drop ? phaseOf(drop, now_ms) : 'over';
    const isRunning = phase === 'armed' || phase === 'open';
    const left = drop ? t('drop.left', { left: number(drop.left), of: number(drop.quantity) }) : '';
    const until_ms = drop ? (phase === 'armed' ? drop.opens_at_ms : drop.ends_at_ms) - now_ms : 0;
    const reason = drop?.coupon.halt_reason;
    const halted = reason === undefined ? [] : [t('console.coupon_halted', { reason })];
    setText(this.ref('line'), drop && isRunning ? [couponOff(drop.coupon), left, `${duration(until_ms)} ${t(phase === 'armed' ? 'console.to_open' : 'console.to_go')}`, ...halted].join(t('site.separator')) : '');
    this.ref('halt').hidden = !isRunning;
    setText(this.ref('halt'), t(reason === undefined ? 'console.coupon_halt' : 'console.coupon_resume'));
    this.ref('halt').classList.toggle('button-coral', reason === undefined);
    this.ref('new').hidden = isRunning || !this.isLive;
    this.ref('close').hidden = !isRunning;
    setText(this.ref('close'), t(phase === 'armed' ? 'console.drop_undo' : 'console.drop_close'));
    const { wish, wrong } = this.#read();
    for (const name of [...FIELDS, ...LIMIT_FIELDS]) setAttribute(this.#input(name), 'aria-invalid', this.#isTried && wrong.includes(name) ? 'true' : null);
    setText(this.ref('says'), wish ? t('console.drop_says', { what: this.#title(wish), quantity: number(wish.quantity) }) : t(LIMIT_FIELDS.some((name) => name === wrong[0]) ? 'console.drop_limit_wrong' : 'console.drop_wrong'));
  }
}

define('live-drop-desk', LiveDropDesk);
