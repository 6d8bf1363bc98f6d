// @ts-check
/** Node's `test` for Chromium: collects tests, and runs them one after the other when asked. */

/** @typedef {{name: string, body: () => void | Promise<void>}} Case */

/** @type {Case[]} */
const cases = [];
/** @type {string[]} */
const path = [];

/**
 * @param {string} name
 * @param {() => void | Promise<void>} body
 */
export default function test(name, body) {
  cases.push({ name: [...path, name].join(' > '), body });
}

/**
 * @param {string} name
 * @param {() => void} body
 */
export function describe(name, body) {
  path.push(name);
  body();
  path.pop();
}

export { test, test as it };

/**
 * Run what was collected.
 * @returns {Promise<{name: string, failure: string | null}[]>}
 */
export async function runAll() {
  const results = [];
  for (const { name, body } of cases) {
    try {
      await body();
      results.push({ name, failure: null });
    } catch (error) {
      results.push({ name, failure: error instanceof Error ? `${error.message}\n${error.stack}` : String(error) });
    }
  }
  return results;
}
