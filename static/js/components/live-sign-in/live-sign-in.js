// @ts-check
/**
 * Asks a visitor for a name, once, when it is first needed.
 *
 * HTML: `<live-sign-in></live-sign-in>`
 * Properties: `reason` 'buy' | 'chat'. Methods: `focusField()`. Events: `live:signed-in` {user}.
 * Invariant: no account, no password; the name is 1 to 24 characters.
 */
import { define, LiveElement, setText } from '../../lib/element.js';
import { html, render } from '../../lib/html.js';
import { t } from '../../lib/i18n.js';
import { asApiError, post } from '../../net/api.js';

const NAME_MAX = 24;

export class LiveSignIn extends LiveElement {
  /** @type {'buy' | 'chat'} */
  #reason = 'chat';
  #isBusy = false;

  get reason() {
    return this.#reason;
  }

  set reason(reason) {
    this.#reason = reason;
    this.changed();
  }

  build() {
    render(this, html`
      <form class="sign-in" data-ref="form" novalidate>
        <h2>${t('signin.title')}</h2>
        <p class="muted" data-ref="note"></p>
        <label class="visually-hidden" for="sign-in-name">${t('signin.name')}</label>
        <input class="field" id="sign-in-name" name="name" data-ref="name" autocomplete="nickname" maxlength="${NAME_MAX}" placeholder="${t('signin.name')}" aria-describedby="sign-in-problem">
        <p class="field-error" id="sign-in-problem" role="alert" data-ref="problem"></p>
        <button class="button button-main button-dark" data-ref="go">${t('signin.go')}</button>
      </form>`);
    this.ref('form').addEventListener('submit', (event) => {
      event.preventDefault();
      void this.#submit();
    });
  }

  focusField() {
    this.ref('name').focus();
  }

  update() {
    setText(this.ref('note'), `${this.#reason === 'buy' ? `${t('signin.buy')} ` : ''}${t('signin.note')}`);
  }

  async #submit() {
    if (this.#isBusy) return;
    const name = /** @type {HTMLInputElement} */ (this.ref('name')).value.trim();
    const length = Array.from(name).length;
    if (length < 1 || length > NAME_MAX) {
      setText(this.ref('problem'), t('signin.bad_name'));
      this.focusField();
      return;
    }
    this.#isBusy = true;
    setText(this.ref('problem'), '');
    try {
      const { user } = await post('/api/guests', { name });
      this.emit('signed-in', { user });
    } catch (error) {
      const { status } = asApiError(error);
      setText(this.ref('problem'), t(status >= 400 && status < 429 ? 'signin.bad_name' : 'signin.failed'));
    } finally {
      this.#isBusy = false;
    }
  }
}

define('live-sign-in', LiveSignIn);
