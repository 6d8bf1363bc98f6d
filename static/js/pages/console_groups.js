// @ts-check
/**
 * What a host does with group buys: open one, end it or take it back, complete a team at the shop's cost.
 *
 * Invariant: what ends something for good, or costs the shop, asks first and says what it means.
 */
import { canComplete, isUntouched } from '../logic/console_groups.js';
import { money, number } from '../lib/format.js';
import { t, titleOf } from '../lib/i18n.js';
import { sendSurely } from './console_guard.js';

/** @typedef {import('./console.js').ConsolePage} ConsolePage */
/** @typedef {import('../components/live-group-form/live-group-form.js').LiveGroupForm} LiveGroupForm */

export class ConsoleGroups {
  /** @type {import('../logic/teams.js').TeamView[]} the teams of the show, those that form first */
  teams = [];

  /** @param {ConsolePage} page */
  constructor(page) {
    this.page = page;
  }

  /** Read the teams, where there is a group buy. */
  async read() {
    const { api, state } = this.page;
    if (!state.sales.some(({ kind }) => kind === 'group')) return;
    this.teams = (await api.teams()).groups;
  }

  /** @param {string} id */
  #sale(id) {
    return this.page.state.sales.find((sale) => sale.id === id);
  }

  /** Open the form for the selected, else the pinned item. */
  openForm() {
    const { page } = this;
    const refuse = (/** @type {string} */ key) => page.undoBar.say(t(key), { isWrong: true });
    if (!page.isLive) return refuse('console.error.not_live');
    const choices = page.run.filter(({ stock }) => stock[0] > 1);
    const wanted = [page.selected, page.state.pinned].map((id) => choices.find(({ item }) => item === id)).find(Boolean) ?? choices[0];
    if (!wanted) return refuse('console.error.no_stock');
    /** @type {LiveGroupForm} */ (page.element('live-group-form')).open(choices, wanted.item);
  }

  /**
   * Open a group buy; it can be taken back while nobody has joined.
   * @param {string} sku
   * @param {import('../logic/console_groups.js').GroupWish} wish
   */
  async create(sku, wish) {
    const { page } = this;
    const row = page.run.find((one) => one.sku === sku);
    if (!row) return;
    const words = { no: row.no, price: money(wish.price_minor, row.currency), need: number(wish.need) };
    const floor_minor = page.floors[sku];
    const guarded = floor_minor === undefined ? wish : { ...wish, floor_minor };
    const send = (/** @type {number | undefined} */ confirmed) => page.api.openGroupBuy(sku, confirmed === undefined ? guarded : { ...guarded, confirm_price_minor: confirmed });
    await page.acts.run(() => sendSurely(page.ask, row.currency, wish.price_minor, send), ({ sale }) => ({ text: t('console.did_group', words), undo: () => void this.takeBack(sale.id) }));
  }

  /** Cancel one in which nobody has a seat. @param {string} id */
  async takeBack(id) {
    const { page } = this;
    const sale = this.#sale(id);
    if (sale && !isUntouched(sale)) {
      page.undoBar.say(t('console.error.group_joined'), { isWrong: true });
      return;
    }
    await page.acts.run(() => page.api.cancelGroupBuy(id), t('console.undone'));
  }

  /** End the running one: open teams run on, unless the host lets all of them go. @param {string} id */
  async close(id) {
    const { page } = this;
    const sale = this.#sale(id);
    if (!sale) return;
    if (isUntouched(sale)) return this.takeBack(id);
    const forming = this.teams.filter((team) => team.sale === id && team.state === 'forming').length;
    const answer = await page.ask.ask({
      title: t('console.group_close_title'), lines: [t('console.group_close_note', { count: number(forming) }), t('console.close_left', { count: number(sale.stock[0]) })],
      yes: t('console.group_close'), isStop: true, ...(forming > 0 ? { choice: t('console.group_cancel_too') } : {}),
    });
    if (!answer) return;
    const isCancelled = answer.isChosen;
    await page.acts.run(() => (isCancelled ? page.api.cancelGroupBuy(id) : page.api.closeGroupBuy(id)), t(isCancelled ? 'console.did_cancel_group' : 'console.did_close_group'));
  }

  /** Complete a team at the shop's cost, after saying what that means. @param {string} id */
  async complete(id) {
    const { page } = this;
    const team = this.teams.find((one) => one.id === id);
    if (!team || !canComplete(team, page.clock.now())) return;
    const words = { name: team.leader, paid: number(team.paid), need: number(team.need), title: titleOf(team), price: money(team.price_minor, team.currency) };
    const lines = ['console.group_complete_paid', 'console.group_complete_cost', 'console.group_complete_label'].map((key) => t(key, words));
    const answer = await page.ask.ask({ title: t('console.group_complete_title', words), lines, yes: t('console.group_complete'), isStop: true });
    if (answer) await page.acts.run(() => page.api.completeTeam(id), t('console.did_complete', words));
  }
}
