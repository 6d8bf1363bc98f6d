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

/** @typedef {{title: string, lines?: string[], yes: string, isStop?: boolean, prices?: {now: string, before: string},
 *   field?: {label: string, value: string, length_max: number, isNeeded?: boolean}, choice?: string}} Question */
/** @typedef {{text: string, isChosen: boolean}} Reply `isChosen` says whether the choice beside the question was ticked */

export class LiveAsk extends SheetElement {
  /** @type {((answer: Reply | null) => void) | null} */
  #answer = null;
  #isNeeded = false;

  build() {
    render(this, html`
      <live-sheet><form class="ask" method="dialog" data-ref="form">
        <h2 data-ref="title"></h2>
        <p class="ask-prices" data-ref="prices"><b data-ref="price-now"></b><s data-ref="price-before"></s></p>
        <div data-ref="lines"></div>
        <label class="ask-field" data-ref="field"><span class="field-label" data-ref="label"></span><textarea class="field" rows="2" data-ref="text"></textarea></label>
        <label class="ask-choice" data-ref="choice"><input type="checkbox" data-ref="chosen"> <span data-ref="choice-word"></span></label>
        <div class="ask-acts"><button class="button" type="button" data-ref="no">${t('site.cancel')}<kbd class="key" aria-hidden="true">Esc</kbd></button>
          <button class="button" type="submit" data-ref="yes"><span data-ref="yes-word"></span><kbd class="key" aria-hidden="true">Enter</kbd></button></div>
      </form></live-sheet>`);
    this.ref('form').addEventListener('submit', (event) => {
      event.preventDefault();
      const isMissing = this.#isNeeded && this.#text.value.trim() === '';
      setAttribute(this.#text, 'aria-invalid', isMissing ? 'true' : null);
      if (isMissing) return this.#text.focus();
      this.#settle({ text: this.#text.value.trim(), isChosen: this.#box.checked });
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

  get #box() {
    return /** @type {HTMLInputElement} */ (this.ref('chosen'));
  }

  /** @param {Reply | null} answer */
  #settle(answer) {
    const settle = this.#answer;
    this.#answer = null;
    this.sheet.close();
    settle?.(answer);
  }

  /**
   * @param {Question} question
   * @returns {Promise<Reply | null>}
   */
  ask({ title, lines = [], yes, isStop = false, prices, field, choice }) {
    this.#answer?.(null);
    setText(this.ref('title'), title);
    setAttribute(find('dialog', this), 'aria-label', title);
    render(this.ref('lines'), html`${lines.map((line) => html`<p class="ask-line">${line}</p>`)}`);
    setText(this.ref('yes-word'), yes);
    this.ref('yes').className = isStop ? 'button button-coral' : 'button button-dark';
    this.ref('field').hidden = !field;
    this.#text.value = field?.value ?? '';
    setText(this.ref('label'), field?.label ?? '');
    this.ref('prices').hidden = !prices;
    setText(this.ref('price-now'), prices?.now ?? '');
    setText(this.ref('price-before'), prices?.before ?? '');
    this.ref('choice').hidden = choice === undefined;
    setText(this.ref('choice-word'), choice ?? '');
    this.#box.checked = false;
    this.#isNeeded = field?.isNeeded ?? false;
    setAttribute(this.#text, 'aria-required', this.#isNeeded ? 'true' : null);
    setAttribute(this.#text, 'aria-invalid', null);
    setAttribute(this.#text, 'maxlength', field ? String(field.length_max) : null);
    this.sheet.open();
    (field ? this.#text : this.ref('yes')).focus();
    return new Promise((resolve) => {
      this.#answer = resolve;
    });
  }
}

define('live-ask', LiveAsk);
