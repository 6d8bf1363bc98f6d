// @ts-check
/**
 * The host's commands over HTTP, and the console's own read.
 *
 * Invariant: one act has one idempotency key, and an unknown outcome is asked again with the same key.
 */
import { CUT_PERCENT_MAX } from '../logic/console_flash.js';
import { asApiError, call, newKey } from './api.js';

/** @typedef {import('../logic/console_run.js').RunItem} RunItem */
/** @typedef {import('../logic/console_run.js').FlashPlan} FlashPlan */
/** @typedef {import('../logic/order_rows.js').StaffOrder} StaffOrder */
/** @typedef {import('../logic/room_state.js').Sale} Sale */
/** @typedef {import('../logic/room_state.js').Show} Show */
/** @typedef {import('../logic/console_plot.js').Point} Point */
/** @typedef {{sale: Sale, presses: number, got: number, refused: Record<string, number>,
 *   presses_per_s: ({at_ms: number, count: number} | Point)[], holds_ending_60s: number}} NowFigures */
/** @typedef {{gmv_minor?: number, refunded_minor?: number, orders?: number, viewers: number, viewers_avg: number | null,
 *   viewers_peak: number | null, buyers?: number, visitors?: number, currency?: string}} Figures */
/** @typedef {{viewers: Point[], orders?: Point[], gmv?: Point[],
 *   pins: {no: number, item: string, from_ms: number, to_ms: number | null}[],
 *   flash: {sale: string, no: number, quantity: number, from_ms: number, to_ms: number | null}[],
 *   groups: {sale: string, no: number, need: number, from_ms: number, to_ms: number}[]}} Series */
/** `rows`, `sale` and `says` are the operator's alone.
 * @typedef {{check: string, count: number, says?: string, since_ms?: number | null, rows?: Record<string, unknown>[],
 *   sale?: {id: string, no: number, title: string, title_zh?: string | null} | null}} Broken */
/** @typedef {{ok: boolean, oversold: number, at_ms: number, violations?: Broken[], warnings?: Broken[],
 *   turn?: {last_ended_at_ms: number | null} | null}} Audit */
/** @typedef {{user: string, name: string, until_ms: number}} Mute */
/** @typedef {{id: string, state: string, total_minor: number, currency: string, buyer: string, at_ms: number,
 *   refunded_minor: number, left_minor: number, pending_refunds: number, failed_refund: string | null, is_uncollected: boolean,
 *   title: string, title_zh?: string | null, no: number | null}} FeedOrder */
/** @typedef {{show: Show | null, room: string, host: {id: string, name: string, avatar?: string | null}, pinned: string | null,
 *   pinned_at_ms?: number | null, run: RunItem[], now: NowFigures | null, figures?: Figures, series?: Series, audit: Audit | null,
 *   mutes: Mute[], orders?: FeedOrder[], group_buys?: Sale[], delivery?: import('../logic/console_delivery.js').Delivery,
 *   picture?: import('../logic/console_picture.js').PictureFigures}} ConsoleData */
/** @typedef {{id: string, user: string | null, name: string, text: string, flags: string[], at_ms: number,
 *   deleted: {at_ms: number, by: string, name: string | null} | null}} ArchivedLine */
/** @typedef {{text: string, user: string | null, before: string | null}} ChatQuestion */
/** @typedef {import('../logic/room_state.js').Modes} Modes */
/** @typedef {{added: number, to_waiting_list: number, stock: [number, number, number]}} UnitsDone */
/** @typedef {{sku: string, title: string, title_zh?: string | null, picture?: string | null, price_minor: number, currency: string,
 *   notes?: string | null, notes_zh?: string | null, available: number,
 *   campaign_price?: import('../logic/campaign_prices.js').CampaignPrice | null}} Product */

/** An act whose answer was lost is asked again this often, with the same key. */
const ATTEMPTS = 3;
const AGAIN_MS = 700;

/** @param {number} ms */
const pause = (ms) => new Promise((resolve) => window.setTimeout(resolve, ms));

export class ConsoleApi {
  /** @param {string} room slug */
  constructor(room) {
    this.base = `/api/rooms/${encodeURIComponent(room)}`;
  }

  /**
   * @param {'POST' | 'PUT' | 'DELETE'} method
   * @param {string} path
   * @param {unknown} [body]
   * @returns {Promise<any>}
   */
  async #act(method, path, body) {
    const key = newKey();
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await call(method, path, { body, key });
      } catch (error) {
        if (!asApiError(error).retryable || attempt >= ATTEMPTS) throw error;
        await pause(AGAIN_MS * attempt);
      }
    }
  }

  /** @returns {Promise<ConsoleData>} */
  read() {
    return call('GET', `${this.base}/console`);
  }

  /** @returns {Promise<Product[]>} */
  async products() {
    return (await call('GET', '/api/products')).products;
  }

  start() {
    return this.#act('POST', `${this.base}/start`, {});
  }

  end() {
    return this.#act('POST', `${this.base}/end`, {});
  }

  /** @param {string} item */
  pin(item) {
    return this.#act('POST', `${this.base}/pin`, { item });
  }

  unpin() {
    return this.#act('POST', `${this.base}/unpin`, {});
  }

  /** @param {string} text empty takes the message away */
  announce(text) {
    return this.#act('POST', `${this.base}/announce`, { text });
  }

  /**
   * Arm a flash sale under the misprice guard: a deep cut, or a price below the floor, needs the plan's confirmation.
   * @param {string} sku
   * @param {FlashPlan} plan
   * @returns {Promise<{sale: Sale}>}
   */
  armFlash(sku, { floor_minor, ...plan }) {
    return this.#act('POST', `${this.base}/flash-sales`, { sku, ...plan, guard: { max_cut_percent: CUT_PERCENT_MAX, ...(floor_minor === undefined ? {} : { floor_minor }) } });
  }

  /**
   * @param {string} sale
   * @param {{reason: string, release_holds: boolean}} how
   * @returns {Promise<{sale: Sale, released: number}>}
   */
  haltSale(sale, how) {
    return this.#act('POST', `/api/sales/${encodeURIComponent(sale)}/halt`, how);
  }

  /** @param {string} sale */
  resumeSale(sale) {
    return this.#act('POST', `/api/sales/${encodeURIComponent(sale)}/resume`, {});
  }

  /** @param {string} sale */
  closeSale(sale) {
    return this.#act('POST', `/api/sales/${encodeURIComponent(sale)}/close`, {});
  }

  /** @param {string} sale */
  cancelSale(sale) {
    return this.#act('POST', `/api/sales/${encodeURIComponent(sale)}/cancel`, {});
  }

  /**
   * A page of the room's orders, newest first.
   * @param {{before: string | null, since_ms: number}} page `before` an order's id; `since_ms` those that changed since then
   * @returns {Promise<{orders: StaffOrder[]}>}
   */
  orders({ before, since_ms }) {
    const asked = { ...(before ? { before } : {}), ...(since_ms ? { since_ms: String(since_ms) } : {}) };
    return call('GET', `${this.base}/orders?${new URLSearchParams(asked)}`);
  }

  /** @param {string} order @returns {Promise<{order: StaffOrder}>} */
  order(order) {
    return call('GET', `/api/orders/${encodeURIComponent(order)}`);
  }

  /**
   * Make a coupon of just what is dropped, and drop it.
   * @param {import('../logic/console_coupons.js').DropWish} wish
   * @param {string} title
   * @returns {Promise<{drop: import('../logic/room_state.js').Drop}>}
   */
  async dropCoupons({ countdown_s, duration_s, min_age_s, claims_per_address_s, ...terms }, title) {
    const { coupon } = await this.#act('POST', `${this.base}/coupons`, { ...terms, title });
    return this.#act('POST', `${this.base}/drops`, { coupon: coupon.coupon.id, quantity: terms.quantity, countdown_s, duration_s, min_age_s, claims_per_address_s });
  }

  /** The room's coupons with their figures, newest first. @returns {Promise<{coupons: import('../components/live-coupon-list/live-coupon-list.js').CouponFigures[]}>} */
  coupons() {
    return call('GET', `${this.base}/coupons`);
  }

  /**
   * @param {string} coupon
   * @param {string} reason
   */
  haltCoupon(coupon, reason) {
    return this.#act('POST', `/api/coupons/${encodeURIComponent(coupon)}/halt`, { reason });
  }

  /** @param {string} coupon */
  resumeCoupon(coupon) {
    return this.#act('POST', `/api/coupons/${encodeURIComponent(coupon)}/resume`, {});
  }

  /** @param {string} drop */
  closeDrop(drop) {
    return this.#act('POST', `/api/drops/${encodeURIComponent(drop)}/close`, {});
  }

  /** @param {string} drop */
  cancelDrop(drop) {
    return this.#act('POST', `/api/drops/${encodeURIComponent(drop)}/cancel`, {});
  }

  /**
   * @param {string} sku
   * @param {import('../logic/console_groups.js').GroupWish} wish
   * @returns {Promise<{sale: Sale}>}
   */
  openGroupBuy(sku, { floor_minor, ...wish }) {
    return this.#act('POST', `${this.base}/group-buys`, { sku, ...wish, guard: { max_cut_percent: CUT_PERCENT_MAX, ...(floor_minor === undefined ? {} : { floor_minor }) } });
  }

  /** @param {string} sale */
  closeGroupBuy(sale) {
    return this.#act('POST', `/api/group-buys/${encodeURIComponent(sale)}/close`, {});
  }

  /** @param {string} sale */
  cancelGroupBuy(sale) {
    return this.#act('POST', `/api/group-buys/${encodeURIComponent(sale)}/cancel`, {});
  }

  /** @returns {Promise<{groups: import('../logic/teams.js').TeamView[]}>} */
  teams() {
    return call('GET', `${this.base}/groups`);
  }

  /** @param {string} group */
  completeTeam(group) {
    return this.#act('POST', `/api/groups/${encodeURIComponent(group)}/complete`, {});
  }

  /**
   * @param {string} order
   * @param {{amount_minor: number, reason: string, restock: boolean, lines?: import('../logic/order_rows.js').LineWish[]}} body
   * @returns {Promise<{order: StaffOrder}>}
   */
  refund(order, body) {
    return this.#act('POST', `/api/orders/${encodeURIComponent(order)}/refunds`, body);
  }

  /**
   * @param {string} order
   * @param {string} refund
   */
  retryRefund(order, refund) {
    return this.#act('POST', `/api/orders/${encodeURIComponent(order)}/refunds/${encodeURIComponent(refund)}/retry`, {});
  }

  /**
   * More units for a flash sale; fewer, when negative.
   * @param {string} sale
   * @param {number} quantity
   * @param {string} reason may be empty
   * @returns {Promise<UnitsDone>}
   */
  addUnits(sale, quantity, reason) {
    return this.#act('POST', `/api/sales/${encodeURIComponent(sale)}/add`, { quantity, reason });
  }

  /**
   * More units of a SKU; fewer, when negative.
   * @param {string} sku
   * @param {number} delta
   * @param {string} reason
   * @returns {Promise<UnitsDone>}
   */
  adjustStock(sku, delta, reason) {
    return this.#act('POST', `/api/skus/${encodeURIComponent(sku)}/adjustments`, { delta, reason });
  }

  /**
   * Sell a SKU of the whole shop at less for a while, under the misprice guard.
   * @param {string} sku
   * @param {import('../logic/console_campaigns.js').CampaignWish} wish
   * @returns {Promise<{campaign_price: import('../logic/campaign_prices.js').CampaignPrice}>}
   */
  setCampaignPrice(sku, { floor_minor, ...wish }) {
    return this.#act('POST', `/api/skus/${encodeURIComponent(sku)}/campaign-prices`, { ...wish, guard: { max_cut_percent: CUT_PERCENT_MAX, ...(floor_minor === undefined ? {} : { floor_minor }) } });
  }

  /** @param {string} id of a campaign price */
  withdrawCampaignPrice(id) {
    return this.#act('POST', `/api/campaign-prices/${encodeURIComponent(id)}/withdraw`, {});
  }

  /** @param {string} line */
  deleteLine(line) {
    return this.#act('DELETE', `${this.base}/chat/${encodeURIComponent(line)}`);
  }

  /**
   * @param {string} user
   * @param {number} minutes
   */
  mute(user, minutes) {
    return this.#act('POST', `${this.base}/mutes`, { user, minutes });
  }

  /** @param {string} user */
  unmute(user) {
    return this.#act('DELETE', `${this.base}/mutes/${encodeURIComponent(user)}`);
  }

  /**
   * @param {Modes} modes all of them; one that is left out is off
   * @returns {Promise<{modes: Modes}>}
   */
  setModes(modes) {
    return this.#act('PUT', `${this.base}/modes`, modes);
  }

  /**
   * @param {ChatQuestion} question
   * @returns {Promise<{lines: ArchivedLine[], next: string | null}>}
   */
  searchChat({ text, user, before }) {
    const asked = Object.entries({ q: text, user, before }).filter(([, value]) => value);
    return call('GET', `${this.base}/chat?${new URLSearchParams(/** @type {[string, string][]} */ (asked))}`);
  }

  /** Where the whole chat is to be had as a file. */
  get exportPath() {
    return `${this.base}/chat.csv`;
  }

  /** @param {string} sku */
  addToBag(sku) {
    return this.#act('POST', `${this.base}/bag`, { sku });
  }

  /** @param {string} item */
  removeFromBag(item) {
    return this.#act('DELETE', `${this.base}/bag/${encodeURIComponent(item)}`);
  }

  /**
   * @param {string} title
   * @param {number} starts_at_ms
   */
  schedule(title, starts_at_ms) {
    return this.#act('POST', `${this.base}/shows`, { title, starts_at_ms });
  }
}
