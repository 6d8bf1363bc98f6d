// @ts-check
/**
 * The form that gives money of one order back: which goods, how much, why, and whether the goods go back on sale.
 *
 * HTML: `<live-refund-form></live-refund-form>`. Methods: `open(row)`, then `takeOrder(order)` or `failLines(order, code)`.
 * Events: `live:give-back {order, amount_minor, reason, restock, lines?}`.
 * Invariant: the reason is what the buyer reads, and the form says so; the amount is never more than is left. The sum of the chosen
 * goods is filled in until somebody types another one.
 */
import { define, find, setAttribute, setText } from '../../lib/element.js';
import { moneyExact, minorUnits, number } from '../../lib/format.js';
import { html, render } from '../../lib/html.js';
import { t, titleOf } from '../../lib/i18n.js';
import { SheetElement } from '../../lib/sheet_element.js';
import { linesLeft, readLines, rowOf } from '../../logic/order_rows.js';
import { parsePrice } from '../../logic/typed.js';

/** @typedef {import('../../net/console_api.js').FeedOrder} FeedOrder */
/** @typedef {import('../../logic/order_rows.js').LineLeft} LineLeft */
/** @typedef {import('../../logic/order_rows.js').StaffOrder} StaffOrder */

const REASON_MAX = 500;

export class LiveRefundForm extends SheetElement {
  /** @type {FeedOrder | null} */
  #order = null;
  /** @type {LineLeft[]} */
  #lines = [];
  #isTried = false;
  /** The amount was typed, so that the goods chosen change it no more. */
  #isOwnAmount = false;

  build() {
    render(this, html`
      <live-sheet label="${t('console.refund_title')}"><form class="refund" novalidate data-ref="form">
        <h2>${t('console.refund_title')}</h2><p class="muted" data-ref="note"></p>
        <fieldset class="refund-lines"><legend class="field-label">${t('console.refund_lines')}</legend>
          <p class="muted" role="status" data-ref="lines-note"></p><div data-ref="lines"></div></fieldset>
        <label><span class="field-label">${t('console.refund_amount')}</span><input class="field" name="amount" inputmode="decimal" autocomplete="off" maxlength="14" data-ref="amount"><span class="field-error" role="alert" data-ref="amount-error"></span></label>
        <label><span class="field-label">${t('console.refund_reason')}</span><textarea class="field" name="reason" rows="2" maxlength="${REASON_MAX}" data-ref="reason"></textarea><span class="field-error" role="alert" data-ref="reason-error"></span></label>
        <label class="refund-check"><input type="checkbox" name="restock" data-ref="restock"><span>${t('console.refund_restock')}</span></label>
        <p class="muted" data-ref="says" aria-live="polite"></p>
        <div class="ask-acts"><button class="button" type="button" data-ref="no">${t('site.cancel')}</button><button class="button button-coral" type="submit" data-ref="yes"></button></div>
      </form></live-sheet>`);
    this.ref('form').addEventListener('input', (event) => this.#typed(/** @type {HTMLElement} */ (event.target)));
    this.ref('form').addEventListener('submit', (event) => {
      event.preventDefault();
      this.#send();
    });
    this.ref('no').addEventListener('click', () => this.sheet.close());
  }

  /** @param {'amount' | 'reason' | 'restock'} name */
  #input(name) {
    return /** @type {HTMLInputElement} */ (this.ref(name));
  }

  /** The fields of the lines. @returns {HTMLInputElement[]} */
  get #fields() {
    return /** @type {HTMLInputElement[]} */ ([...this.ref('lines').querySelectorAll('input')]);
  }

  /**
   * Open the form with all that is left of an order; its lines come later.
   * @param {FeedOrder} order
   */
  open(order) {
    this.#order = order;
    this.#lines = [];
    this.#isTried = false;
    this.#isOwnAmount = false;
    render(this.ref('lines'), html``);
    setText(this.ref('lines-note'), t('console.refund_lines_loading'));
    this.#fillAmount(order.left_minor);
    this.#input('reason').value = '';
    this.#input('restock').checked = false;
    this.update();
    this.sheet.open();
    this.#input('reason').focus();
  }

  /** @param {number} minor */
  #fillAmount(minor) {
    const units = minorUnits(this.#order?.currency ?? '');
    this.#input('amount').value = (minor / units).toFixed(Math.round(Math.log10(units)));
  }

  /**
   * The order as it is now: what was bought, and what is left of it.
   * @param {StaffOrder} order
   */
  takeOrder(order) {
    if (order.id !== this.#order?.id) return;
    this.#order = rowOf(order);
    this.#lines = linesLeft(order);
    render(this.ref('lines'), html`${this.#lines.map((line) => lineField(line, order.currency))}`);
    setText(this.ref('lines-note'), t('console.refund_lines_note'));
    if (!this.#isOwnAmount) this.#fillAmount(this.#order.left_minor);
    this.update();
  }

  /**
   * @param {string} order
   * @param {string} code
   */
  failLines(order, code) {
    if (order === this.#order?.id) setText(this.ref('lines-note'), t('console.refund_lines_failed', { code }));
  }

  /** @param {HTMLElement} field */
  #typed(field) {
    if (field === this.#input('amount')) this.#isOwnAmount = this.#input('amount').value.trim() !== '';
    else if (this.#order && !this.#isOwnAmount) {
      const { wishes, cost_minor } = this.#readLines();
      this.#fillAmount(wishes.length > 0 ? Math.min(cost_minor, this.#order.left_minor) : this.#order.left_minor);
    }
    this.update();
  }

  #readLines() {
    const typed = Object.fromEntries(this.#fields.map((field) => [field.name, field.type === 'checkbox' ? String(Number(field.checked)) : field.value]));
    return readLines(this.#lines, typed);
  }

  /** @param {FeedOrder} order */
  #read(order) {
    const typed = parsePrice(this.#input('amount').value, minorUnits(order.currency));
    return { amount_minor: typed !== null && typed <= order.left_minor ? typed : null, reason: this.#input('reason').value.trim(), ...this.#readLines() };
  }

  #send() {
    const order = this.#order;
    if (!order) return;
    const { amount_minor, reason, wishes, wrong } = this.#read(order);
    this.#isTried = true;
    this.update();
    if (wrong.length > 0) this.#fields.find(({ name }) => name === wrong[0])?.focus();
    else if (amount_minor === null) this.#input('amount').focus();
    else if (!reason) this.#input('reason').focus();
    else {
      this.sheet.close();
      const restock = this.#input('restock').checked && !this.#input('restock').disabled;
      this.emit('give-back', { order: order.id, amount_minor, reason, restock, ...(wishes.length > 0 ? { lines: wishes } : {}) });
    }
  }

  update() {
    const order = this.#order;
    if (!order) return;
    const { amount_minor, reason, wishes, wrong: wrongLines, units } = this.#read(order);
    const left = moneyExact(order.left_minor, order.currency);
    setText(this.ref('note'), t('console.refund_of', { buyer: order.buyer, title: titleOf(order), price: left }));
    const wrong = { amount: this.#isTried && amount_minor === null, reason: this.#isTried && !reason };
    setText(this.ref('amount-error'), wrong.amount ? t('console.refund_too_large', { price: left }) : '');
    setText(this.ref('reason-error'), wrong.reason ? t('console.refund_needs_reason') : '');
    setAttribute(this.ref('amount'), 'aria-invalid', wrong.amount ? 'true' : null);
    setAttribute(this.ref('reason'), 'aria-invalid', wrong.reason ? 'true' : null);
    for (const { reservation, left: count } of this.#lines) {
      const isWrong = wrongLines.includes(reservation);
      const row = find(`[data-line="${CSS.escape(reservation)}"]`, this);
      setText(find('.field-error', row), isWrong ? t('console.refund_line_wrong', { count: number(count) }) : '');
      setAttribute(find('input', row), 'aria-invalid', isWrong ? 'true' : null);
    }
    // Money alone takes no goods, unless it is the last of it: an order without money has none.
    const isAll = amount_minor === order.left_minor;
    this.#input('restock').disabled = !isAll && wishes.length === 0;
    setText(this.ref('says'), isAll ? t('console.refund_all') : wishes.length > 0 ? t('console.refund_some', { count: units }) : t('console.refund_part'));
    setText(this.ref('yes'), amount_minor === null ? t('console.refund') : t('console.refund_yes', { price: moneyExact(amount_minor, order.currency) }));
  }
}

/**
 * One line that can come back: a box for a single unit, else a number.
 * @param {LineLeft} line
 * @param {string} currency
 */
function lineField({ reservation, no, left, qty, total_minor, ...line }, currency) {
  const each_minor = total_minor / qty;
  const isEven = Number.isInteger(each_minor);
  const price = moneyExact(isEven ? each_minor : total_minor, currency);
  const words = t(isEven ? 'console.refund_line' : 'console.refund_line_paid', { no, title: titleOf(line), price, count: number(qty) });
  const field = left === 1
    ? html`<label class="refund-check"><input type="checkbox" name="${reservation}"><span>${words}</span></label>`
    : html`<span class="refund-line-words">${words}</span><span class="refund-line-count"><input class="field" name="${reservation}" inputmode="numeric" autocomplete="off" maxlength="6" placeholder="0" aria-label="${t('console.refund_line_units', { no, count: number(left) })}"> ${t('console.refund_line_of', { count: number(left) })}</span>`;
  return html`<div class="refund-line" data-line="${reservation}">${field}<span class="field-error" role="alert"></span></div>`;
}

define('live-refund-form', LiveRefundForm);
