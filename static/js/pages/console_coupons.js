// @ts-check
/**
 * What a host does about coupons that are out: read how they fare, stop one at once, let it go on.
 *
 * Invariant: a coupon is stopped only with a reason, which the room reads; a stop is undone by its opposite.
 */
import { t } from '../lib/i18n.js';
import { asApiError } from '../net/api.js';

/** @typedef {import('./console.js').ConsolePage} ConsolePage */
/** @typedef {import('../components/live-coupon-list/live-coupon-list.js').LiveCouponList} LiveCouponList */

/** As the server takes it. */
const REASON_MAX = 120;

export class ConsoleCoupons {
  /** @param {ConsolePage} page */
  constructor(page) {
    this.page = page;
  }

  /** @returns {LiveCouponList} */
  get list() {
    return this.page.element('live-coupon-list');
  }

  /** Read the room's coupons for the list. */
  async read() {
    try {
      this.list.take((await this.page.api.coupons()).coupons);
    } catch (error) {
      this.list.fail(asApiError(error).code);
    }
  }

  /**
   * The kill switch: stop a coupon, or let it go on.
   * @param {{coupon: string, what: string, isHalted: boolean}} which `what` it takes off, in words
   */
  async halt({ coupon, what, isHalted }) {
    const { api, ask } = this.page;
    const resume = (/** @type {string} */ done) => this.#run(() => api.resumeCoupon(coupon), done);
    if (isHalted) return resume(t('console.did_resume_coupon'));
    const answer = await ask.ask({
      title: t('console.coupon_halt_title', { what }),
      lines: [t('console.coupon_halt_note'), t('console.coupon_halt_orders')],
      yes: t('console.coupon_halt'), isStop: true,
      field: { label: t('console.halt_reason'), value: '', length_max: REASON_MAX, isNeeded: true },
    });
    if (!answer) return;
    await this.#run(() => api.haltCoupon(coupon, answer.text), t('console.did_halt_coupon'), () => void resume(t('console.undone')));
  }

  /**
   * @param {() => Promise<any>} act
   * @param {string} done
   * @param {(() => void) | null} [undo]
   */
  async #run(act, done, undo = null) {
    await this.page.acts.run(act, done, undo);
    if (!this.list.isOpen) return;
    await this.read();
    this.list.say(this.page.undoBar.text);
  }
}
