// @ts-check
/**
 * Texts of the page's language, from `/static/i18n/{lang}.json`.
 *
 * Invariant: a missing key shows itself, so that a gap is seen and a page never breaks on it.
 */

/** @type {Record<string, string>} */
let texts = {};
let current = 'en';
let isLoaded = false;

/**
 * Take over texts directly (tests, or a page that has them already).
 * @param {string} lang "en" or "zh"
 * @param {Record<string, string>} entries
 */
export function setTexts(lang, entries) {
  current = lang;
  texts = entries;
  isLoaded = true;
}

/**
 * Load the texts of a language; without one, of the page (`<html data-lang>`).
 * @param {string} [lang]
 * @returns {Promise<void>}
 */
export async function loadTexts(lang) {
  const wanted = lang ?? document.documentElement.dataset['lang'] ?? 'en';
  if (isLoaded && wanted === current) return;
  const response = await fetch(`/static/i18n/${wanted}.json`);
  if (!response.ok) throw new Error(`texts of ${wanted}: ${response.status}`);
  setTexts(wanted, await response.json());
}

/**
 * The language in use: "en" or "zh".
 * @returns {string}
 */
export function language() {
  return current;
}

/**
 * The language tag for Intl and `lang` attributes.
 * @returns {string}
 */
export function locale() {
  return current === 'zh' ? 'zh-Hans-CN' : 'en';
}

/**
 * @param {string} key
 * @returns {boolean}
 */
export function hasText(key) {
  return key in texts;
}

/**
 * A text with its `{name}` places filled. With `count` = 1 the key's `.one` form is used where there is one.
 * @param {string} key
 * @param {Record<string, string | number>} [values]
 * @returns {string}
 */
export function t(key, values = {}) {
  const single = current === 'en' && Number(values['count']) === 1 ? texts[`${key}.one`] : undefined;
  const text = single ?? texts[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (place, name) => String(values[name] ?? place));
}

/**
 * Of a thing with a title in two languages, the one for this page.
 * @param {{title?: string, title_zh?: string | null} | null | undefined} thing
 * @returns {string}
 */
export function titleOf(thing) {
  if (!thing) return '';
  return (current === 'zh' && thing.title_zh) || thing.title || '';
}

// A page of ours says its language: whatever imports this module starts with the texts in place.
if (document.documentElement.dataset['lang']) await loadTexts();
