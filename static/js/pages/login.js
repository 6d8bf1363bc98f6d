// @ts-check
/**
 * Staff sign-in: asks the server, then goes to where the person wanted to go.
 *
 * Invariant: it only ever leads to a path of this site.
 */
import { destinationOf } from '../logic/destination.js';
import { find, setText } from '../lib/element.js';
import { t } from '../lib/i18n.js';
import { asApiError, post } from '../net/api.js';

/** Told to people when the server does not say how long. */
const WAIT_MS = 30_000;

const form = /** @type {HTMLFormElement} */ (find('#login'));
let isBusy = false;

/** @param {unknown} thrown */
function problemOf(thrown) {
  const error = asApiError(thrown);
  if (error.code === 'bad_credentials') return t('login.bad_credentials');
  if (error.code === 'slow_down') return t('login.slow_down', { seconds: Math.ceil((error.retry_ms ?? WAIT_MS) / 1000) });
  return error.status >= 400 && error.status < 500 ? t('login.bad_credentials') : t('login.failed');
}

form.addEventListener('submit', async (event) => {
  event.preventDefault();
  if (isBusy) return;
  isBusy = true;
  setText(find('#login-problem'), '');
  const fields = new FormData(form);
  try {
    await post('/api/login', { login: String(fields.get('login') ?? '').trim(), password: String(fields.get('password') ?? '') });
    location.assign(destinationOf(new URLSearchParams(location.search).get('next'), location.origin));
  } catch (thrown) {
    setText(find('#login-problem'), problemOf(thrown));
    /** @type {HTMLInputElement} */ (find('#login-password')).select();
  } finally {
    isBusy = false;
  }
});

document.querySelector('#sign-out')?.addEventListener('click', async () => {
  await post('/api/logout').catch(() => {});
  location.reload();
});

find('#login-name').focus();
