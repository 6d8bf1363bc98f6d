// @ts-check
/**
 * Group buys in the room: joining a team or opening one, one's own seat, its link, the way out.
 *
 * Invariant: one press is one seat, however often it is retried; what is shown as one's seat is what the server said.
 */
import { pricedAt } from '../../logic/campaign_prices.js';
import { itemOfSale } from '../../logic/card_state.js';
import { groupBuyOnShow, isForming, whatWent } from '../../logic/teams.js';
import { find } from '../../lib/element.js';
import { duration, money, number } from '../../lib/format.js';
import { hasText, t, titleOf } from '../../lib/i18n.js';
import { asApiError, get, intentKey, post, remove, settleIntent } from '../../net/api.js';
import { shareLink } from './share.js';

/** @typedef {import('./page.js').RoomPage} RoomPage */
/** @typedef {import('../../logic/teams.js').Seat} Seat */
/** @typedef {import('../../logic/room_state.js').RoomState} RoomState */
/** @typedef {import('../../components/live-group-buy/live-group-buy.js').LiveGroupBuy} LiveGroupBuy */
/** @typedef {import('../../components/live-teams/live-teams.js').LiveTeams} LiveTeams */
/** @typedef {import('../../components/live-sheet/live-sheet.js').LiveSheet} LiveSheet */
/** @typedef {{group: string} | {open: true}} TeamWish the named team, or a new one */

/** News of one's own team is read again no faster: several seats may be taken at once. */
const LOOK_MS = 1_000;
/** Refusals after which a team is none to join, whatever the room still says. */
const CLOSED = new Set(['group_full', 'group_over', 'not_found']);

export class Teams {
  /** @type {Seat[]} newest first */
  #seats = [];
  /** @type {Set<string>} teams that refused: the line will say so too */
  #closed = new Set();
  /** @type {string | null} sale that is asked for a seat */
  #asking = null;
  /** @type {{sale: string, text: string, isGood: boolean, at_ms: number} | null} what came of it */
  #note = null;
  #timer = 0;

  /** @param {RoomPage} page */
  constructor(page) {
    this.page = page;
    this.strip = /** @type {LiveGroupBuy} */ (find('live-group-buy'));
    this.content = /** @type {LiveTeams} */ (find('live-teams'));
    this.sheet = /** @type {LiveSheet} */ (find('#team-sheet'));
    const on = (/** @type {string} */ name, /** @type {(detail: any) => unknown} */ act) => document.addEventListener(`live:${name}`, (event) => void act(/** @type {CustomEvent} */ (event).detail));
    on('show-teams', () => this.sheet.open());
    on('join-team', ({ sale, group }) => this.join(sale, group));
    on('pay-seat', ({ sale }) => this.#pay(sale));
    on('share-team', ({ group }) => this.#share(group));
    on('leave-team', ({ group }) => this.leave(group));
  }

  /** Read one's seats anew; who has none, in a room without a group buy, asks nothing. */
  async refresh() {
    const { state, user } = this.page;
    if (!user || (this.#seats.length === 0 && !state.sales.some((sale) => sale.kind === 'group'))) return;
    try {
      this.#seats = (await get('/api/groups')).seats;
      this.page.changed();
    } catch {
      // What is shown stays; the next news asks again.
    }
  }

  /** What the line says of one's own team is no more than that it changed. @param {RoomState} before @param {RoomState} after */
  notice(before, after) {
    const own = this.#seats.find(isForming)?.group.id;
    if (!own) return;
    const joinedIn = (/** @type {RoomState} */ state) => state.groups?.find(({ id }) => id === own)?.joined;
    if (joinedIn(before) === joinedIn(after)) return;
    clearTimeout(this.#timer);
    this.#timer = window.setTimeout(() => void this.refresh(), LOOK_MS);
  }

  /**
   * What became of one's own team.
   * @param {'group.formed' | 'group.failed'} type
   * @param {{sale: string, reason?: string, is_completed?: boolean}} news
   */
  async told(type, { sale, reason, is_completed }) {
    const { purchase, news } = this.page;
    await Promise.all([purchase.refresh(), this.refresh()]);
    const formed = purchase.holds.has(sale) ? 'team.formed_unpaid' : is_completed ? 'team.completed' : 'team.formed';
    const isGood = type === 'group.formed';
    const text = t(isGood ? formed : reason === 'cancelled' ? 'team.cancelled' : 'team.failed');
    this.#say(sale, text, isGood);
    news.tell(text);
  }

  /** One's team is whole, and the money for one's seat could not be taken. @param {{expires_in_ms: number}} news */
  async lostMoney({ expires_in_ms }) {
    this.page.news.tell(t('team.capture_failed', { duration: duration(expires_in_ms) }));
    await this.refresh();
  }

  /** A campaign has opened: said once to people who listen. @param {import('../../logic/room_state.js').Sale} sale */
  opened(sale) {
    const words = { title: titleOf(itemOfSale(this.page.state, sale)), price: money(sale.price_minor, sale.currency), need: number(sale.group?.need ?? 0) };
    this.page.news.say(t('team.news', words));
  }

  /** @param {string} sale @param {string} text @param {boolean} isGood */
  #say(sale, text, isGood) {
    this.#note = { sale, text, isGood, at_ms: this.page.clock.now() };
    this.page.changed();
  }

  /**
   * Take a seat, and show one's team; it is paid like any hold.
   * @param {string} sale
   * @param {string | null} group null opens a new team
   */
  async join(sale, group) {
    const { page } = this;
    if (this.#asking) return;
    if (!page.user && !(await page.sheets.askName('buy'))) return;
    this.#asking = sale;
    this.#note = null;
    page.changed();
    try {
      /** @type {TeamWish} */
      const wish = group ? { group } : { open: true };
      const seat = await page.purchase.insist(sale, `team.${sale}.${group ?? 'open'}`, (key, attempt) => this.#ask(sale, wish, key, attempt));
      page.purchase.hold(seat.reservation);
      await this.refresh();
      page.sheets.closeAll();
      this.sheet.open();
    } catch (thrown) {
      await this.#refused(sale, group, asApiError(thrown).code);
    } finally {
      this.#asking = null;
      page.purchase.answer(sale, null);
    }
  }

  /**
   * @param {string} sale
   * @param {TeamWish} wish
   * @param {string} key
   * @param {number} attempt odd ones go over the socket, where it is open
   */
  #ask(sale, wish, key, attempt) {
    const { purchase, socket } = this.page;
    if (attempt % 2 === 1 && purchase.speaksForUser) return socket.command('join_group', { sale, ...wish }, key);
    return post(`/api/sales/${encodeURIComponent(sale)}/groups`, wish, key);
  }

  /**
   * A team that is full or over is shown no more, so that the next one or a new one is offered in its place.
   * @param {string} sale
   * @param {string | null} group
   * @param {string} code
   */
  async #refused(sale, group, code) {
    if (group && CLOSED.has(code)) this.#closed.add(group);
    if (code === 'already_in_group' || code === 'limit_reached') await Promise.all([this.refresh(), this.page.purchase.refresh()]);
    const text = t(hasText(`group.problem.${code}`) ? `group.problem.${code}` : 'group.problem.other');
    this.#say(sale, text, false);
  }

  /** @param {string} sale */
  #pay(sale) {
    const hold = this.page.purchase.holds.get(sale);
    if (!hold) return;
    if (hold.pay_url) {
      location.assign(hold.pay_url);
      return;
    }
    this.page.sheets.closeAll();
    this.page.sheets.openCheckout(hold);
  }

  /** @param {string} group */
  async #share(group) {
    const seat = this.#seats.find((one) => one.group.id === group);
    const url = `${location.origin}/g/${encodeURIComponent(group)}`;
    const how = await shareLink({ title: this.page.title, url });
    if (how !== 'shared' && seat) this.#say(seat.group.sale, how === 'copied' ? t('team.shared') : t('team.link', { url }), true);
  }

  /** Give one's seat back; granted money is let go. @param {string} group */
  async leave(group) {
    const seat = this.#seats.find((one) => one.group.id === group);
    if (!seat || this.#asking) return;
    const { purchase } = this.page;
    const { sale } = seat.group;
    const intent = `team.leave.${seat.reservation}`;
    this.#asking = sale;
    try {
      await remove(`/api/groups/${encodeURIComponent(group)}/seat`, intentKey(intent));
      settleIntent(intent);
      purchase.forget(sale, seat.reservation);
      this.#say(sale, t('team.left'), true);
      this.page.news.tell(t('team.left'));
    } catch (thrown) {
      if (!asApiError(thrown).retryable) settleIntent(intent);
      this.#say(sale, t('group.problem.other'), false);
    } finally {
      this.#asking = null;
      await this.refresh();
      this.page.changed();
    }
  }

  /** @param {number} now_ms */
  draw(now_ms) {
    const { state, purchase } = this.page;
    const groups = (state.groups ?? []).filter(({ id }) => !this.#closed.has(id));
    const live = groupBuyOnShow({ ...state, groups }, this.#seats, (sale) => purchase.holds.has(sale), now_ms);
    const found = live ?? whatWent(state, this.#note, now_ms);
    const note = found && this.#note?.sale === found.sale.id ? this.#note : null;
    const facts = found && { ...found, item: priceAlone(state, itemOfSale(state, found.sale), now_ms), now_ms, isAsking: this.#asking === found.sale.id, note };
    this.strip.facts = facts;
    if (facts) this.content.facts = facts;
    else this.sheet.close();
  }
}

/**
 * An item with the price that one pays alone at a moment: its campaign price, where it has one.
 * @param {import('../../logic/room_state.js').RoomState} state
 * @param {ReturnType<typeof itemOfSale>} item
 * @param {number} now_ms
 */
function priceAlone(state, item, now_ms) {
  const sale = pricedAt(state.sales.find(({ id }) => id === item?.sale) ?? null, now_ms);
  return item && sale ? { ...item, price_minor: sale.price_minor } : item;
}
