// @ts-check
/**
 * One order in a list of the console: buyer, thing, sum, state, and what can be done about it.
 *
 * Invariant: a button names its order, so that one listener on the list serves all of them.
 */
import { dayAndTime, money, timeOfDay } from '../../lib/format.js';
import { create, html, icon, render } from '../../lib/html.js';
import { t, titleOf } from '../../lib/i18n.js';
import { find, setAttribute, setText } from '../../lib/element.js';

/** @typedef {import('../../net/console_api.js').FeedOrder} FeedOrder */

/** An empty row. */
export function createRow() {
  return create(html`<li class="feed-row"><span class="feed-words"><span class="feed-what"></span><span class="feed-who"></span></span><span class="feed-end"><b class="feed-sum"></b><span class="feed-state"></span><span class="feed-back"></span></span><span class="feed-acts"><button class="button feed-evidence" type="button" title="${t('console.evidence')}">${icon('verified')}</button><button class="button feed-refund" type="button"></button></span></li>`);
}

/**
 * Bring a row in step with its order.
 * @param {HTMLElement} element
 * @param {FeedOrder} order
 * @param {boolean} [isDated] says the day too, where a list goes back further than one
 */
export function updateRow(element, order, isDated = false) {
  const title = titleOf(order);
  setText(find('.feed-what', element), order.no ? t('console.order_what', { no: order.no, title }) : title);
  setText(find('.feed-who', element), `${order.buyer} · ${isDated ? dayAndTime(order.at_ms) : timeOfDay(order.at_ms)}`);
  setText(find('.feed-sum', element), money(order.total_minor, order.currency));
  const state = find('.feed-state', element);
  const problem = order.failed_refund ? 'failed_refund' : order.is_uncollected ? 'uncollected' : null;
  // Granted money waits for a team or for a threshold: the row has no room to say which.
  const words = t(order.state === 'awaiting_group' ? 'console.order_waits' : `orders.state.${order.state}`);
  if (state.dataset['words'] !== words) {
    render(state, html`${order.state === 'paid' && !problem ? icon('check') : ''}${words}`);
    setAttribute(state, 'data-words', words);
  }
  const back = find('.feed-back', element);
  setText(back, backWords(order));
  back.hidden = back.textContent === '';
  setAttribute(element, 'data-state', problem ?? order.state);
  const evidence = find('.feed-evidence', element);
  setAttribute(evidence, 'aria-label', t('console.evidence_of', { buyer: order.buyer }));
  setAttribute(evidence, 'data-order', order.id);
  const button = find('.feed-refund', element);
  button.hidden = !order.failed_refund && !(order.state === 'paid' && !order.is_uncollected && order.left_minor > 0);
  setText(button, t(order.failed_refund ? 'console.refund_again' : 'console.refund'));
  setAttribute(button, 'aria-label', t(order.failed_refund ? 'console.refund_again_of' : 'console.refund_one', { buyer: order.buyer }));
  setAttribute(button, 'data-order', order.id);
  setAttribute(button, 'data-refund', order.failed_refund);
}

/**
 * Tell the page what was pressed in a list of rows.
 * @param {Event} event
 * @param {import('../../lib/element.js').LiveElement} list
 */
export function pressRow(event, list) {
  const button = /** @type {Element} */ (event.target).closest('button');
  const order = button?.dataset['order'];
  if (!button || !order) return;
  const refund = button.dataset['refund'];
  if (button.classList.contains('feed-evidence')) list.emit('evidence', { order });
  else if (refund) list.emit('retry-refund', { order, refund });
  else list.emit('refund', { order });
}

/**
 * Money that is back, on its way, could not go, or never came; empty when there is none, or the state says it.
 * @param {FeedOrder} order
 */
function backWords(order) {
  if (order.failed_refund) return t('console.refund_failed');
  if (order.is_uncollected) return t('console.order_uncollected');
  if (order.pending_refunds) return t('console.refund_pending');
  if (order.state === 'paid' && order.refunded_minor) return t('console.refund_done', { price: money(order.refunded_minor, order.currency) });
  return '';
}
