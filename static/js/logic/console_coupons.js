// @ts-check
/**
 * What a host may add to a drop of coupons: for how long a claim is good, what is taken off in all, who claims how fast.
 *
 * Invariant: a field that is empty asks for nothing, so that the server's usual terms hold.
 */
import { parseCount, parsePrice } from './typed.js';

/** @typedef {'valid_h' | 'budget' | 'max' | 'per_person' | 'min_age_min' | 'claims_per_address_s'} LimitField */
/** @typedef {{valid_s?: number, budget_minor?: number, max_minor?: number, per_person?: number, min_age_s?: number,
 *   claims_per_address_s?: number}} DropLimits the last two are the drop's, the others the coupon's */

const HOUR_S = 3_600;
const MINUTE_S = 60;
/** In the order of the form. @type {readonly LimitField[]} */
export const LIMIT_FIELDS = ['valid_h', 'budget', 'max', 'per_person', 'min_age_min', 'claims_per_address_s'];

/**
 * The limits of a form, or which fields are wrong; only a percentage has a highest amount.
 * @param {Record<LimitField, string>} fields
 * @param {number} minor_units
 * @param {boolean} isPercent
 * @returns {{limits: DropLimits, wrong: LimitField[]}}
 */
export function readDropLimits(fields, minor_units, isPercent) {
  const count = (/** @type {number} */ lowest, /** @type {number} */ highest, unit = 1) => (/** @type {string} */ text) => {
    const value = parseCount(text, lowest, highest);
    return value === null ? null : value * unit;
  };
  const price = (/** @type {string} */ text) => parsePrice(text, minor_units);
  /** @type {Record<LimitField, [keyof DropLimits, (text: string) => number | null]>} */
  const readers = {
    valid_h: ['valid_s', count(1, 366 * 24, HOUR_S)],
    budget: ['budget_minor', price],
    max: ['max_minor', (text) => (isPercent ? price(text) : null)],
    per_person: ['per_person', count(1, 100)],
    min_age_min: ['min_age_s', count(0, 30 * 24 * 60, MINUTE_S)],
    claims_per_address_s: ['claims_per_address_s', count(1, 1_000)],
  };
  /** @type {DropLimits} */
  const limits = {};
  /** @type {LimitField[]} */
  const wrong = [];
  for (const name of LIMIT_FIELDS) {
    if (fields[name].trim() === '') continue;
    const [term, read] = readers[name];
    const value = read(fields[name]);
    if (value === null) wrong.push(name);
    else limits[term] = value;
  }
  return { limits, wrong };
}
