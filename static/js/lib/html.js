// @ts-check
/**
 * Safe HTML from template literals: every value is escaped unless it is itself the result of `html`.
 *
 * Invariant: no text that came from outside reaches the page unescaped.
 */

/** Markup that is known to be safe. Only `html` makes it. */
export class Html {
  /** @param {string} markup */
  constructor(markup) {
    /** @readonly */
    this.markup = markup;
  }

  toString() {
    return this.markup;
  }
}

/** @type {Record<string, string>} */
const ESCAPES = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

/**
 * Escape a text for element content and quoted attributes.
 * @param {string} text
 * @returns {string}
 */
export function escapeHtml(text) {
  return text.replace(/[&<>"']/g, (sign) => ESCAPES[sign] ?? '');
}

/**
 * @param {unknown} value
 * @returns {string}
 */
function toMarkup(value) {
  if (value instanceof Html) return value.markup;
  if (Array.isArray(value)) return value.map(toMarkup).join('');
  if (value === null || value === undefined || value === false) return '';
  return escapeHtml(String(value));
}

/**
 * Build markup; null, undefined and false show nothing, arrays are joined.
 * @param {TemplateStringsArray} strings
 * @param {...unknown} values
 * @returns {Html}
 */
export function html(strings, ...values) {
  let markup = strings[0] ?? '';
  values.forEach((value, index) => {
    markup += toMarkup(value) + (strings[index + 1] ?? '');
  });
  return new Html(markup);
}

/**
 * Replace the content of an element.
 * @param {Element} element
 * @param {Html} content
 */
export function render(element, content) {
  element.innerHTML = content.markup;
}

/**
 * Make one element from markup that has exactly one root.
 * @param {Html} content
 * @returns {HTMLElement}
 */
export function create(content) {
  const template = document.createElement('template');
  template.innerHTML = content.markup.trim();
  return /** @type {HTMLElement} */ (template.content.firstElementChild);
}

/**
 * An icon of the sprite; decorative, so its button carries the name.
 * @param {string} name as in `/static/img/icons.svg`, without the `i-`
 * @returns {Html}
 */
export function icon(name) {
  return html`<svg class="icon" viewBox="0 0 24 24" aria-hidden="true"><use href="/static/img/icons.svg#i-${name}"></use></svg>`;
}
