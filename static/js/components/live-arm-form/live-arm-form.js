// @ts-check
/**
 * The form that arms a flash sale now or plans it for *Next*; a deep cut asks for the price a second time.
 *
 * HTML: `<live-arm-form></live-arm-form>`. Method: `open(item, limits, plan?)`.
 * Events: `live:arm-flash {item, plan}`, `live:plan-flash {item, plan}`.
 */
import { minorUnits, money, number } from '../../lib/format.js';
import { html, render } from '../../lib/html.js';
import { t, titleOf } from '../../lib/i18n.js';
import { define, find, setAttribute, setText } from '../../lib/element.js';
import { SheetElement } from '../../lib/sheet_element.js';
import { parsePrice, readFlashForm, RULE_FIELDS, RULE_LIMITS, suggestedFields } from '../../logic/console_flash.js';

/** @typedef {import('../../logic/console_run.js').RunItem} RunItem */
/** @typedef {import('../../logic/console_run.js').FlashPlan} FlashPlan */
/** @typedef {import('../../logic/console_flash.js').FlashField} FlashField */

const MAIN_FIELDS = /** @type {const} */ (['price', 'quantity', 'per_buyer', 'countdown_s', 'duration_s']);
/** @type {readonly FlashField[]} */
const FIELDS = [...MAIN_FIELDS, 'repeat', ...RULE_FIELDS];

export class LiveArmForm extends SheetElement {
  /** @type {RunItem | null} */
  #item = null;
  /** @type {import('../../logic/console_flash.js').FlashLimits} */
  #limits = { normal_minor: 0, available: 0, minor_units: 100 };
  #isTried = false;

  build() {
    render(this, html`
      <live-sheet label="${t('console.arm_title')}"><form class="arm" novalidate data-ref="form">
        <h2 data-ref="title"></h2><p class="muted" data-ref="note"></p>
        <div class="arm-fields">${MAIN_FIELDS.map((name) => this.#field(name))}</div>
        <div class="arm-guard" data-ref="guard"><p>${t('console.guard')}</p>
          <p class="arm-prices"><b data-ref="guard-price"></b><s data-ref="guard-normal"></s></p>${this.#field('repeat')}</div>
        <label class="ask-choice"><input type="checkbox" data-ref="reference"> ${t('console.show_reference')}</label>
        <details class="arm-rules" data-ref="rules"><summary>${t('console.rules')}</summary><p class="muted">${t('console.rules_note')}</p>
          <div class="arm-fields">${RULE_FIELDS.map((name) => this.#field(name))}</div></details>
        <p class="arm-says" data-ref="says" aria-live="polite"></p>
        <div class="ask-acts"><button class="button" type="button" data-ref="plan">${t('console.arm_plan')}</button>
          <button class="button button-dark" type="submit" data-ref="now">${t('console.arm_now')}<kbd class="key" aria-hidden="true">Enter</kbd></button></div>
      </form></live-sheet>`);
    this.ref('form').addEventListener('input', () => this.update());
    this.ref('form').addEventListener('submit', (event) => {
      event.preventDefault();
      this.#send('arm-flash');
    });
    this.ref('plan').addEventListener('click', () => this.#send('plan-flash'));
  }

  /** @param {FlashField} name */
  #field(name) {
    return html`<label class="arm-field" data-field="${name}"><span class="field-label">${t(`console.field.${name}`)}</span>
      <input class="field" name="${name}" inputmode="${name === 'price' || name === 'repeat' ? 'decimal' : 'numeric'}" autocomplete="off" maxlength="12">
      <span class="field-error" data-error="${name}" role="alert"></span></label>`;
  }

  /** @param {FlashField} name */
  #input(name) {
    return /** @type {HTMLInputElement} */ (find(`input[name="${name}"]`, this));
  }

  /**
   * Open the form filled for an item.
   * @param {RunItem} item
   * @param {{normal_minor: number, available: number}} limits
   * @param {FlashPlan | null} [plan] an earlier plan to fill in
   */
  open(item, limits, plan = null) {
    const minor_units = minorUnits(item.currency);
    this.#item = item;
    this.#limits = { ...limits, minor_units };
    this.#isTried = false;
    /** @type {import('../../logic/console_flash.js').FlashFields} */
    const fields = plan
      ? { price: String(plan.price_minor / minor_units), quantity: String(plan.quantity), per_buyer: String(plan.per_buyer), countdown_s: String(plan.countdown_s), duration_s: String(plan.duration_s), ...ruleFields(plan.rules) }
      : suggestedFields(this.#limits);
    for (const name of FIELDS) this.#input(name).value = fields[name] ?? '';
    this.#box.checked = plan?.show_reference ?? false;
    this.#fold.open = plan?.rules !== undefined;
    this.update();
    this.sheet.open();
    this.#input('price').select();
  }

  get #fold() {
    return /** @type {HTMLDetailsElement} */ (this.ref('rules'));
  }

  get #box() {
    return /** @type {HTMLInputElement} */ (this.ref('reference'));
  }

  #read() {
    const fields = Object.fromEntries(FIELDS.map((name) => [name, this.#input(name).value]));
    return readFlashForm(/** @type {import('../../logic/console_flash.js').FlashFields} */ (fields), this.#limits);
  }

  /** @param {'arm-flash' | 'plan-flash'} event */
  #send(event) {
    const { plan, problems } = this.#read();
    this.#isTried = true;
    this.update();
    const wrong = FIELDS.find((name) => problems[name]);
    if (RULE_FIELDS.some((name) => problems[name])) this.#fold.open = true;
    if (wrong) this.#input(wrong).focus();
    if (!plan || !this.#item) return;
    this.sheet.close();
    this.emit(event, { item: this.#item.item, plan: this.#box.checked ? { ...plan, show_reference: true } : plan });
  }

  update() {
    const item = this.#item;
    if (!item) return;
    const { plan, problems, asksRepeat } = this.#read();
    const normal = money(this.#limits.normal_minor, item.currency);
    setText(this.ref('title'), t('console.arm_for', { no: item.no, title: titleOf(item) }));
    setText(this.ref('note'), t('console.arm_note', { price: normal, count: number(this.#limits.available) }));
    this.ref('guard').hidden = !asksRepeat;
    const typed = parsePrice(this.#input('price').value, this.#limits.minor_units);
    setText(this.ref('guard-price'), typed === null ? '' : money(typed, item.currency));
    setText(this.ref('guard-normal'), normal);
    for (const name of FIELDS) {
      const problem = this.#isTried ? problems[name] : undefined;
      const [low, high] = RULE_LIMITS[/** @type {import('../../logic/console_flash.js').RuleField} */ (name)] ?? [1, 1];
      const words = { count: number(this.#limits.available), price: normal, low: number(low), high: number(high) };
      setText(find(`[data-error="${name}"]`, this), problem ? t(`console.problem.${problem}`, words) : '');
      setAttribute(this.#input(name), 'aria-invalid', problem ? 'true' : null);
    }
    setText(this.ref('says'), plan ? t(plan.countdown_s > 0 ? 'console.arm_says' : 'console.arm_says_now', {
      quantity: number(plan.quantity), price: money(plan.price_minor, item.currency), seconds: plan.countdown_s, minutes: number(Math.round(plan.duration_s / 6) / 10),
    }) : '');
  }
}

/**
 * The rules of a plan as the form has them.
 * @param {FlashPlan['rules']} rules
 * @returns {Partial<Record<FlashField, string>>}
 */
function ruleFields(rules = {}) {
  return Object.fromEntries(Object.entries(rules).map(([name, value]) => [name, String(value)]));
}

define('live-arm-form', LiveArmForm);
