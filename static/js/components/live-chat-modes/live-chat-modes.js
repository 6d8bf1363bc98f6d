// @ts-check
/**
 * How the chat is kept in order, as chips that show their state, and the shield that is two of them in one press.
 *
 * HTML: `<live-chat-modes></live-chat-modes>`. Properties: `modes` (Modes of logic/room_state).
 * Events: `live:set-modes {modes}` (all of them, as they shall be), `live:switch-shield`.
 */
import { html, icon, render } from '../../lib/html.js';
import { t } from '../../lib/i18n.js';
import { LiveElement, define, setAttribute, setText } from '../../lib/element.js';
import { SLOW_CHOICES_S, isShielded, toggleMode, withSlow } from '../../logic/chat_modes.js';

/** Pressed on, slow mode begins with this. */
const SLOW_S = 10;

export class LiveChatModes extends LiveElement {
  /** @type {import('../../logic/room_state.js').Modes} */
  modes = {};

  build() {
    render(this, html`
      <div class="chat-modes" role="group" aria-label="${t('console.modes')}">
        <button class="mode-chip mode-shield" type="button" data-ref="shield" title="${t('console.shield_note')}">${icon('shield')}${t('console.shield')}<kbd class="key" aria-hidden="true">S</kbd></button>
        <span class="mode-slow">
          <button class="mode-chip" type="button" data-ref="slow"></button>
          <select class="mode-chip mode-seconds" data-ref="seconds" aria-label="${t('console.mode_seconds')}" hidden></select>
        </span>
        <button class="mode-chip" type="button" data-ref="emote_only">${t('console.mode_emote_only')}</button>
        <button class="mode-chip" type="button" data-ref="links_off">${t('console.mode_links_off')}</button>
      </div>`);
    this.ref('shield').addEventListener('click', () => this.emit('switch-shield'));
    this.ref('slow').addEventListener('click', () => this.#set(withSlow(this.modes, this.modes.slow_s ? 0 : SLOW_S)));
    this.#seconds.addEventListener('change', () => this.#set(withSlow(this.modes, Number(this.#seconds.value))));
    for (const mode of /** @type {const} */ (['emote_only', 'links_off'])) {
      this.ref(mode).addEventListener('click', () => this.#set(toggleMode(this.modes, mode)));
    }
  }

  get #seconds() {
    return /** @type {HTMLSelectElement} */ (this.ref('seconds'));
  }

  /** @param {import('../../logic/room_state.js').Modes} modes */
  #set(modes) {
    this.emit('set-modes', { modes });
  }

  update() {
    const { slow_s = 0, emote_only, links_off } = this.modes;
    setText(this.ref('slow'), t('console.mode_slow'));
    setAttribute(this.ref('slow'), 'aria-pressed', String(slow_s > 0));
    setAttribute(this.ref('emote_only'), 'aria-pressed', String(emote_only === true));
    setAttribute(this.ref('links_off'), 'aria-pressed', String(links_off === true));
    setAttribute(this.ref('shield'), 'aria-pressed', String(isShielded(this.modes)));
    this.#seconds.hidden = slow_s === 0;
    // Whatever number was set elsewhere is shown as it is.
    const choices = [...new Set([...SLOW_CHOICES_S, ...(slow_s ? [slow_s] : [])])].sort((one, other) => one - other);
    const version = choices.join(' ');
    if (this.#seconds.dataset['version'] !== version) {
      this.#seconds.dataset['version'] = version;
      render(this.#seconds, html`${choices.map((seconds) => html`<option value="${seconds}">${t('console.seconds', { seconds })}</option>`)}`);
    }
    if (slow_s) this.#seconds.value = String(slow_s);
  }
}

define('live-chat-modes', LiveChatModes);
