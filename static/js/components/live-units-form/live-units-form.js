// @ts-check
/**
 * More or fewer units of a flash sale or of an item's stock; says who gets them before they are given.
 *
 * HTML: `<live-units-form></live-units-form>`. Method: `open(item, stock, sale)`.
 * Events: `live:change-units {item, sale, change}`; `sale` is null for the item's stock; `live:campaign-price {item}`.
 */
import { number } from '../../lib/format.js';
import { html, render } from '../../lib/html.js';
import { t, titleOf } from '../../lib/i18n.js';
import { define, find, setAttribute, setText } from '../../lib/element.js';
import { SheetElement } from '../../lib/sheet_element.js';
import { REASON_CHARS_MAX, readUnits, suggestedUnits } from '../../logic/console_units.js';

/** @typedef {import('../../logic/console_run.js').RunItem} RunItem */
/** @typedef {import('../../logic/console_units.js').UnitsLimits} UnitsLimits */

const FIELDS = /** @type {const} */ (['quantity', 'reason']);

export class LiveUnitsForm extends SheetElement {
  /** @type {RunItem | null} */
  #item = null;
  /** @type {{id: string, limits: UnitsLimits} | null} */
  #sale = null;
  /** @type {UnitsLimits} */
  #stock = { kind: 'stock', stock: [0, 0, 0], waiting: [0, 0], spare: 0 };
  #isTried = false;

  build() {
    render(this, html`
      <live-sheet><form class="units" novalidate data-ref="form">
        <h2 data-ref="title"></h2><p class="muted" data-ref="note"></p>
        <fieldset class="units-which" data-ref="which"><legend class="field-label">${t('console.units_which')}</legend>
          <label class="ask-choice"><input type="radio" name="which" value="sale"> ${t('console.units_which_sale')}</label>
          <label class="ask-choice"><input type="radio" name="which" value="stock"> ${t('console.units_which_stock')}</label></fieldset>
        <div class="units-fields">
          <label><span class="field-label">${t('console.field.units')}</span>
            <input class="field" name="quantity" inputmode="text" autocomplete="off" maxlength="12"><span class="field-error" data-error="quantity" role="alert"></span></label>
          <label><span class="field-label" data-ref="reason-label"></span>
            <input class="field" name="reason" autocomplete="off" maxlength="${REASON_CHARS_MAX}"><span class="field-error" data-error="reason" role="alert"></span></label>
        </div>
        <p class="units-says" data-ref="says" aria-live="polite"></p>
        <div class="ask-acts"><button class="button units-price" type="button" data-ref="campaign">${t('console.campaign')}</button><button class="button" type="button" data-ref="no">${t('site.cancel')}<kbd class="key" aria-hidden="true">Esc</kbd></button>
          <button class="button button-dark" type="submit"><span data-ref="yes"></span><kbd class="key" aria-hidden="true">Enter</kbd></button></div>
      </form></live-sheet>`);
    this.ref('form').addEventListener('input', () => this.update());
    this.ref('which').addEventListener('change', () => this.#begin());
    this.ref('form').addEventListener('submit', (event) => {
      event.preventDefault();
      this.#send();
    });
    this.ref('no').addEventListener('click', () => this.sheet.close());
    this.ref('campaign').addEventListener('click', () => {
      this.sheet.close();
      this.emit('campaign-price', { item: this.#item?.item });
    });
  }

  /** @param {'quantity' | 'reason'} name */
  #input(name) {
    return /** @type {HTMLInputElement} */ (find(`input[name="${name}"]`, this));
  }

  /**
   * Open the form for an item's flash sale, where one runs, else for its stock; with both there is a choice.
   * @param {RunItem} item
   * @param {UnitsLimits} stock
   * @param {{id: string, limits: UnitsLimits} | null} sale the flash sale, or null
   */
  open(item, stock, sale) {
    this.#item = item;
    this.#stock = stock;
    this.#sale = sale;
    this.ref('which').hidden = sale === null;
    this.#choice(sale ? 'sale' : 'stock').checked = true;
    this.#begin();
    this.sheet.open();
    this.#input('quantity').select();
  }

  /** @param {'sale' | 'stock'} kind */
  #choice(kind) {
    return /** @type {HTMLInputElement} */ (find(`input[value="${kind}"]`, this));
  }

  /** What is changed: the sale, or null for the stock. */
  get #chosen() {
    return this.#choice('sale').checked ? this.#sale : null;
  }

  /** @returns {UnitsLimits} */
  get #limits() {
    return this.#chosen?.limits ?? this.#stock;
  }

  /** Fill the fields for what is changed. */
  #begin() {
    this.#isTried = false;
    const fields = suggestedUnits(this.#limits);
    for (const name of FIELDS) this.#input(name).value = fields[name];
    this.update();
  }

  #read() {
    return readUnits({ quantity: this.#input('quantity').value, reason: this.#input('reason').value }, this.#limits);
  }

  #send() {
    const { change, problems } = this.#read();
    this.#isTried = true;
    this.update();
    const wrong = FIELDS.find((name) => problems[name]);
    if (wrong) this.#input(wrong).focus();
    if (!change || !this.#item) return;
    this.sheet.close();
    this.emit('change-units', { item: this.#item.item, sale: this.#chosen?.id ?? null, change });
  }

  update() {
    const item = this.#item;
    if (!item) return;
    const { kind, stock, waiting, spare } = this.#limits;
    const { change, problems, max } = this.#read();
    const title = t(`console.units_${kind}`, { no: item.no, title: titleOf(item) });
    setText(this.ref('title'), title);
    setAttribute(find('dialog', this), 'aria-label', title);
    const stands = t('console.units_stands', { left: number(stock[0]), held: number(stock[1]), paid: number(stock[2]) });
    const line = waiting[0] > 0 ? [t('console.units_waiting', { count: waiting[0] })] : [];
    const more = kind === 'sale' ? [t('console.units_spare', { count: number(spare) })] : [];
    setText(this.ref('note'), [stands, ...line, ...more].join(t('site.separator')));
    setText(this.ref('reason-label'), t(kind === 'stock' ? 'console.field.reason' : 'console.field.reason_free'));
    for (const name of FIELDS) {
      const problem = this.#isTried || (name === 'quantity' && problems.quantity !== 'none') ? problems[name] : undefined;
      setText(find(`[data-error="${name}"]`, this), problem ? t(`console.problem.units_${problem}`, { count: number(max) }) : '');
      setAttribute(this.#input(name), 'aria-invalid', problem ? 'true' : null);
    }
    setText(this.ref('says'), change ? saysOf(change, kind) : t('console.units_hint'));
    setText(this.ref('yes'), t((change?.delta ?? 1) < 0 ? 'console.units_take' : 'console.units_add'));
  }
}

/**
 * @param {import('../../logic/console_units.js').UnitsChange} change
 * @param {'sale' | 'stock'} kind
 * @returns {string}
 */
function saysOf({ delta, toList }, kind) {
  if (delta < 0) return t(`console.units_fewer_${kind}`, { count: -delta });
  if (toList > 0) return t('console.units_more_listed', { count: toList, more: number(delta) });
  return t(`console.units_more_${kind}`, { count: delta });
}

define('live-units-form', LiveUnitsForm);
