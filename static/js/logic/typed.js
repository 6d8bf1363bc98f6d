// @ts-check
/**
 * Prices and counts as people type them.
 */

/** Above every price the shop can hold; keeps the arithmetic exact. */
const PRICE_MINOR_MAX = 1_000_000_000;

/**
 * A price as typed to minor units; null when it is not a price.
 * @param {string} text "199", "199.5", "199,50"
 * @param {number} minor_units minor units in one unit
 * @returns {number | null}
 */
export function parsePrice(text, minor_units) {
  const clean = text.trim().replace(/^\p{Sc}\s*/u, '').replace(',', '.');
  const digits = Math.round(Math.log10(minor_units));
  if (!new RegExp(`^\\d{1,9}(\\.\\d{0,${digits}})?$`).test(clean)) return null;
  const minor = Math.round(Number(clean) * minor_units);
  return minor > 0 && minor <= PRICE_MINOR_MAX ? minor : null;
}

/**
 * @param {string} text
 * @param {number} low
 * @param {number} high
 * @returns {number | null}
 */
export function parseCount(text, low, high) {
  if (!/^\d{1,9}$/.test(text.trim())) return null;
  const count = Number(text.trim());
  return count >= low && count <= high ? count : null;
}
