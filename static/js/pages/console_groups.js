// @ts-check
/**
 * What a host does with group buys: open one, end it or take it back, complete a team at the shop's cost.
 *
 * Invariant: what ends something for good, or costs the shop, asks first and says what it means.
 */
import { campaignsOf, campaignsOnDesk, canComplete, hasEnded, isUntouched } from '../logic/console_groups.js';
import { money, number } from '../lib/format.js';
import { t, titleOf } from '../lib/i18n.js';
import { sendSurely } from './console_guard.js';

/** @typedef {import('./console.js').ConsolePage} ConsolePage */
/** @typedef {import('../components/live-group-form/live-group-form.js').LiveGroupForm} LiveGroupForm */

export class ConsoleGroups {
  /** @type {import('../logic/teams.js').TeamView[]} the teams of the show, those that form first */
  teams = [];
  /** @type {{sale: string, pinned: string | null} | null} the one that the host turned the desk to; another pin turns it back */
  #chosen = null;

  /** @param {ConsolePage} page */
  constructor(page) {
    this.page = page;
  }

  /** Those of earlier shows of which a team still forms; the room shows them no more. */
  get #earlier() {
    return this.page.data?.group_buys ?? [];
  }

  /** Read the teams, where there is a group buy. */
  async read() {
    const { api, state } = this.page;
    if (campaignsOf(state, this.#earlier).length > 0) this.teams = (await api.teams()).groups;
  }

  /** @param {string | null} id */
  find(id) {
    return campaignsOf(this.page.state, this.#earlier).find((sale) => sale.id === id) ?? null;
  }

  /** What a campaign is of, also when the run sheet has it no more. @param {import('../logic/room_state.js').Sale | null} sale */
  titleOf(sale) {
    return titleOf(this.page.run.find(({ sku }) => sku === sale?.sku) ?? this.teams.find((team) => team.sale === sale?.id) ?? null);
  }

  /** The desk's campaign, how many it could be about, and where the chosen one is among them. */
  get #desk() {
    const { state } = this.page;
    const all = campaignsOnDesk(state, this.teams, this.#earlier);
    const at = this.#chosen?.pinned === state.pinned ? all.findIndex(({ id }) => id === this.#chosen?.sale) : -1;
    return { all, at: Math.max(0, at) };
  }

  /** What the desk shows. @param {number} now_ms */
  facts(now_ms) {
    const { all, at } = this.#desk;
    const sale = all[at] ?? null;
    return { sale, others: Math.max(0, all.length - 1), teams: this.teams, itemTitle: this.titleOf(sale), now_ms, isLive: this.page.isLive };
  }

  /** Turn the desk to the next one. */
  turn() {
    const { all, at } = this.#desk;
    const next = all[(at + 1) % all.length];
    this.#chosen = next ? { sale: next.id, pinned: this.page.state.pinned } : null;
    this.page.draw();
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
    const sale = this.find(id);
    if (sale && !isUntouched(sale)) {
      page.undoBar.say(t('console.error.group_joined'), { isWrong: true });
      return;
    }
    await page.acts.run(() => page.api.cancelGroupBuy(id), t('console.undone'));
  }

  /** End the running one: open teams run on, unless the host lets all of them go. One that has ended has only these to stop. @param {string} id */
  async close(id) {
    const { page } = this;
    const sale = this.find(id);
    if (!sale) return;
    if (isUntouched(sale)) return this.takeBack(id);
    const isOver = hasEnded(sale, page.clock.now());
    const forming = this.teams.filter((team) => team.sale === id && team.state === 'forming').length;
    const note = isOver ? 'console.group_stop_note' : sale.state === 'halted' ? 'console.group_close_halted' : 'console.group_close_note';
    const lines = [t(note, { count: number(forming) }), ...(isOver ? [] : [t('console.close_left', { count: number(sale.stock[0]) })])];
    const answer = await page.ask.ask({
      title: t(isOver ? 'console.group_stop_title' : 'console.group_close_title', { title: this.titleOf(sale) }), lines,
      yes: t(isOver ? 'console.group_stop' : 'console.group_close'), isStop: true, ...(forming > 0 && !isOver ? { choice: t('console.group_cancel_too') } : {}),
    });
    if (!answer) return;
    const isCancelled = isOver || answer.isChosen;
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
