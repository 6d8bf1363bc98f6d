// @ts-check
/**
 * The newest orders of the show, as the host sees them: buyer, thing, sum and state.
 *
 * HTML: `<live-order-feed></live-order-feed>`. Properties: `orders` (FeedOrder[], newest first). Events: none.
 */
import { money, timeOfDay } from '../../lib/format.js';
import { create, html, icon, render } from '../../lib/html.js';
import { t, titleOf } from '../../lib/i18n.js';
import { keyedList } from '../../lib/keyed_list.js';
import { LiveElement, define, find, setAttribute, setText } from '../../lib/element.js';

/** @typedef {import('../../net/console_api.js').FeedOrder} FeedOrder */

export class LiveOrderFeed extends LiveElement {
  /** @type {FeedOrder[]} */
  orders = [];

  build() {
    render(this, html`
      <header class="panel-head"><h2>${t('console.orders')}</h2><span class="panel-note" data-ref="note"></span></header>
      <p class="panel-empty" data-ref="empty">${t('console.orders_empty')}</p>
      <ol class="feed-rows" data-ref="rows" tabindex="0" aria-label="${t('console.orders')}"></ol>`);
  }

  update() {
    const { orders } = this;
    this.ref('empty').hidden = orders.length > 0;
    setText(this.ref('note'), orders.length > 0 ? t('console.orders_note', { count: orders.length }) : '');
    keyedList(this.ref('rows'), orders, {
      key: (order) => order.id,
      create: () => create(html`<li class="feed-row"><span class="feed-words"><span class="feed-what"></span><span class="feed-who"></span></span><span class="feed-end"><b class="feed-sum"></b><span class="feed-state"></span></span></li>`),
      update: (element, order) => {
        const title = titleOf(order);
        setText(find('.feed-what', element), order.no ? t('console.order_what', { no: order.no, title }) : title);
        setText(find('.feed-who', element), `${order.buyer} · ${timeOfDay(order.at_ms)}`);
        setText(find('.feed-sum', element), money(order.total_minor, order.currency));
        const state = find('.feed-state', element);
        if (element.dataset['state'] !== order.state) {
          render(state, html`${order.state === 'paid' ? icon('check') : ''}${t(`orders.state.${order.state}`)}`);
        }
        setAttribute(element, 'data-state', order.state);
      },
    });
  }
}

define('live-order-feed', LiveOrderFeed);
