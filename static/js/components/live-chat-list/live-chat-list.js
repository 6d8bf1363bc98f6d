// @ts-check
/**
 * The lines of the chat; reading back freezes the list until one comes back to its end.
 *
 * HTML: `<live-chat-list></live-chat-list>`; attribute `plain` drops the fade at the top (desktop, console).
 * Properties: `rows` (Row[] of logic/chat_flow), `me` own user id or null, `itemTitle(no)` title of a bag number for order
 * lines, `selected` key of the selected row or null (console).
 * Events: `live:retry-line` {key}, `live:select-line` {key} on a click on a line.
 * Invariant: names and texts reach the page as text only.
 */
import { define, LiveElement, setAttribute, setText } from '../../lib/element.js';
import { number } from '../../lib/format.js';
import { create, html, icon, render } from '../../lib/html.js';
import { language, t } from '../../lib/i18n.js';
import { keyedList } from '../../lib/keyed_list.js';

/** @typedef {import('../../logic/chat_flow.js').Row} Row */

/** Scrolled up by this much the list stands still. */
const FREEZE_PX = 24;
/** A name longer than this is cut; a CJK sign counts twice. */
const NAME_WIDTH = 24;

/**
 * Cut a name to 24 Latin or 12 CJK signs.
 * @param {string} name
 * @returns {string}
 */
export function shortName(name) {
  let width = 0;
  let short = '';
  for (const sign of name) {
    width += /[\u2e80-\uffef]/.test(sign) ? 2 : 1;
    if (width > NAME_WIDTH) return `${short}…`;
    short += sign;
  }
  return name;
}

export class LiveChatList extends LiveElement {
  /** @type {Row[]} */
  #rows = [];
  /** @type {Row[] | null} rows as they were when the reader scrolled up */
  #frozen = null;
  /** How high the list was when it last went to its end. */
  #stuckHeight = 0;
  /** @type {string | null} */
  me = null;
  /** @type {(no: number) => string} */
  itemTitle = () => '';
  /** @type {string | null} */
  #selected = null;

  get rows() {
    return this.#rows;
  }

  set rows(rows) {
    this.#rows = rows;
    if (this.#frozen) this.#frozen = withNews(this.#frozen, rows);
    this.changed();
  }

  get selected() {
    return this.#selected;
  }

  set selected(key) {
    this.#selected = key;
    this.changed();
  }

  build() {
    render(this, html`
      <div class="chat-scroll" data-ref="scroll" tabindex="0" role="log" aria-live="off" aria-label="${t('chat.log')}">
        <p class="chat-empty" data-ref="empty">${t('chat.empty')}</p>
        <ol class="chat-lines" data-ref="lines"></ol>
      </div>
      <button class="chat-new button" type="button" data-ref="new" hidden></button>`);
    this.ref('scroll').addEventListener('scroll', () => this.#scrolled(), { passive: true });
    this.ref('new').addEventListener('click', () => this.toEnd());
    this.ref('lines').addEventListener('click', (event) => this.#clicked(event));
  }

  connected() {
    this.observer = new ResizeObserver(() => {
      if (!this.#frozen) this.#stick();
    });
    this.observer.observe(this.ref('scroll'));
  }

  disconnected() {
    this.observer?.disconnect();
  }

  /** Show the newest lines again. */
  toEnd() {
    this.#frozen = null;
    this.update();
  }

  #stick() {
    const scroll = this.ref('scroll');
    setAttribute(scroll, 'data-over', String(scroll.scrollHeight > scroll.clientHeight));
    scroll.scrollTop = scroll.scrollHeight;
    this.#stuckHeight = scroll.clientHeight;
  }

  #scrolled() {
    const scroll = this.ref('scroll');
    // A list that has become lower was scrolled by nobody: the observer, which comes later, brings it to its end.
    if (!this.#frozen && scroll.clientHeight !== this.#stuckHeight) return;
    const isBack = scroll.scrollHeight - scroll.clientHeight - scroll.scrollTop >= FREEZE_PX;
    if (isBack && !this.#frozen) this.#frozen = this.#rows;
    else if (!isBack && this.#frozen) this.toEnd();
  }

  /** @param {Event} event */
  #clicked(event) {
    const line = /** @type {HTMLElement | null} */ (/** @type {Element} */ (event.target).closest('[data-key]'));
    if (!line) return;
    const key = line.dataset.key;
    this.emit(line.dataset.state === 'failed' ? 'retry-line' : 'select-line', { key });
  }

  update() {
    const rows = this.#frozen ?? this.#rows;
    keyedList(this.ref('lines'), rows, {
      key: (row) => row.key,
      create: (row) => create(html`<li class="chat-line" data-key="${row.key}"></li>`),
      update: (element, row) => this.#draw(element, row),
    });
    this.ref('empty').hidden = rows.length > 0;
    const last = this.#frozen?.at(-1)?.key;
    const fresh = this.#frozen ? this.#rows.length - 1 - this.#rows.findIndex((row) => row.key === last) : 0;
    const chip = this.ref('new');
    chip.hidden = fresh <= 0;
    if (fresh > 0) setText(chip, `${t('chat.new', { count: number(fresh) })} ↓`);
    if (!this.#frozen) this.#stick();
  }

  /**
   * @param {HTMLElement} element
   * @param {Row} row
   */
  #draw(element, row) {
    setAttribute(element, 'aria-current', row.key === this.#selected ? 'true' : null);
    const version = `${row.id} ${row.state} ${row.user === this.me} ${row.stands_for}`;
    if (element.dataset.version === version) return;
    element.dataset.version = version;
    element.dataset.state = row.state;
    element.classList.toggle('chat-own', row.user === this.me);
    setAttribute(element, 'lang', lineLanguage(row.text));
    render(element, this.#content(row));
  }

  /** @param {Row} row */
  #content(row) {
    if (row.state === 'removed') return html`<span class="chat-note">${t('chat.removed')}</span>`;
    if (row.flags.includes('order')) {
      const no = Number.parseInt(row.text, 10);
      const title = this.itemTitle(no) || row.text.replace(/^\d+\s*/, '');
      return html`<span class="chat-order">${icon('bag')}<span>${t('chat.order', { name: row.name, no, title })}</span></span>`;
    }
    if (row.flags.includes('group')) {
      const [paid, need] = row.text.split('/');
      return html`<span class="chat-order">${icon('bag')}<span>${t(paid === need ? 'chat.group' : 'chat.group_completed', { name: row.name, count: row.text })}</span></span>`;
    }
    const tag = row.flags.includes('host') ? html`<span class="tag tag-host">${t('chat.host')}</span> `
      : row.flags.includes('mod') ? html`<span class="tag tag-mod">${t('chat.moderator')}</span> ` : '';
    const name = row.user === this.me ? t('chat.you') : shortName(row.name);
    const author = row.flags.includes('host') ? html`<span class="visually-hidden">${name}</span>` : html`<b class="chat-name">${name}</b> `;
    const failed = row.state === 'failed' ? html` <button class="chat-retry" type="button">${t('chat.not_sent')}</button>` : '';
    const times = row.stands_for > 1 ? html` <span class="chat-times" title="${t('chat.times_note', { count: number(row.stands_for) })}">${t('chat.times', { count: number(row.stands_for) })}</span>` : '';
    return html`${tag}${author}<span class="chat-text">${row.text}</span>${times}${failed}`;
  }
}

/**
 * A list that stands still still shows what became of its lines: removed ones say so and go.
 * @param {readonly Row[]} frozen
 * @param {readonly Row[]} rows
 * @returns {Row[]}
 */
function withNews(frozen, rows) {
  const present = new Map(rows.map((row) => [row.key, row]));
  return frozen.flatMap((row) => {
    const now = present.get(row.key);
    if (now) return [now];
    return row.state === 'removed' ? [] : [row];
  });
}

/**
 * The language of a line when it differs from the page's, so that it is read out and set rightly.
 * @param {string} text
 * @returns {string | null}
 */
function lineLanguage(text) {
  const isChinese = /\p{Script=Han}/u.test(text);
  if (isChinese === (language() === 'zh')) return null;
  return isChinese ? 'zh-Hans' : 'en';
}

define('live-chat-list', LiveChatList);
