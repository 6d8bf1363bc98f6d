// @ts-check
/**
 * The refusals of the sale card: which kind it is, what can still happen, and one thing to do.
 *
 * Invariant: no refusal ends in "try again" alone, and none promises a system that does not exist.
 */
import { duration, money, number, timeOfDay, timeWithSeconds } from '../../lib/format.js';
import { t, titleOf } from '../../lib/i18n.js';
import { drawPhase } from '../../logic/draws.js';
import { drawRefusal } from './draw_view.js';
import { ruleView } from './rule_view.js';
import { enterButton, joinButton } from './selling_view.js';

/** @typedef {import('./card_view.js').CardFacts} CardFacts */
/** @typedef {import('./card_view.js').CardView} CardView */
/** @typedef {import('./card_view.js').MainButton} MainButton */
/** @typedef {import('../../logic/card_state.js').CardState} CardState */

/** From here on the page stops promising a quick answer. */
const LONG_DOUBT_ATTEMPTS = 5;

/**
 * @param {CardState} state
 * @param {CardFacts} facts
 * @returns {Partial<CardView>}
 */
export function refusalView(state, facts) {
  switch (state) {
    case 'refused-sold_out':
      return soldOut(facts);
    case 'refused-limit_reached':
      return limitReached(facts);
    case 'refused-ended':
      return { message: { title: t('card.ended_title'), note: endedNote(facts) }, ...afterSale(facts) };
    case 'refused-cancelled':
      return cancelled(facts);
    case 'refused-halted':
      return halted(facts);
    case 'refused-unknown_outcome':
      return unknownOutcome(facts);
    case 'gone':
      return { message: { title: t('card.gone_title'), note: t('card.gone_note') }, main: onceMore(facts) };
    case 'let-go':
      return { message: { title: t('card.let_go_title'), note: letGoNote(facts) }, main: onceMore(facts) };
    default:
      return other(facts);
  }
}

/**
 * What to offer when this item cannot be had: the next thing on sale, else the bag.
 * @param {CardFacts} facts
 * @returns {MainButton}
 */
export function elsewhere({ other: item }) {
  if (!item) return { act: 'see-bag', label: t('card.see_bag'), tone: 'grey' };
  const words = { no: item.no, title: titleOf(item), price: money(item.price_minor, item.currency) };
  return { act: 'see-other', label: t('card.see_other', words), tone: 'grey' };
}

/**
 * Where a unit went that was let go: to the line, where there is one.
 * @param {CardFacts} facts
 * @returns {string}
 */
function letGoNote({ offer, answer }) {
  const isPassedOn = (answer?.kind === 'let_go' && answer.isPassedOn) || (offer?.sale?.waiting?.[0] ?? 0) > 0;
  return t(isPassedOn ? 'card.passed_note' : 'card.let_go_note');
}

/**
 * What to do next about the same sale, as it stands now; before its draw that is never to buy.
 * @param {CardFacts} facts
 * @returns {MainButton}
 */
export function onceMore({ offer, entry, now_ms }) {
  const sale = offer?.sale;
  if (!sale || sale.state === 'ended' || sale.state === 'cancelled' || sale.state === 'halted') return { act: 'see-bag', label: t('card.see_bag'), tone: 'grey' };
  const phase = drawPhase(sale, now_ms);
  if (phase === 'enter' && !entry) return enterButton();
  if (phase === 'enter' || phase === 'drawing') return { act: 'see-bag', label: t('card.see_bag'), tone: 'grey' };
  if (sale.stock[0] === 0 && sale.stock[1] > 0) return joinButton(sale);
  if (sale.stock[0] === 0) return { act: 'buy', label: t('card.ask_again'), tone: 'white' };
  return { act: 'buy', label: t('card.buy_now', { price: money(sale.price_minor, sale.currency) }), tone: 'lime' };
}

/**
 * @param {CardFacts} facts
 * @returns {Partial<CardView>}
 */
function soldOut(facts) {
  const stock = facts.offer?.sale?.stock ?? [0, 0, 0];
  const count = stock[0] + stock[1] + stock[2];
  const wasWaiting = facts.answer?.kind === 'closed';
  const note = wasWaiting ? t('card.closed_sold_out') : facts.took_ms === null ? t('card.sold_out_none') : t('card.sold_out_note', { seconds: number(Math.max(1, Math.round(facts.took_ms / 1000))) });
  return { message: { title: t('card.sold_out_title', { count, total: number(count) }), note }, main: elsewhere(facts) };
}

/**
 * @param {CardFacts} facts
 * @returns {Partial<CardView>}
 */
function limitReached({ offer, answer }) {
  const per_buyer = offer?.sale?.per_buyer ?? 1;
  const at_ms = answer?.kind === 'refused' ? answer.detail?.reserved_at_ms : null;
  return {
    message: {
      title: per_buyer === 1 ? t('card.limit_title') : t('card.limit_title_many', { per_buyer }),
      note: at_ms ? t('card.limit_reserved', { time: timeWithSeconds(at_ms) }) : t('card.limit_bought'),
    },
    main: { act: 'see-orders', label: t('card.my_orders'), tone: 'grey' },
  };
}

/**
 * @param {CardFacts} facts
 * @returns {string}
 */
function endedNote({ offer, now_ms }) {
  const sale = offer?.sale;
  const words = { from: timeOfDay(sale?.opens_at_ms ?? now_ms), to: timeOfDay(sale?.ends_at_ms ?? now_ms) };
  if (sale?.draw && !sale.draw.seed) return t('draw.void');
  const regular = offer?.regular;
  if (!regular || regular === sale) return t('card.ended_note_alone', words);
  return t('card.ended_note', { ...words, price: money(regular.price_minor, regular.currency) });
}

/**
 * The item at its usual price, when it can be had at it.
 * @param {CardFacts} facts
 * @returns {Partial<CardView>}
 */
function afterSale(facts) {
  const regular = facts.offer?.regular;
  if (!regular || regular === facts.offer?.sale || regular.state === 'halted' || regular.stock[0] === 0) return { main: elsewhere(facts) };
  const price = money(regular.price_minor, regular.currency);
  return { price, struck: '', main: { act: 'buy-regular', label: t('card.buy_at', { price }), tone: 'grey' } };
}

/**
 * @param {CardFacts} facts
 * @returns {Partial<CardView>}
 */
function cancelled(facts) {
  const title = facts.reason ? t('card.cancelled_reason', { reason: facts.reason }) : t('card.cancelled_title');
  return { message: { title, note: t('card.cancelled_note') }, ...afterSale(facts) };
}

/**
 * Stopped for now, of any kind: the reason comes with the sale, or with the answer that was quicker.
 * @param {CardFacts} facts
 * @returns {Partial<CardView>}
 */
function halted(facts) {
  const { offer, answer } = facts;
  const reason = offer?.sale?.reason ?? (answer?.kind === 'refused' ? answer.detail?.reason : null);
  const title = reason ? t('card.cancelled_reason', { reason }) : t('card.cancelled_title');
  return { message: { title, note: t(offer?.sale?.draw && !offer.sale.draw.seed ? 'draw.halted_note' : 'card.halted_note') }, ...afterSale(facts) };
}

/**
 * @param {CardFacts} facts
 * @returns {Partial<CardView>}
 */
function unknownOutcome({ answer, now_ms }) {
  const attempt = answer?.kind === 'unknown' ? answer.attempt : 1;
  const retry_at_ms = answer?.kind === 'unknown' ? answer.retry_at_ms : null;
  const seconds = retry_at_ms === null ? 0 : Math.ceil((retry_at_ms - now_ms) / 1000);
  const words = { attempt, seconds };
  const short = seconds > 0 ? t('card.unknown_note', words) : t('card.unknown_now', words);
  const isLong = attempt > LONG_DOUBT_ATTEMPTS;
  return {
    message: { title: t('card.unknown_title'), note: isLong ? t('card.unknown_long') : short },
    main: isLong
      ? { act: 'see-orders', label: t('card.my_orders'), tone: 'grey' }
      : { act: 'none', label: t('card.unknown_button'), tone: 'amber' },
  };
}

/**
 * @param {CardFacts} facts
 * @returns {Partial<CardView>}
 */
function other(facts) {
  const answer = facts.answer;
  if (answer?.kind === 'refused' && answer.code === 'list_full') {
    const count = answer.detail?.waiting ?? facts.offer?.sale?.waiting?.[0] ?? 0;
    return { message: { title: t('card.list_full_title'), note: t('card.list_full_note', { count: number(count) }) }, main: elsewhere(facts) };
  }
  const drawn = drawRefusal(facts);
  if (drawn) return { main: onceMore(facts), ...drawn };
  const rule = ruleView(facts);
  if (rule) return { main: onceMore(facts), ...rule };
  const code = answer?.kind === 'refused' ? answer.code : 'unknown';
  const wait_ms = answer?.kind === 'refused' ? answer.detail?.retry_ms : null;
  const note = wait_ms ? t('card.not_open', { duration: duration(wait_ms) }) : t('card.refused_note', { code });
  return { message: { title: t('card.refused_title'), note }, main: onceMore(facts) };
}
