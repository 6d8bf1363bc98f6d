// @ts-check
/**
 * The form that arms a flash sale: texts of the fields to a request, or what is wrong with each field.
 *
 * Invariant: a price far below the normal one, or below the host's floor, is accepted only when it was typed twice.
 */

import { parseCount, parsePrice } from './typed.js';

/** @typedef {import('./console_run.js').FlashPlan} FlashPlan */
/** @typedef {{price: string, quantity: string, per_buyer: string, countdown_s: string, duration_s: string, floor?: string, repeat?: string, fairness?: 'first_come' | 'draw', entry_s?: string, unlock_units?: string, unlock_price?: string, otherwise?: 'charge' | 'release'} & Partial<Record<RuleField, string>>} FlashFields */
/** @typedef {'present_s' | 'per_card' | 'drop_limit' | 'presses_per_user_s' | 'presses_per_address_s'} RuleField */
/** @typedef {'price' | 'floor' | 'quantity' | 'per_buyer' | 'countdown_s' | 'duration_s' | 'repeat' | 'entry_s' | 'unlock_units' | 'unlock_price' | RuleField} FlashField */
/** @typedef {{normal_minor: number, available: number, minor_units: number, floor_minor?: number | null}} FlashLimits minor_units: 100 for CNY; the
 *   floor is the one that the host set for this item before */

/** More than this part off asks for the price a second time: most misprices lose a digit. The server asks too. */
export const CUT_PERCENT_MAX = 40;
/** The server opens nothing further away than this. */
const COUNTDOWN_S_MAX = 3_600;
const DURATION_S_MIN = 1;
const DURATION_S_MAX = 86_400;
const PER_BUYER_MAX = 1_000;
/** How long people can enter a draw; entries close before the sale does. */
export const ENTRY_LIMITS = /** @type {const} */ ([5, 600]);
const ENTRY_S = 30;
/** What each rule of who may press can be; an empty field leaves it off. @type {Readonly<Record<RuleField, readonly [number, number]>>} */
export const RULE_LIMITS = {
  present_s: [1, 600],
  per_card: [1, 1_000],
  drop_limit: [1, 100],
  presses_per_user_s: [1, 100],
  presses_per_address_s: [1, 1_000],
};
export const RULE_FIELDS = /** @type {readonly RuleField[]} */ (Object.keys(RULE_LIMITS));
/**
 * The rules that are filled in; each that is out of its range is named in `problems`.
 * @param {Partial<Record<RuleField, string>>} fields
 * @param {Partial<Record<RuleField, string>>} problems
 * @returns {Partial<Record<RuleField, number>>}
 */
export function readRules(fields, problems) {
  /** @type {Partial<Record<RuleField, number>>} */
  const rules = {};
  for (const name of RULE_FIELDS) {
    const text = (fields[name] ?? '').trim();
    if (!text) continue;
    const value = parseCount(text, ...RULE_LIMITS[name]);
    if (value === null) problems[name] = 'rule';
    else rules[name] = value;
  }
  return rules;
}

/**
 * How the units of a sale are given out: nothing to say of first come, a window to enter of a draw.
 * @param {FlashFields} fields
 * @param {number | null} duration_s
 * @param {Partial<Record<FlashField, string>>} problems
 * @returns {Pick<FlashPlan, 'fairness' | 'entry_s'>}
 */
function readFairness({ fairness, entry_s: text }, duration_s, problems) {
  if (fairness !== 'draw') return {};
  const entry_s = parseCount(text ?? '', ...ENTRY_LIMITS);
  if (entry_s === null) problems.entry_s = 'entry';
  else if (duration_s !== null && entry_s >= duration_s) problems.entry_s = 'entry_long';
  return entry_s === null ? {} : { fairness, entry_s };
}

/**
 * The price that falls for everybody once enough units are promised; two empty fields set none.
 * @param {FlashFields} fields
 * @param {{price_minor: number | null, quantity: number | null, minor_units: number}} sale
 * @param {Partial<Record<FlashField, string>>} problems
 * @returns {FlashPlan['unlock'] | undefined}
 */
function readUnlock({ unlock_units = '', unlock_price = '', otherwise = 'charge', fairness }, { price_minor, quantity, minor_units }, problems) {
  if (fairness === 'draw' || (!unlock_units.trim() && !unlock_price.trim())) return undefined;
  const units = parseCount(unlock_units, 2, quantity ?? Infinity);
  const low_minor = parsePrice(unlock_price, minor_units);
  if (units === null) problems.unlock_units = 'unlock_units';
  if (low_minor === null) problems.unlock_price = 'price';
  else if (price_minor !== null && low_minor >= price_minor) problems.unlock_price = 'unlock_price';
  return units === null || low_minor === null ? undefined : { units, price_minor: low_minor, otherwise };
}

/**
 * Whether a price is so far down that it must be typed again.
 * @param {number} price_minor
 * @param {number} normal_minor
 * @returns {boolean}
 */
export function isDeepCut(price_minor, normal_minor) {
  return (normal_minor - price_minor) * 100 > normal_minor * CUT_PERCENT_MAX;
}

/**
 * The price that the host never wants to go below by mistake; an empty field sets none.
 * @param {FlashFields} fields
 * @param {number} minor_units
 * @param {Partial<Record<FlashField, string>>} problems
 * @returns {number | null}
 */
function readFloor({ floor = '' }, minor_units, problems) {
  if (!floor.trim()) return null;
  const floor_minor = parsePrice(floor, minor_units);
  if (floor_minor === null) problems.floor = 'price';
  return floor_minor;
}

/**
 * The lowest price that anybody may come to pay. @param {Pick<FlashPlan, 'price_minor' | 'unlock'>} plan
 */
export function lowestOf({ price_minor, unlock }) {
  return unlock?.price_minor ?? price_minor;
}

/**
 * Read the form. `problems` names each wrong field; `plan` is there only when none is wrong.
 * @param {FlashFields} fields
 * @param {FlashLimits} limits
 * @returns {{plan: FlashPlan | null, problems: Partial<Record<FlashField, string>>, asksRepeat: boolean, belowFloor_minor: number | null}} the floor
 *   that the price is below, if it is
 */
export function readFlashForm(fields, { normal_minor, available, minor_units }) {
  /** @type {Partial<Record<FlashField, string>>} */
  const problems = {};
  const price_minor = parsePrice(fields.price, minor_units);
  const quantity = parseCount(fields.quantity, 1, available);
  const per_buyer = parseCount(fields.per_buyer, 1, PER_BUYER_MAX);
  const countdown_s = parseCount(fields.countdown_s, 0, COUNTDOWN_S_MAX);
  const duration_s = parseCount(fields.duration_s, DURATION_S_MIN, DURATION_S_MAX);
  if (price_minor === null) problems.price = 'price';
  else if (price_minor > normal_minor || (price_minor === normal_minor && !fields.unlock_price?.trim())) problems.price = 'not_lower';
  if (quantity === null) problems.quantity = 'quantity';
  if (per_buyer === null) problems.per_buyer = 'per_buyer';
  if (countdown_s === null) problems.countdown_s = 'countdown';
  if (duration_s === null) problems.duration_s = 'duration';
  const rules = readRules(fields, problems);
  const fairness = readFairness(fields, duration_s, problems);
  const floor_minor = readFloor(fields, minor_units, problems);
  const unlock = readUnlock(fields, { price_minor, quantity, minor_units }, problems);
  const low_minor = unlock?.price_minor ?? price_minor;
  const belowFloor_minor = low_minor !== null && floor_minor !== null && low_minor < floor_minor ? floor_minor : null;
  const asksRepeat = belowFloor_minor !== null || (low_minor !== null && isDeepCut(low_minor, normal_minor));
  if (asksRepeat && parsePrice(fields.repeat ?? '', minor_units) !== low_minor) problems.repeat = 'repeat';
  if (price_minor === null || quantity === null || per_buyer === null || countdown_s === null || duration_s === null || Object.keys(problems).length > 0) {
    return { plan: null, problems, asksRepeat, belowFloor_minor };
  }
  const more = { ...fairness, ...(floor_minor === null ? {} : { floor_minor }), ...(unlock ? { unlock } : {}), ...(asksRepeat && low_minor !== null ? { confirm_price_minor: low_minor } : {}), ...(Object.keys(rules).length > 0 ? { rules } : {}) };
  return { plan: { price_minor, quantity, per_buyer, countdown_s, duration_s, ...more }, problems, asksRepeat, belowFloor_minor };
}

/**
 * What the form opens with: a fifth off in whole units, half of what is there, one each, half a minute, three minutes, first come.
 * @param {FlashLimits} limits
 * @returns {FlashFields}
 */
export function suggestedFields({ normal_minor, available, minor_units, floor_minor = null }) {
  const price = Math.max(1, Math.floor((normal_minor * 0.8) / minor_units));
  return {
    price: String(price),
    quantity: String(Math.max(1, Math.min(100, Math.floor(available / 2)))),
    per_buyer: '1',
    countdown_s: '30',
    duration_s: '180',
    floor: floor_minor === null ? '' : String(floor_minor / minor_units),
    repeat: '',
    fairness: 'first_come',
    entry_s: String(ENTRY_S),
  };
}
