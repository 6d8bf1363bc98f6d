// @ts-check
/**
 * The sale card while there is something to press: pinned, counting down, open, asking.
 *
 * Invariant: before the opening the button answers by itself, and nothing is sent.
 */
import { countdown } from '../../logic/countdown.js';
import { drawPhase } from '../../logic/draws.js';
import { duration, money, number, ordinal, timeOfDay, timeWithSeconds } from '../../lib/format.js';
import { t } from '../../lib/i18n.js';
import { rulesWords } from './rule_view.js';

/** @typedef {import('./card_view.js').CardFacts} CardFacts */
/** @typedef {import('./card_view.js').CardView} CardView */
/** @typedef {import('./card_view.js').MainButton} MainButton */

/** After this long the sweep's word is joined by the promise about one's place. */
const STILL_ASKING_MS = 2_000;
const MS_A_TENTH = 100;

/**
 * @param {CardFacts} facts
 * @returns {Partial<CardView>}
 */
export function pinnedView({ offer }) {
  const upcoming = offer?.upcoming;
  const sub = upcoming
    ? t('card.flash_at', { time: timeOfDay(upcoming.opens_at_ms ?? 0), price: money(upcoming.price_minor, upcoming.currency) })
    : t('card.left', { count: number(offer?.sale?.stock[0] ?? 0) });
  return { sub, main: { act: 'buy', label: t('card.buy'), tone: 'lime' } };
}

/**
 * A countdown as text, with tenths in its last three seconds.
 * @param {import('../../logic/countdown.js').Countdown} count
 * @returns {string}
 */
function countText({ left_ms, hasTenths }) {
  if (!hasTenths) return duration(left_ms);
  const tenths = Math.ceil(left_ms / MS_A_TENTH);
  return `0:0${Math.floor(tenths / 10)}.${tenths % 10}`;
}

/**
 * @param {CardFacts} facts
 * @param {boolean} isEarly the person has just pressed
 * @returns {Partial<CardView>}
 */
export function armedView({ offer, now_ms, plusMinus_ms, isClockCertain }, isEarly) {
  const sale = offer?.sale;
  if (!sale) return {};
  const opens_at_ms = sale.opens_at_ms ?? now_ms;
  const count = countdown(opens_at_ms, now_ms);
  const label = isEarly ? t('card.not_open', { duration: duration(count.left_ms) }) : t(sale.draw ? 'draw.opens' : 'card.opens', { time: timeWithSeconds(opens_at_ms) });
  const synced = plusMinus_ms === null ? t('card.syncing') : t('card.synced', { ms: plusMinus_ms });
  const total = sale.stock[0] + sale.stock[1] + sale.stock[2];
  const minutes = Math.max(1, Math.round((sale.hold_s ?? 300) / 60));
  return {
    time: countText(count),
    terms: [
      ...(sale.draw ? [t('draw.terms_armed', { seconds: Math.round((sale.draw.entry_closes_at_ms - opens_at_ms) / 1000) })] : []),
      sale.per_buyer === null
        ? t('card.terms_no_limit', { count: total, quantity: number(total), minutes })
        : t('card.terms', { count: total, quantity: number(total), minutes, per_buyer: sale.per_buyer }),
      ...rulesWords(sale.rules),
    ].join(' · '),
    note: isClockCertain ? synced : t(plusMinus_ms === null ? 'card.syncing' : 'card.clock_doubt'),
    main: { act: 'early', label, tone: 'armed', fill: count.fill },
  };
}

/**
 * @param {CardFacts} facts
 * @returns {Partial<CardView>}
 */
export function openView({ offer, now_ms }) {
  const sale = offer?.sale;
  if (!sale) return {};
  const hasEnd = sale.ends_at_ms !== null;
  return {
    time: hasEnd ? duration((sale.ends_at_ms ?? now_ms) - now_ms) : '',
    timeNote: hasEnd ? t('card.to_go') : '',
    stock: sale.stock,
    ...(sale.rules ? { terms: rulesWords(sale.rules).join(' · ') } : {}),
    main: { act: 'buy', label: t('card.buy_now', { price: money(sale.price_minor, sale.currency) }), tone: 'lime' },
  };
}

/**
 * @param {CardFacts} facts
 * @returns {Partial<CardView>}
 */
export function askingView({ offer, answer, now_ms }) {
  const isLong = answer !== null && now_ms - answer.at_ms > STILL_ASKING_MS;
  return {
    ...(offer?.sale?.kind === 'flash' ? { stock: offer.sale.stock } : {}),
    note: isLong ? t('card.still_asking') : '',
    main: { act: 'none', label: t(drawPhase(offer?.sale, now_ms) === 'enter' ? 'draw.asking' : 'card.asking'), tone: 'asking' },
  };
}

/** The way into a draw. @returns {MainButton} */
export function enterButton() {
  return { act: 'enter', label: t('draw.enter'), tone: 'lime' };
}

/**
 * The way into the line, with the place one would have.
 * @param {import('../../logic/room_state.js').Sale} sale
 * @returns {MainButton}
 */
export function joinButton(sale) {
  return { act: 'join', label: t('card.join', { place: ordinal((sale.waiting?.[0] ?? 0) + 1) }), tone: 'white' };
}
