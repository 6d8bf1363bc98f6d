// @ts-check
/**
 * Look back in the room's chat: words, one author, the next page, the file; delete and mute where one finds it.
 *
 * HTML: `<live-chat-search></live-chat-search>`. Properties: `muted` (Set of user ids), `me` own user id.
 * Methods: `open(exportPath)`, `take(question, page)`, `fail(question, code)`, `noteDeleted(line, now_ms)`.
 * Events: `live:search-chat {text, user, before}`, `live:delete-line {line, name}`, `live:mute-user {user, name}`, `live:unmute-user {user, name}`.
 * Invariant: an answer to an older question is never shown.
 */
import { timeOfDay } from '../../lib/format.js';
import { create, html, icon, render } from '../../lib/html.js';
import { hasText, t } from '../../lib/i18n.js';
import { keyedList } from '../../lib/keyed_list.js';
import { define, find, setText } from '../../lib/element.js';
import { SheetElement } from '../../lib/sheet_element.js';

/** @typedef {import('../../net/console_api.js').ArchivedLine} ArchivedLine */
/** @typedef {import('../../net/console_api.js').ChatQuestion} ChatQuestion */

/** The server takes questions up to this long. */
const QUERY_MAX = 100;
/** Typed on, the question waits this long for the next letter. */
const PAUSE_MS = 300;

export class LiveChatSearch extends SheetElement {
  /** @type {Set<string>} */
  muted = new Set();
  /** @type {string | null} */
  me = null;
  /** @type {ArchivedLine[]} */
  #lines = [];
  /** @type {string | null} where the next page begins */
  #next = null;
  /** @type {{id: string, name: string} | null} the one author whose lines are wanted */
  #author = null;
  /** @type {ChatQuestion | null} the question that waits for its answer */
  #asked = null;
  #failure = '';
  #timer = 0;

  build() {
    render(this, html`
      <live-sheet label="${t('console.search_title')}">
        <h2>${t('console.search_title')}</h2>
        <form class="search-form" data-ref="form" role="search">
          <input class="field console-field" type="search" data-ref="text" maxlength="${QUERY_MAX}" autocomplete="off" enterkeyhint="search" aria-label="${t('console.search_label')}" placeholder="${t('console.search_label')}" autofocus>
          <a class="button console-button" data-ref="export" download>${icon('download')}${t('console.export')}</a>
        </form>
        <button class="mode-chip search-author" type="button" data-ref="author" hidden></button>
        <p class="muted search-note" role="status" data-ref="note"></p>
        <ol class="search-lines" data-ref="lines"></ol>
        <button class="button console-button search-more" type="button" data-ref="more" hidden>${t('console.search_more')}</button>
      </live-sheet>`);
    this.ref('form').addEventListener('submit', (event) => {
      event.preventDefault();
      this.#ask(null);
    });
    this.#field.addEventListener('input', () => {
      clearTimeout(this.#timer);
      this.#timer = window.setTimeout(() => this.#ask(null), PAUSE_MS);
    });
    this.ref('more').addEventListener('click', () => this.#ask(this.#next));
    this.ref('author').addEventListener('click', () => this.#choose(null));
  }

  get #field() {
    return /** @type {HTMLInputElement} */ (this.ref('text'));
  }

  /** @param {string} exportPath */
  open(exportPath) {
    this.ref('export').setAttribute('href', exportPath);
    this.sheet.open();
    this.#field.select();
    this.#ask(null);
  }

  /** @param {string | null} before null asks anew */
  #ask(before) {
    clearTimeout(this.#timer);
    this.#failure = '';
    this.#asked = { text: this.#field.value.trim(), user: this.#author?.id ?? null, before };
    this.update();
    this.emit('search-chat', this.#asked);
  }

  /** @param {{id: string, name: string} | null} author */
  #choose(author) {
    this.#author = author;
    this.#ask(null);
  }

  /**
   * @param {ChatQuestion} question
   * @param {{lines: ArchivedLine[], next: string | null}} page
   */
  take(question, { lines, next }) {
    if (question !== this.#asked) return;
    this.#asked = null;
    this.#lines = question.before === null ? lines : [...this.#lines, ...lines];
    this.#next = next;
    this.changed();
  }

  /**
   * @param {ChatQuestion} question
   * @param {string} code
   */
  fail(question, code) {
    if (question !== this.#asked) return;
    this.#asked = null;
    this.#failure = hasText(`console.error.${code}`) ? t(`console.error.${code}`) : t('console.error.other', { code });
    this.changed();
  }

  /**
   * A line was deleted, here or elsewhere; the server's page tells by whom.
   * @param {string} line
   * @param {number} now_ms
   */
  noteDeleted(line, now_ms) {
    this.#lines = this.#lines.map((one) => (one.id === line ? { ...one, deleted: one.deleted ?? { at_ms: now_ms, by: '', name: null } } : one));
    this.changed();
  }

  #note() {
    if (this.#failure) return this.#failure;
    if (this.#asked) return t('console.search_asking');
    if (this.#lines.length > 0) return '';
    return this.#next ? t('console.search_far') : t('console.search_none');
  }

  update() {
    setText(this.ref('note'), this.#note());
    this.ref('author').hidden = !this.#author;
    if (this.#author) setText(this.ref('author'), `${t('console.search_author', { name: this.#author.name })} ✕`);
    const more = /** @type {HTMLButtonElement} */ (this.ref('more'));
    more.hidden = !this.#next;
    more.disabled = this.#asked !== null;
    keyedList(this.ref('lines'), this.#lines, {
      key: (line) => line.id,
      create: () => create(html`<li class="search-line"></li>`),
      update: (element, line) => this.#draw(element, line),
    });
  }

  /**
   * @param {HTMLElement} element
   * @param {ArchivedLine} line
   */
  #draw(element, line) {
    const { user, name } = line;
    const isMuted = user !== null && this.muted.has(user);
    const version = `${line.deleted?.at_ms ?? ''} ${line.deleted?.name ?? ''} ${isMuted}`;
    if (element.dataset['version'] === version) return;
    element.dataset['version'] = version;
    const mayMute = user !== null && user !== this.me && line.flags.length === 0;
    const by = line.deleted && deletionText(line.deleted);
    render(element, html`
      <span class="search-head"><time class="muted">${timeOfDay(line.at_ms)}</time> <button class="search-name" type="button">${name}</button></span>
      <span class="chat-text">${line.text}</span>
      ${by ? html`<span class="search-deleted">${icon('trash')}${by}</span>` : ''}
      <span class="search-acts">
        ${line.deleted ? '' : html`<button class="button console-button" type="button" data-act="delete">${t('console.delete')}</button>`}
        ${mayMute ? html`<button class="button console-button" type="button" data-act="mute">${isMuted ? t('console.unmute') : t('console.mute')}</button>` : ''}
      </span>`);
    const author = /** @type {HTMLButtonElement} */ (find('.search-name', element));
    author.disabled = user === null;
    author.addEventListener('click', () => user !== null && this.#choose({ id: user, name }));
    element.querySelector('[data-act="delete"]')?.addEventListener('click', () => this.emit('delete-line', { line: line.id, name }));
    element.querySelector('[data-act="mute"]')?.addEventListener('click', () => this.emit(isMuted ? 'unmute-user' : 'mute-user', { user, name }));
  }
}

/** @param {{at_ms: number, name: string | null}} deleted */
function deletionText({ at_ms, name }) {
  const time = timeOfDay(at_ms);
  return name ? t('console.deleted_by', { name, time }) : t('console.deleted_at', { time });
}

define('live-chat-search', LiveChatSearch);
