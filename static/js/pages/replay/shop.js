// @ts-check
/**
 * The bag of a replay: what each item costs in the room today, and buying it there and then.
 *
 * Invariant: one press is one key until it has a definite answer; what is not on sale now says so and has no button.
 */
import { find, setText } from '../../lib/element.js';
import { money, number } from '../../lib/format.js';
import { create, html } from '../../lib/html.js';
import { keyedList } from '../../lib/keyed_list.js';
import { t, titleOf } from '../../lib/i18n.js';
import { asApiError, intentKey, post, settleIntent } from '../../net/api.js';

/** @typedef {{item: string, no: number, sku: string, title: string, title_zh: string | null, picture: string | null, sale: string | null,
 *   kind: string | null, price_minor: number | null, currency: string | null, available: number, has_rules: boolean}} SoldItem */
/** @typedef {import('../../components/live-sheet/live-sheet.js').LiveSheet} LiveSheet */

const KNOWN = ['sold_out', 'held_out', 'limit_reached', 'ended'];

export class ReplayShop {
  #isSignedIn = find('#main').dataset['signedIn'] === 'yes';
  /** @type {SoldItem | null} pressed, and being asked for or waiting for a name */
  #wanted = null;
  #isAsking = false;

  /**
   * @param {SoldItem[]} bag
   * @param {string} room
   */
  constructor(bag, room) {
    this.bag = bag;
    this.room = room;
    this.sheet = /** @type {LiveSheet} */ (find('#name-sheet'));
    this.problem = find('#bag-problem');
  }

  start() {
    document.addEventListener('live:signed-in', () => {
      this.#isSignedIn = true;
      this.sheet.close();
      if (this.#wanted) void this.#buy(this.#wanted);
    });
    this.draw();
  }

  draw() {
    keyedList(find('#rows'), this.bag, {
      key: (one) => one.item,
      create: (one) => {
        const row = create(html`<li class="replay-row">
          <div class="good-picture">${one.picture ? html`<img src="${one.picture}" alt="" width="60" height="60" loading="lazy"><span class="good-number">${one.no}</span>` : one.no}</div>
          <div class="replay-sold"><h3>${titleOf(one)}</h3><p class="replay-status muted"></p></div>
          <span class="replay-act"></span></li>`);
        const act = /** @type {HTMLElement} */ (row.querySelector('.replay-act'));
        act.append(this.#act(one));
        return row;
      },
      update: (element, one) => {
        setText(/** @type {Element} */ (element.querySelector('.replay-status')), statusOf(one));
        const button = element.querySelector('button');
        if (button) setText(button, t(this.#isAsking && this.#wanted === one ? 'replay.asking' : 'replay.buy'));
      },
    });
  }

  /** What takes rules or has none left is bought in the room itself. @param {SoldItem} one */
  #act(one) {
    if (!one.sale) return '';
    if (one.has_rules || one.available === 0) return create(html`<a class="button" href="/r/${this.room}">${t('replay.in_room')}</a>`);
    const button = create(html`<button class="button button-main button-dark" type="button">${t('replay.buy')}</button>`);
    button.setAttribute('aria-label', t('replay.buy_label', { no: one.no, title: titleOf(one) }));
    button.addEventListener('click', () => void this.#buy(one));
    return button;
  }

  /** @param {SoldItem} one */
  async #buy(one) {
    if (this.#isAsking || !one.sale) return;
    this.#wanted = one;
    if (!this.#isSignedIn) {
      this.sheet.open();
      return;
    }
    this.#isAsking = true;
    this.problem.hidden = true;
    this.draw();
    const intent = `replay:${one.sale}`;
    try {
      const { reservation } = await post(`/api/sales/${encodeURIComponent(one.sale)}/reservations`, { qty: 1 }, intentKey(intent));
      const { order, payment } = await post('/api/orders', { reservations: [reservation.id] }, intentKey(`${intent}:order`));
      settleIntent(intent);
      settleIntent(`${intent}:order`);
      location.assign(payment?.url ?? `/orders/${order.id}`);
    } catch (thrown) {
      const { code, retryable, status } = asApiError(thrown);
      if (!retryable && status >= 400) {
        settleIntent(intent);
        settleIntent(`${intent}:order`);
      }
      setText(this.problem, t(`replay.problem.${KNOWN.includes(code) ? code : 'other'}`));
      this.problem.hidden = false;
    } finally {
      this.#isAsking = false;
      this.draw();
    }
  }
}

/** @param {SoldItem} one */
function statusOf(one) {
  if (!one.sale || one.price_minor === null || !one.currency) return t('replay.not_sold');
  const left = one.available > 0 ? t('replay.left', { count: number(one.available) }) : t('replay.sold_out');
  return `${t('replay.now', { price: money(one.price_minor, one.currency) })}${t('site.separator')}${left}`;
}
