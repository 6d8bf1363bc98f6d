// @ts-check
/**
 * The room's coupons in a sheet, newest first, with what became of them; each can be stopped, and let go on.
 *
 * HTML: `<live-coupon-list></live-coupon-list>`. Methods: `open()`, `take(coupons)`, `fail(code)`, `say(text)`.
 * Events: `live:read-coupons`, `live:halt-coupon {coupon, what, isHalted}`.
 */
import { html, render } from '../../lib/html.js';
import { money, number } from '../../lib/format.js';
import { t } from '../../lib/i18n.js';
import { keyedList } from '../../lib/keyed_list.js';
import { define, find, setAttribute, setText } from '../../lib/element.js';
import { SheetElement } from '../../lib/sheet_element.js';
import { couponOff, couponTerms } from '../live-drop/coupon_words.js';

/** @typedef {{coupon: import('../../logic/room_state.js').Coupon, claimed: number, locked: number, used: number,
 *   spent_minor: number}} CouponFigures `locked` are on open orders */

export class LiveCouponList extends SheetElement {
  /** @type {CouponFigures[] | null} newest first; null until they are read */
  #coupons = null;

  build() {
    render(this, html`
      <live-sheet label="${t('console.coupons_title')}">
        <h2>${t('console.coupons_title')}</h2>
        <p class="muted" role="status" data-ref="note"></p>
        <ul class="coupon-list" data-ref="rows"></ul>
      </live-sheet>`);
    this.ref('rows').addEventListener('click', (event) => {
      const id = /** @type {HTMLElement} */ (event.target).closest('button')?.dataset['coupon'];
      const found = this.#coupons?.find((one) => one.coupon.id === id);
      if (found) this.emit('halt-coupon', { coupon: found.coupon.id, what: couponOff(found.coupon), isHalted: found.coupon.halt_reason !== undefined });
    });
  }

  get isOpen() {
    return this.sheet.isOpen;
  }

  open() {
    this.sheet.open();
    setText(this.ref('note'), t('console.coupons_loading'));
    this.emit('read-coupons');
  }

  /** @param {CouponFigures[]} coupons newest first */
  take(coupons) {
    this.#coupons = coupons;
    setText(this.ref('note'), coupons.length === 0 ? t('console.coupons_none') : '');
    this.update();
  }

  /** @param {string} code */
  fail(code) {
    setText(this.ref('note'), t('console.coupons_failed', { code }));
  }

  /** What became of an act, as the console's own line lies below the sheet. @param {string} text */
  say(text) {
    setText(this.ref('note'), text);
  }

  update() {
    keyedList(this.ref('rows'), this.#coupons ?? [], { key: ({ coupon }) => coupon.id, create: createRow, update: updateRow });
  }
}

/** @param {CouponFigures} figures */
function createRow({ coupon }) {
  const row = document.createElement('li');
  render(row, html`
    <div class="coupon-words"><p class="coupon-what">${couponOff(coupon)}</p><p class="muted">${couponTerms(coupon)}</p>
      <p class="muted" data-part="figures"></p><p class="coupon-halted" data-part="halted"></p></div>
    <button class="button console-button" type="button" data-coupon="${coupon.id}"></button>`);
  return row;
}

/**
 * @param {HTMLElement} row
 * @param {CouponFigures} figures
 */
function updateRow(row, { coupon, claimed, locked, used, spent_minor }) {
  const reason = coupon.halt_reason;
  const words = { claimed: number(claimed), locked: number(locked), used: number(used), price: money(spent_minor, coupon.currency) };
  setText(find('[data-part="figures"]', row), t('console.coupon_figures', words));
  setText(find('[data-part="halted"]', row), reason === undefined ? '' : t('console.coupon_halted', { reason }));
  find('[data-part="halted"]', row).hidden = reason === undefined;
  const button = find('button', row);
  setText(button, t(reason === undefined ? 'console.coupon_halt' : 'console.coupon_resume'));
  setAttribute(button, 'aria-label', `${button.textContent}${t('site.separator')}${couponOff(coupon)}`);
  button.classList.toggle('button-coral', reason === undefined);
}

define('live-coupon-list', LiveCouponList);
