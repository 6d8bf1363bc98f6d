// @ts-check
/**
 * Waiting for units that others hold: joining a line, one's place in it, leaving, and offers.
 *
 * Invariant: a sale has at most one entry of this person's here; an offer is an ordinary hold that knows its entry.
 */
import { store, stored } from '../../lib/stored.js';
import { askIn, hasMoved, movedUp, mustAsk, waitingOf } from '../../logic/waiting_list.js';
import { ApiError, asApiError, get, post, remove } from '../../net/api.js';

/** @typedef {import('../../logic/waiting_list.js').Entry} Entry */
/** @typedef {import('../../logic/waiting_list.js').Offered} Offered */
/** @typedef {import('../../logic/room_state.js').RoomState} RoomState */
/** @typedef {import('./purchase.js').Purchase} Purchase */

/** Who waits, so that a page that is opened anew asks although the room's line is not told yet. */
const WAITS_STORED = 'hubbub.waits';

export class Waiting {
  /** @type {Map<string, Entry>} by sale */
  entries = new Map();
  /** @type {Map<string, Offered>} by reservation */
  offers = new Map();
  /** @type {Set<string>} entries that are over; a slow answer must not bring them back */
  #over = new Set();
  /** @type {Map<string, number>} when an entry was heard of, by its id: an older answer may not know it */
  #known_ms = new Map();
  #asked_ms = -Infinity;
  #timer = 0;
  /** The person for whom this page has looked once; null until then. @type {string | null} */
  #lookedFor = null;

  /** @param {Purchase} purchase */
  constructor(purchase) {
    this.purchase = purchase;
  }

  /**
   * Join the line of a sale; units that came free meanwhile are asked for instead.
   * @param {string} sale
   * @returns {Promise<void>}
   */
  async join(sale) {
    const { purchase } = this;
    const running = purchase.answers.get(sale)?.kind;
    if (running === 'asking' || running === 'unknown') return;
    if (!purchase.user && !(await purchase.needUser())) return;
    purchase.answer(sale, { kind: 'asking', at_ms: purchase.clock.now() });
    try {
      const { entry } = await purchase.insist(sale, `wait.${sale}`, (key, attempt) => this.#ask(sale, key, attempt));
      this.#joined(entry);
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
    if (attempt % 2 === 1 && purchase.speaksForUser) return purchase.socket.command('join_waiting_list', { sale, qty: 1, ...purchase.permits.of(sale) }, key);
    return post(`/api/sales/${encodeURIComponent(sale)}/waiting-list`, { qty: 1, ...purchase.permits.of(sale) }, key);
  }

  /** @param {any} entry as on the wire */
  #joined(entry) {
    const { purchase } = this;
    if (entry.state === 'waiting') {
      this.#remember(true);
      this.#known_ms.set(entry.id, purchase.clock.now());
      this.entries.set(entry.sale, entry);
    }
    purchase.answer(entry.sale, null);
    // It was somebody's turn before the answer came: the hold is on the server.
    if (entry.state === 'offered') void purchase.refresh();
  }

  /**
   * @param {string} sale
   * @param {ApiError} error
   */
  async #refused(sale, error) {
    const { purchase } = this;
    if (error.code === 'not_held_out') {
      purchase.answer(sale, null);
      await purchase.press(sale);
    } else if (error.code === 'already_waiting' && error.detail?.entry?.id) this.#joined(error.detail.entry);
    else await purchase.refused(sale, error, () => this.join(sale));
  }

  /**
   * Leave a line: gone at once, put back if the server could not.
   * @param {Entry} entry
   * @returns {Promise<void>}
   */
  async leave(entry) {
    const { purchase } = this;
    this.#end(entry.id, entry.sale);
    purchase.answer(entry.sale, null);
    try {
      await remove(`/api/waiting-list/${encodeURIComponent(entry.id)}`);
    } catch (thrown) {
      const { status } = asApiError(thrown);
      if (status === 404 || status === 409) return;
      this.#over.delete(entry.id);
      this.entries.set(entry.sale, entry);
      purchase.onChange();
    }
  }

  /**
   * @param {string} id
   * @param {string} sale
   */
  #end(id, sale) {
    this.#over.add(id);
    if (this.entries.get(sale)?.id === id) this.entries.delete(sale);
  }

  /** It is one's turn: `offer.made`. @param {{reservation: any, entry: string, waiting: number}} offer */
  made({ reservation, entry, waiting }) {
    this.#end(entry, reservation.sale);
    this.offers.set(reservation.id, { entry, waiting });
    this.purchase.hold(reservation);
  }

  /** Nothing comes any more: `waiting.closed`. @param {{entry: string, sale: string, reason: string}} closed */
  closed({ entry, sale, reason }) {
    this.#end(entry, sale);
    this.purchase.answer(sale, { kind: 'closed', at_ms: this.purchase.clock.now(), reason });
  }

  /** @param {boolean} isWaiting */
  #remember(isWaiting) {
    const user = this.purchase.user?.id ?? '';
    const known = stored(WAITS_STORED, '');
    if (isWaiting && known !== user) store(WAITS_STORED, user);
    if (!isWaiting && known === user) store(WAITS_STORED, '');
  }

  /**
   * What a look at one's own things begins with: all entries, or null where this person cannot have one.
   * @returns {Promise<any[] | null>}
   */
  async look() {
    const { user, state } = this.purchase;
    const isOpened = this.#lookedFor !== user?.id;
    this.#lookedFor = user?.id ?? null;
    const knows = this.entries.size > 0 || stored(WAITS_STORED, '') === user?.id;
    if (!mustAsk({ state, isOpened, knows })) return null;
    try {
      return (await get('/api/waiting-list')).entries ?? [];
    } catch (error) {
      this.#lookedFor = null;
      throw error;
    }
  }

  /**
   * What the server says of all one's entries.
   * @param {any[]} entries as on the wire
   * @param {number} asked_ms what was joined since then may be missing
   */
  take(entries, asked_ms) {
    this.#asked_ms = asked_ms;
    this.#remember(entries.length > 0);
    this.entries = new Map([...this.entries].filter(([, entry]) => (this.#known_ms.get(entry.id) ?? -Infinity) >= asked_ms));
    for (const entry of entries) {
      if (entry.state === 'offered') this.offers.set(entry.reservation, { entry: entry.id, waiting: entry.waiting });
      else if (entry.state === 'waiting' && !this.#over.has(entry.id)) this.entries.set(entry.sale, entry);
    }
  }

  /**
   * The room has changed: ask for one's place when a line one waits in may have moved.
   * @param {RoomState} before
   * @param {RoomState} after
   */
  notice(before, after) {
    const moved = [...this.entries.values()].filter(({ sale }) => hasMoved(waitingOf(before, sale), waitingOf(after, sale)));
    for (const entry of moved) this.entries.set(entry.sale, movedUp(entry, waitingOf(before, entry.sale), waitingOf(after, entry.sale)));
    if (moved.length === 0 || this.#timer !== 0) return;
    const now_ms = this.purchase.clock.now();
    const wait_ms = Math.min(...moved.map(({ place }) => askIn(place, this.#asked_ms, now_ms, Math.random())));
    this.#timer = window.setTimeout(() => void this.askPlaces(), wait_ms);
  }

  /** Ask for all one's places now. @returns {Promise<boolean>} whether there was an answer */
  async askPlaces() {
    const asked_ms = this.purchase.clock.now();
    this.#asked_ms = asked_ms;
    try {
      const { entries } = await get('/api/waiting-list');
      this.take(entries ?? [], asked_ms);
      this.purchase.onChange();
      return true;
    } catch {
      // The place shown stays; the next move of the line asks again.
      return false;
    } finally {
      this.#timer = 0;
    }
  }
}
