// @ts-check
/**
 * The newest orders of the show, as the host sees them: buyer, thing, sum and state.
 *
 * HTML: `<live-order-feed></live-order-feed>`. Properties: `orders` (FeedOrder[], newest first).
 * Events: `live:evidence {order}`, `live:refund {order}`, `live:retry-refund {order, refund}`, `live:open-orders`.
 */
import { html, render } from '../../lib/html.js';
import { t } from '../../lib/i18n.js';
import { keyedList } from '../../lib/keyed_list.js';
import { LiveElement, define, setText } from '../../lib/element.js';
import { createRow, pressRow, updateRow } from './order_row.js';

/** @typedef {import('../../net/console_api.js').FeedOrder} FeedOrder */

export class LiveOrderFeed extends LiveElement {
  /** @type {FeedOrder[]} */
  orders = [];

  build() {
    render(this, html`
      <header class="panel-head"><h2>${t('console.orders')}</h2><span class="panel-note" data-ref="note"></span>
        <button class="button console-button" type="button" data-ref="all">${t('console.orders_all')}<kbd class="key" aria-hidden="true">O</kbd></button></header>
      <p class="panel-empty" data-ref="empty">${t('console.orders_empty')}</p>
      <ol class="feed-rows" data-ref="rows" tabindex="0" aria-label="${t('console.orders')}"></ol>`);
    this.ref('rows').addEventListener('click', (event) => pressRow(event, this));
    this.ref('all').addEventListener('click', () => this.emit('open-orders'));
  }

  update() {
    const { orders } = this;
    this.ref('empty').hidden = orders.length > 0;
    setText(this.ref('note'), orders.length > 0 ? t('console.orders_note', { count: orders.length }) : '');
    keyedList(this.ref('rows'), orders, { key: (order) => order.id, create: createRow, update: updateToday });
  }
}

/** @param {HTMLElement} element @param {FeedOrder} order */
const updateToday = (element, order) => updateRow(element, order);

define('live-order-feed', LiveOrderFeed);
