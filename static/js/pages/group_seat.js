// @ts-check
/**
 * One's own seat in the team of a shared link: found again, priced in all its parts, ordered.
 *
 * Invariant: nothing is ordered before its whole price was shown; that is the server's quote for just what is ordered.
 */
import '../components/live-checkout/live-checkout.js';
import '../components/live-hold-ring/live-hold-ring.js';
import { holdLeft } from '../logic/countdown.js';
import { find } from '../lib/element.js';
import { t } from '../lib/i18n.js';
import { asApiError, get, intentKey, post, settleIntent } from '../net/api.js';
import { Pricing } from './room/pricing.js';

/** @typedef {import('../components/live-checkout/live-checkout.js').LiveCheckout} LiveCheckout */
/** @typedef {import('../components/live-sheet/live-sheet.js').LiveSheet} LiveSheet */
/** @typedef {import('../logic/card_state.js').Hold} Hold */
/** @typedef {import('../logic/room_state.js').BagItem} BagItem */

const LIVE_SEATS = new Set(['held', 'paying', 'sold']);

export class OwnSeat {
  /** Raised by whatever tells more than a look that is still under way. */
  #looks = 0;
  /** A seat that is not ordered yet. @type {Hold | null} */
  hold = null;
  /** The order of one's seat. @type {string | null} */
  order = null;

  /** @param {{title: string, title_zh?: string | null, picture: string}} goods what the team buys */
  constructor(goods) {
    this.item = /** @type {BagItem} */ (/** @type {unknown} */ (goods));
    this.sheet = /** @type {LiveSheet} */ (find('#checkout-sheet'));
    this.form = /** @type {LiveCheckout} */ (find('live-checkout'));
    this.pricing = new Pricing(() => this.form, () => this.sheet.isOpen);
    document.addEventListener('live:pay', () => void this.#pay());
    document.addEventListener('live:choose-coupon', (event) => {
      const { hold, coupon } = /** @type {CustomEvent} */ (event).detail;
      void this.pricing.choose(hold, coupon);
    });
  }

  /**
   * Look for one's seat in a team; rejects with an ApiError.
   *
   * Returns the team that one is in: this one, or another of the same group buy.
   * @param {string} group @param {string} sale @returns {Promise<string | null>}
   */
  async read(group, sale) {
    const look = ++this.#looks;
    const [{ seats }, { reservations }] = await Promise.all([get('/api/groups'), get('/api/reservations')]);
    if (look !== this.#looks) return null;
    const live = seats.filter((/** @type {any} */ one) => LIVE_SEATS.has(one.state));
    const seat = live.find((/** @type {any} */ one) => one.group.id === group);
    const held = reservations.find((/** @type {any} */ one) => one.id === seat?.reservation);
    this.order = seat?.order ?? null;
    if (!held || this.order) this.hold = null;
    else if (this.hold?.id !== held.id) this.#keep(held);
    const other = live.find((/** @type {any} */ one) => one.group.sale === sale && one.state !== 'sold');
    return (seat ?? other)?.group.id ?? null;
  }

  /** Show what a seat costs that was taken just now. @param {any} reservation as on the wire */
  take(reservation) {
    this.#looks += 1;
    this.#keep(reservation);
    this.open();
  }

  /** @param {any} reservation */
  #keep({ id, sale, qty, unit_price_minor, currency, expires_in_ms }) {
    const now_ms = performance.now();
    this.hold = {
      id, sale, qty, unit_price_minor, currency, state: 'held', pay_url: null, order: null, offer: null,
      expires_at_ms: now_ms + expires_in_ms, whole_ms: expires_in_ms, reserved_at_ms: now_ms,
    };
  }

  open() {
    if (!this.hold) return;
    this.form.problem = null;
    this.form.isGoing = false;
    this.draw();
    this.sheet.open();
    void this.pricing.open(this.hold);
  }

  /** Count down; a hold that is over is nobody's any more. */
  draw() {
    const { hold, item } = this;
    if (!hold) return;
    const left = holdLeft(hold.expires_at_ms, hold.whole_ms, performance.now());
    if (left.left_ms === 0 && !this.form.isGoing) {
      this.hold = null;
      this.sheet.close();
      return;
    }
    this.form.order = { hold, item, left, isTeam: true };
  }

  async #pay() {
    const { hold, form } = this;
    if (!hold) return;
    const { coupon } = this.pricing;
    const intent = `group.order.${hold.id}.${coupon ?? ''}`;
    form.problem = null;
    form.isGoing = true;
    try {
      const wish = coupon ? { reservations: [hold.id], coupon } : { reservations: [hold.id] };
      const { order, payment } = await post('/api/orders', wish, intentKey(intent));
      settleIntent(intent);
      location.assign(payment?.url ?? `/orders/${order.id}`);
    } catch (thrown) {
      const { code, retryable, status } = asApiError(thrown);
      if (!retryable && status >= 400) settleIntent(intent);
      const isRefused = Pricing.isRefused(thrown);
      if (isRefused) void this.pricing.open(hold);
      form.problem = isRefused ? t('checkout.coupon_changed') : retryable ? t('checkout.unknown') : t('checkout.failed', { code });
      form.isGoing = false;
    }
  }
}
