// @ts-check
/**
 * The delivery light: how many viewers had the last minute's sale news drawn in time. A press lists the newest events.
 *
 * HTML: `<live-delivery-light></live-delivery-light>`. Properties: `delivery` (Delivery, or null before the first read). Events: none.
 */
import { number, timeWithSeconds } from '../../lib/format.js';
import { create, html, render } from '../../lib/html.js';
import { hasText, t } from '../../lib/i18n.js';
import { keyedList } from '../../lib/keyed_list.js';
import { define, find, setAttribute, setText } from '../../lib/element.js';
import { SheetElement } from '../../lib/sheet_element.js';
import { deliveryLight, percentOf, stateOf } from '../../logic/console_delivery.js';

/** @typedef {import('../../logic/console_delivery.js').Delivery} Delivery */
/** @typedef {import('../../logic/console_delivery.js').EventDelivery} EventDelivery */

const COLUMNS = ['event', 'within', 'p50', 'p99', 'answers'];

/** @param {number | null} ms null is later than the last bin, or never */
const duration = (ms) => (ms === null ? t('console.delivery_over') : t('console.milliseconds', { ms: number(ms) }));

/** @param {number} percent one digit, always shown */
const share = (percent) => t('console.percent', { percent: percent.toFixed(1) });

/** @param {string} type @returns {string} in words; a type that this page does not know is shown as it is */
const eventName = (type) => (hasText(`console.event.${type}`) ? t(`console.event.${type}`) : type);

export class LiveDeliveryLight extends SheetElement {
  /** @type {Delivery | null} */
  delivery = null;

  build() {
    render(this, html`
      <button class="light light-button" type="button" data-ref="light" aria-haspopup="dialog"><span class="light-dot"></span><span>${t('console.delivery')} <b data-ref="finding"></b> <span class="light-age" data-ref="more"></span></span></button>
      <live-sheet label="${t('console.delivery_title')}">
        <h2>${t('console.delivery_title')}</h2>
        <p class="delivery-verdict" data-ref="verdict"></p>
        <p data-ref="summary"></p>
        <p class="muted delivery-note">${t('console.delivery_note')}</p>
        <table class="delivery-table" data-ref="table">
          <caption class="visually-hidden">${t('console.delivery_caption')}</caption>
          <thead><tr>${COLUMNS.map((name) => html`<th scope="col">${t(`console.delivery_col.${name}`)}</th>`)}</tr></thead>
          <tbody data-ref="rows"></tbody>
        </table>
        <p class="muted" data-ref="empty">${t('console.delivery_empty')}</p>
      </live-sheet>`);
    this.ref('light').addEventListener('click', () => this.sheet.open());
  }

  update() {
    const { delivery } = this;
    const light = deliveryLight(delivery);
    const words = { share: share(light.percent), count: number(light.one_in) };
    const button = this.ref('light');
    setAttribute(button, 'data-state', light.state);
    const claim = t(`console.delivery_${light.key}`, words);
    setText(this.ref('finding'), light.state === 'none' ? claim : words.share);
    setText(this.ref('more'), light.state === 'none' ? '' : claim);
    setText(this.ref('verdict'), light.state === 'none' ? claim : `${words.share} ${claim}`);
    const summary = this.#summary(light.state === 'none');
    setAttribute(button, 'title', summary);
    setText(this.ref('summary'), summary);
    this.ref('table').hidden = !delivery?.events.length;
    this.ref('empty').hidden = Boolean(delivery?.events.length);
    this.#rows(delivery?.events ?? []);
  }

  /** @param {boolean} isSilent nothing is claimed */
  #summary(isSilent) {
    const { delivery } = this;
    if (!delivery || delivery.asked === 0) return t('console.delivery_none_note');
    const counts = { asked: number(delivery.asked), reports: number(delivery.reports) };
    if (isSilent) return t('console.delivery_few_note', counts);
    const { p50_ms, p99_ms } = delivery;
    const when = p50_ms === null ? t('console.delivery_never')
      : p99_ms === null ? t('console.delivery_half', { p50: duration(p50_ms) })
      : t('console.delivery_most', { p50: duration(p50_ms), p99: duration(p99_ms) });
    return `${when} ${t('console.delivery_who', { viewers: number(delivery.viewers), count: delivery.recent_events })}`;
  }

  /** @param {EventDelivery[]} events */
  #rows(events) {
    keyedList(this.ref('rows'), events, {
      key: (event) => event.offset,
      create: () => create(html`<tr><th scope="row"><span class="delivery-event"></span><span class="delivery-time"></span></th><td class="delivery-share"></td><td class="delivery-p50"></td><td class="delivery-p99"></td><td class="delivery-answers"></td></tr>`),
      update: (row, event) => {
        const percent = percentOf(event.within_400, event.asked);
        setAttribute(row, 'data-state', stateOf(percent));
        setText(find('.delivery-event', row), eventName(event.type));
        setText(find('.delivery-time', row), timeWithSeconds(event.at_ms));
        setText(find('.delivery-share', row), share(percent));
        setText(find('.delivery-p50', row), duration(event.p50_ms));
        setText(find('.delivery-p99', row), duration(event.p99_ms));
        setText(find('.delivery-answers', row), t('console.delivery_answers', { acked: number(event.acked), asked: number(event.asked) }));
      },
    });
  }
}

define('live-delivery-light', LiveDeliveryLight);
