// @ts-check
/**
 * Small choices kept in this browser.
 *
 * Invariant: without storage (private mode, full disk) nothing breaks; a choice then lasts until the page is left.
 */

/**
 * @template T
 * @param {string} name
 * @param {T} otherwise
 * @returns {T}
 */
export function stored(name, otherwise) {
  try {
    return JSON.parse(localStorage.getItem(name) ?? 'null') ?? otherwise;
  } catch {
    return otherwise;
  }
}

/**
 * @param {string} name
 * @param {unknown} value
 */
export function store(name, value) {
  try {
    localStorage.setItem(name, JSON.stringify(value));
  } catch {
    // It lasts until the page is left.
  }
}
