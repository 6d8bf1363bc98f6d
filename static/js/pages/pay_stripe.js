// @ts-check
/**
 * Pay an order by Stripe: Stripe's form is mounted here and confirms with Stripe itself.
 *
 * Invariant: whether the order is paid is told by the order's page, never here; a declined card leaves the form open.
 */
import { find, setText } from '../lib/element.js';
import { money } from '../lib/format.js';
import { loadTexts, t } from '../lib/i18n.js';

/** @typedef {{mount: (place: string) => void, on: (event: string, act: () => void) => void}} PaymentElement */
/** @typedef {{create: (kind: 'payment') => PaymentElement}} Elements */
/** @typedef {{elements: (options: {clientSecret: string, locale: string}) => Elements,
 *   confirmPayment: (options: {elements: Elements, redirect: 'if_required', confirmParams: {return_url: string}}) =>
 *   Promise<{error?: {message?: string}}>}} StripeJs */

const main = find('#main');
const problem = find('#problem');
const button = /** @type {HTMLButtonElement} */ (find('#pay-now'));
const { secret = '', key = '', back = '/orders', amount = '0', currency = '' } = main.dataset;

/** @param {string} text */
function complain(text) {
  setText(problem, text);
  problem.hidden = !text;
}

/** @param {StripeJs} stripe */
function offer(stripe) {
  const elements = stripe.elements({ clientSecret: secret, locale: document.documentElement.dataset['lang'] ?? 'auto' });
  const form = elements.create('payment');
  form.on('ready', () => {
    button.disabled = false;
  });
  form.mount('#card');
  find('#pay').addEventListener('submit', (event) => {
    event.preventDefault();
    void pay(stripe, elements);
  });
}

/**
 * @param {StripeJs} stripe
 * @param {Elements} elements
 */
async function pay(stripe, elements) {
  button.disabled = true;
  complain('');
  try {
    const return_url = new URL(back, location.href).href;
    const { error } = await stripe.confirmPayment({ elements, redirect: 'if_required', confirmParams: { return_url } });
    if (!error) {
      location.assign(back);
      return;
    }
    complain(error.message || t('pay.declined'));
  } catch {
    complain(t('pay.unknown'));
  }
  button.disabled = false;
}

await loadTexts();
setText(button, t('orders.pay', { price: money(Number(amount), currency) }));
const open = /** @type {{Stripe?: (key: string) => StripeJs}} */ (/** @type {unknown} */ (window)).Stripe;
if (open) offer(open(key));
else complain(t('pay.away'));
