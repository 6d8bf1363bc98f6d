// @ts-check
/**
 * A price of the whole shop for a while: sets one, or shows the one that holds or is to come with *Withdraw*. A deep cut
 * asks for the price a second time.
 *
 * HTML: `<live-campaign-form></live-campaign-form>`. Method: `open(item, limits, campaign, now)`.
 * Events: `live:set-campaign-price {item, wish}`, `live:withdraw-campaign-price {item, campaign}`.
 */
import { moment, money } from '../../lib/format.js';
import { html, render } from '../../lib/html.js';
import { t, titleOf } from '../../lib/i18n.js';
import { define, find, setAttribute, setText } from '../../lib/element.js';
import { SheetElement } from '../../lib/sheet_element.js';
import { phaseOfPrice } from '../../logic/campaign_prices.js';
import { readCampaignForm, suggestedCampaign } from '../../logic/console_campaigns.js';

/** @typedef {import('../../logic/console_run.js').RunItem} RunItem */
/** @typedef {import('../../logic/campaign_prices.js').CampaignPrice} CampaignPrice */
/** @typedef {import('../../logic/console_campaigns.js').CampaignField} CampaignField */
/** @typedef {import('../../logic/console_campaigns.js').CampaignFields} CampaignFields */

const FIELDS = /** @type {const} */ (['price', 'starts', 'hours', 'minutes', 'repeat']);

export class LiveCampaignForm extends SheetElement {
  /** @type {RunItem | null} */
  #item = null;
  /** @type {import('../../logic/console_campaigns.js').CampaignLimits} */
  #limits = { list_minor: 0, minor_units: 100, floor_minor: null };
  /** @type {CampaignPrice | null} */
  #campaign = null;
  /** @type {() => number} */
  #now = () => 0;
  #isTried = false;

  build() {
    render(this, html`
      <live-sheet><form class="units" novalidate data-ref="form">
        <h2 data-ref="title"></h2><p class="muted" data-ref="note"></p>
        <p class="campaign-now" data-ref="present"></p>
        <div class="campaign-fields" data-ref="fields">
          ${this.#field('price', 'decimal')}
          <fieldset class="units-which"><legend class="field-label">${t('console.campaign_when')}</legend>
            <label class="ask-choice"><input type="radio" name="when" value="now"> ${t('console.campaign_now')}</label>
            <label class="ask-choice"><input type="radio" name="when" value="at"> ${t('console.campaign_at')}</label></fieldset>
          ${this.#field('starts')}
          <div class="arm-fields">${this.#field('hours', 'numeric')}${this.#field('minutes', 'numeric')}</div>
          <div class="arm-guard" data-ref="guard"><p data-ref="guard-why"></p>${this.#field('repeat', 'decimal')}</div>
        </div>
        <p class="units-says" data-ref="says" aria-live="polite"></p>
        <div class="ask-acts"><button class="button" type="button" data-ref="no">${t('site.cancel')}<kbd class="key" aria-hidden="true">Esc</kbd></button>
          <button class="button button-coral" type="button" data-ref="withdraw">${t('console.campaign_withdraw')}</button>
          <button class="button button-dark" type="submit" data-ref="yes">${t('console.campaign_set')}<kbd class="key" aria-hidden="true">Enter</kbd></button></div>
      </form></live-sheet>`);
    this.ref('form').addEventListener('input', () => this.update());
    this.ref('form').addEventListener('submit', (event) => {
      event.preventDefault();
      this.#send();
    });
    this.ref('no').addEventListener('click', () => this.sheet.close());
    this.ref('withdraw').addEventListener('click', () => this.#withdraw());
  }

  /** @param {CampaignField} name @param {'decimal' | 'numeric'} [mode] none for a day and a time */
  #field(name, mode) {
    const input = mode
      ? html`<input class="field" name="${name}" inputmode="${mode}" autocomplete="off" maxlength="12" aria-describedby="campaign-${name}-wrong">`
      : html`<input class="field" name="${name}" type="datetime-local" aria-describedby="campaign-${name}-wrong">`;
    return html`<label data-field="${name}"><span class="field-label">${t(`console.field.campaign_${name}`)}</span>
      ${input}<span class="field-error" id="campaign-${name}-wrong" data-error="${name}" role="alert"></span></label>`;
  }

  /** @param {CampaignField} name */
  #input(name) {
    return /** @type {HTMLInputElement} */ (find(`input[name="${name}"]`, this));
  }

  /** @param {'now' | 'at'} when */
  #choice(when) {
    return /** @type {HTMLInputElement} */ (find(`input[value="${when}"]`, this));
  }

  /**
   * Open the form: with a campaign price that is not over there is only *Withdraw*, for an item has one at a time.
   * @param {RunItem} item
   * @param {import('../../logic/console_campaigns.js').CampaignLimits} limits
   * @param {CampaignPrice | null} campaign
   * @param {() => number} now server time, in ms
   */
  open(item, limits, campaign, now) {
    this.#item = item;
    this.#limits = limits;
    this.#campaign = phaseOfPrice(campaign, now()) ? campaign : null;
    this.#now = now;
    this.#isTried = false;
    const fields = suggestedCampaign(limits);
    for (const name of FIELDS) this.#input(name).value = fields[name];
    this.#choice('now').checked = true;
    this.update();
    this.sheet.open();
    // Where one holds, Enter must not end it by itself: *Cancel* has the focus.
    if (this.#campaign) this.ref('no').focus();
    else this.#input('price').select();
  }

  /** @param {number} now_ms */
  #read(now_ms) {
    const fields = /** @type {CampaignFields} */ (Object.fromEntries(FIELDS.map((name) => [name, this.#input(name).value])));
    const isAt = this.#choice('at').checked;
    // "At a time" without one is no moment, and not "now".
    return readCampaignForm({ ...fields, starts: isAt ? fields.starts || '?' : '' }, this.#limits, now_ms);
  }

  #send() {
    if (this.#campaign) return;
    const { wish, problems } = this.#read(this.#now());
    this.#isTried = true;
    this.update();
    const wrong = FIELDS.find((name) => problems[name]);
    if (wrong) this.#input(wrong).focus();
    if (!wish || !this.#item) return;
    this.sheet.close();
    this.emit('set-campaign-price', { item: this.#item.item, wish });
  }

  #withdraw() {
    if (!this.#campaign || !this.#item) return;
    this.sheet.close();
    this.emit('withdraw-campaign-price', { item: this.#item.item, campaign: this.#campaign });
  }

  update() {
    const item = this.#item;
    if (!item) return;
    const now_ms = this.#now();
    const campaign = this.#campaign;
    const title = t('console.campaign_of', { no: item.no, title: titleOf(item) });
    setText(this.ref('title'), title);
    setAttribute(find('dialog', this), 'aria-label', title);
    setText(this.ref('note'), t('console.campaign_note', { price: money(this.#limits.list_minor, item.currency) }));
    for (const ref of ['fields', 'yes']) this.ref(ref).hidden = campaign !== null;
    for (const ref of ['present', 'withdraw']) this.ref(ref).hidden = campaign === null;
    if (campaign) {
      setText(this.ref('present'), t(`console.campaign_${phaseOfPrice(campaign, now_ms) ?? 'running'}`, this.#words(item, campaign, now_ms)));
      setText(this.ref('says'), t('console.campaign_one'));
    } else this.#updateFields(item, now_ms);
  }

  /** @param {RunItem} item @param {number} now_ms */
  #updateFields(item, now_ms) {
    const { wish, problems, asksRepeat, belowFloor_minor } = this.#read(now_ms);
    const isAt = this.#choice('at').checked;
    find('[data-field="starts"]', this).hidden = !isAt;
    this.ref('guard').hidden = !asksRepeat;
    setText(this.ref('guard-why'), belowFloor_minor === null ? t('console.guard') : t('console.guard_floor_again', { price: money(belowFloor_minor, item.currency) }));
    for (const name of FIELDS) {
      const problem = this.#isTried ? problems[name] : undefined;
      setText(find(`[data-error="${name}"]`, this), problem ? t(`console.problem.campaign_${problem}`, { price: money(this.#limits.list_minor, item.currency) }) : '');
      setAttribute(this.#input(name), 'aria-invalid', problem ? 'true' : null);
    }
    const words = wish && this.#words(item, { ...wish, from_ms: wish.from_ms ?? now_ms }, now_ms);
    setText(this.ref('says'), words ? t(isAt ? 'console.campaign_says_at' : 'console.campaign_says_now', words) : '');
  }

  /** @param {RunItem} item @param {Omit<CampaignPrice, 'id'>} price @param {number} now_ms @returns {Record<string, string>} */
  #words(item, { price_minor, from_ms, until_ms }, now_ms) {
    const list = money(this.#limits.list_minor, item.currency);
    return { price: money(price_minor, item.currency), from: moment(from_ms, now_ms), until: moment(until_ms, now_ms), list };
  }
}

define('live-campaign-form', LiveCampaignForm);
