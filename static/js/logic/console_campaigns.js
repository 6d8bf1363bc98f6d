// @ts-check
/**
 * The form of a campaign price: texts of the fields to a request, or what is wrong with each field.
 *
 * Invariant: a price far below the list price, or below the host's floor, is accepted only when it was typed twice; the
 * present moment is an argument, and the server's clock decides.
 */
import { isDeepCut } from './console_flash.js';
import { parseCount, parsePrice } from './typed.js';

/** @typedef {{price: string, starts: string, hours: string, minutes: string, repeat: string}} CampaignFields `starts` is a local
 *   date and time (2026-11-23T19:30), empty for now */
/** @typedef {keyof CampaignFields} CampaignField */
/** @typedef {{list_minor: number, minor_units: number, floor_minor: number | null}} CampaignLimits `minor_units`: 100 for CNY */
/** @typedef {{price_minor: number, until_ms: number, from_ms?: number, floor_minor?: number, confirm_price_minor?: number}} CampaignWish
 *   `from_ms` is left out for now */
/** @typedef {{wish: CampaignWish | null, problems: Partial<Record<CampaignField, string>>, asksRepeat: boolean,
 *   belowFloor_minor: number | null}} CampaignReading the floor that the price is below, if it is */

const MINUTE_MS = 60_000;
const HOUR_MIN = 60;
/** The server takes a window of a year at most, that begins within one. */
export const HOURS_MAX = 8_760;
const AHEAD_MS_MAX = HOURS_MAX * HOUR_MIN * MINUTE_MS;

/**
 * When it begins: null for now, or what is wrong with the moment.
 * @param {string} text
 * @param {number} now_ms
 * @returns {number | null | 'starts' | 'starts_past' | 'starts_far'}
 */
function readStart(text, now_ms) {
  if (!text) return null;
  const from_ms = new Date(text).getTime();
  if (!Number.isFinite(from_ms)) return 'starts';
  if (from_ms <= now_ms) return 'starts_past';
  return from_ms - now_ms > AHEAD_MS_MAX ? 'starts_far' : from_ms;
}

/**
 * How long it holds, in minutes; null when that is no time, or too long.
 * @param {CampaignFields} fields an empty field is 0
 * @returns {number | null}
 */
function readMinutes({ hours, minutes }) {
  const [whole, rest] = [parseCount(hours.trim() || '0', 0, HOURS_MAX), parseCount(minutes.trim() || '0', 0, HOURS_MAX * HOUR_MIN)];
  if (whole === null || rest === null) return null;
  const lasts = whole * HOUR_MIN + rest;
  return lasts > 0 && lasts <= HOURS_MAX * HOUR_MIN ? lasts : null;
}

/**
 * Read the form. `problems` names each wrong field; `wish` is there only when none is wrong.
 * @param {CampaignFields} fields
 * @param {CampaignLimits} limits
 * @param {number} now_ms server time
 * @returns {CampaignReading}
 */
export function readCampaignForm(fields, { list_minor, minor_units, floor_minor }, now_ms) {
  /** @type {CampaignReading['problems']} */
  const problems = {};
  const price_minor = parsePrice(fields.price, minor_units);
  if (price_minor === null) problems.price = 'price';
  else if (price_minor >= list_minor) problems.price = 'not_lower';
  const start = readStart(fields.starts, now_ms);
  if (typeof start === 'string') problems.starts = start;
  const lasts = readMinutes(fields);
  if (lasts === null) problems.hours = 'lasts';
  const belowFloor_minor = price_minor !== null && floor_minor !== null && price_minor < floor_minor ? floor_minor : null;
  const asksRepeat = belowFloor_minor !== null || (price_minor !== null && isDeepCut(price_minor, list_minor));
  if (asksRepeat && parsePrice(fields.repeat, minor_units) !== price_minor) problems.repeat = 'repeat';
  if (price_minor === null || lasts === null || typeof start === 'string' || Object.keys(problems).length > 0) return { wish: null, problems, asksRepeat, belowFloor_minor };
  const wish = {
    // The page's clock has parts of a millisecond; the server's times are whole ones.
    price_minor, until_ms: Math.ceil(start ?? now_ms) + lasts * MINUTE_MS, ...(start === null ? {} : { from_ms: start }),
    ...(floor_minor === null ? {} : { floor_minor }), ...(asksRepeat ? { confirm_price_minor: price_minor } : {}),
  };
  return { wish, problems, asksRepeat, belowFloor_minor };
}

/**
 * What the form opens with: a tenth off in whole units, from now, for a day.
 * @param {CampaignLimits} limits
 * @returns {CampaignFields}
 */
export function suggestedCampaign({ list_minor, minor_units }) {
  const price = Math.max(1, Math.floor((list_minor * 0.9) / minor_units));
  return { price: String(price), starts: '', hours: '24', minutes: '0', repeat: '' };
}

/**
 * What sets a price again that was taken back: the rest of its window. It was confirmed when it was set.
 * @param {import('./campaign_prices.js').CampaignPrice} campaign
 * @param {number} now_ms server time
 * @returns {CampaignWish}
 */
export function againOf({ price_minor, from_ms, until_ms }, now_ms) {
  return { price_minor, until_ms, ...(from_ms > now_ms ? { from_ms } : {}), confirm_price_minor: price_minor };
}
