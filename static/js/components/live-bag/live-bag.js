// @ts-check
/**
 * The numbered bag: the same offers as the card, one row each.
 *
 * HTML: `<live-bag></live-bag>`
 * Properties: `rows` (BagRow[]). Events: `live:bag` {act: 'buy' | 'pay' | 'join', item, sale}.
 * Invariant: numbers never change, and the row on now is marked by word, ground and edge.
 */
import { define, LiveElement, setAttribute, setText } from '../../lib/element.js';
import { duration, money, number, ordinal, timeOfDay } from '../../lib/format.js';
import { create, html, render } from '../../lib/html.js';
import { t, titleOf } from '../../lib/i18n.js';
import { keyedList } from '../../lib/keyed_list.js';

/** @typedef {import('../../logic/card_state.js').Offer} Offer */
/** @typedef {import('../../logic/card_state.js').Hold} Hold */
/** @typedef {{offer: Offer, isOnNow: boolean, isLive: boolean, isAsking: boolean, hold: Hold | null, now_ms: number,
 *   waiting?: import('../../logic/waiting_list.js').Entry | null}} BagRow */
/** @typedef {{status: string, label: string, act: 'buy' | 'pay' | 'join' | null, tone: string}} RowView */

/**
 * One status line and one button for a row.
 * @param {BagRow} row
 * @returns {RowView}
 */
export function rowView({ offer, isOnNow, isLive, isAsking, hold, waiting, now_ms }) {
  const { sale, upcoming } = offer;
  const quiet = (/** @type {string} */ status) => ({ status, label: '', act: null, tone: '' });
  if (hold) return { status: t('bag.reserved', { duration: duration(hold.expires_at_ms - now_ms) }), label: t('bag.pay'), act: 'pay', tone: 'lime' };
  if (!isLive || !sale) return quiet(t('bag.soon'));
  if (isAsking) return quiet(t('bag.asking'));
  if (sale.kind === 'flash' && sale.state === 'armed') return quiet(t('bag.opens', { time: timeOfDay(sale.opens_at_ms ?? now_ms) }));
  if (sale.state === 'ended' || sale.state === 'cancelled') return quiet(t('bag.ended'));
  if (sale.state === 'halted') return quiet(t('bag.halted'));
  if (waiting) return quiet(waitingLine(waiting.place));
  const [available, held] = sale.stock;
  if (available === 0 && held === 0) return { status: t('bag.sold_out'), label: '', act: null, tone: 'out' };
  if (available === 0) return { status: t('bag.held_out'), label: t('bag.join'), act: 'join', tone: '' };
  const count = number(available);
  const left = isOnNow ? t('bag.on_now_left', { count }) : t('bag.left', { count });
  const status = upcoming ? t('bag.opens', { time: timeOfDay(upcoming.opens_at_ms ?? now_ms) }) : left;
  return { status, label: t('bag.buy'), act: 'buy', tone: isOnNow ? 'now' : '' };
}

/** @param {number | null} place */
function waitingLine(place) {
  return place === null ? t('bag.waiting_none') : t('bag.waiting', { place: ordinal(place) });
}

export class LiveBag extends LiveElement {
  /** @type {BagRow[]} */
  #rows = [];

  get rows() {
    return this.#rows;
  }

  set rows(rows) {
    this.#rows = rows;
    this.changed();
  }

  build() {
    render(this, html`<p class="bag-empty muted" data-ref="empty">${t('bag.empty')}</p><ol class="bag-rows" data-ref="rows"></ol>`);
    this.addEventListener('click', (event) => {
      const button = /** @type {HTMLElement | null} */ (/** @type {Element} */ (event.target).closest('.bag-button'));
      if (button) this.emit('bag', { act: button.dataset['act'], item: button.dataset['item'], sale: button.dataset['sale'] });
    });
  }

  update() {
    this.ref('empty').hidden = this.#rows.length > 0;
    keyedList(this.ref('rows'), this.#rows, {
      key: ({ offer }) => offer.item.item,
      create: ({ offer: { item } }) => create(html`
        <li class="bag-row" data-item="${item.item}">
          <div class="good-picture">${item.picture ? html`<img src="${item.picture}" alt="" width="60" height="60" loading="lazy"><span class="good-number">${item.no}</span>` : item.no}</div>
          <div class="bag-words"><h3 class="bag-name"></h3><p class="bag-status"></p><p class="bag-price"><b></b> <s></s> <span></span></p></div>
          <button class="bag-button button" type="button"></button>
        </li>`),
      update: drawRow,
    });
  }
}

/**
 * @param {HTMLElement} element
 * @param {BagRow} row
 */
function drawRow(element, row) {
  const { item, sale } = row.offer;
  const view = rowView(row);
  const one = (/** @type {string} */ selector) => /** @type {HTMLElement} */ (element.querySelector(selector));
  setAttribute(element, 'aria-current', row.isOnNow ? 'true' : null);
  setText(one('.bag-name'), titleOf(item));
  setText(one('.bag-status'), view.status);
  setAttribute(one('.bag-status'), 'data-tone', view.tone);
  setText(one('.bag-price b'), money(sale?.price_minor ?? item.price_minor, item.currency));
  const struck = one('.bag-price s');
  const before_minor = sale?.reference_minor ?? item.price_minor;
  struck.hidden = !sale || sale.price_minor >= before_minor;
  setText(struck, money(before_minor, item.currency));
  setText(one('.bag-price span'), !struck.hidden && sale?.reference_days ? t('card.reference', { days: sale.reference_days }) : '');
  const button = one('.bag-button');
  button.hidden = view.act === null;
  setText(button, view.label);
  setAttribute(button, 'data-act', view.act);
  setAttribute(button, 'data-item', item.item);
  setAttribute(button, 'data-sale', sale?.id ?? '');
  const words = { no: item.no, title: titleOf(item) };
  setAttribute(button, 'aria-label', view.act === 'buy' ? t('bag.buy_label', words) : view.act === 'join' ? t('bag.join_label', words) : null);
}

define('live-bag', LiveBag);
