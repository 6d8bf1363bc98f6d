// @ts-check
/**
 * What a host does with campaign prices: set one of an item, or withdraw it.
 *
 * Invariant: the form shows the price that is set now, for an item has one at a time; the server refuses a second.
 */
import { minorUnits, moment, money } from '../lib/format.js';
import { hasText, t } from '../lib/i18n.js';
import { againOf } from '../logic/console_campaigns.js';
import { asApiError } from '../net/api.js';
import { sendSurely } from './console_guard.js';

/** @typedef {import('./console.js').ConsolePage} ConsolePage */
/** @typedef {import('../logic/console_run.js').RunItem} RunItem */
/** @typedef {import('../logic/campaign_prices.js').CampaignPrice} CampaignPrice */
/** @typedef {import('../logic/console_campaigns.js').CampaignWish} CampaignWish */

export class ConsolePrices {
  /** @param {ConsolePage} page */
  constructor(page) {
    this.page = page;
  }

  /** @param {string} item */
  #row(item) {
    return this.page.run.find((one) => one.item === item);
  }

  /**
   * The item's list price and campaign price: as the line tells it, else (nothing sells it yet) as the shop has it.
   * @param {RunItem} row
   * @returns {Promise<{list_minor: number, campaign: CampaignPrice | null}>}
   */
  async #present(row) {
    const { api, state } = this.page;
    const isSold = state.sales.some(({ id }) => id === state.bag.find(({ item }) => item === row.item)?.sale);
    if (isSold && row.price_minor !== undefined) return { list_minor: row.price_minor, campaign: row.campaign ?? null };
    const product = (await api.products()).find(({ sku }) => sku === row.sku);
    return { list_minor: product?.price_minor ?? row.price_minor ?? 0, campaign: product?.campaign_price ?? null };
  }

  /** Open the form of an item; without one of the selected, else the pinned item. @param {string} [item] */
  async openForm(item) {
    const { page } = this;
    const id = item ?? page.selected ?? page.state.pinned;
    const row = id ? this.#row(id) : undefined;
    if (!row) return page.undoBar.say(t('console.error.no_item'), { isWrong: true });
    try {
      const { list_minor, campaign } = await this.#present(row);
      const form = /** @type {import('../components/live-campaign-form/live-campaign-form.js').LiveCampaignForm} */ (page.element('live-campaign-form'));
      // A read takes a moment: a dialog that was opened meanwhile stays.
      if (document.querySelector('dialog[open]')) return;
      const limits = { list_minor, minor_units: minorUnits(row.currency), floor_minor: page.floors[row.sku] ?? null };
      form.open(row, limits, campaign, () => page.clock.now());
    } catch (error) {
      const { code } = asApiError(error);
      page.undoBar.say(hasText(`console.error.${code}`) ? t(`console.error.${code}`) : t('console.error.other', { code }), { isWrong: true });
    }
  }

  /**
   * Set a campaign price; the undo withdraws it.
   * @param {string} item
   * @param {CampaignWish} wish
   */
  async set(item, wish) {
    const { api, acts, ask, clock } = this.page;
    const row = this.#row(item);
    if (!row) return;
    const send = (/** @type {number | undefined} */ confirmed) => api.setCampaignPrice(row.sku, confirmed === undefined ? wish : { ...wish, confirm_price_minor: confirmed });
    await acts.run(() => sendSurely(ask, row.currency, wish.price_minor, send), ({ campaign_price }) => {
      const now_ms = clock.now();
      const words = { no: row.no, price: money(wish.price_minor, row.currency), from: moment(wish.from_ms ?? now_ms, now_ms), until: moment(wish.until_ms, now_ms) };
      const undo = () => void acts.run(() => api.withdrawCampaignPrice(campaign_price.id), t('console.undone'));
      return { text: t(wish.from_ms === undefined ? 'console.did_campaign' : 'console.did_campaign_at', words), undo };
    });
  }

  /**
   * Withdraw a campaign price; the undo sets the rest of it again.
   * @param {string} item
   * @param {CampaignPrice} campaign
   */
  async withdraw(item, campaign) {
    const { api, acts, clock } = this.page;
    const row = this.#row(item);
    if (!row) return;
    const undo = () => void acts.run(() => api.setCampaignPrice(row.sku, againOf(campaign, clock.now())), t('console.undone'));
    await acts.run(() => api.withdrawCampaignPrice(campaign.id), t('console.did_withdraw', { no: row.no }), undo);
  }
}
