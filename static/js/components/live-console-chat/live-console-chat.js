// @ts-check
/**
 * The chat as staff see it: pick a line (click, J, K), delete it or mute its author, and answer as host.
 * The acts stand in one place below the list: buttons on a moving line would be pressed on the wrong one.
 *
 * HTML: `<live-console-chat></live-console-chat>`. Properties: `rows` (Row[] of logic/chat_flow), `me` own user id, `rate` (lines a second),
 * `oneIn`, `muted` (Set of user ids), `itemTitle(no)`, `isOpen` (line is up), `isHost`, `modes` (Modes of logic/room_state).
 * Events: `live:say-line {text}`, `live:delete-line {line, name}`, `live:mute-user {user, name}`, `live:unmute-user {user, name}`,
 * `live:open-search`; those of the modes pass through.
 * Methods: `move(1 | -1)`, `actOnSelected('delete' | 'mute')`, `compose()`, `leave()`.
 */
import { number } from '../../lib/format.js';
import { html, icon, render } from '../../lib/html.js';
import { t } from '../../lib/i18n.js';
import { LiveElement, define, setAttribute, setText } from '../../lib/element.js';

/** @typedef {import('../../logic/chat_flow.js').Row} Row */
/** @typedef {import('../live-chat-list/live-chat-list.js').LiveChatList} LiveChatList */

/** The server takes lines up to this long. */
const TEXT_MAX = 200;

export class LiveConsoleChat extends LiveElement {
  /** @type {Row[]} */
  rows = [];
  /** @type {string | null} */
  me = null;
  rate = 0;
  oneIn = 1;
  /** @type {Set<string>} */
  muted = new Set();
  isOpen = false;
  /** @type {import('../../logic/room_state.js').Modes} */
  modes = {};
  isHost = true;
  /** @type {(no: number) => string} */
  itemTitle = () => '';
  /** @type {string | null} key of the selected row */
  #selected = null;

  build() {
    render(this, html`
      <header class="panel-head"><h2>${t('chat.title')}</h2><span class="panel-note" data-ref="rate"></span>
        <button class="mode-chip" type="button" data-ref="search">${t('console.search')}<kbd class="key" aria-hidden="true">/</kbd></button></header>
      <live-chat-modes data-ref="modes"></live-chat-modes>
      <live-chat-list plain data-ref="list"></live-chat-list>
      <div class="line-acts" data-ref="acts" role="group" hidden>
        <span class="line-who" data-ref="who"></span>
        <button class="button console-button" type="button" data-ref="delete">${icon('trash')}${t('console.delete')}<kbd class="key" aria-hidden="true">Del</kbd></button>
        <button class="button console-button" type="button" data-ref="mute"><span data-ref="mute-word"></span><kbd class="key" aria-hidden="true">H</kbd></button>
      </div>
      <form class="line-form" data-ref="form">
        <input class="field console-field" data-ref="text" maxlength="${TEXT_MAX}" autocomplete="off" enterkeyhint="send" aria-label="${t('console.reply')}" placeholder="${t('console.reply')}">
        <kbd class="key" aria-hidden="true">C</kbd>
        <button class="console-icon" type="submit" aria-label="${t('chat.send')}">${icon('send')}</button>
      </form>`);
    this.ref('list').addEventListener('live:select-line', (event) => {
      const { key } = /** @type {CustomEvent} */ (event).detail;
      this.select(key === this.#selected ? null : key);
    });
    this.ref('search').addEventListener('click', () => this.emit('open-search'));
    this.ref('delete').addEventListener('click', () => this.actOnSelected('delete'));
    this.ref('mute').addEventListener('click', () => this.actOnSelected('mute'));
    this.ref('form').addEventListener('submit', (event) => this.#submit(event));
  }

  /** @returns {HTMLInputElement} */
  get #input() {
    return /** @type {HTMLInputElement} */ (this.ref('text'));
  }

  /** @param {Event} event */
  #submit(event) {
    event.preventDefault();
    const text = this.#input.value.trim();
    if (!text || !this.isOpen) return;
    this.#input.value = '';
    this.emit('say-line', { text });
  }

  /** @returns {Row | null} */
  get selectedRow() {
    return this.rows.find((row) => row.key === this.#selected && row.state !== 'removed') ?? null;
  }

  /** @param {string | null} key */
  select(key) {
    this.#selected = key;
    this.update();
  }

  /**
   * Move the selection one line; the first move takes the newest.
   * @param {1 | -1} direction
   */
  move(direction) {
    if (this.rows.length === 0) return;
    const from = this.rows.findIndex((row) => row.key === this.#selected);
    const to = from < 0 ? this.rows.length - 1 : Math.min(this.rows.length - 1, Math.max(0, from + direction));
    this.select(this.rows[to]?.key ?? null);
    this.querySelector('.chat-line[aria-current]')?.scrollIntoView({ block: 'nearest' });
  }

  /** @param {'delete' | 'mute'} act */
  actOnSelected(act) {
    const row = this.selectedRow;
    if (!row) return;
    if (act === 'delete') this.emit('delete-line', { line: row.id, name: row.name });
    else if (row.user && this.#mayMute(row)) this.emit(this.muted.has(row.user) ? 'unmute-user' : 'mute-user', { user: row.user, name: row.name });
  }

  /** @param {Row} row */
  #mayMute(row) {
    return row.user !== null && row.user !== this.me && !['host', 'mod', 'order'].some((flag) => row.flags.includes(flag));
  }

  /** Put the cursor into the composer. */
  compose() {
    this.#input.focus();
  }

  /**
   * Leave the composer, else the selected line.
   * @returns {boolean} whether there was anything to leave
   */
  leave() {
    const wasWriting = document.activeElement === this.#input;
    const had = wasWriting || this.#selected !== null;
    if (wasWriting) this.#input.blur();
    else this.select(null);
    return had;
  }

  update() {
    const list = /** @type {LiveChatList} */ (this.ref('list'));
    list.me = this.me;
    list.itemTitle = this.itemTitle;
    list.rows = this.rows;
    list.selected = this.#selected;
    const modes = /** @type {import('../live-chat-modes/live-chat-modes.js').LiveChatModes} */ (this.ref('modes'));
    modes.modes = this.modes;
    modes.changed();
    const rate = t('console.lines_rate', { rate: number(this.rate), count: this.rate });
    setText(this.ref('rate'), this.oneIn > 1 ? t('console.lines_rate_busy', { rate: number(this.rate), count: this.oneIn }) : rate);
    const row = this.selectedRow;
    this.ref('acts').hidden = !row;
    if (row) {
      setText(this.ref('who'), `${row.name}: ${row.text}`);
      setAttribute(this.ref('acts'), 'aria-label', t('console.line_acts', { name: row.name }));
      this.ref('mute').hidden = !this.#mayMute(row);
      setText(this.ref('mute-word'), row.user && this.muted.has(row.user) ? t('console.unmute') : t('console.mute'));
    }
    setAttribute(this.#input, 'placeholder', this.isOpen ? t(this.isHost ? 'console.reply' : 'console.reply_mod') : t('chat.offline'));
  }
}

define('live-console-chat', LiveConsoleChat);
