// @ts-check
/**
 * Orders older than those a page begins with: one page of them for each press, read once each.
 *
 * Invariant: what is on the screen stays where it is; whoever comes back to the page finds as much of the list, at the same place.
 */
import { find, setText } from '../lib/element.js';
import { html } from '../lib/html.js';
import { t } from '../lib/i18n.js';
import { get } from '../net/api.js';

/** @typedef {import('../components/live-receipt/live-receipt.js').Order} Order */
/** @typedef {{older?: number, y?: number}} Kept what the browser's history keeps of the list */

/** The server's page. A shorter one is the last. */
export const PAGE_ORDERS = 200;
/** Whoever comes back waits for no more pages than this. */
const PAGES_KEPT_MAX = 10;
/** Browsers refuse a history that is written at every step of a scroll. */
const KEPT_AFTER_MS = 150;

export class OlderOrders {
  #isAsking = false;
  #pages = 0;
  #timer = 0;

  /**
   * @param {Element} place has the markup below, and the list that it is the end of
   * @param {readonly Order[]} orders what the list begins with
   * @param {(order: Order) => import('../lib/html.js').Html} card
   * @param {(orders: readonly Order[]) => unknown} onMore called with what came
   */
  constructor(place, orders, card, onMore) {
    this.list = find('.orders-own', place);
    this.box = find('.orders-older', place);
    this.button = find('button', this.box);
    this.note = find('[role="status"]', this.box);
    this.card = card;
    this.onMore = onMore;
    this.last = orders.at(-1)?.id ?? '';
    this.box.hidden = orders.length < PAGE_ORDERS;
    this.button.addEventListener('click', () => void this.more());
  }

  /** The way to older orders, to stand after the list. */
  static get markup() {
    return html`<div class="orders-older" hidden><button class="button" type="button">${t('orders.older')}</button><p class="muted" role="status" tabindex="-1"></p></div>`;
  }

  /**
   * Read the next page, and go on with the keyboard at its first order.
   * @param {boolean} [isPressed] by a person, who is told how it went
   * @returns {Promise<boolean>} whether it came
   */
  async more(isPressed = true) {
    if (this.#isAsking) return false;
    this.#isAsking = true;
    setText(this.note, t('orders.older_loading'));
    try {
      /** @type {{orders: Order[]}} */
      const { orders } = await get(`/api/orders?before=${encodeURIComponent(this.last)}`);
      this.#append(orders, isPressed);
      return true;
    } catch {
      setText(this.note, t('orders.older_failed'));
      return false;
    } finally {
      this.#isAsking = false;
    }
  }

  /**
   * @param {readonly Order[]} orders
   * @param {boolean} isPressed
   */
  #append(orders, isPressed) {
    const shown = this.list.childElementCount;
    this.list.insertAdjacentHTML('beforeend', html`${orders.map(this.card)}`.markup);
    this.last = orders.at(-1)?.id ?? this.last;
    this.#pages += 1;
    this.#keepSoon();
    const isEnd = orders.length < PAGE_ORDERS;
    setText(this.note, isEnd ? t('orders.older_end') : '');
    if (isPressed) {
      const next = this.list.children[shown]?.querySelector('a') ?? null;
      if (next) next.focus({ preventScroll: true });
      else this.note.focus({ preventScroll: true });
    }
    this.button.hidden = isEnd;
    this.onMore(orders);
  }

  /** Show what was shown when the page was left, and keep what is shown for the next time. */
  async restore() {
    const { older = 0, y = 0 } = /** @type {Kept} */ (history.state ?? {});
    history.scrollRestoration = 'manual';
    for (let page = 0; page < Math.min(older, PAGES_KEPT_MAX) && !this.box.hidden && !this.button.hidden; page += 1) {
      if (!(await this.more(false))) break;
    }
    if (y > 0) scrollTo(0, y);
    addEventListener('scroll', () => this.#keepSoon(), { passive: true });
  }

  /** A page that goes away may change its history no more, so this is done while it stays. */
  #keepSoon() {
    clearTimeout(this.#timer);
    this.#timer = window.setTimeout(() => history.replaceState({ older: this.#pages, y: scrollY }, ''), KEPT_AFTER_MS);
  }
}
