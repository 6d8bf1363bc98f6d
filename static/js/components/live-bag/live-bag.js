// @ts-check
/**
 * The numbered bag: the same offers as the card, one row each.
 *
 * HTML: `<live-bag></live-bag>`
 * Properties: `rows` (BagRow[]). Events: `live:bag` {act: 'buy' | 'pay' | 'join' | 'enter' | 'take-back', item, sale}.
 * Invariant: numbers never change, and the row on now is marked by word, ground and edge.
 */
import { drawState } from '../../logic/draws.js';
import { define, LiveElement, setAttribute, setText } from '../../lib/element.js';
import { duration, money, number, ordinal, timeOfDay } from '../../lib/format.js';
import { create, html, render } from '../../lib/html.js';
import { t, titleOf } from '../../lib/i18n.js';
import { keyedList } from '../../lib/keyed_list.js';

/** @typedef {import('../../logic/card_state.js').Offer} Offer */
/** @typedef {import('../../logic/card_state.js').Hold} Hold */
/** @typedef {{offer: Offer, isOnNow: boolean, isLive: boolean, isAsking: boolean, hold: Hold | null, now_ms: number,
 *   waiting?: import('../../logic/waiting_list.js').Entry | null, entry?: import('../../logic/draws.js').OwnEntry | null}} BagRow */
/** @typedef {{status: string, label: string, act: 'buy' | 'pay' | 'join' | 'enter' | 'take-back' | null, tone: string}} RowView */

/** Buttons whose word alone does not say what they are about. @type {Partial<Record<string, string>>} */
const LABELS = { buy: 'bag.buy_label', join: 'bag.join_label', enter: 'bag.enter_label', 'take-back': 'bag.take_back_label' };

/**
 * One status line and one button for a row.
 * @param {BagRow} row
 * @returns {RowView}
 */
export function rowView(row) {
  const { offer, isOnNow, isLive, isAsking, hold, waiting, now_ms } = row;
  const { sale, upcoming } = offer;
  const quiet = (/** @type {string} */ status) => ({ status, label: '', act: null, tone: '' });
  if (hold) return { status: t('bag.reserved', { duration: duration(hold.expires_at_ms - now_ms) }), label: t('bag.pay'), act: 'pay', tone: 'lime' };
  if (!isLive || !sale) return quiet(t('bag.soon'));
  if (isAsking) return quiet(t('bag.asking'));
  if (sale.kind === 'flash' && sale.state === 'armed') return quiet(t('bag.opens', { time: timeOfDay(sale.opens_at_ms ?? now_ms) }));
  if (sale.state === 'ended' || sale.state === 'cancelled') return quiet(t('bag.ended'));
  if (sale.state === 'halted') return quiet(t('bag.halted'));
  const drawn = drawRow(row);
  if (drawn) return drawn;
  if (waiting) return quiet(waitingLine(waiting.place));
  const [available, held] = sale.stock;
  if (available === 0 && held === 0) return { status: t('bag.sold_out'), label: '', act: null, tone: 'out' };
  if (available === 0) return { status: t('bag.held_out'), label: t('bag.join'), act: 'join', tone: '' };
  const count = number(available);
  const left = isOnNow ? t('bag.on_now_left', { count }) : t('bag.left', { count });
  const status = upcoming ? t('bag.opens', { time: timeOfDay(upcoming.opens_at_ms ?? now_ms) }) : left;
  return { status, label: t('bag.buy'), act: 'buy', tone: isOnNow ? 'now' : '' };
}

/**
 * A row of a sale that is drawn; null where it sells as any other.
 * @param {BagRow} row
 * @returns {RowView | null}
 */
function drawRow({ offer: { sale }, entry, waiting, now_ms }) {
  if (!sale?.draw) return null;
  const count = sale.draw.entries ?? 0;
  switch (drawState(sale, entry, now_ms)) {
    case 'enter':
      return { status: t('bag.draw', { count, total: number(count) }), label: t('bag.enter'), act: 'enter', tone: 'now' };
    case 'entered':
      return { status: t('draw.in_title', { time: timeOfDay(sale.draw.entry_closes_at_ms) }), label: t('bag.take_back'), act: 'take-back', tone: '' };
    case 'drawing':
      return { status: t('draw.drawing'), label: '', act: null, tone: '' };
    case 'lost':
      return lostRow(sale, entry ?? { rank: null, of: null, waiting: null }, waiting);
    default:
      return null;
  }
}

/**
 * Who was not drawn buys what is left, waits, or may join the line.
 * @param {import('../../logic/room_state.js').Sale} sale
 * @param {Pick<import('../../logic/draws.js').OwnEntry, 'rank' | 'of' | 'waiting'>} entry
 * @param {BagRow['waiting']} waiting
 * @returns {RowView}
 */
function lostRow({ stock: [available, held] }, { rank, of, waiting: told }, waiting) {
  const place = t('draw.place', { rank: number(rank ?? 0), of: number(of ?? 0) });
  const line = waiting?.place ?? told;
  if (waiting || told !== null) return { status: `${place}${t('site.separator')}${waitingLine(line)}`, label: '', act: null, tone: '' };
  if (available > 0) return { status: place, label: t('bag.buy'), act: 'buy', tone: '' };
  return held > 0 ? { status: place, label: t('bag.join'), act: 'join', tone: '' } : { status: place, label: '', act: null, tone: 'out' };
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
      update: updateRow,
    });
  }
}

/**
 * @param {HTMLElement} element
 * @param {BagRow} row
 */
function updateRow(element, row) {
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
  const label = LABELS[view.act ?? ''];
  setAttribute(button, 'aria-label', label ? t(label, words) : null);
}

define('live-bag', LiveBag);
