// @ts-check
/**
 * Pressing buy, holding, letting go and paying: one person's business in a room.
 *
 * Invariant: one press intent has one idempotency key, stored before the first attempt and kept for every retry;
 * a definite answer ends the intent.
 */
import { ApiError, asApiError, get, intentKey, post, remove, settleIntent } from '../../net/api.js';
import { repricedHolds } from '../../logic/unlocks.js';
import { Draws } from './draws.js';
import { Permits } from './permits.js';
import { Waiting } from './waiting.js';

/** @typedef {import('../../logic/card_state.js').Hold} Hold */
/** @typedef {import('../../logic/card_state.js').Answer} Answer */
/** @typedef {import('../../components/live-receipt/live-receipt.js').Order} Order */
/** @typedef {{id: string, name: string, role: string}} User */

/** Answers after which nobody knows whether the press was decided. */
const DOUBT = new Set(['unknown_outcome', 'network', 'offline', 'unavailable', 'database_unavailable', 'overloaded', 'internal', 'too_many_in_flight']);
const SIGN_IN = new Set(['sign_in_required', 'unauthenticated', 'bad_token']);
/** Waits between retries with the same key; the last one repeats. */
const RETRY_WAITS_MS = [1_000, 2_000, 4_000, 6_000, 8_000, 10_000];
/** A press that was this little too early by the server's clock waits for the opening instead of being refused. */
const EARLY_MS_MAX = 1_500;
/** After so many tries the orders page is the better place to look. */
const TRIES_MAX = 20;

export class Purchase {
  /** @type {Map<string, Hold>} by sale */
  holds = new Map();
  /** @type {Map<string, Answer>} by sale */
  answers = new Map();
  /** @type {Map<string, number>} paid units by sale */
  bought = new Map();
  /** @type {User | null} */
  user = null;
  waiting = new Waiting(this);
  permits = new Permits(this);
  draws = new Draws(this);
  /** @type {Set<string>} reservations that ended here; a slow answer must not bring them back */
  #ended = new Set();

  /**
   * @param {object} options
   * @param {import('../../net/socket.js').RoomSocket} options.socket
   * @param {import('../../net/clock.js').ServerClock} options.clock
   * @param {() => import('../../logic/room_state.js').RoomState} options.room the room as it is known
   * @param {() => void} options.onChange
   * @param {() => Promise<boolean>} options.needUser asks for a name; false when the person declined
   */
  constructor({ socket, clock, room, onChange, needUser }) {
    this.socket = socket;
    this.clock = clock;
    this.room = room;
    this.onChange = onChange;
    this.needUser = needUser;
  }

  /** All holds, the one ending first at the front. */
  get list() {
    return [...this.holds.values()].sort((a, b) => a.expires_at_ms - b.expires_at_ms);
  }

  /**
   * @param {string} sale
   * @param {Answer | null} answer
   */
  answer(sale, answer) {
    if (answer) this.answers.set(sale, answer);
    else this.answers.delete(sale);
    this.onChange();
  }

  get state() {
    return this.room();
  }

  /** Whether the socket speaks for the user we are (it joined before a sign-in otherwise). */
  get speaksForUser() {
    return this.socket.isOpen && this.socket.hello?.user?.id !== undefined && this.socket.hello.user.id === this.user?.id;
  }

  /**
   * Ask for one unit of a sale.
   * @param {string} sale
   * @returns {Promise<void>} settled when the press has its answer
   */
  async press(sale) {
    const running = this.answers.get(sale)?.kind;
    if (running === 'asking' || running === 'unknown') return;
    if (!this.user && !(await this.needUser())) return;
    this.answer(sale, { kind: 'asking', at_ms: this.clock.now() });
    try {
      const { reservation } = await this.insist(sale, `reserve.${sale}`, (key, attempt) => this.#ask(sale, key, attempt));
      this.hold(reservation);
    } catch (thrown) {
      await this.refused(sale, asApiError(thrown), () => this.press(sale));
    }
  }

  /**
   * Ask with one key until the answer is definite.
   * @param {string} sale
   * @param {string} intent what is asked for, in the page's words
   * @param {(key: string, attempt: number) => Promise<any>} ask attempts count from 1
   * @returns {Promise<any>} rejects with the refusal, as an ApiError
   */
  async insist(sale, intent, ask) {
    const key = intentKey(intent);
    for (let attempt = 1; attempt <= TRIES_MAX; attempt += 1) {
      try {
        const answer = await ask(key, attempt);
        settleIntent(intent);
        return answer;
      } catch (thrown) {
        const error = asApiError(thrown);
        if (error.code === 'not_open' && (error.retry_ms ?? Infinity) <= EARLY_MS_MAX) {
          await pause(error.retry_ms ?? 0);
          continue;
        }
        if (!DOUBT.has(error.code)) {
          settleIntent(intent);
          throw error;
        }
        await this.#wait(sale, attempt);
      }
    }
    throw new ApiError({ code: 'still_unknown' });
  }

  /**
   * @param {string} sale
   * @param {string} key
   * @param {number} attempt odd ones go over the socket, where it is open
   */
  #ask(sale, key, attempt) {
    if (attempt % 2 === 1 && this.speaksForUser) return this.socket.command('reserve', { sale, qty: 1, ...this.permits.of(sale) }, key);
    return post(`/api/sales/${encodeURIComponent(sale)}/reservations`, { qty: 1, ...this.permits.of(sale) }, key);
  }

  /**
   * @param {string} sale
   * @param {number} attempt
   */
  async #wait(sale, attempt) {
    const wait_ms = RETRY_WAITS_MS[Math.min(attempt - 1, RETRY_WAITS_MS.length - 1)] ?? 0;
    const now_ms = this.clock.now();
    this.answer(sale, { kind: 'unknown', at_ms: now_ms, attempt: attempt + 1, retry_at_ms: now_ms + wait_ms });
    await pause(wait_ms);
  }

  /**
   * Show a refusal; where only the sign-in was missing, ask for it and go on.
   * @param {string} sale
   * @param {ApiError} error
   * @param {() => Promise<void>} again
   */
  async refused(sale, error, again) {
    // The card says where the outcome will show; it is asked for no more.
    if (error.code === 'still_unknown') return;
    if (SIGN_IN.has(error.code) || error.status === 401) {
      this.user = null;
      this.answer(sale, null);
      if (await this.needUser()) await again();
      return;
    }
    if (error.code === 'limit_reached') await this.refresh();
    this.answer(sale, { kind: 'refused', at_ms: this.clock.now(), code: error.code, detail: error.detail, retry_ms: error.retry_ms });
  }

  /** Take a unit that is one's own now. @param {any} reservation as on the wire */
  hold(reservation) {
    const now_ms = this.clock.now();
    this.holds.set(reservation.sale, {
      id: reservation.id,
      sale: reservation.sale,
      qty: reservation.qty,
      unit_price_minor: reservation.unit_price_minor,
      currency: reservation.currency,
      expires_at_ms: now_ms + reservation.expires_in_ms,
      whole_ms: reservation.expires_in_ms,
      reserved_at_ms: now_ms,
      state: reservation.state === 'paying' ? 'paying' : 'held',
      pay_url: null,
      order: null,
      offer: this.waiting.offers.get(reservation.id) ?? null,
    });
    this.answer(reservation.sale, null);
  }

  /** The price fell for everybody of a sale. @param {{sale: string, price_minor: number}} told */
  fell({ sale, price_minor }) {
    this.holds = repricedHolds(this.holds, sale, price_minor);
  }

  /**
   * Let a hold go: gone at once, put back if the server could not.
   * @param {Hold} hold
   */
  async letGo(hold) {
    this.holds.delete(hold.sale);
    this.#ended.add(hold.id);
    this.answer(hold.sale, { kind: 'let_go', at_ms: this.clock.now(), isPassedOn: Boolean(hold.offer) });
    try {
      await remove(`/api/reservations/${encodeURIComponent(hold.id)}`);
    } catch (thrown) {
      const { status } = asApiError(thrown);
      if (status === 404 || status === 409) return;
      this.#ended.delete(hold.id);
      this.holds.set(hold.sale, hold);
      this.answer(hold.sale, null);
    }
  }

  /**
   * Make an order of a hold; the caller then goes to its payment page.
   * @param {Hold} hold
   * @param {string | null} [coupon] the one that the price was quoted with
   * @returns {Promise<string>} address of the payment page; rejects with an ApiError
   */
  async order(hold, coupon = null) {
    if (hold.pay_url) return hold.pay_url;
    const intent = coupon ? `order.${hold.id}.${coupon}` : `order.${hold.id}`;
    const wish = coupon ? { reservations: [hold.id], coupon } : { reservations: [hold.id] };
    try {
      const { payment } = await post('/api/orders', wish, intentKey(intent));
      settleIntent(intent);
      return payment.url;
    } catch (thrown) {
      const error = asApiError(thrown);
      if (!DOUBT.has(error.code)) settleIntent(intent);
      throw error;
    }
  }

  /**
   * The server says that a hold ran out.
   * @param {string} sale
   * @param {string} reservation
   */
  expired(sale, reservation) {
    this.#ended.add(reservation);
    this.holds.delete(sale);
    this.answer(sale, { kind: 'gone', at_ms: this.clock.now() });
  }

  /** A hold that was given back by other ways than its own. @param {string} sale @param {string} reservation */
  forget(sale, reservation) {
    this.#ended.add(reservation);
    if (this.holds.get(sale)?.id === reservation) this.holds.delete(sale);
  }

  /** Read anew what one holds and has bought; the push is a courtesy, this is the truth. */
  async refresh() {
    this.draws.restart();
    if (!this.user) return;
    const asked_ms = this.clock.now();
    try {
      const [{ reservations }, entries, { orders }] = await Promise.all([get('/api/reservations'), this.waiting.look(), get('/api/orders')]);
      if (entries) this.waiting.take(entries, asked_ms);
      this.#takeReservations(reservations, orders, asked_ms);
      this.bought = countBought(orders);
      this.onChange();
    } catch {
      // What is shown stays; the next hello asks again.
    }
  }

  /**
   * @param {any[]} reservations
   * @param {Order[]} orders
   * @param {number} asked_ms what was reserved since then may be missing in the answer
   */
  #takeReservations(reservations, orders, asked_ms) {
    const before = this.holds;
    this.holds = new Map([...before].filter(([, hold]) => hold.reserved_at_ms >= asked_ms));
    for (const reservation of reservations) {
      if (this.#ended.has(reservation.id) || isGranted(orders, reservation.id)) continue;
      const order = orders.find((one) => one.state === 'awaiting_payment' && one.lines.some((line) => line.reservation === reservation.id));
      const known = before.get(reservation.sale);
      this.hold(reservation);
      const hold = this.holds.get(reservation.sale);
      if (!hold) continue;
      hold.pay_url = order?.payment?.url ?? null;
      hold.order = order?.id ?? null;
      hold.whole_ms = Math.max(known?.whole_ms ?? 0, hold.whole_ms);
      hold.reserved_at_ms = known?.reserved_at_ms ?? hold.reserved_at_ms;
    }
    for (const hold of before.values()) {
      if (this.holds.has(hold.sale) || this.#ended.has(hold.id) || isOrdered(orders, hold.id)) continue;
      this.expired(hold.sale, hold.id);
    }
  }
}

/**
 * Whether an order that is open, paid or paid back has this reservation.
 * @param {Order[]} orders
 * @param {string} reservation
 */
function isOrdered(orders, reservation) {
  return orders.some((order) => order.state !== 'cancelled' && order.state !== 'expired' && order.lines.some((line) => line.reservation === reservation));
}

/**
 * Whether a unit's money is granted, and waits for its team: there is nothing to pay any more, though it is not sold yet.
 * @param {Order[]} orders
 * @param {string} reservation
 */
function isGranted(orders, reservation) {
  return orders.some((order) => order.state === 'awaiting_group' && order.lines.some((line) => line.reservation === reservation));
}

/** @param {number} wait_ms */
function pause(wait_ms) {
  return new Promise((resolve) => setTimeout(resolve, wait_ms));
}

/**
 * @param {Order[]} orders
 * @returns {Map<string, number>}
 */
function countBought(orders) {
  /** @type {Map<string, number>} */
  const bought = new Map();
  for (const order of orders) {
    if (order.state !== 'paid') continue;
    for (const line of order.lines) bought.set(line.sale, (bought.get(line.sale) ?? 0) + line.qty);
  }
  return bought;
}
