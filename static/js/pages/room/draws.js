// @ts-check
/**
 * Entering the draw of a sale, taking the entry back, and hearing how it went.
 *
 * Invariant: a sale has at most one entry of this person's here; nobody asks for it who cannot have one.
 */
import { askLineIn, askUnheardIn, mayHaveEntry } from '../../logic/draws.js';
import { waitingOf } from '../../logic/waiting_list.js';
import { ApiError, asApiError, get, post, remove } from '../../net/api.js';

/** @typedef {import('../../logic/draws.js').OwnEntry} OwnEntry */
/** @typedef {import('../../logic/room_state.js').Sale} Sale */
/** @typedef {import('./purchase.js').Purchase} Purchase */

/** What an entry is until there is more to tell. */
const PLAIN = { rank: null, of: null, waiting: null };

export class Draws {
  /** @type {Map<string, OwnEntry>} by sale */
  entries = new Map();
  /** @type {Set<string>} sales whose entry is known, or known not to be there */
  #known = new Set();
  #user = '';

  /** @param {Purchase} purchase */
  constructor(purchase) {
    this.purchase = purchase;
  }

  /**
   * Enter the draw of a sale with one unit.
   * @param {string} sale
   * @returns {Promise<void>} settled when the wish has its answer
   */
  async enter(sale) {
    const { purchase } = this;
    const running = purchase.answers.get(sale)?.kind;
    if (running === 'asking' || running === 'unknown' || this.entries.has(sale)) return;
    if (!purchase.user && !(await purchase.needUser())) return;
    purchase.answer(sale, { kind: 'asking', at_ms: purchase.clock.now() });
    try {
      const { entry } = await purchase.insist(sale, `enter.${sale}`, (key, attempt) => this.#ask(sale, key, attempt));
      this.#take({ ...PLAIN, ...entry });
      purchase.answer(sale, null);
    } catch (thrown) {
      await this.#refused(sale, asApiError(thrown));
    }
  }

  /**
   * @param {string} sale
   * @param {string} key
   * @param {number} attempt odd ones go over the socket, where it is open
   */
  #ask(sale, key, attempt) {
    const { purchase } = this;
    const wish = { qty: 1, ...purchase.permits.of(sale) };
    if (attempt % 2 === 1 && purchase.speaksForUser) return purchase.socket.command('enter_draw', { sale, ...wish }, key);
    return post(`/api/sales/${encodeURIComponent(sale)}/entries`, wish, key);
  }

  /**
   * @param {string} sale
   * @param {ApiError} error
   */
  async #refused(sale, error) {
    const { purchase } = this;
    if (error.code !== 'already_entered') {
      await purchase.refused(sale, error, () => this.enter(sale));
      return;
    }
    // Entered elsewhere: the entry is one's own all the same.
    await this.#askMine(sale);
    if (this.entries.has(sale)) purchase.answer(sale, null);
    else await purchase.refused(sale, error, () => this.enter(sale));
  }

  /**
   * Take one's entry back: gone at once, put back when the server did not.
   * @param {string} sale
   * @returns {Promise<void>}
   */
  async leave(sale) {
    const entry = this.entries.get(sale);
    if (entry?.state !== 'entered') return;
    const { purchase } = this;
    this.entries.delete(sale);
    purchase.answer(sale, null);
    try {
      await remove(`/api/sales/${encodeURIComponent(sale)}/entries/mine`);
    } catch (thrown) {
      const error = asApiError(thrown);
      if (error.status === 404) return;
      if (!this.entries.has(sale)) this.#take(entry);
      await purchase.refused(sale, error, () => this.leave(sale));
    }
  }

  /**
   * Keep an entry that stands; one that was withdrawn is none.
   * @param {Omit<OwnEntry, 'state'> & {state: OwnEntry['state'] | 'withdrawn'}} entry
   */
  #take({ state, ...rest }) {
    this.#known.add(rest.sale);
    if (state === 'withdrawn') this.entries.delete(rest.sale);
    else this.entries.set(rest.sale, { ...rest, state });
  }

  /** What is known is out of date, and all of it when it was another person's. */
  restart() {
    this.#known.clear();
    const user = this.purchase.user?.id ?? '';
    if (user !== this.#user) this.entries.clear();
    this.#user = user;
  }

  /**
   * Ask once for the entry in each draw that one may be in; before the opening nobody is.
   * @param {readonly Sale[]} sales
   */
  keep(sales) {
    if (!this.purchase.user) return;
    const now_ms = this.purchase.clock.now();
    for (const sale of sales) {
      if (!sale.draw || this.#known.has(sale.id)) continue;
      this.#known.add(sale.id);
      if (mayHaveEntry(sale, now_ms)) void this.#askMine(sale.id);
    }
  }

  /** @param {string} sale */
  async #askMine(sale) {
    const { purchase } = this;
    const user = purchase.user?.id;
    const before = this.entries.get(sale);
    try {
      const { entry, ...mine } = await get(`/api/sales/${encodeURIComponent(sale)}/entries/mine`);
      // Who never entered has none; what was heard meanwhile is newer, and so is another person.
      if (entry === null || this.entries.get(sale) !== before || purchase.user?.id !== user) return;
      this.#take({ ...PLAIN, ...mine, waiting: null, id: entry });
      if (mine.state === 'won' && before?.state === 'entered') void purchase.refresh();
      // Who has lost may have been put into the line meanwhile.
      if (mine.state === 'lost' && !purchase.waiting.entries.has(sale) && waitingOf(purchase.state, sale)[0] > 0) setTimeout(() => void this.#findLine(sale), askLineIn(Math.random()));
      purchase.onChange();
    } catch {
      purchase.onChange();
    }
  }

  /** The draw was done: `flash.drawn`. Who hears nothing of the own entry asks. @param {string} sale */
  drawn(sale) {
    if (this.entries.get(sale)?.state !== 'entered') return;
    setTimeout(() => {
      if (this.entries.get(sale)?.state === 'entered') void this.#askMine(sale);
    }, askUnheardIn(Math.random()));
  }

  /** `draw.won`: the units are held as after a press. @param {{reservation: any, entry: string, rank: number, of: number}} told */
  won({ reservation, entry, rank, of }) {
    this.#take({ id: entry, sale: reservation.sale, qty: reservation.qty, state: 'won', rank, of, waiting: null });
    this.purchase.hold(reservation);
  }

  /** `draw.lost`, perhaps with a place in line. @param {{sale: string, entry: string, rank: number, of: number, waiting: number | null}} told */
  lost({ sale, entry, rank, of, waiting }) {
    const { purchase } = this;
    this.#take({ id: entry, sale, qty: this.entries.get(sale)?.qty ?? 1, state: 'lost', rank, of, waiting });
    purchase.answer(sale, null);
    if (waiting !== null) setTimeout(() => void this.#findLine(sale), askLineIn(Math.random()));
  }

  /** The entry in the line has an id of its own, by which it can be left. @param {string} sale */
  async #findLine(sale) {
    if (!(await this.purchase.waiting.askPlaces())) return;
    const lost = this.entries.get(sale);
    if (lost) this.entries.set(sale, { ...lost, waiting: null });
    this.purchase.onChange();
  }
}
