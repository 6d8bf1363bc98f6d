// @ts-check
/**
 * What was just done, with five seconds to take it back; also where a failed act says so.
 *
 * HTML: `<live-undo-bar></live-undo-bar>`. Properties: none. Methods: `say(text, {undo?, isWrong?})`, `undo()`.
 * Events: none; an undo is the function handed to `say`.
 */
import { html, icon, render } from '../../lib/html.js';
import { t } from '../../lib/i18n.js';
import { LiveElement, define, setAttribute, setText } from '../../lib/element.js';

/** An act can be taken back for this long. */
const UNDO_S = 5;

export class LiveUndoBar extends LiveElement {
  #text = '';
  #isWrong = false;
  #left_s = 0;
  #timer = 0;
  /** @type {(() => void) | null} */
  #undo = null;

  build() {
    render(this, html`
      <div class="undo" data-ref="bar" hidden>
        <span class="undo-text" role="status" data-ref="text"></span>
        <span class="undo-left" data-ref="left"></span>
        <button class="button console-button" type="button" data-ref="undo">${icon('undo')}${t('console.undo')}<kbd class="key" aria-hidden="true">U</kbd></button>
      </div>`);
    this.ref('undo').addEventListener('click', () => this.undo());
  }

  disconnected() {
    clearInterval(this.#timer);
  }

  /** What was said last. */
  get text() {
    return this.#text;
  }

  /**
   * @param {string} text
   * @param {{undo?: (() => void) | null, isWrong?: boolean}} [how]
   */
  say(text, { undo = null, isWrong = false } = {}) {
    this.#text = text;
    this.#undo = undo;
    this.#isWrong = isWrong;
    this.#left_s = UNDO_S;
    clearInterval(this.#timer);
    this.#timer = window.setInterval(() => this.#count(), 1000);
    this.update();
  }

  /** Take the newest act back, if it still can be. */
  undo() {
    const undo = this.#undo;
    if (!undo || this.#left_s <= 0) return;
    this.#undo = null;
    this.#left_s = 0;
    this.update();
    undo();
  }

  #count() {
    this.#left_s -= 1;
    if (this.#left_s <= 0) {
      clearInterval(this.#timer);
      this.#undo = null;
    }
    this.update();
  }

  update() {
    const bar = this.ref('bar');
    bar.hidden = this.#left_s <= 0;
    setAttribute(bar, 'data-state', this.#isWrong ? 'wrong' : null);
    setText(this.ref('text'), this.#text);
    this.ref('undo').hidden = !this.#undo;
    this.ref('left').hidden = !this.#undo;
    setText(this.ref('left'), t('console.seconds', { seconds: this.#left_s }));
  }
}

define('live-undo-bar', LiveUndoBar);
