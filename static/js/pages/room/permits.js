// @ts-check
/**
 * Keep the permits for the sales that ask for presence, so that a lost line or a press over HTTP finds one.
 *
 * Invariant: one question about a sale is under way at a time, and none before the moment that the last answer named.
 */
import { isDue, wantsPermit } from '../../logic/press_rules.js';
import { asApiError } from '../../net/api.js';

/** @typedef {import('../../logic/room_state.js').Sale} Sale */
/** @typedef {{token: string, until_ms: number, user: string}} Permit */

/** After a failure that names no moment. */
const AGAIN_MS = 5_000;

export class Permits {
  /** @type {Map<string, Permit>} by sale */
  #permits = new Map();
  /** @type {Map<string, number>} when a sale may be asked about again */
  #next_ms = new Map();
  #socket = '';

  /** @param {import('./purchase.js').Purchase} purchase */
  constructor(purchase) {
    this.purchase = purchase;
  }

  /**
   * What a press shows: a permit that is still good, or nothing.
   * @param {string} sale
   * @returns {{permit?: string}}
   */
  of(sale) {
    const permit = this.#permits.get(sale);
    const isGood = permit && permit.user === this.purchase.user?.id && permit.until_ms > this.purchase.clock.now();
    return isGood ? { permit: permit.token } : {};
  }

  /** Ask for what is missing or old. @param {readonly Sale[]} sales */
  keep(sales) {
    const { purchase } = this;
    if (!purchase.speaksForUser) return;
    const conn = purchase.socket.hello?.conn ?? '';
    // Another socket starts to count anew, unless it shows a permit.
    if (conn !== this.#socket) this.#next_ms.clear();
    this.#socket = conn;
    const now_ms = purchase.clock.now();
    for (const sale of sales) {
      if (!wantsPermit(sale) || !isDue(this.#permits.get(sale.id), now_ms) || now_ms < (this.#next_ms.get(sale.id) ?? 0)) continue;
      this.#next_ms.set(sale.id, Infinity);
      void this.#ask(sale.id);
    }
  }

  /** @param {string} sale */
  async #ask(sale) {
    const { purchase } = this;
    const user = purchase.user?.id ?? '';
    const shown = this.of(sale);
    try {
      const { permit, expires_in_ms } = await purchase.socket.command('permit', { sale, ...shown });
      const now_ms = purchase.clock.now();
      this.#permits.set(sale, { token: permit, until_ms: now_ms + expires_in_ms, user });
      this.#next_ms.set(sale, now_ms);
    } catch (thrown) {
      this.#next_ms.set(sale, purchase.clock.now() + (asApiError(thrown).retry_ms ?? AGAIN_MS));
    }
  }
}
