// @ts-check
/**
 * The catalogue, to put a thing into the bag.
 *
 * HTML: `<live-goods-picker></live-goods-picker>`. Properties: `products` (Product[] or null while loading), `inBag` (Set of skus), `isFailed`.
 * Methods: `open()`. Events: `live:put-in-bag {sku}`, `live:load-products`.
 */
import { money, number } from '../../lib/format.js';
import { create, html, render } from '../../lib/html.js';
import { t, titleOf } from '../../lib/i18n.js';
import { keyedList } from '../../lib/keyed_list.js';
import { define, find, setText } from '../../lib/element.js';
import { SheetElement } from '../../lib/sheet_element.js';

/** @typedef {import('../../net/console_api.js').Product} Product */

export class LiveGoodsPicker extends SheetElement {
  /** @type {Product[] | null} */
  products = null;
  /** @type {Set<string>} */
  inBag = new Set();
  isFailed = false;

  build() {
    render(this, html`
      <live-sheet label="${t('console.goods_title')}">
        <h2>${t('console.goods_title')}</h2>
        <p class="muted" role="status" data-ref="note"></p>
        <ol class="goods-rows" data-ref="rows"></ol>
      </live-sheet>`);
  }

  open() {
    this.sheet.open();
    this.emit('load-products');
  }

  #note() {
    if (this.isFailed) return t('console.goods_failed');
    if (!this.products) return t('console.goods_loading');
    return this.products.length === 0 ? t('console.goods_empty') : t('console.goods_note');
  }

  update() {
    setText(this.ref('note'), this.#note());
    keyedList(this.ref('rows'), this.products ?? [], {
      key: (product) => product.sku,
      create: (product) => this.#create(product),
      update: (element, product) => {
        const isIn = this.inBag.has(product.sku);
        setText(find('.run-line', element), t('console.row_stock', { price: money(product.price_minor, product.currency), count: number(product.available) }));
        const button = /** @type {HTMLButtonElement} */ (find('button', element));
        button.disabled = isIn;
        setText(button, isIn ? t('console.in_bag') : t('console.put_in_bag'));
      },
    });
  }

  /** @param {Product} product */
  #create(product) {
    const element = create(html`<li class="goods-row">
      <span class="good-picture run-picture">${product.picture ? html`<img src="${product.picture}" alt="">` : ''}</span>
      <span class="run-words"><span class="run-title">${titleOf(product)}</span><span class="run-line"></span></span>
      <button class="button" type="button"></button></li>`);
    find('button', element).addEventListener('click', () => this.emit('put-in-bag', { sku: product.sku }));
    return element;
  }
}

define('live-goods-picker', LiveGoodsPicker);
