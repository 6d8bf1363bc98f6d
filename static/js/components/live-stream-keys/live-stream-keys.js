// @ts-check
/**
 * Keys for programs such as OBS: made, shown once with their address to be copied, and revoked.
 *
 * HTML: `<live-stream-keys></live-stream-keys>`. Properties: `keys` (or null: not offered), `fresh` ({url, token} or null), `trouble` (key or null).
 * Events: `live:make-key {label}`, `live:revoke-key {key}`, `live:forget-key`.
 */
import { define, find, LiveElement, setText } from '../../lib/element.js';
import { timeOfDay } from '../../lib/format.js';
import { create, html, render } from '../../lib/html.js';
import { t } from '../../lib/i18n.js';
import { keyedList } from '../../lib/keyed_list.js';

/** @typedef {{id: string, label: string, created_at_ms: number, last_used_at_ms?: number | null}} StreamKey */
/** @typedef {{url: string, token: string}} FreshKey */

const COPIED_MS = 2_000;

export class LiveStreamKeys extends LiveElement {
  /** @type {StreamKey[] | null} */
  keys = null;
  /** @type {FreshKey | null} */
  fresh = null;
  /** @type {string | null} */
  trouble = null;

  build() {
    render(this, html`
      <details class="stream-keys" data-ref="box"><summary>${t('camera.other')}</summary>
        <p class="muted">${t('camera.other_note')}</p>
        <div data-ref="fresh" hidden>
          <p class="stream-once">${t('camera.key_once')}</p>
          ${['url', 'token'].map((name) => html`<div class="stream-fresh"><label><span class="field-label">${t(`camera.key_${name}`)}</span><input class="field" readonly data-ref="${name}" autocomplete="off" spellcheck="false"></label>
            <button class="button" type="button" data-copy="${name}">${t('camera.copy')}</button></div>`)}
          <p><button class="button" type="button" data-ref="noted">${t('camera.key_noted')}</button></p>
        </div>
        <form class="stream-make" data-ref="form"><label><span class="field-label">${t('camera.key_label')}</span><input class="field" data-ref="label" maxlength="60" required autocomplete="off"></label>
          <button class="button" type="submit">${t('camera.key_make')}</button></form>
        <p class="camera-trouble" role="alert" data-ref="trouble"></p>
        <ul data-ref="rows"></ul>
      </details>`);
    this.ref('form').addEventListener('submit', (event) => {
      event.preventDefault();
      const field = this.#field('label');
      this.emit('make-key', { label: field.value.trim() });
      field.value = '';
    });
    this.ref('noted').addEventListener('click', () => this.emit('forget-key'));
    for (const button of this.querySelectorAll('[data-copy]')) {
      button.addEventListener('click', () => void this.#copy(/** @type {HTMLElement} */ (button)));
    }
    this.ref('rows').addEventListener('click', (event) => {
      const button = /** @type {HTMLElement} */ (event.target).closest('button');
      if (button?.dataset['key']) this.emit('revoke-key', { key: button.dataset['key'] });
    });
  }

  /** @param {string} name */
  #field(name) {
    return /** @type {HTMLInputElement} */ (this.ref(name));
  }

  /** Where the clipboard is refused the text is selected, ready for the keyboard. @param {HTMLElement} button */
  async #copy(button) {
    const field = this.#field(button.dataset['copy'] ?? '');
    field.select();
    try {
      await navigator.clipboard.writeText(field.value);
    } catch {
      return;
    }
    setText(button, t('camera.copied'));
    setTimeout(() => setText(button, t('camera.copy')), COPIED_MS);
  }

  update() {
    const { keys, fresh } = this;
    this.hidden = keys === null;
    this.ref('fresh').hidden = !fresh;
    this.#field('url').value = fresh?.url ?? '';
    this.#field('token').value = fresh?.token ?? '';
    setText(this.ref('trouble'), this.trouble ? t(this.trouble) : '');
    keyedList(this.ref('rows'), keys ?? [], {
      key: (one) => one.id,
      create: (one) => create(html`<li class="stream-row"><span><b></b> <span class="muted"></span></span><button class="button" type="button" data-key="${one.id}">${t('camera.key_revoke')}</button></li>`),
      update: (row, one) => {
        setText(find('b', row), one.label);
        setText(find('.muted', row), one.last_used_at_ms ? t('camera.key_used', { time: timeOfDay(one.last_used_at_ms) }) : t('camera.key_unused'));
      },
    });
  }
}

define('live-stream-keys', LiveStreamKeys);
