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
import { ENTRY_LIMITS, readFlashForm, RULE_FIELDS, RULE_LIMITS, suggestedFields } from '../../logic/console_flash.js';
import { parsePrice } from '../../logic/typed.js';

/** @typedef {import('../../logic/console_run.js').RunItem} RunItem */
/** @typedef {import('../../logic/console_run.js').FlashPlan} FlashPlan */
/** @typedef {import('../../logic/console_flash.js').FlashField} FlashField */

const MAIN_FIELDS = /** @type {const} */ (['price', 'floor', 'quantity', 'per_buyer', 'countdown_s', 'duration_s']);
/** @type {readonly FlashField[]} */
const FIELDS = [...MAIN_FIELDS, 'entry_s', 'unlock_units', 'unlock_price', 'repeat', ...RULE_FIELDS];
/** @type {ReadonlySet<FlashField>} */
const PRICES = new Set(['price', 'floor', 'repeat', 'unlock_price']);

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
        <fieldset class="arm-fairness"><legend class="field-label">${t('console.fairness')}</legend>
          <label class="ask-choice"><input type="radio" name="fairness" value="first_come"> ${t('console.fairness_first_come')}</label>
          <label class="ask-choice"><input type="radio" name="fairness" value="draw"> ${t('console.fairness_draw')}</label></fieldset>
        <div class="arm-draw" data-ref="draw">${this.#field('entry_s')}<p class="muted">${t('console.fairness_note')}</p></div>
        <details class="arm-rules" data-ref="unlock"><summary>${t('console.unlock')}</summary><p class="muted">${t('console.unlock_note')}</p>
          <div class="arm-fields">${this.#field('unlock_units')}${this.#field('unlock_price')}</div>
          <label class="ask-choice"><input type="checkbox" data-ref="release"> ${t('console.unlock_release')}</label></details>
        <div class="arm-guard" data-ref="guard"><p data-ref="guard-why"></p>
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
      <input class="field" name="${name}" inputmode="${PRICES.has(name) ? 'decimal' : 'numeric'}" autocomplete="off" maxlength="12">
      <span class="field-error" data-error="${name}" role="alert"></span></label>`;
  }

  /** @param {FlashField} name */
  #input(name) {
    return /** @type {HTMLInputElement} */ (find(`input[name="${name}"]`, this));
  }

  /**
   * Open the form filled for an item.
   * @param {RunItem} item
   * @param {{normal_minor: number, available: number, floor_minor?: number | null}} limits
   * @param {FlashPlan | null} [plan] an earlier plan to fill in
   */
  open(item, limits, plan = null) {
    const minor_units = minorUnits(item.currency);
    this.#item = item;
    this.#limits = { ...limits, minor_units };
    this.#isTried = false;
    /** @type {import('../../logic/console_flash.js').FlashFields} */
    const fields = plan
      ? { price: String(plan.price_minor / minor_units), quantity: String(plan.quantity), per_buyer: String(plan.per_buyer), countdown_s: String(plan.countdown_s), duration_s: String(plan.duration_s), floor: plan.floor_minor ? String(plan.floor_minor / minor_units) : '', ...ruleFields(plan.rules), ...fairnessFields(plan), ...unlockFields(plan, minor_units) }
      : suggestedFields(this.#limits);
    for (const name of FIELDS) this.#input(name).value = fields[name] ?? '';
    this.#choice(fields.fairness ?? 'first_come').checked = true;
    this.#box.checked = plan?.show_reference ?? false;
    this.#fold.open = plan?.rules !== undefined;
    this.#unlock.open = plan?.unlock !== undefined;
    this.#release.checked = plan?.unlock?.otherwise === 'release';
    this.update();
    this.sheet.open();
    this.#input('price').select();
  }

  /** @param {'first_come' | 'draw'} fairness */
  #choice(fairness) {
    return /** @type {HTMLInputElement} */ (find(`input[value="${fairness}"]`, this));
  }

  get #fairness() {
    return /** @type {'first_come' | 'draw'} */ (this.#choice('draw').checked ? 'draw' : 'first_come');
  }

  get #fold() {
    return /** @type {HTMLDetailsElement} */ (this.ref('rules'));
  }

  get #unlock() {
    return /** @type {HTMLDetailsElement} */ (this.ref('unlock'));
  }

  get #release() {
    return /** @type {HTMLInputElement} */ (this.ref('release'));
  }

  get #box() {
    return /** @type {HTMLInputElement} */ (this.ref('reference'));
  }

  #read() {
    const fields = Object.fromEntries(FIELDS.map((name) => [name, this.#input(name).value]));
    return readFlashForm(/** @type {import('../../logic/console_flash.js').FlashFields} */ ({ ...fields, fairness: this.#fairness, otherwise: this.#release.checked ? 'release' : 'charge' }), this.#limits);
  }

  /** @param {'arm-flash' | 'plan-flash'} event */
  #send(event) {
    const { plan, problems } = this.#read();
    this.#isTried = true;
    this.update();
    const wrong = FIELDS.find((name) => problems[name]);
    if (RULE_FIELDS.some((name) => problems[name])) this.#fold.open = true;
    if (problems.unlock_units || problems.unlock_price) this.#unlock.open = true;
    if (wrong) this.#input(wrong).focus();
    if (!plan || !this.#item) return;
    this.sheet.close();
    this.emit(event, { item: this.#item.item, plan: this.#box.checked ? { ...plan, show_reference: true } : plan });
  }

  update() {
    const item = this.#item;
    if (!item) return;
    const { plan, problems, asksRepeat, belowFloor_minor } = this.#read();
    const normal = money(this.#limits.normal_minor, item.currency);
    setText(this.ref('title'), t('console.arm_for', { no: item.no, title: titleOf(item) }));
    setText(this.ref('note'), t('console.arm_note', { price: normal, count: number(this.#limits.available) }));
    this.ref('guard').hidden = !asksRepeat;
    setText(this.ref('guard-why'), belowFloor_minor === null ? t('console.guard') : t('console.guard_floor_again', { price: money(belowFloor_minor, item.currency) }));
    this.ref('draw').hidden = this.#fairness !== 'draw';
    this.#unlock.hidden = this.#fairness === 'draw';
    const typed = parsePrice((!this.#unlock.hidden && this.#input('unlock_price').value.trim()) || this.#input('price').value, this.#limits.minor_units);
    setText(this.ref('guard-price'), typed === null ? '' : money(typed, item.currency));
    setText(this.ref('guard-normal'), normal);
    for (const name of FIELDS) {
      const problem = this.#isTried ? problems[name] : undefined;
      const [low, high] = name === 'entry_s' ? ENTRY_LIMITS : RULE_LIMITS[/** @type {import('../../logic/console_flash.js').RuleField} */ (name)] ?? [1, 1];
      const words = { count: number(this.#limits.available), price: normal, low: number(low), high: number(high) };
      setText(find(`[data-error="${name}"]`, this), problem ? t(`console.problem.${problem}`, words) : '');
      setAttribute(this.#input(name), 'aria-invalid', problem ? 'true' : null);
    }
    setText(this.ref('says'), plan ? says(plan, item.currency) : '');
  }
}

/**
 * What arming will do, in a sentence or two.
 * @param {FlashPlan} plan
 * @param {string} currency
 */
function says({ price_minor, quantity, countdown_s, duration_s, entry_s, unlock }, currency) {
  const said = t(countdown_s > 0 ? 'console.arm_says' : 'console.arm_says_now', {
    quantity: number(quantity), price: money(price_minor, currency), seconds: countdown_s, minutes: number(Math.round(duration_s / 6) / 10),
  });
  if (unlock) return `${said} ${t(`console.arm_says_${unlock.otherwise}`, { units: number(unlock.units), low: money(unlock.price_minor, currency), price: money(price_minor, currency) })}`;
  return entry_s ? `${said} ${t('console.arm_says_draw', { seconds: entry_s })}` : said;
}

/** @param {FlashPlan} plan @param {number} minor_units @returns {Pick<import('../../logic/console_flash.js').FlashFields, 'unlock_units' | 'unlock_price'>} */
function unlockFields({ unlock }, minor_units) {
  return unlock ? { unlock_units: String(unlock.units), unlock_price: String(unlock.price_minor / minor_units) } : {};
}

/** @param {FlashPlan} plan @returns {Pick<import('../../logic/console_flash.js').FlashFields, 'fairness' | 'entry_s'>} */
function fairnessFields({ fairness, entry_s }) {
  const { entry_s: usual } = suggestedFields({ normal_minor: 0, available: 0, minor_units: 1 });
  return { fairness: fairness ?? 'first_come', entry_s: entry_s ? String(entry_s) : usual };
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
