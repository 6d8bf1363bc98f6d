// @ts-check
/**
 * The field one types a chat line in. What stands in the way is said in its place, never swallowed.
 *
 * HTML: `<live-composer></live-composer>`
 * Properties: `refusal` {icon, text} or null, `hint` what the room takes at present or '', `hasUser`, `textMax` characters.
 * Methods: `focusField()`, `setDraft(text)`. Events: `live:say` {text}, `live:ask-name` (a visitor without a name wants to chat).
 * Invariant: what was typed stays until it was handed on. Focus alone asks for nothing: a sheet gives it back when it closes.
 */
import { define, LiveElement, setAttribute, setText } from '../../lib/element.js';
import { html, icon, render } from '../../lib/html.js';
import { t } from '../../lib/i18n.js';

/** @typedef {{icon: string, text: string}} Refusal */

export class LiveComposer extends LiveElement {
  /** @type {Refusal | null} */
  #refusal = null;
  #hint = '';
  #hasUser = false;
  textMax = 200;

  get refusal() {
    return this.#refusal;
  }

  set refusal(refusal) {
    this.#refusal = refusal;
    this.changed();
  }

  get hint() {
    return this.#hint;
  }

  set hint(hint) {
    this.#hint = hint;
    this.changed();
  }

  get hasUser() {
    return this.#hasUser;
  }

  set hasUser(hasUser) {
    this.#hasUser = hasUser;
    this.changed();
  }

  build() {
    render(this, html`
      <form class="composer" data-ref="form">
        <span class="composer-icon" data-ref="icon"></span>
        <input class="composer-field" data-ref="field" id="chat-field" name="line" autocomplete="off" enterkeyhint="send" aria-label="${t('chat.say')}">
        <button class="composer-send" data-ref="send" aria-label="${t('chat.send')}" hidden>${icon('send')}</button>
        <p class="composer-why" role="status" data-ref="why"></p>
      </form>`);
    const field = this.field;
    this.ref('form').addEventListener('submit', (event) => {
      event.preventDefault();
      this.#submit();
    });
    field.addEventListener('input', () => this.changed());
    field.addEventListener('click', () => this.#askName());
  }

  get field() {
    return /** @type {HTMLInputElement} */ (this.ref('field'));
  }

  focusField() {
    this.field.focus();
  }

  /** @param {string} text */
  setDraft(text) {
    this.field.value = text;
    this.changed();
  }

  #askName() {
    if (!this.#hasUser) this.emit('ask-name');
  }

  #submit() {
    const text = this.field.value.trim();
    if (!this.#hasUser) return this.#askName();
    if (!text || this.#refusal) return;
    this.field.value = '';
    this.changed();
    this.emit('say', { text });
  }

  update() {
    const field = this.field;
    const refusal = this.#refusal ?? (this.#hasUser ? null : { icon: '', text: t('chat.sign_in') });
    setAttribute(field, 'placeholder', refusal?.text ?? (this.#hint || t('chat.say')));
    setAttribute(field, 'aria-label', refusal?.text ?? `${t('chat.say')} ${this.#hint}`.trim());
    setAttribute(field, 'data-hint', this.#hint ? '' : null);
    setAttribute(field, 'maxlength', String(this.textMax));
    const name = refusal?.icon ?? '';
    const place = this.ref('icon');
    if (place.dataset['icon'] !== name) {
      place.dataset['icon'] = name;
      render(place, name ? icon(name) : html``);
    }
    place.hidden = !name;
    // What was typed covers the placeholder, so the reason is said above it.
    const why = this.#refusal && field.value !== '' ? this.#refusal.text : '';
    setText(this.ref('why'), why);
    this.ref('why').hidden = why === '';
    this.ref('send').hidden = field.value.trim() === '' || this.#refusal !== null;
  }
}

define('live-composer', LiveComposer);
