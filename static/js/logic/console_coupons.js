// @ts-check
/**
 * What a host's form of a drop asks for, and what may be added: for how long a claim is good, what is taken off in all, who claims how fast.
 *
 * Invariant: a limit that is empty asks for nothing, so that the server's usual terms hold.
 */
import { parseCount, parsePrice } from './typed.js';

/** @typedef {'valid_h' | 'budget' | 'max' | 'per_person' | 'min_age_min' | 'claims_per_address_s'} LimitField */
/** @typedef {{valid_s?: number, budget_minor?: number, max_minor?: number, per_person?: number, min_age_s?: number,
 *   claims_per_address_s?: number}} DropLimits the last two are the drop's, the others the coupon's */
/** @typedef {{off: string, threshold: string, quantity: string, countdown_s: string, duration_s: string, per_card: string, every: boolean,
 *   where: DropScope}} DropFields `per_card` empty: no limit */
/** @typedef {'room' | 'shop' | 'item'} DropScope everything in this room, everything in the shop, or one item in every room */
/** @typedef {{amount_minor: number, percent: number, threshold_minor: number, quantity: number, countdown_s: number,
 *   duration_s: number, sources: string[], per_card?: number, scope?: 'shop', skus?: string[]} & DropLimits} DropWish */

const EVERY_SOURCE = ['list', 'campaign', 'flash', 'group'];
const PLAIN_SOURCES = ['list', 'campaign'];
/** What a host usually drops. @type {DropFields} */
export const USUAL = { off: '30', threshold: '0', quantity: '100', countdown_s: '10', duration_s: '300', per_card: '', every: false, where: 'room' };
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

/**
 * What a form asks for, or the fields that are wrong. `off` is an amount, or a percentage with its sign.
 * @param {DropFields} fields
 * @param {number} minor_units
 * @param {string | null} [sku] of the item that *only this* means
 * @returns {{wish: DropWish | null, wrong: string[]}}
 */
export function readDropForm(fields, minor_units, sku = null) {
  const off = fields.off.trim();
  const isPercent = /[%％]$/.test(off);
  const percent = isPercent ? parseCount(off.slice(0, -1), 1, 99) : 0;
  const amount_minor = isPercent ? 0 : parsePrice(off, minor_units);
  const threshold_minor = /^0*$/.test(fields.threshold.trim()) ? 0 : parsePrice(fields.threshold, minor_units);
  const quantity = parseCount(fields.quantity, 1, 1_000_000);
  const countdown_s = parseCount(fields.countdown_s, 0, 3_600);
  const duration_s = parseCount(fields.duration_s, 1, 86_400);
  const isLimited = fields.per_card.trim() !== '';
  const per_card = isLimited ? parseCount(fields.per_card, 1, 1_000) : 0;
  const wrong = [];
  if (percent === null || amount_minor === null || (!isPercent && amount_minor === 0)) wrong.push('off');
  if (threshold_minor === null) wrong.push('threshold');
  if (quantity === null) wrong.push('quantity');
  if (countdown_s === null) wrong.push('countdown_s');
  if (duration_s === null) wrong.push('duration_s');
  if (per_card === null) wrong.push('per_card');
  if (percent === null || amount_minor === null || threshold_minor === null || quantity === null || countdown_s === null || duration_s === null || per_card === null || wrong.length > 0) return { wish: null, wrong };
  const limits = { ...(isLimited ? { per_card } : {}), ...scopeOf(fields.where, sku) };
  return { wish: { amount_minor, percent, threshold_minor, quantity, countdown_s, duration_s, sources: fields.every ? EVERY_SOURCE : PLAIN_SOURCES, ...limits }, wrong };
}

/**
 * Where and of what a coupon takes off, as the server is asked; in this room alone is not said.
 * @param {DropScope} where
 * @param {string | null} sku
 * @returns {{scope?: 'shop', skus?: string[]}}
 */
function scopeOf(where, sku) {
  if (where === 'room') return {};
  return where === 'item' && sku !== null ? { scope: 'shop', skus: [sku] } : { scope: 'shop' };
}
