// @ts-check
/**
 * The form that opens a group buy: the item, the price, how many in a team, how long, how many teams. Enter opens it.
 *
 * HTML: `<live-group-form></live-group-form>`. Method: `open(choices, item)`. Events: `live:open-group {sku, wish}`.
 */
import { minorUnits, money, number } from '../../lib/format.js';
import { html, render } from '../../lib/html.js';
import { t, titleOf } from '../../lib/i18n.js';
import { define, find, setAttribute, setText } from '../../lib/element.js';
import { SheetElement } from '../../lib/sheet_element.js';
import { RULE_FIELDS, RULE_LIMITS } from '../../logic/console_flash.js';
import { readGroupForm, suggestedGroup } from '../../logic/console_groups.js';

/** @typedef {import('../../logic/console_run.js').RunItem} RunItem */
/** @typedef {import('../../logic/console_groups.js').GroupField} GroupField */
/** @typedef {import('../../logic/console_groups.js').GroupFields} GroupFields */
/** @typedef {import('../../logic/console_flash.js').RuleField} RuleField */

const FIELDS = /** @type {const} */ (['price', 'need', 'hours', 'minutes', 'teams', 'per_buyer']);

export class LiveGroupForm extends SheetElement {
  /** @type {readonly RunItem[]} */
  #choices = [];
  #isTried = false;

  build() {
    render(this, html`
      <live-sheet label="${t('console.group_title')}"><form class="ask" novalidate data-ref="form">
        <h2>${t('console.group_title')}</h2>
        <label><span class="field-label">${t('console.field.group_item')}</span><select class="field" data-ref="item"></select></label>
        <p class="muted" data-ref="note"></p>
        <div class="drop-fields">${FIELDS.map((name) => this.#field(name))}</div>
        <div class="group-guard" data-ref="guard"><p>${t('console.guard')}</p>${this.#field('repeat')}</div>
        <details class="arm-rules" data-ref="rules"><summary>${t('console.rules')}</summary><p class="muted">${t('console.rules_note')}</p>
          <div class="drop-fields">${RULE_FIELDS.map((name) => this.#field(name, `console.field.${name}`))}</div></details>
        <p class="muted" data-ref="says" aria-live="polite"></p>
        <div class="ask-acts"><button class="button" type="button" data-ref="no">${t('site.cancel')}<kbd class="key" aria-hidden="true">Esc</kbd></button>
          <button class="button button-dark" type="submit">${t('console.group_yes')}<kbd class="key" aria-hidden="true">Enter</kbd></button></div>
      </form></live-sheet>`);
    this.ref('item').addEventListener('change', () => this.#fill());
    this.ref('no').addEventListener('click', () => this.sheet.close());
    this.ref('form').addEventListener('input', () => this.update());
    this.ref('form').addEventListener('submit', (event) => {
      event.preventDefault();
      this.#send();
    });
  }

  /** @param {GroupField | RuleField} name @param {string} [label] */
  #field(name, label = `console.field.group_${name}`) {
    return html`<label><span class="field-label">${t(label)}</span>
      <input class="field" name="${name}" inputmode="${name === 'price' || name === 'repeat' ? 'decimal' : 'numeric'}" autocomplete="off" maxlength="12"></label>`;
  }

  /** @param {GroupField | RuleField} name */
  #input(name) {
    return /** @type {HTMLInputElement} */ (find(`input[name="${name}"]`, this));
  }

  get #select() {
    return /** @type {HTMLSelectElement} */ (this.ref('item'));
  }

  get #item() {
    return this.#choices.find(({ item }) => item === this.#select.value) ?? null;
  }

  /** @param {RunItem} item @returns {import('../../logic/console_groups.js').GroupLimits} */
  #limits({ price_minor, stock, currency }) {
    return { normal_minor: price_minor ?? 0, available: stock[0], minor_units: minorUnits(currency) };
  }

  /**
   * Open the form filled for an item.
   * @param {readonly RunItem[]} choices what can be had in teams
   * @param {string} item
   */
  open(choices, item) {
    this.#choices = choices;
    render(this.#select, html`${choices.map((row) => html`<option value="${row.item}">${t('console.group_item', { no: row.no, title: titleOf(row) })}</option>`)}`);
    this.#select.value = item;
    this.#fill();
    this.sheet.open();
    this.#input('price').select();
  }

  #fill() {
    const item = this.#item;
    if (!item) return;
    this.#isTried = false;
    const fields = suggestedGroup(this.#limits(item));
    for (const name of /** @type {GroupField[]} */ (Object.keys(fields))) this.#input(name).value = fields[name];
    for (const name of RULE_FIELDS) this.#input(name).value = '';
    this.update();
  }

  /** @param {RunItem} item */
  #read(item) {
    const fields = Object.fromEntries([...FIELDS, 'repeat', ...RULE_FIELDS].map((name) => [name, this.#input(/** @type {GroupField} */ (name)).value]));
    return readGroupForm(/** @type {GroupFields} */ (fields), this.#limits(item));
  }

  #send() {
    const item = this.#item;
    if (!item) return;
    const { wish, wrong } = this.#read(item);
    this.#isTried = true;
    this.update();
    if (wrong.some((name) => name in RULE_LIMITS)) /** @type {HTMLDetailsElement} */ (this.ref('rules')).open = true;
    if (wrong[0]) this.#input(wrong[0]).focus();
    if (!wish) return;
    this.sheet.close();
    this.emit('open-group', { sku: item.sku, wish });
  }

  update() {
    const item = this.#item;
    if (!item) return;
    const { wish, wrong, asksRepeat } = this.#read(item);
    setText(this.ref('note'), t('console.arm_note', { price: money(item.price_minor ?? 0, item.currency), count: number(item.stock[0]) }));
    this.ref('guard').hidden = !asksRepeat;
    for (const name of /** @type {(GroupField | RuleField)[]} */ ([...FIELDS, 'repeat', ...RULE_FIELDS])) setAttribute(this.#input(name), 'aria-invalid', this.#isTried && wrong.includes(name) ? 'true' : null);
    const says = wish && t('console.group_says', { teams: number(wish.quantity / wish.need), need: number(wish.need), quantity: number(wish.quantity), price: money(wish.price_minor, item.currency) });
    const [low, high] = RULE_LIMITS[/** @type {RuleField} */ (wrong[0])] ?? [1, 1];
    const isRule = wrong[0] !== undefined && wrong[0] in RULE_LIMITS;
    const problem = isRule ? t('console.problem.rule', { low: number(low), high: number(high) }) : t(`console.group_wrong.${wrong[0]}`);
    setText(this.ref('says'), says ?? problem);
  }
}

define('live-group-form', LiveGroupForm);
