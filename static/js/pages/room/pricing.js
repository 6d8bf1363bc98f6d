// @ts-check
/**
 * What a hold costs in all its parts, asked before paying: the best coupon first, or the one that was chosen.
 *
 * Invariant: what is shown is the server's quote for just what will be ordered; nothing is added up here.
 */
import { bestCoupon } from '../../logic/coupons.js';
import { t } from '../../lib/i18n.js';
import { asApiError, get, post } from '../../net/api.js';

/** @typedef {import('../../logic/card_state.js').Hold} Hold */
/** @typedef {import('../../components/live-checkout/live-checkout.js').LiveCheckout} LiveCheckout */

/** What is said of a coupon that was good a moment ago. */
const COUPON_REFUSED = new Set(['coupon_not_usable', 'coupon_halted']);
/** A quote that did not come is asked for again after this, while check-out is open. */
const AGAIN_MS = 2_000;

export class Pricing {
  /** The coupon that the order will take. @type {string | null} */
  coupon = null;
  /** Counts the questions: an answer to an older one is dropped. */
  #asked = 0;

  /**
   * @param {() => LiveCheckout} form
   * @param {() => boolean} isOpen whether check-out is
   */
  constructor(form, isOpen) {
    this.form = form;
    this.isOpen = isOpen;
  }

  /** Price a hold with the coupon that takes most off. @param {Hold} hold */
  async open(hold) {
    this.coupon = null;
    this.form().price = null;
    await this.#ask(async () => {
      if (hold.order) {
        const { order } = await get(`/api/orders/${encodeURIComponent(hold.order)}`);
        return { parts: order.parts, total_minor: order.total_minor, coupons: [], coupon: null };
      }
      return this.#best(hold);
    });
  }

  /** @param {Hold} hold */
  async #best(hold) {
    const plain = await this.#quote(hold, null);
    const best = bestCoupon(plain.coupons);
    return best ? this.#quote(hold, best.id) : plain;
  }

  /** Whether an error says that the coupon is not to be had any more. @param {unknown} error */
  static isRefused(error) {
    return COUPON_REFUSED.has(asApiError(error).code);
  }

  /**
   * Price it with another coupon, or with none; with the best of the others when that one cannot be used any more.
   * @param {Hold} hold
   * @param {string | null} coupon
   */
  async choose(hold, coupon) {
    this.form().price = null;
    await this.#ask(async () => {
      try {
        return await this.#quote(hold, coupon);
      } catch (error) {
        if (!Pricing.isRefused(error)) throw error;
        this.form().problem = t('checkout.coupon_changed');
        return this.#best(hold);
      }
    });
  }

  /**
   * @param {Hold} hold
   * @param {string | null} coupon
   */
  async #quote(hold, coupon) {
    const { quote, coupons } = await post('/api/quotes', { reservations: [hold.id], coupon });
    return { parts: quote.parts, total_minor: quote.total_minor, unlocked_total_minor: quote.unlocked_total_minor, coupons, coupon };
  }

  /** @param {() => Promise<import('../../components/live-checkout/live-checkout.js').Price>} question */
  async #ask(question) {
    this.#asked += 1;
    const mine = this.#asked;
    while (mine === this.#asked) {
      try {
        const price = await question();
        if (mine !== this.#asked) return;
        this.coupon = price.coupon;
        this.form().price = price;
        return;
      } catch {
        await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
        if (!this.isOpen()) return;
      }
    }
  }
}
