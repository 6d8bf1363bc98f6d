// @ts-check
/**
 * A sheet with the evidence of one order as a line of time, and the file to keep.
 *
 * HTML: `<live-evidence></live-evidence>`. Method: `open(order)` with the order's id. Events: none.
 * Invariant: whatever others wrote is text; an answer for an order that is no longer asked for is not shown.
 */
import { define } from '../../lib/element.js';
import { dayAndTime, duration, money, number, timeWithMillis, timeWithSeconds } from '../../lib/format.js';
import { html, icon, render } from '../../lib/html.js';
import { t, titleOf } from '../../lib/i18n.js';
import { SheetElement } from '../../lib/sheet_element.js';
import { gapsOf, timelineOf } from '../../logic/evidence.js';
import { asApiError, get } from '../../net/api.js';

/** @typedef {import('../../logic/evidence.js').Evidence} Evidence */
/** @typedef {import('../../logic/evidence.js').Entry} Entry */
/** @typedef {import('../../logic/evidence.js').EvidenceOrderLine} EvidenceOrderLine */

export class LiveEvidence extends SheetElement {
  #order = '';

  build() {
    render(this, html`<live-sheet label="${t('evidence.title')}"><div class="evidence" data-ref="content" aria-live="polite"></div></live-sheet>`);
    this.ref('content').addEventListener('click', (event) => {
      if (/** @type {Element} */ (event.target).closest('[data-act="again"]')) void this.#load();
    });
  }

  /**
   * Ask for an order's evidence and show it.
   * @param {string} order
   */
  open(order) {
    this.#order = order;
    this.sheet.open();
    void this.#load();
  }

  async #load() {
    const order = this.#order;
    const path = `/api/orders/${encodeURIComponent(order)}/evidence`;
    const content = this.ref('content');
    render(content, html`<h2>${t('evidence.title')}</h2><p class="muted">${t('evidence.loading')}</p>`);
    try {
      /** @type {Evidence} */
      const bundle = await get(path);
      if (order === this.#order) render(content, view(bundle, `${path}?download=1`));
    } catch (thrown) {
      const { code } = asApiError(thrown);
      if (order === this.#order) render(content, html`<h2>${t('evidence.title')}</h2><p class="field-error" role="alert">${t('evidence.failed', { code })}</p><button class="button" type="button" data-act="again">${t('orders.retry')}</button>`);
    }
  }
}

/**
 * @param {Evidence} bundle
 * @param {string} file where to download it
 */
function view(bundle, file) {
  const { order, show } = bundle;
  const gaps = gapsOf(bundle);
  return html`
    <h2>${t('evidence.title')}</h2>
    <p class="muted">${t('evidence.of', { buyer: order.buyer.name, show: show.title, time: dayAndTime(order.created_at_ms) })}</p>
    <ol class="evidence-line">${timelineOf(bundle).map((entry) => row(entry, order))}</ol>
    ${gaps.length ? html`<ul class="evidence-gaps muted">${gaps.map((gap) => html`<li>${t(`evidence.gap.${gap}`)}</li>`)}</ul>` : ''}
    <p class="evidence-digest muted">${t(bundle.view === 'buyer' ? 'evidence.note_buyer' : 'evidence.note_staff')}<br><code>${bundle.digest}</code></p>
    <a class="button evidence-file" href="${file}" download>${icon('download')}${t('evidence.download')}</a>`;
}

/** @typedef {{currency: string, room: string}} Order */

/**
 * What is said of units that nobody pressed for at that moment, by their origin.
 * @type {Record<string, string>}
 */
const DECIDED = { waiting_list: 'evidence.offered', draw: 'evidence.drawn' };

/**
 * @param {Entry} entry
 * @param {Order} order
 */
function row(entry, order) {
  const isPress = entry.kind === 'press';
  const time = isPress ? timeWithMillis(entry.at_ms) : timeWithSeconds(entry.at_ms);
  const removed = entry.chat?.removed ? 'removed' : null;
  return html`<li data-kind="${entry.kind}" data-mark="${removed ?? (entry.line?.pin?.is_this_item === false && entry.kind === 'pin' ? 'other' : '')}"><time>${time}</time><div>${words(entry, order)}</div></li>`;
}

/**
 * @param {Entry} entry
 * @param {Order} order
 */
function words(entry, order) {
  const { currency } = order;
  const { kind, line, event, chat, payment, refund, coupon } = entry;
  if (chat) {
    const marks = [chat.is_buyer && 'buyer', chat.is_host && 'host', chat.removed && 'removed'].filter((mark) => typeof mark === 'string');
    return html`<b>${chat.name}</b> ${chat.text}${marks.map((mark) => html`<span class="evidence-mark">${t(`evidence.mark.${mark}`)}</span>`)}`;
  }
  if (event) return t(`evidence.${event.type}`, { text: event.payload.text ?? '', reason: event.payload.reason ?? '' });
  if (coupon) return t('evidence.coupon', coupon);
  if (payment) return t(`evidence.payment.${payment.word}`, { provider: payment.provider, ref: payment.provider_ref ?? '', price: money(payment.amount_minor, currency) });
  if (refund) return t('evidence.refund', { price: money(refund.amount_minor, currency), state: t(`evidence.refund.${refund.state}`), reason: refund.reason });
  if (line) return lineWords(kind, line, order);
  return t(`evidence.${kind}`);
}

/**
 * @param {string} kind
 * @param {EvidenceOrderLine} line
 * @param {Order} order
 */
function lineWords(kind, line, { currency, room }) {
  const { pin, card, press, terms } = line;
  if (kind === 'pin' && pin) {
    const words = t('evidence.pin', { no: pin.no ?? '', title: named(pin) });
    return pin.is_this_item ? words : html`${words}<br><span class="muted">${t('evidence.pin_other')}</span>`;
  }
  if (kind === 'card' && card) {
    const { price_minor, normal_price_minor, stock } = card.sale;
    const price = money(price_minor, currency);
    const before = normal_price_minor > price_minor ? t('evidence.card_before', { price: money(normal_price_minor, currency) }) : '';
    return html`${t('evidence.card', { title: named(card), price })}<br><span class="muted">${before}${t('evidence.card_left', { count: number(stock[0] ?? 0) })}</span>`;
  }
  if (kind === 'asked' || kind === 'entered') return t(`evidence.${kind}`);
  const rules = terms ? html`<br><span class="muted">${rulesOf(terms)}</span>` : '';
  const place = line.clip_at.offset_ms === null ? '' : t('evidence.place', { duration: duration(line.clip_at.offset_ms) });
  const clip = line.clip && room ? html`<br><a href="/r/${room}/replay/${line.clip.show}#t=${Math.floor(line.clip.from_ms / 1000)}">${t('evidence.clip')}</a>` : '';
  const what = t(DECIDED[press.origin] ?? 'evidence.press', { qty: press.qty, title: titleOf(line), price: money(line.price.unit_price_minor, currency) });
  const rank = press.draw ? html`<br><span class="muted">${t('evidence.rank', { rank: number(press.draw.rank), of: number(press.draw.of) })}</span>` : '';
  return html`<b>${what}</b><br><span class="muted">${t('evidence.free', { count: number(press.stock.free) })}${place}</span>${rank}${rules}${clip}`;
}

/** @param {{version: number, fields: Record<string, any>}} terms */
function rulesOf({ version, fields }) {
  const { per_buyer, quantity, reference_days } = fields;
  return [
    t('evidence.rules', { version }),
    per_buyer ? t('evidence.per_buyer', { count: number(per_buyer) }) : t('evidence.no_limit'),
    quantity ? t('evidence.units', { count: number(quantity) }) : '',
    reference_days ? t('evidence.reference', { days: number(reference_days) }) : '',
  ].filter(Boolean).join(t('site.separator'));
}

/** @param {{title: string | null, title_zh?: string | null}} thing */
function named({ title, title_zh }) {
  return titleOf({ title: title ?? '', title_zh: title_zh ?? null });
}

define('live-evidence', LiveEvidence);
