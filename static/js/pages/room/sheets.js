// @ts-check
/**
 * The room's sheets: name, bag, check-out, receipt, and how the numbers are made.
 *
 * Invariant: one sheet at a time; closing check-out keeps the hold and says so once.
 */
import { holdLeft } from '../../logic/countdown.js';
import { duration, timeOfDay } from '../../lib/format.js';
import { letGoWords } from '../../components/live-receipt/live-receipt.js';
import { find } from '../../lib/element.js';
import { t } from '../../lib/i18n.js';
import { asApiError, get } from '../../net/api.js';
import { tellPlaces } from '../drawn_places.js';
import { Pricing } from './pricing.js';

/** @typedef {import('../../components/live-sheet/live-sheet.js').LiveSheet} LiveSheet */
/** @typedef {import('../../components/live-checkout/live-checkout.js').LiveCheckout} LiveCheckout */
/** @typedef {import('../../components/live-receipt/live-receipt.js').LiveReceipt} LiveReceipt */
/** @typedef {import('../../components/live-sign-in/live-sign-in.js').LiveSignIn} LiveSignIn */
/** @typedef {import('../../logic/card_state.js').Hold} Hold */
/** @typedef {import('./page.js').RoomPage} RoomPage */

/** From this size, that of the style sheet, the bag is a column and not a sheet. */
const BAG_COLUMN = '(min-width: 1180px) and (min-height: 480px)';

export class Sheets {
  /** @type {Hold | null} */
  #hold = null;
  /** @type {((isGiven: boolean) => void) | null} */
  #named = null;
  #wasToldKept = false;
  /** @type {Set<string>} orders whose receipt was shown */
  #shown = new Set();

  /** @param {RoomPage} page */
  constructor(page) {
    this.page = page;
    this.name = this.#sheet('name-sheet');
    this.bag = this.#sheet('bag-sheet');
    this.checkout = this.#sheet('checkout-sheet');
    this.receipt = this.#sheet('receipt-sheet');
    this.proof = this.#sheet('proof-sheet');
    this.drawProof = this.#sheet('draw-sheet');
    this.teams = this.#sheet('team-sheet');
    this.pricing = new Pricing(() => this.#checkout, () => this.checkout.isOpen);
    this.#placeBag();
    document.addEventListener('live:signed-in', (event) => {
      page.signedIn(/** @type {CustomEvent} */ (event).detail.user);
      this.#answerName(true);
      this.name.close();
    });
    document.addEventListener('live:sheet-closed', (event) => this.#closed(/** @type {CustomEvent} */ (event).detail.id));
    document.addEventListener('live:pay', (event) => void this.#pay(/** @type {CustomEvent} */ (event).detail.hold));
    document.addEventListener('live:choose-coupon', (event) => {
      const { hold, coupon } = /** @type {CustomEvent} */ (event).detail;
      void this.pricing.choose(hold, coupon);
    });
    document.addEventListener('live:receipt-back', () => this.receipt.close());
  }

  /** @param {string} id */
  #sheet(id) {
    return /** @type {LiveSheet} */ (find(`#${id}`));
  }

  /** The bag lives in its column where there is room, else in its sheet. */
  #placeBag() {
    const wide = matchMedia(BAG_COLUMN);
    const place = () => {
      if (wide.matches) this.bag.close();
      (wide.matches ? find('#bag-place') : this.bag.body).append(this.page.bag);
    };
    wide.addEventListener('change', place);
    place();
  }

  openBag() {
    if (matchMedia(BAG_COLUMN).matches) /** @type {HTMLElement | null} */ (this.page.bag.querySelector('button'))?.focus();
    else this.bag.open();
  }

  /** How a sale was drawn, and one's own part in it. @param {string} sale */
  openDraw(sale) {
    const found = this.page.state.sales.find((one) => one.id === sale);
    if (!found?.draw) return;
    const content = /** @type {import('../../components/live-draw-proof/live-draw-proof.js').LiveDrawProof} */ (find('live-draw-proof'));
    content.facts = { sale, draw: found.draw, entry: this.page.purchase.draws.entries.get(sale) ?? null };
    this.closeAll();
    this.drawProof.open();
  }

  closeAll() {
    for (const sheet of [this.name, this.bag, this.checkout, this.receipt, this.proof, this.drawProof, this.teams]) sheet.close();
  }

  /** The payment page was left again. */
  resume() {
    this.#checkout.isGoing = false;
    this.checkout.close();
  }

  /**
   * Ask for a name.
   * @param {'buy' | 'chat'} reason
   * @returns {Promise<boolean>} whether there is a user now
   */
  askName(reason) {
    if (this.page.user && this.page.purchase.user) return Promise.resolve(true);
    this.#answerName(false);
    const form = /** @type {LiveSignIn} */ (find('live-sign-in'));
    form.reason = reason;
    this.closeAll();
    this.name.open();
    form.focusField();
    return new Promise((resolve) => {
      this.#named = resolve;
    });
  }

  /** @param {boolean} isGiven */
  #answerName(isGiven) {
    this.#named?.(isGiven);
    this.#named = null;
  }

  /** @param {string} id */
  #closed(id) {
    if (id === 'name-sheet') this.#answerName(false);
    if (id === 'checkout-sheet' && this.#hold && !this.#wasToldKept && this.page.purchase.holds.has(this.#hold.sale)) {
      this.#wasToldKept = true;
      this.page.news.say(t('checkout.kept', { time: timeOfDay(this.#hold.expires_at_ms) }));
    }
  }

  /** @param {Hold} hold */
  openCheckout(hold) {
    this.#hold = hold;
    this.#checkout.problem = null;
    this.#checkout.isGoing = false;
    this.bag.close();
    this.draw(this.page.clock.now());
    this.checkout.open();
    void this.pricing.open(hold);
  }

  /** A coupon was stopped, or goes on: an open check-out is priced anew, unless its order is on the way. */
  couponsChanged() {
    const hold = this.#hold;
    const { isGoing, price } = this.#checkout;
    if (!hold || hold.order || !this.checkout.isOpen || isGoing) return;
    void (price ? this.pricing.choose(hold, this.pricing.coupon) : this.pricing.open(hold));
  }

  get #checkout() {
    return /** @type {LiveCheckout} */ (find('live-checkout'));
  }

  /** @param {Hold} hold */
  async #pay(hold) {
    const form = this.#checkout;
    form.problem = null;
    form.isGoing = true;
    try {
      location.assign(await this.page.purchase.order(hold, this.pricing.coupon));
    } catch (thrown) {
      const { code, retryable } = asApiError(thrown);
      const isRefused = Pricing.isRefused(thrown);
      if (isRefused) void this.pricing.open(hold);
      form.problem = isRefused ? t('checkout.coupon_changed') : retryable ? t('checkout.unknown') : t('checkout.failed', { code });
      form.isGoing = false;
      void this.page.purchase.refresh();
    }
  }

  /** @param {string} id order */
  async showReceipt(id) {
    if (this.#shown.has(id)) return;
    this.#shown.add(id);
    try {
      const { order } = await get(`/api/orders/${encodeURIComponent(id)}`);
      this.closeAll();
      /** @type {LiveReceipt} */ (find('live-receipt')).order = order;
      this.receipt.open();
      void tellPlaces(this.receipt, [order]);
      this.page.news.tell(t('receipt.title'));
    } catch {
      // The orders page has it; the card says that it is paid.
    }
  }

  /** Money goes back: it came too late, or by a card that has its share. @param {string} id order */
  async tellVoided(id) {
    try {
      const { order } = await get(`/api/orders/${encodeURIComponent(id)}`);
      this.page.news.tell(letGoWords(order, this.page.state.sales));
    } catch {
      // The orders page says it too.
    }
  }

  /** @param {number} now_ms */
  draw(now_ms) {
    const hold = this.#hold;
    if (!hold) return;
    const present = this.page.purchase.holds.get(hold.sale);
    const left = holdLeft(hold.expires_at_ms, hold.whole_ms, now_ms);
    if ((!present || left.left_ms === 0) && this.checkout.isOpen) {
      this.#hold = null;
      this.checkout.close();
      return;
    }
    const isTeam = this.page.state.sales.some((sale) => sale.id === hold.sale && sale.kind === 'group');
    this.#checkout.order = { hold: present ?? hold, item: this.page.itemOfHold(hold), left, isTeam };
    if (left.isLast && left.left_ms > 0) this.page.news.tell(t('card.last_title', { duration: duration(60_000) }));
  }
}
