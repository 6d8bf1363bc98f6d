// @ts-check
/**
 * Money, counts, durations and times as people read them, by Intl in the page's language.
 *
 * Invariant: money and stock are always exact; only counts of people and likes are shortened.
 */
import { language, locale, t } from './i18n.js';

const SECOND_MS = 1000;
/** Chinese counts are written in 万 from here on. */
const WAN = 10_000;

/** @type {Map<string, Intl.NumberFormat>} */
const moneyFormats = new Map();

/**
 * @param {string} currency
 * @param {boolean} exact
 * @returns {Intl.NumberFormat}
 */
function moneyFormat(currency, exact) {
  const name = `${locale()} ${currency} ${exact}`;
  let format = moneyFormats.get(name);
  if (!format) {
    format = new Intl.NumberFormat(locale(), /** @type {Intl.NumberFormatOptions} */ ({
      style: 'currency',
      currency,
      currencyDisplay: 'narrowSymbol',
      trailingZeroDisplay: exact ? 'auto' : 'stripIfInteger',
    }));
    moneyFormats.set(name, format);
  }
  return format;
}

/**
 * How many minor units make one unit of a currency (100 for CNY, 1 for JPY).
 * @param {string} currency ISO 4217
 * @returns {number}
 */
export function minorUnits(currency) {
  const digits = new Intl.NumberFormat('en', { style: 'currency', currency }).resolvedOptions().maximumFractionDigits ?? 2;
  return 10 ** digits;
}

/**
 * A price, ¥199 or ¥199.50.
 * @param {number} minor minor units
 * @param {string} currency ISO 4217
 * @returns {string}
 */
export function money(minor, currency) {
  return moneyFormat(currency, false).format(minor / minorUnits(currency));
}

/**
 * A price with all its digits, ¥199.00, for sums.
 * @param {number} minor minor units
 * @param {string} currency ISO 4217
 * @returns {string}
 */
export function moneyExact(minor, currency) {
  return moneyFormat(currency, true).format(minor / minorUnits(currency));
}

/**
 * An exact count, 19,204.
 * @param {number} count
 * @returns {string}
 */
export function number(count) {
  return new Intl.NumberFormat(locale()).format(count);
}

/**
 * A place in a line, 4th; the language's texts say how it is written.
 * @param {number} place counts from 1
 * @returns {string}
 */
export function ordinal(place) {
  const rule = new Intl.PluralRules(locale(), { type: 'ordinal' }).select(place);
  return t(`ordinal.${rule}`, { place: number(place) });
}

/**
 * A count of people or likes: 19,204 in English, 1.9 万 in Chinese from 10,000.
 * @param {number} count
 * @returns {string}
 */
export function people(count) {
  if (language() !== 'zh' || count < WAN) return number(count);
  return `${new Intl.NumberFormat(locale(), { maximumFractionDigits: 1 }).format(Math.floor(count / (WAN / 10)) / 10)} 万`;
}

/**
 * A duration as m:ss (h:mm:ss from an hour on), rounded up so that 0:00 means over.
 * @param {number} duration_ms
 * @returns {string}
 */
export function duration(duration_ms) {
  const total = Math.max(0, Math.ceil(duration_ms / SECOND_MS));
  const hours = Math.floor(total / 3600);
  const minutes = Math.floor(total / 60) % 60;
  const seconds = String(total % 60).padStart(2, '0');
  return hours > 0 ? `${hours}:${String(minutes).padStart(2, '0')}:${seconds}` : `${minutes}:${seconds}`;
}

/**
 * A time of day, 20:30; with seconds 20:30:00.
 * @param {number} at_ms Unix milliseconds
 * @returns {string}
 */
export function timeOfDay(at_ms) {
  return new Intl.DateTimeFormat(locale(), { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' }).format(at_ms);
}

/**
 * @param {number} at_ms Unix milliseconds
 * @returns {string} 20:30:38
 */
export function timeWithSeconds(at_ms) {
  return new Intl.DateTimeFormat(locale(), { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' }).format(at_ms);
}

/**
 * @param {number} at_ms Unix milliseconds
 * @returns {string} 20:30:38.214
 */
export function timeWithMillis(at_ms) {
  return `${timeWithSeconds(at_ms)}.${String(Math.floor(at_ms) % SECOND_MS).padStart(3, '0')}`;
}

/**
 * A day and time, "Mon 23 Nov, 19:30".
 * @param {number} at_ms Unix milliseconds
 * @returns {string}
 */
export function dayAndTime(at_ms) {
  return new Intl.DateTimeFormat(locale(), {
    weekday: 'short', day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit', hourCycle: 'h23',
  }).format(at_ms);
}

/**
 * A moment as short as it can be said: the time alone on the present day, else day and time.
 * @param {number} at_ms Unix milliseconds
 * @param {number} now_ms Unix milliseconds
 * @returns {string}
 */
export function moment(at_ms, now_ms) {
  const isToday = new Date(at_ms).toDateString() === new Date(now_ms).toDateString();
  return isToday ? timeOfDay(at_ms) : dayAndTime(at_ms);
}

/**
 * The letter of an avatar: the last sign of a Chinese name, else the first letter.
 * @param {string} name
 * @returns {string}
 */
export function initial(name) {
  const signs = Array.from(name.trim());
  const last = signs.at(-1) ?? '?';
  return /\p{Script=Han}/u.test(last) ? last : (signs[0] ?? '?').toUpperCase();
}

/**
 * The colour of a user's avatar, 0 to 5, the same everywhere.
 * @param {string} id user id
 * @returns {number}
 */
export function avatarIndex(id) {
  let hash = 0;
  for (const sign of id) hash = (hash * 31 + (sign.codePointAt(0) ?? 0)) >>> 0;
  return hash % 6;
}
