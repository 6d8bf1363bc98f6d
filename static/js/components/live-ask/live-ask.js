// @ts-check
/**
 * One question before an act that cannot be taken back, or one text to say. Enter confirms, Esc leaves.
 *
 * HTML: `<live-ask></live-ask>`. Method: `ask(question)` → what was answered, or null when left. Events: none.
 */
import { html, render } from '../../lib/html.js';
import { t } from '../../lib/i18n.js';
import { define, find, setAttribute, setText } from '../../lib/element.js';
import { SheetElement } from '../../lib/sheet_element.js';

/** @typedef {{title: string, lines?: string[], yes: string, isStop?: boolean, field?: {label: string, value: string, length_max: number}}} Question */

export class LiveAsk extends SheetElement {
  /** @type {((answer: {text: string} | null) => void) | null} */
  #answer = null;

  build() {
    render(this, html`
      <live-sheet><form class="ask" method="dialog" data-ref="form">
        <h2 data-ref="title"></h2>
        <div data-ref="lines"></div>
        <label class="ask-field" data-ref="field"><span class="field-label" data-ref="label"></span><textarea class="field" rows="2" data-ref="text"></textarea></label>
        <div class="ask-acts"><button class="button" type="button" data-ref="no">${t('site.cancel')}<kbd class="key" aria-hidden="true">Esc</kbd></button>
          <button class="button" type="submit" data-ref="yes"><span data-ref="yes-word"></span><kbd class="key" aria-hidden="true">Enter</kbd></button></div>
      </form></live-sheet>`);
    this.ref('form').addEventListener('submit', (event) => {
      event.preventDefault();
      this.#settle({ text: this.#text.value.trim() });
    });
    this.#text.addEventListener('keydown', (event) => {
      if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      /** @type {HTMLFormElement} */ (this.ref('form')).requestSubmit();
    });
    this.ref('no').addEventListener('click', () => this.sheet.close());
    this.sheet.addEventListener('live:sheet-closed', (event) => {
      event.stopPropagation();
      this.#settle(null);
    });
  }

  get #text() {
    return /** @type {HTMLTextAreaElement} */ (this.ref('text'));
  }

  /** @param {{text: string} | null} answer */
  #settle(answer) {
    const settle = this.#answer;
    this.#answer = null;
    this.sheet.close();
    settle?.(answer);
  }

  /**
   * @param {Question} question
   * @returns {Promise<{text: string} | null>}
   */
  ask({ title, lines = [], yes, isStop = false, field }) {
    this.#answer?.(null);
    setText(this.ref('title'), title);
    setAttribute(find('dialog', this), 'aria-label', title);
    render(this.ref('lines'), html`${lines.map((line) => html`<p class="ask-line">${line}</p>`)}`);
    setText(this.ref('yes-word'), yes);
    this.ref('yes').className = isStop ? 'button button-coral' : 'button button-dark';
    this.ref('field').hidden = !field;
    this.#text.value = field?.value ?? '';
    setText(this.ref('label'), field?.label ?? '');
    setAttribute(this.#text, 'maxlength', field ? String(field.length_max) : null);
    this.sheet.open();
    (field ? this.#text : this.ref('yes')).focus();
    return new Promise((resolve) => {
      this.#answer = resolve;
    });
  }
}

define('live-ask', LiveAsk);
