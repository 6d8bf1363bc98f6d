// @ts-check
/**
 * What a host does about orders: read older ones, give money and goods back, ask again for what failed.
 *
 * Invariant: what is shown of an order after an act is the server's answer to it.
 */
import { t } from '../lib/i18n.js';
import { rowOf } from '../logic/order_rows.js';
import { asApiError } from '../net/api.js';

/** @typedef {import('./console.js').ConsolePage} ConsolePage */
/** @typedef {import('../logic/order_rows.js').StaffOrder} StaffOrder */
/** @typedef {import('../components/live-order-list/live-order-list.js').LiveOrderList} LiveOrderList */
/** @typedef {import('../components/live-refund-form/live-refund-form.js').LiveRefundForm} LiveRefundForm */

/** Orders that changed just before the last reading may not have been in it. */
const OVERLAP_MS = 10_000;

export class ConsoleOrders {
  #read_ms = 0;

  /** @param {ConsolePage} page */
  constructor(page) {
    this.page = page;
  }

  /** @returns {LiveOrderList} */
  get list() {
    return this.page.element('live-order-list');
  }

  /** @returns {LiveRefundForm} */
  get form() {
    return this.page.element('live-refund-form');
  }

  /**
   * Read a page for the list: older ones, those that changed since the last reading, or the newest.
   * @param {{before: string | null, isChange: boolean}} wish
   */
  async read({ before, isChange }) {
    const { api, clock } = this.page;
    const now_ms = clock.now();
    const since_ms = isChange ? Math.max(0, Math.floor(this.#read_ms - OVERLAP_MS)) : 0;
    try {
      const { orders } = await api.orders({ before, since_ms });
      if (before === null) this.#read_ms = now_ms;
      this.list.take(orders, before ? 'older' : isChange ? 'changed' : 'first');
    } catch (error) {
      this.list.fail(asApiError(error).code);
    }
  }

  /**
   * Open the form for an order at once, and put its lines into it as they come.
   * @param {string} id
   */
  async refund(id) {
    const { page, form } = this;
    const read = this.list.find(id);
    const row = page.data?.orders?.find((one) => one.id === id) ?? (read ? rowOf(read) : null);
    if (!row) return;
    form.open(row);
    try {
      const { order } = await page.api.order(id);
      form.takeOrder(order);
      this.list.keep(order);
    } catch (error) {
      form.failLines(id, asApiError(error).code);
    }
  }

  /** @param {{order: string, amount_minor: number, reason: string, restock: boolean, lines?: import('../logic/order_rows.js').LineWish[]}} refund */
  giveBack({ order, ...body }) {
    return this.#settle(() => this.page.api.refund(order, body));
  }

  /**
   * @param {string} order
   * @param {string} refund
   */
  retry(order, refund) {
    return this.#settle(() => this.page.api.retryRefund(order, refund));
  }

  /** @param {() => Promise<{order: StaffOrder}>} act */
  async #settle(act) {
    const { acts, undoBar } = this.page;
    await acts.run(async () => {
      const answer = await act();
      if (answer.order) this.list.keep(answer.order);
    }, t('console.did_refund'));
    this.list.say(undoBar.text);
  }
}
