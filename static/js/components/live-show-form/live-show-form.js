// @ts-check
/**
 * Plan the next show: a title and when it starts.
 *
 * HTML: `<live-show-form></live-show-form>`. Method: `open(now_ms)`. Events: `live:plan-show {title, starts_at_ms}`.
 */
import { html, render } from '../../lib/html.js';
import { t } from '../../lib/i18n.js';
import { define, setText } from '../../lib/element.js';
import { SheetElement } from '../../lib/sheet_element.js';

const TITLE_MAX = 80;
const HOUR_MS = 3_600_000;
const QUARTER_MS = 900_000;

/**
 * A moment as the value of a local date field.
 * @param {number} at_ms
 * @returns {string} 2026-11-23T19:30
 */
function fieldValue(at_ms) {
  const local = new Date(at_ms - new Date(at_ms).getTimezoneOffset() * 60_000);
  return local.toISOString().slice(0, 16);
}

export class LiveShowForm extends SheetElement {
  build() {
    render(this, html`
      <live-sheet label="${t('console.plan_show')}"><form class="ask" novalidate data-ref="form">
        <h2>${t('console.plan_show')}</h2>
        <label><span class="field-label">${t('console.show_title')}</span><input class="field" data-ref="title" maxlength="${TITLE_MAX}" autocomplete="off"></label>
        <label><span class="field-label">${t('console.show_starts')}</span><input class="field" type="datetime-local" data-ref="starts"></label>
        <p class="field-error" role="alert" data-ref="error"></p>
        <div class="ask-acts"><button class="button button-dark" type="submit">${t('console.plan_show_yes')}</button></div>
      </form></live-sheet>`);
    this.ref('form').addEventListener('submit', (event) => {
      event.preventDefault();
      this.#send();
    });
  }

  get #title() {
    return /** @type {HTMLInputElement} */ (this.ref('title'));
  }

  get #starts() {
    return /** @type {HTMLInputElement} */ (this.ref('starts'));
  }

  /** @param {number} now_ms */
  open(now_ms) {
    if (!this.#starts.value) this.#starts.value = fieldValue(Math.ceil((now_ms + HOUR_MS) / QUARTER_MS) * QUARTER_MS);
    setText(this.ref('error'), '');
    this.sheet.open();
    this.#title.focus();
  }

  #send() {
    const title = this.#title.value.trim();
    const starts_at_ms = new Date(this.#starts.value).getTime();
    if (!title || !Number.isFinite(starts_at_ms)) {
      setText(this.ref('error'), t(title ? 'console.problem.starts' : 'console.problem.title'));
      return;
    }
    this.sheet.close();
    this.#title.value = '';
    this.emit('plan-show', { title, starts_at_ms });
  }
}

define('live-show-form', LiveShowForm);
