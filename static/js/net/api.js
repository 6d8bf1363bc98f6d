// @ts-check
/**
 * HTTP calls to our own server, with the error envelope made into one kind of error.
 *
 * Invariant: a call either resolves with the parsed body or rejects with an `ApiError`.
 */

/** A page never waits longer for one answer. */
const TIMEOUT_MS = 10_000;

export class ApiError extends Error {
  /**
   * @param {{status?: number, code: string, message?: string, retryable?: boolean, detail?: any, retry_ms?: number}} fields
   */
  constructor({ status = 0, code, message = '', retryable = false, detail = null, retry_ms = undefined }) {
    super(message || code);
    this.name = 'ApiError';
    this.status = status;
    this.code = code;
    this.retryable = retryable;
    this.detail = detail;
    this.retry_ms = retry_ms;
  }
}

/**
 * @param {unknown} error
 * @returns {ApiError}
 */
export function asApiError(error) {
  if (error instanceof ApiError) return error;
  return new ApiError({ code: 'network', message: String(error), retryable: true });
}

/**
 * A new idempotency key. One press intent has one key, whatever is retried.
 * @returns {string}
 */
export function newKey() {
  if (crypto.randomUUID) return crypto.randomUUID();
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/**
 * Call the server.
 * @param {string} method
 * @param {string} path
 * @param {{body?: unknown, key?: string, timeout_ms?: number}} [options] key: idempotency key
 * @returns {Promise<any>}
 */
export async function call(method, path, { body, key, timeout_ms = TIMEOUT_MS } = {}) {
  /** @type {Record<string, string>} */
  const headers = { Accept: 'application/json' };
  if (body !== undefined) headers['Content-Type'] = 'application/json';
  if (key) headers['Idempotency-Key'] = key;
  /** @type {Response} */
  let response;
  try {
    response = await fetch(path, {
      method,
      headers,
      credentials: 'same-origin',
      body: body === undefined ? null : JSON.stringify(body),
      signal: AbortSignal.timeout(timeout_ms),
    });
  } catch (error) {
    throw asApiError(error);
  }
  const parsed = await response.json().catch(() => null);
  if (response.ok) return parsed;
  const envelope = parsed?.error ?? {};
  throw new ApiError({
    status: response.status,
    code: envelope.code ?? (response.status >= 500 ? 'unavailable' : 'bad_answer'),
    message: envelope.message,
    retryable: envelope.retryable ?? response.status >= 500,
    detail: envelope.detail,
    retry_ms: envelope.retry_ms ?? envelope.detail?.retry_ms,
  });
}

/** @param {string} path */
export const get = (path) => call('GET', path);

/**
 * @param {string} path
 * @param {unknown} [body]
 * @param {string} [key] idempotency key
 */
export const post = (path, body = {}, key = newKey()) => call('POST', path, { body, key });

/**
 * @param {string} path
 * @param {string} [key] idempotency key
 */
export const remove = (path, key = newKey()) => call('DELETE', path, { key });

const INTENT_PREFIX = 'hubbub.intent.';

/**
 * The key of a press intent: stored before the first attempt, the same for every retry and after a reload.
 * @param {string} intent e.g. "reserve:SALE:1"
 * @returns {string}
 */
export function intentKey(intent) {
  const name = INTENT_PREFIX + intent;
  try {
    const stored = sessionStorage.getItem(name);
    if (stored) return stored;
    const key = newKey();
    sessionStorage.setItem(name, key);
    return key;
  } catch {
    return newKey();
  }
}

/**
 * The intent got its answer: the next press is a new one.
 * @param {string} intent
 */
export function settleIntent(intent) {
  try {
    sessionStorage.removeItem(INTENT_PREFIX + intent);
  } catch {
    // Without storage the key lived in memory alone, so there is nothing to forget.
  }
}
