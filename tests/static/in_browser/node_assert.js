// @ts-check
/** The strict assertions of Node that the tests use, for Chromium. */

/** @param {unknown} value */
const show = (value) => JSON.stringify(value, (_, part) => (part === undefined ? 'undefined' : part instanceof Set || part instanceof Map ? [...part] : part));

/**
 * @param {any} a
 * @param {any} b
 * @returns {boolean}
 */
function isSame(a, b) {
  if (Object.is(a, b)) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (Object.getPrototypeOf(a) !== Object.getPrototypeOf(b)) return false;
  if (a instanceof Set || a instanceof Map) return isSame([...a], [...b]);
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && isSame(a[key], b[key]));
}

/**
 * @param {unknown} holds
 * @param {string | undefined} message
 * @param {string} otherwise
 */
function claim(holds, message, otherwise) {
  if (!holds) throw new Error(message ? `${message}: ${otherwise}` : otherwise);
}

/** @param {unknown} error @param {unknown} expected */
function fits(error, expected) {
  if (expected === undefined) return true;
  if (expected instanceof RegExp) return expected.test(String(error));
  if (typeof expected === 'function') return error instanceof expected;
  return Object.entries(/** @type {object} */ (expected)).every(([key, value]) => isSame(/** @type {any} */ (error)[key], value));
}

/** @param {unknown} value @param {string} [message] */
function assert(value, message) {
  claim(value, message, `${show(value)} is not true`);
}

assert.ok = assert;
/** @param {unknown} actual @param {unknown} expected @param {string} [message] */
assert.equal = (actual, expected, message) => claim(Object.is(actual, expected), message, `${show(actual)} is not ${show(expected)}`);
/** @param {unknown} actual @param {unknown} expected @param {string} [message] */
assert.notEqual = (actual, expected, message) => claim(!Object.is(actual, expected), message, `${show(actual)} is the same`);
/** @param {unknown} actual @param {unknown} expected @param {string} [message] */
assert.deepEqual = (actual, expected, message) => claim(isSame(actual, expected), message, `${show(actual)} is not ${show(expected)}`);
/** @param {unknown} actual @param {unknown} expected @param {string} [message] */
assert.notDeepEqual = (actual, expected, message) => claim(!isSame(actual, expected), message, `${show(actual)} is the same`);
/** @param {string} actual @param {RegExp} expected @param {string} [message] */
assert.match = (actual, expected, message) => claim(expected.test(actual), message, `${show(actual)} does not match ${expected}`);
/** @param {() => unknown} body @param {unknown} [expected] @param {string} [message] */
assert.throws = (body, expected, message) => {
  try {
    body();
  } catch (error) {
    claim(fits(error, expected), message, `it threw ${error}`);
    return;
  }
  claim(false, message, 'it did not throw');
};
/** @param {Promise<unknown> | (() => Promise<unknown>)} body @param {unknown} [expected] @param {string} [message] */
assert.rejects = async (body, expected, message) => {
  try {
    await (typeof body === 'function' ? body() : body);
  } catch (error) {
    claim(fits(error, expected), message, `it rejected with ${error}`);
    return;
  }
  claim(false, message, 'it did not reject');
};

export default assert;
