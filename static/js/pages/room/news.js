// @ts-check
/**
 * Sale news for people who listen: one sentence an event, politely; one's own results at once.
 *
 * Invariant: countdowns and stock are never live regions; only these two elements are.
 */
import { itemOfSale, priceOf } from '../../logic/card_state.js';
import { itemOf } from '../../logic/room_state.js';
import { duration, money, number, timeOfDay } from '../../lib/format.js';
import { t, titleOf } from '../../lib/i18n.js';

/** @typedef {import('../../logic/room_state.js').RoomState} RoomState */
/** @typedef {import('../../logic/room_state.js').SaleEvent} SaleEvent */
/** @typedef {import('../../logic/room_state.js').Sale} Sale */
/** @typedef {import('../../logic/card_state.js').Hold} Hold */
/** @typedef {import('../../logic/card_state.js').Answer} Answer */

/** Spoken ahead of an opening. */
const AHEAD = /** @type {const} */ ([['news.minute', 60_000], ['news.ten', 10_000]]);
/** A moment announced later than this is no news. */
const LATE_MS = 2_000;

export class News {
  /** @type {Set<string>} */
  #said = new Set();
  #wasSpoken = '';
  /** @type {Set<unknown>} holds and answers that were told */
  #told = new Set();

  /**
   * @param {HTMLElement} polite
   * @param {HTMLElement} urgent
   */
  constructor(polite, urgent) {
    this.polite = polite;
    this.urgent = urgent;
  }

  /** @param {string} text */
  say(text) {
    this.polite.textContent = text;
  }

  /** One's own result: interrupts, once. @param {string} text */
  tell(text) {
    if (text === this.#wasSpoken) return;
    this.#wasSpoken = text;
    this.urgent.textContent = text;
  }

  /** More was taken than an order costs; it goes back. @param {{state: string, amount_minor: number, currency: string}} excess */
  excess({ state, amount_minor, currency }) {
    this.tell(t(`orders.excess_${state}`, { price: money(amount_minor, currency) }));
  }

  /**
   * One's own results: a hold, a refusal; each is told once.
   * @param {Hold[]} holds
   * @param {Answer | null} answer about the sale on the card
   * @param {string} refusal what the card says about it
   * @param {number} now_ms
   */
  own(holds, answer, refusal, now_ms) {
    for (const hold of holds) {
      if (this.#told.has(hold.id)) continue;
      this.#told.add(hold.id);
      const price = money(hold.unit_price_minor * hold.qty, hold.currency);
      this.tell(t(hold.offer ? 'chance.tell' : 'card.held', { price, duration: duration(hold.expires_at_ms - now_ms) }));
    }
    if (answer?.kind !== 'refused' || this.#told.has(answer)) return;
    this.#told.add(answer);
    this.tell(refusal);
  }

  /**
   * @param {RoomState} state after the event
   * @param {SaleEvent} event
   * @param {number} now_ms server time
   */
  event(state, [type, payload], now_ms) {
    if (type === 'show.pinned') {
      const item = itemOf(state, payload.item);
      if (item) this.say(t('news.pinned', { no: item.no, title: titleOf(item), price: money(priceOf(state, item, now_ms), item.currency) }));
      return;
    }
    if (type === 'announcement' && payload.text) {
      this.say(payload.text);
      return;
    }
    const id = typeof payload.sale === 'string' ? payload.sale : payload.sale?.id;
    const sale = state.sales.find((one) => one.id === id);
    if (sale && type.startsWith('flash.')) this.#sale(state, sale, type);
  }

  /**
   * @param {RoomState} state
   * @param {Sale} sale
   * @param {string} type
   */
  #sale(state, sale, type) {
    const words = {
      title: titleOf(itemOfSale(state, sale)),
      price: money(sale.price_minor, sale.currency),
      time: timeOfDay(sale.opens_at_ms ?? 0),
    };
    if (type === 'flash.armed') this.say(t('news.armed', words));
    else if (type === 'flash.opened') this.say(t(sale.draw ? 'news.draw_open' : 'news.open', words));
    else if (type === 'flash.sold_out') this.say(t('news.sold_out', words));
    else if (type === 'flash.drawn') this.say(t('news.drawn', { ...words, entries: number(sale.draw?.entries ?? 0), winners: number(sale.draw?.winners ?? 0) }));
    else if (type === 'flash.resumed') this.say(t('news.resumed', words));
    else if (type === 'flash.halted') this.say(t('news.halted', { reason: sale.reason ?? '' }));
    else if (type === 'flash.unhalted') this.say(t('news.unhalted', words));
    else if (type === 'flash.unlocked') this.say(t('news.unlocked', words));
    else if (type === 'flash.not_unlocked') this.say(t(`news.not_unlocked_${sale.unlock?.otherwise ?? 'charge'}`, words));
    else if (type === 'flash.closed') this.say(t('news.ended', words));
  }

  /**
   * What time brings: a minute and ten seconds before an opening.
   * @param {RoomState} state
   * @param {number} now_ms
   */
  time(state, now_ms) {
    for (const sale of state.sales) {
      if (sale.state !== 'armed' || sale.opens_at_ms === null) continue;
      for (const [key, ahead_ms] of AHEAD) {
        const since_ms = now_ms - (sale.opens_at_ms - ahead_ms);
        const name = `${key} ${sale.id}`;
        if (since_ms < 0 || since_ms > LATE_MS || this.#said.has(name)) continue;
        this.#said.add(name);
        this.say(t(key, { title: titleOf(itemOfSale(state, sale)) }));
      }
    }
  }
}
