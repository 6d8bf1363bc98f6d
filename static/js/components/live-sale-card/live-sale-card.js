// @ts-check
/**
 * The one place for money: buying, counting down, asking, being reserved and being refused are states of this card.
 *
 * HTML: `<live-sale-card></live-sale-card>`
 * Properties: `facts` (CardFacts of card_view.js); set them whenever something changed or time passed.
 * Methods: `press()` as if the main button was pressed, `focusMain()`.
 * Events: `live:card` {act, sale} with the acts of card_view.js.
 * Invariant: the main button is the same element in every state and its bottom edge never moves; after an answer it
 * ignores presses for 350 ms, so that a double tap does not press the next thing. So does the second button whenever
 * it comes, for what it gives up may be gone for good, and the press was meant for what lay there before.
 */
import { define, LiveElement, setAttribute, setText } from '../../lib/element.js';
import { html, icon, render } from '../../lib/html.js';
import { t } from '../../lib/i18n.js';
import { cardView } from './card_view.js';

/** @typedef {import('./card_view.js').CardFacts} CardFacts */
/** @typedef {import('./card_view.js').CardView} CardView */
/** @typedef {import('../live-stock-bar/live-stock-bar.js').LiveStockBar} LiveStockBar */
/** @typedef {import('../live-hold-ring/live-hold-ring.js').LiveHoldRing} LiveHoldRing */

/** A double tap is over by then. */
const DEAF_MS = 350;

export class LiveSaleCard extends LiveElement {
  /** @type {CardFacts | null} */
  #facts = null;
  /** @type {CardView | null} */
  #view = null;
  #deafUntil = 0;
  #letGoDeafUntil = 0;

  get facts() {
    return this.#facts;
  }

  set facts(facts) {
    this.#facts = facts;
    this.changed();
  }

  /** The state shown, for the page and for tests. */
  get state() {
    return this.#view?.state ?? null;
  }

  build() {
    render(this, html`
      <article class="card" data-ref="card" aria-label="${t('card.label')}">
        <div class="card-head">
          <div class="good-picture" data-ref="picture"><span data-ref="bare"></span><img data-ref="image" alt="" width="68" height="68"><span class="good-number" data-ref="number"></span></div>
          <live-hold-ring data-ref="ring"></live-hold-ring>
          <div class="card-words">
            <h2 class="card-title" data-ref="title"></h2>
            <p class="card-sub" data-ref="sub"></p>
            <p class="card-price" data-ref="prices"><b class="price" data-ref="price"></b> <span class="visually-hidden" data-ref="struck-word">${t('card.normal_price')}</span> <s data-ref="struck"></s> <span class="card-struck-note" data-ref="struck-note" aria-hidden="true"></span></p>
          </div>
          <p class="card-right" data-ref="right" role="timer" aria-live="off"><b class="card-time" data-ref="time"></b><span data-ref="time-note"></span></p>
        </div>
        <div class="card-message" data-ref="message"><b data-ref="message-title"></b><p data-ref="message-note"></p></div>
        <live-stock-bar data-ref="stock"></live-stock-bar>
        <div class="card-unlock" data-ref="unlock"><p><b data-ref="unlock-text"></b> <span data-ref="unlock-note"></span></p><i aria-hidden="true"></i></div>
        <p class="card-terms" data-ref="terms"></p>
        <p class="card-note" data-ref="note"><span data-ref="note-icon">${icon('clock')}</span><span data-ref="note-text"></span></p>
        <button class="card-how" type="button" data-ref="how"></button>
        <div class="card-buttons">
          <button class="button card-let-go" type="button" data-ref="let-go"></button>
          <button class="button button-main card-main" type="button" data-ref="main" id="card-main"><i data-ref="fill"></i><span data-ref="label"></span></button>
        </div>
      </article>`);
    this.ref('main').addEventListener('click', () => this.press());
    this.ref('let-go').addEventListener('click', () => {
      if (performance.now() >= this.#letGoDeafUntil) this.#act(letGoAct(this.#view) ?? 'none');
    });
    this.ref('how').addEventListener('click', () => this.emit('card', { act: 'see-draw', sale: this.#facts?.offer?.sale?.id ?? null }));
    this.ref('image').addEventListener('error', () => {
      this.ref('image').hidden = true;
    });
  }

  /** Press the main button. */
  press() {
    const act = this.#view?.main?.act;
    if (act && act !== 'none') this.#act(act);
  }

  focusMain() {
    this.ref('main').focus();
  }

  /** @param {import('./card_view.js').CardAct} act */
  #act(act) {
    if (performance.now() < this.#deafUntil) return;
    this.emit('card', { act, sale: this.#facts?.offer?.sale?.id ?? null });
  }

  update() {
    if (!this.#facts) return;
    const view = cardView(this.#facts);
    const wasAsking = this.#view?.state === 'asking';
    if (wasAsking && view.state !== 'asking') this.#deafUntil = performance.now() + DEAF_MS;
    if (this.#view && letGoAct(view) !== letGoAct(this.#view)) this.#letGoDeafUntil = performance.now() + DEAF_MS;
    this.#view = view;
    setAttribute(this.ref('card'), 'data-state', view.state);
    this.#drawHead(view);
    this.#drawMiddle(view);
    this.#drawButtons(view);
  }

  /**
   * Write a text and hide its element (or `box`) when there is none.
   * @param {string} name
   * @param {string | undefined} text
   * @param {string} [box]
   */
  #write(name, text, box = name) {
    setText(this.ref(name), text ?? '');
    this.ref(box).hidden = !text;
  }

  /** @param {CardView} view */
  #drawHead(view) {
    const item = this.#facts?.offer?.item;
    const picture = this.ref('picture');
    picture.hidden = !item || view.ring !== undefined;
    const image = /** @type {HTMLImageElement} */ (this.ref('image'));
    const source = item?.picture ?? '';
    if (source && image.getAttribute('src') !== source) {
      image.src = source;
      image.hidden = false;
    }
    if (!source) image.hidden = true;
    setText(this.ref('bare'), image.hidden && item ? String(item.no) : '');
    this.#write('number', item && !image.hidden ? String(item.no) : '');
    this.ref('ring').hidden = !view.ring;
    if (view.ring) /** @type {LiveHoldRing} */ (this.ref('ring')).left = view.ring;
    this.#write('title', view.title);
    this.#write('sub', view.sub);
    this.#write('price', view.price, 'prices');
    this.#write('struck', view.struck);
    const days = view.struckDays;
    setText(this.ref('struck-word'), days ? t('card.reference_price', { days }) : t('card.normal_price'));
    this.ref('struck-word').hidden = !view.struck;
    this.#write('struck-note', view.struck && days ? t('card.reference', { days }) : '');
    this.#write('time', view.time, 'right');
    this.#write('time-note', view.timeNote);
  }

  /** @param {CardView} view */
  #drawMiddle(view) {
    this.#write('message-title', view.message?.title, 'message');
    this.#write('message-note', view.message?.note);
    this.ref('stock').hidden = !view.stock;
    if (view.stock) /** @type {LiveStockBar} */ (this.ref('stock')).stock = view.stock;
    this.#write('unlock-text', view.unlock?.text, 'unlock');
    this.#write('unlock-note', view.unlock?.note);
    setAttribute(this.ref('unlock'), 'data-state', view.unlock?.state ?? null);
    this.ref('unlock').style.setProperty('--part', String(view.unlock?.part ?? 0));
    this.#write('terms', view.terms);
    this.#write('note-text', view.note, 'note');
    this.ref('note-icon').hidden = view.state !== 'armed' && view.state !== 'refused-not_open';
  }

  /** @param {CardView} view */
  #drawButtons(view) {
    const main = this.ref('main');
    main.hidden = !view.main;
    if (view.main) {
      setText(this.ref('label'), view.main.label);
      setAttribute(main, 'data-tone', view.main.tone);
      setAttribute(main, 'data-act', view.main.act);
      setAttribute(main, 'aria-busy', view.main.tone === 'asking' ? 'true' : null);
      main.style.setProperty('--fill', String(view.main.fill ?? 0));
    }
    this.#write('let-go', view.letGo);
    this.#write('how', view.how);
  }
}

/**
 * What the second button does; null where there is none.
 * @param {CardView | null} view
 */
function letGoAct(view) {
  return view?.letGo ? view.letGoAct ?? 'let-go' : null;
}

define('live-sale-card', LiveSaleCard);
