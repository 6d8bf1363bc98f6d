// @ts-check
/**
 * All orders of the room in a sheet, newest first, older ones page by page; give money back where one finds it.
 *
 * HTML: `<live-order-list></live-order-list>`. Methods: `open()`, `take(orders, isOlder)`, `keep(order)`, `fail(code)`, `say(text)`.
 * Events: `live:read-orders {before, has}` (`before` null reads what is new), and those of the feed's rows.
 * Invariant: what was read stays, with its place on the screen, however often the sheet is closed and opened.
 */
import { html, render } from '../../lib/html.js';
import { t } from '../../lib/i18n.js';
import { keyedList } from '../../lib/keyed_list.js';
import { define, setText } from '../../lib/element.js';
import { SheetElement } from '../../lib/sheet_element.js';
import { mergeOrders, rowOf } from '../../logic/order_rows.js';
import { createRow, pressRow, updateRow } from '../live-order-feed/order_row.js';

/** @typedef {import('../../logic/order_rows.js').StaffOrder} StaffOrder */

/** The server's page. A shorter one is the last. */
const PAGE_ORDERS = 200;

export class LiveOrderList extends SheetElement {
  /** @type {StaffOrder[]} newest first */
  #orders = [];
  #isRead = false;
  #isEnd = false;
  #isAsking = false;

  build() {
    render(this, html`
      <live-sheet label="${t('console.orders_title')}">
        <h2>${t('console.orders_title')}</h2>
        <p class="muted order-list-note" role="status" data-ref="note"></p>
        <ol class="order-list" data-ref="rows"></ol>
        <button class="button console-button order-list-more" type="button" data-ref="more" hidden>${t('orders.older')}</button>
      </live-sheet>`);
    this.ref('rows').addEventListener('click', (event) => pressRow(event, this));
    this.ref('more').addEventListener('click', () => this.#ask(this.#orders.at(-1)?.id ?? null));
  }

  /** An order of the list, if it has been read. @param {string} id */
  find(id) {
    return this.#orders.find((order) => order.id === id) ?? null;
  }

  open() {
    this.sheet.open();
    this.#ask(null);
  }

  /** @param {string | null} before */
  #ask(before) {
    if (this.#isAsking) return;
    this.#isAsking = true;
    setText(this.ref('note'), t(before ? 'orders.older_loading' : 'orders.loading'));
    this.emit('read-orders', { before, isChange: before === null && this.#isRead });
  }

  /**
   * A page of orders has come.
   * @param {StaffOrder[]} orders newest first
   * @param {'first' | 'older' | 'changed'} kind
   */
  take(orders, kind) {
    this.#isAsking = false;
    this.#isRead = true;
    const shown = this.#orders.length;
    const known = new Set(this.#orders.map(({ id }) => id));
    this.#orders = kind === 'older' ? [...this.#orders, ...orders.filter(({ id }) => !known.has(id))] : mergeOrders(this.#orders, orders);
    if (kind !== 'changed') this.#isEnd = orders.length < PAGE_ORDERS;
    setText(this.ref('note'), this.#orders.length === 0 ? t('console.orders_none') : kind === 'older' && this.#isEnd ? t('console.orders_end') : '');
    this.update();
    if (kind === 'older') this.#goOn(shown);
  }

  /** The keyboard goes on at the first order that came; nothing moves on the screen. @param {number} shown */
  #goOn(shown) {
    const next = /** @type {HTMLElement | null} */ (this.ref('rows').children[shown]?.querySelector('button') ?? null);
    (next ?? this.sheet.body).focus({ preventScroll: true });
  }

  /** One order was read anew. @param {StaffOrder} order */
  keep(order) {
    if (!this.find(order.id)) return;
    this.#orders = mergeOrders(this.#orders, [order]);
    this.update();
  }

  /** @param {string} code */
  fail(code) {
    this.#isAsking = false;
    setText(this.ref('note'), t('console.orders_failed', { code }));
  }

  /** What became of an act, as the console's own line lies below the sheet. @param {string} text */
  say(text) {
    setText(this.ref('note'), text);
  }

  update() {
    this.ref('more').hidden = !this.#isRead || this.#isEnd;
    keyedList(this.ref('rows'), this.#orders, { key: ({ id }) => id, create: createRow, update: (element, order) => updateRow(element, rowOf(order), true) });
  }
}

define('live-order-list', LiveOrderList);
