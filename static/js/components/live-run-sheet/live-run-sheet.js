// @ts-check
/**
 * The run sheet: done, now and to come, with the notes of the item on show.
 *
 * HTML: `<live-run-sheet></live-run-sheet>`. Properties: `run` (RunItem[]), `plans`, `selected` (item id or null), `pinned_at_ms`, `now_ms`,
 * `canAdd` (there is a show to add to).
 * Events: `live:select-item {item}`, `live:pin-item {item}`, `live:remove-item {item}`, `live:forget-plan {item}`, `live:close-sale {item}`,
 * `live:add-units {item}`, `live:campaign-price {item}`, `live:add-item`.
 */
import { duration, moment, money, number } from '../../lib/format.js';
import { create, html, icon, render } from '../../lib/html.js';
import { language, t, titleOf } from '../../lib/i18n.js';
import { keyedList } from '../../lib/keyed_list.js';
import { LiveElement, define, find, setAttribute, setText } from '../../lib/element.js';
import { phaseOfPrice } from '../../logic/campaign_prices.js';
import { isRunning } from '../../logic/console_run.js';

/** @typedef {import('../../logic/console_run.js').RunItem} RunItem */

export class LiveRunSheet extends LiveElement {
  /** @type {RunItem[]} */
  run = [];
  /** @type {Record<string, import('../../logic/console_run.js').FlashPlan>} */
  plans = {};
  /** @type {string | null} */
  selected = null;
  /** @type {number | null} */
  pinned_at_ms = null;
  now_ms = 0;
  canAdd = false;

  build() {
    render(this, html`
      <header class="panel-head">
        <h2>${t('console.run_sheet')}</h2>
        <span class="panel-note" data-ref="place"></span>
        <button class="button console-button" type="button" data-ref="add">${icon('plus')}${t('console.add')}</button>
      </header>
      <p class="panel-empty" data-ref="empty">${t('console.run_empty')}</p>
      <ol class="run-rows" data-ref="rows"></ol>
      <div class="run-say" data-ref="say"><p class="run-say-head" data-ref="say-head"></p><p class="run-say-text" data-ref="say-text"></p></div>`);
    this.ref('add').addEventListener('click', () => this.emit('add-item'));
  }

  /** @param {RunItem} row */
  #line(row) {
    const price = row.price_minor === undefined ? '' : money(row.price_minor, row.currency);
    const paid = row.result?.paid ?? 0;
    if (row.status === 'done' && !isRunning(row.flash)) {
      if (!row.result || row.result.gmv_minor === undefined) return t('console.row_done_plain', { paid: number(paid) });
      return t('console.row_done', { paid: number(paid), gmv: money(row.result.gmv_minor, row.currency) });
    }
    const pinned = row.status === 'now' && this.pinned_at_ms ? duration(this.now_ms - this.pinned_at_ms) : '';
    if (isRunning(row.flash)) {
      const values = { price: money(row.flash.price_minor, row.currency), quantity: number(row.flash.stock.reduce((sum, part) => sum + part, 0)) };
      const plain = t('console.row_flash', values);
      const count = row.flash.waiting?.[0] ?? 0;
      const flash = count > 0 ? t('console.row_waiting', { what: plain, count }) : plain;
      return pinned ? t('console.row_now', { what: flash, duration: pinned }) : flash;
    }
    if (pinned) return t('console.row_now', { what: price, duration: pinned });
    const plan = this.plans[row.item];
    if (plan) return t('console.row_plan', { price, flash: money(plan.price_minor, row.currency), quantity: number(plan.quantity) });
    return t('console.row_stock', { price, count: number(row.stock[0]) });
  }

  /** @param {RunItem} row @returns {string} empty without a campaign price that holds or is to come */
  #campaignLine({ campaign, currency }) {
    const phase = phaseOfPrice(campaign, this.now_ms);
    if (!campaign || !phase) return '';
    const values = { price: money(campaign.price_minor, currency), from: moment(campaign.from_ms, this.now_ms), until: moment(campaign.until_ms, this.now_ms) };
    return t(`console.row_campaign_${phase}`, values);
  }

  /** @param {RunItem} row */
  #create(row) {
    const element = create(html`
      <li class="run-item">
        <button class="run-row" type="button">
          <span class="good-picture run-picture">${row.picture ? html`<img src="${row.picture}" alt="" width="44" height="44">` : ''}<span class="good-number">${row.no}</span></span>
          <span class="run-words"><span class="run-title"></span><span class="run-line"></span><span class="run-line run-campaign"></span></span>
        </button>
        <span class="run-mark" data-mark="done" role="img" aria-label="${t('console.done')}">${icon('check')}</span>
        <button class="run-mark run-plan" type="button" data-mark="plan" aria-label="${t('console.plan_forget')}" title="${t('console.plan_forget')}">${icon('bolt')}</button>
        <span class="run-acts">
          <button class="button console-button" type="button" data-act="pin" aria-label="${t('console.pin')}" title="${t('console.pin')}">${icon('pin')}<kbd class="key" aria-hidden="true">P</kbd></button>
          <button class="button console-button" type="button" data-act="units">${t('console.units')}<kbd class="key" aria-hidden="true">A</kbd></button>
          <button class="button console-button" type="button" data-act="campaign" title="${t('console.campaign')}">${t('console.campaign_short')}<kbd class="key" aria-hidden="true">D</kbd></button>
          <button class="button console-button button-coral" type="button" data-act="close" aria-label="${t('console.close_sale')}" title="${t('console.close_sale')}">${icon('ban')}<kbd class="key" aria-hidden="true">X</kbd></button>
          <button class="console-icon" type="button" data-act="remove" aria-label="${t('console.remove_item')}" title="${t('console.remove_item')}">${icon('trash')}</button>
        </span>
      </li>`);
    const { item } = row;
    find('.run-row', element).addEventListener('click', () => this.emit('select-item', { item }));
    find('.run-row', element).addEventListener('dblclick', () => this.emit('pin-item', { item }));
    find('[data-act="pin"]', element).addEventListener('click', () => this.emit('pin-item', { item }));
    find('[data-act="remove"]', element).addEventListener('click', () => this.emit('remove-item', { item }));
    find('[data-act="units"]', element).addEventListener('click', () => this.emit('add-units', { item }));
    find('[data-act="campaign"]', element).addEventListener('click', () => this.emit('campaign-price', { item }));
    find('[data-act="close"]', element).addEventListener('click', () => this.emit('close-sale', { item }));
    find('[data-mark="plan"]', element).addEventListener('click', () => this.emit('forget-plan', { item }));
    return element;
  }

  /**
   * @param {HTMLElement} element
   * @param {RunItem} row
   */
  #updateRow(element, row) {
    const isSelected = row.item === this.selected;
    setAttribute(element, 'data-status', row.status);
    setAttribute(element, 'data-selected', isSelected ? 'true' : null);
    const button = find('.run-row', element);
    setAttribute(button, 'aria-current', row.status === 'now' ? 'step' : null);
    setAttribute(button, 'aria-pressed', String(isSelected));
    setText(find('.run-title', element), titleOf(row));
    setText(find('.run-line', element), this.#line(row));
    const campaign = this.#campaignLine(row);
    setText(find('.run-campaign', element), campaign);
    find('.run-campaign', element).hidden = !campaign;
    find('[data-mark="done"]', element).hidden = row.status !== 'done' || isSelected || isRunning(row.flash);
    find('[data-mark="plan"]', element).hidden = !this.plans[row.item] || isRunning(row.flash) || isSelected;
    find('.run-acts', element).hidden = !isSelected || row.status === 'now';
    find('[data-act="close"]', element).hidden = !isRunning(row.flash);
    find('[data-act="remove"]', element).hidden = row.status !== 'to_come' || isRunning(row.flash);
  }

  update() {
    const { run } = this;
    const place = run.findIndex((row) => row.status === 'now') + 1;
    setText(this.ref('place'), place > 0 ? t('console.place', { place, of: run.length }) : t('console.items', { count: run.length }));
    this.ref('add').hidden = !this.canAdd;
    setText(this.ref('empty'), t(this.canAdd ? 'console.run_empty' : 'console.run_none'));
    this.ref('empty').hidden = run.length > 0;
    keyedList(this.ref('rows'), run, {
      key: (row) => row.item,
      create: (row) => this.#create(row),
      update: (element, row) => this.#updateRow(element, row),
    });
    const now = run.find((row) => row.status === 'now');
    const notes = now ? (language() === 'zh' && now.notes_zh) || now.notes || '' : '';
    this.ref('say').hidden = !notes;
    setText(this.ref('say-head'), now ? t('console.say_now', { no: now.no }) : '');
    setText(this.ref('say-text'), notes);
  }
}

define('live-run-sheet', LiveRunSheet);
