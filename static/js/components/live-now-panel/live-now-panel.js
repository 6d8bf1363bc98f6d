// @ts-check
/**
 * What is on now: the pinned item, its sale in three numbers, and every press accounted for.
 *
 * HTML: `<live-now-panel></live-now-panel>`. Properties: `item` (RunItem or null), `sale` (Sale or null), `stoppable` (the sale that
 * *Stop sale* is about, or null), `now` (figures of the console
 * read, or null), `pinned_at_ms`, `now_ms` (server clock), `show`, `announcement`.
 * Events: `live:unpin`, `live:arm`, `live:say`, `live:say-nothing`, `live:close-sale`, `live:halt-sale`,
 * `live:add-units {item}`.
 */
import { duration, money, number, timeOfDay } from '../../lib/format.js';
import { html, icon, render } from '../../lib/html.js';
import { t, titleOf, hasText } from '../../lib/i18n.js';
import { LiveElement, define, setAttribute, setText } from '../../lib/element.js';
import { phaseOfPrice } from '../../logic/campaign_prices.js';
import { everySecond, isRunning, refusals } from '../../logic/console_run.js';
import { drawLine } from './draw_line.js';

/** @typedef {import('../../logic/console_run.js').RunItem} RunItem */
/** @typedef {import('../../logic/room_state.js').Sale} Sale */
/** @typedef {import('../../net/console_api.js').NowFigures} NowFigures */

/** States in which the window of a flash sale runs; a halt does not stop the clock. @type {ReadonlySet<string>} */
const SELLING = new Set(['open', 'sold_out', 'halted']);

export class LiveNowPanel extends LiveElement {
  /** @type {RunItem | null} */
  item = null;
  /** @type {Sale | null} */
  sale = null;
  /** @type {Sale | null} */
  stoppable = null;
  /** @type {NowFigures | null} */
  now = null;
  /** @type {number | null} */
  pinned_at_ms = null;
  now_ms = 0;
  /** @type {import('../../logic/room_state.js').Show | null} */
  show = null;
  /** @type {string | null} */
  announcement = null;

  build() {
    render(this, html`
      <header class="now-head">
        <span class="good-picture now-picture" data-ref="picture"></span>
        <div class="now-words"><h2 data-ref="title"></h2><p class="muted" data-ref="line"></p></div>
        <button class="button console-button" type="button" data-ref="unpin">${t('console.unpin')}<kbd class="key" aria-hidden="true">P</kbd></button>
      </header>
      <p class="now-empty" data-ref="empty"></p>
      <div class="now-sale" data-ref="sale">
        <dl class="now-numbers">
          <div class="now-left"><dd data-ref="units-left"></dd><dt data-ref="left-of"></dt></div>
          <div class="now-held"><dd data-ref="units-held"></dd><dt>${t('stock.held')}</dt></div>
          <div><dd data-ref="units-paid"></dd><dt>${t('stock.paid')}</dt></div>
          <div class="now-time" data-ref="time-box"><dd data-ref="time"></dd><dt data-ref="time-word"></dt></div>
        </dl>
        <live-stock-bar big data-ref="bar"></live-stock-bar>
        <p class="now-presses" data-ref="waiting"><span><b data-ref="in-line"></b> ${t('console.waiting')}</span> <span><b data-ref="offered"></b> ${t('console.offered')}</span></p>
        <p class="now-presses" data-ref="draw"></p>
        <p class="now-presses" data-ref="presses"></p>
        <div class="now-rate" data-ref="rate"><live-press-bars data-ref="bars"></live-press-bars><p><span data-ref="peak"></span><br><span data-ref="ending"></span></p></div>
      </div>
      <p class="now-halted" role="status" data-ref="halted"></p>
      <p class="now-announced" data-ref="announced">${icon('pin')}<span data-ref="announced-text"></span>
        <button class="console-icon" type="button" data-ref="clear" aria-label="${t('console.say_nothing')}" title="${t('console.say_nothing')}">${icon('close')}</button></p>
      <div class="now-acts">
        <button class="button console-button" type="button" data-ref="add">${t('console.add_units')}<kbd class="key" aria-hidden="true">A</kbd></button>
        <button class="button console-button" type="button" data-ref="arm">${t('console.arm')}<kbd class="key" aria-hidden="true">F</kbd></button>
        <button class="button console-button" type="button" data-ref="say">${t('console.say')}<kbd class="key" aria-hidden="true">M</kbd></button>
        <button class="button console-button button-coral now-stop" type="button" data-ref="halt"><span data-ref="halt-word"></span><kbd class="key" aria-hidden="true">E</kbd></button>
        <button class="button console-button button-coral now-close" type="button" data-ref="close">${t('console.close_sale')}<kbd class="key" aria-hidden="true">X</kbd></button>
      </div>`);
    for (const [ref, event] of [['unpin', 'unpin'], ['arm', 'arm'], ['say', 'say'], ['close', 'close-sale'], ['halt', 'halt-sale'], ['clear', 'say-nothing']]) {
      this.ref(/** @type {string} */ (ref)).addEventListener('click', () => this.emit(/** @type {string} */ (event)));
    }
    this.ref('add').addEventListener('click', () => this.emit('add-units', { item: this.item?.item }));
  }

  /** @returns {string} */
  #line() {
    const { item, sale } = this;
    if (!item) return '';
    const parts = [];
    if (this.pinned_at_ms) parts.push(t('console.pinned_for', { duration: duration(this.now_ms - this.pinned_at_ms) }));
    if (sale?.kind === 'flash') {
      const normal = sale.normal_price_minor ?? item.price_minor;
      const price = money(sale.price_minor, sale.currency);
      parts.push(normal ? t('console.flash_was', { price, normal: money(normal, sale.currency) }) : t('console.flash_at', { price }));
      const { unlock } = sale;
      if (unlock) parts.push(t('console.unlock_at', { promised: number(unlock.promised), units: number(unlock.units), price: money(unlock.price_minor, sale.currency) }));
      parts.push(sale.per_buyer === null ? t('console.no_limit') : t('console.each', { count: sale.per_buyer }));
    } else if (item.price_minor !== undefined) parts.push(this.#regularPrice(item, item.price_minor));
    return parts.join(t('site.separator'));
  }

  /**
   * What the item costs outside of a flash sale: a campaign price goes before the list price.
   * @param {RunItem} item
   * @param {number} list_minor
   */
  #regularPrice({ campaign, currency }, list_minor) {
    const list = money(list_minor, currency);
    if (!campaign || phaseOfPrice(campaign, this.now_ms) !== 'running') return list;
    return t('console.campaign_was', { price: money(campaign.price_minor, currency), normal: list });
  }

  /** @returns {string} */
  #emptyTitle() {
    const { show } = this;
    if (show?.status === 'scheduled' && show.starts_at_ms) return t('room.soon', { time: timeOfDay(show.starts_at_ms) });
    return show?.status === 'live' ? t('console.nothing_pinned') : t(show ? 'room.ended' : 'console.no_show');
  }

  #updateTime() {
    const { sale } = this;
    const isArmed = sale?.state === 'armed' && sale.opens_at_ms;
    const isOpen = sale?.kind === 'flash' && SELLING.has(sale.state) && sale.ends_at_ms;
    this.ref('time-box').hidden = !sale || (sale.kind === 'regular' && sale.state === 'open');
    const at = isArmed ? sale?.opens_at_ms : sale?.ends_at_ms;
    if ((isArmed || isOpen) && at) {
      setText(this.ref('time'), duration(at - this.now_ms));
      setText(this.ref('time-word'), isArmed ? t('console.to_open') : t('console.to_go'));
    } else {
      setText(this.ref('time'), sale?.ends_at_ms ? timeOfDay(sale.ends_at_ms) : '–');
      setText(this.ref('time-word'), t(`console.sale_${sale?.state ?? 'ended'}`));
    }
  }

  #updatePresses() {
    const now = this.now && this.now.sale.id === this.sale?.id ? this.now : null;
    this.ref('presses').hidden = !now;
    this.ref('rate').hidden = !now || now.presses === 0;
    if (!now) return;
    const { total, reasons } = refusals(now.refused);
    const why = reasons.map(([code, count]) => {
      const word = hasText(`console.refused.${code}`) ? t(`console.refused.${code}`) : code;
      return `${number(count)} ${word}`;
    });
    const told = total > 0 ? t('console.told_why', { count: number(total), reasons: why.join(t('console.list_separator')) }) : t('console.told_none');
    render(this.ref('presses'), html`<span><b>${number(now.presses)}</b> ${t('console.presses', { count: now.presses })}</span> <span><b>${number(now.got)}</b> ${t('console.got')}</span> <span>${told}</span>`);
    const counts = everySecond(now.presses_per_s);
    /** @type {import('../live-press-bars/live-press-bars.js').LivePressBars} */ (this.ref('bars')).seconds = counts;
    setText(this.ref('peak'), t('console.peak', { count: number(Math.max(0, ...counts)) }));
    setText(this.ref('ending'), t('console.ending', { count: number(now.holds_ending_60s) }));
  }

  #updateSale() {
    const { sale } = this;
    this.ref('sale').hidden = !sale;
    if (!sale) return;
    const [left, held, paid] = sale.stock;
    setText(this.ref('units-left'), number(left));
    setText(this.ref('left-of'), t('console.left_of', { count: number(left + held + paid) }));
    setText(this.ref('units-held'), number(held));
    setText(this.ref('units-paid'), number(paid));
    /** @type {import('../live-stock-bar/live-stock-bar.js').LiveStockBar} */ (this.ref('bar')).stock = sale.stock;
    const [inLine, offered] = sale.waiting ?? [0, 0];
    this.ref('waiting').hidden = inLine === 0 && offered === 0;
    setText(this.ref('in-line'), number(inLine));
    setText(this.ref('offered'), number(offered));
    this.ref('draw').hidden = !sale.draw;
    if (sale.draw) render(this.ref('draw'), drawLine(sale, this.now_ms));
    this.#updateTime();
    this.#updatePresses();
  }

  #updateHalt() {
    const { stoppable } = this;
    const isHalted = stoppable?.state === 'halted';
    this.ref('halt').hidden = !stoppable;
    setText(this.ref('halt-word'), t(isHalted ? 'console.resume_sale' : 'console.halt_sale'));
    this.ref('halt').classList.toggle('button-coral', !isHalted);
    this.ref('halted').hidden = !isHalted;
    setText(this.ref('halted'), isHalted ? t('console.halted_because', { reason: stoppable.reason ?? '' }) : '');
  }

  update() {
    const { item, sale } = this;
    const isLive = this.show?.status === 'live';
    setText(this.ref('title'), item ? titleOf(item) : this.#emptyTitle());
    setText(this.ref('line'), this.#line());
    const picture = this.ref('picture');
    picture.hidden = !item;
    const version = item ? `${item.item} ${item.picture}` : '';
    if (picture.dataset['version'] !== version) {
      picture.dataset['version'] = version;
      render(picture, item ? html`${item.picture ? html`<img src="${item.picture}" alt="">` : ''}<span class="good-number">${item.no}</span>` : html``);
    }
    this.ref('empty').hidden = Boolean(item);
    setText(this.ref('empty'), isLive ? t('console.nothing_pinned_note') : t(this.show?.status === 'scheduled' ? 'console.before_note' : 'console.after_note'));
    this.ref('unpin').hidden = !item || !isLive;
    this.#updateSale();
    this.ref('announced').hidden = !this.announcement;
    setText(this.ref('announced-text'), this.announcement ?? '');
    const runs = sale?.kind === 'flash' && isRunning(sale);
    this.ref('arm').hidden = runs;
    setAttribute(this.ref('arm'), 'disabled', isLive ? null : '');
    setAttribute(this.ref('say'), 'disabled', isLive ? null : '');
    this.ref('close').hidden = !runs;
    this.#updateHalt();
    this.ref('add').hidden = !item;
  }
}

define('live-now-panel', LiveNowPanel);
