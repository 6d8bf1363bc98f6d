// @ts-check
/**
 * The form that gives money of one order back: how much, why, and whether the goods go back on sale.
 *
 * HTML: `<live-refund-form></live-refund-form>`. Method: `open(order)`. Events: `live:give-back {order, amount_minor, reason, restock}`.
 * Invariant: the reason is what the buyer reads, and the form says so; the amount is never more than is left.
 */
import { define, setAttribute, setText } from '../../lib/element.js';
import { moneyExact, minorUnits } from '../../lib/format.js';
import { html, render } from '../../lib/html.js';
import { t, titleOf } from '../../lib/i18n.js';
import { SheetElement } from '../../lib/sheet_element.js';
import { parsePrice } from '../../logic/console_flash.js';

/** @typedef {import('../../net/console_api.js').FeedOrder} FeedOrder */

const REASON_MAX = 500;

export class LiveRefundForm extends SheetElement {
  /** @type {FeedOrder | null} */
  #order = null;
  #isTried = false;

  build() {
    render(this, html`
      <live-sheet label="${t('console.refund_title')}"><form class="refund" novalidate data-ref="form">
        <h2>${t('console.refund_title')}</h2><p class="muted" data-ref="note"></p>
        <label><span class="field-label">${t('console.refund_amount')}</span><input class="field" name="amount" inputmode="decimal" autocomplete="off" maxlength="14" data-ref="amount"><span class="field-error" role="alert" data-ref="amount-error"></span></label>
        <label><span class="field-label">${t('console.refund_reason')}</span><textarea class="field" name="reason" rows="2" maxlength="${REASON_MAX}" data-ref="reason"></textarea><span class="field-error" role="alert" data-ref="reason-error"></span></label>
        <label class="refund-check"><input type="checkbox" name="restock" data-ref="restock"><span>${t('console.refund_restock')}</span></label>
        <p class="muted" data-ref="says" aria-live="polite"></p>
        <div class="ask-acts"><button class="button" type="button" data-ref="no">${t('site.cancel')}</button><button class="button button-coral" type="submit" data-ref="yes"></button></div>
      </form></live-sheet>`);
    this.ref('form').addEventListener('input', () => this.update());
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

  /**
   * Open the form with all that is left of an order.
   * @param {FeedOrder} order
   */
  open(order) {
    const units = minorUnits(order.currency);
    this.#order = order;
    this.#isTried = false;
    this.#input('amount').value = (order.left_minor / units).toFixed(Math.round(Math.log10(units)));
    this.#input('reason').value = '';
    this.#input('restock').checked = false;
    this.update();
    this.sheet.open();
    this.#input('reason').focus();
  }

  /** @param {FeedOrder} order */
  #read(order) {
    const typed = parsePrice(this.#input('amount').value, minorUnits(order.currency));
    return { amount_minor: typed !== null && typed <= order.left_minor ? typed : null, reason: this.#input('reason').value.trim() };
  }

  #send() {
    const order = this.#order;
    if (!order) return;
    const { amount_minor, reason } = this.#read(order);
    this.#isTried = true;
    this.update();
    if (amount_minor === null) this.#input('amount').focus();
    else if (!reason) this.#input('reason').focus();
    else {
      this.sheet.close();
      this.emit('give-back', { order: order.id, amount_minor, reason, restock: this.#input('restock').checked });
    }
  }

  update() {
    const order = this.#order;
    if (!order) return;
    const { amount_minor, reason } = this.#read(order);
    const left = moneyExact(order.left_minor, order.currency);
    setText(this.ref('note'), t('console.refund_of', { buyer: order.buyer, title: titleOf(order), price: left }));
    const wrong = { amount: this.#isTried && amount_minor === null, reason: this.#isTried && !reason };
    setText(this.ref('amount-error'), wrong.amount ? t('console.refund_too_large', { price: left }) : '');
    setText(this.ref('reason-error'), wrong.reason ? t('console.refund_needs_reason') : '');
    setAttribute(this.ref('amount'), 'aria-invalid', wrong.amount ? 'true' : null);
    setAttribute(this.ref('reason'), 'aria-invalid', wrong.reason ? 'true' : null);
    // A part gives money alone; who takes the last of it takes the goods.
    this.#input('restock').disabled = amount_minor !== order.left_minor;
    setText(this.ref('says'), t(amount_minor === order.left_minor ? 'console.refund_all' : 'console.refund_part'));
    setText(this.ref('yes'), amount_minor === null ? t('console.refund') : t('console.refund_yes', { price: moneyExact(amount_minor, order.currency) }));
  }
}

define('live-refund-form', LiveRefundForm);
