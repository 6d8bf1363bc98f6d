// @ts-check
/**
 * The sale card of a sale that is drawn: enter, be in, wait for the draw, and how it went.
 *
 * Invariant: nothing can be bought here before the draw, and a rank is only shown as the server told it.
 */
import { drawPhase } from '../../logic/draws.js';
import { duration, number, ordinal, timeOfDay } from '../../lib/format.js';
import { t } from '../../lib/i18n.js';
import { elsewhere, onceMore } from './refusal_view.js';
import { enterButton } from './selling_view.js';

/** @typedef {import('./card_view.js').CardFacts} CardFacts */
/** @typedef {import('./card_view.js').CardView} CardView */
/** @typedef {import('../../logic/card_state.js').CardState} CardState */

/**
 * One's place in the order drawn, in words.
 * @param {{rank: number | null, of: number | null}} entry
 * @returns {string}
 */
export function placeWords({ rank, of }) {
  return t('draw.place', { rank: number(rank ?? 0), of: number(of ?? 0) });
}

/**
 * @param {CardState} state
 * @param {CardFacts} facts
 * @returns {Partial<CardView>}
 */
export function drawView(state, facts) {
  const sale = facts.offer?.sale;
  if (!sale?.draw) return {};
  const { entry_closes_at_ms, entries = 0 } = sale.draw;
  const count = t('draw.entries', { count: entries, total: number(entries) });
  const bag = /** @type {const} */ ({ act: 'see-bag', label: t('card.see_bag'), tone: 'grey' });
  const window = { time: duration(entry_closes_at_ms - facts.now_ms), timeNote: t('draw.to_enter') };
  switch (state) {
    case 'enter':
      return { ...window, stock: sale.stock, terms: t('draw.terms', { time: timeOfDay(entry_closes_at_ms) }), note: count, main: enterButton() };
    case 'entered':
      return {
        ...window, main: bag, letGo: t('draw.take_back'), letGoAct: 'take-back',
        message: { title: t('draw.in_title', { time: timeOfDay(entry_closes_at_ms) }), note: count },
      };
    case 'drawing':
      return { message: { title: t('draw.drawing'), note: t(facts.entry ? 'draw.drawing_in' : 'draw.drawing_note') }, note: count, main: bag };
    default:
      return lostView(facts);
  }
}

/**
 * @param {CardFacts} facts
 * @returns {Partial<CardView>}
 */
function lostView(facts) {
  const { offer, entry } = facts;
  if (!offer?.sale || !entry) return {};
  const [available, held] = offer.sale.stock;
  const isOut = available === 0 && held === 0;
  const note = entry.waiting === null ? t('draw.lost_note') : t('draw.lost_line', { place: ordinal(entry.waiting) });
  return {
    message: { title: placeWords(entry), note },
    stock: offer.sale.stock,
    main: isOut || entry.waiting !== null ? elsewhere(facts) : onceMore(facts),
  };
}

/**
 * What a draw adds to any state of its sale's card: one's place, and the way to check it.
 * @param {CardState} state
 * @param {CardFacts} facts
 * @returns {Partial<CardView>}
 */
export function drawnParts(state, facts) {
  const { offer, entry, waiting, now_ms } = facts;
  if (drawPhase(offer?.sale, now_ms) !== 'drawn') return {};
  const how = { how: t('draw.how') };
  if (!entry || entry.rank === null) return how;
  if (state === 'held' || state === 'last' || state === 'paying') return entry.state === 'won' ? { ...how, note: t('draw.won', { rank: number(entry.rank), of: number(entry.of ?? 0) }) } : how;
  if (state !== 'waiting' || entry.state !== 'lost') return how;
  const note = waiting?.place ? t('draw.lost_line', { place: ordinal(waiting.place) }) : t('card.waiting_title_none');
  return { ...how, message: { title: placeWords(entry), note } };
}

/**
 * What a refusal of a draw says; null when it is of another kind.
 * @param {CardFacts} facts
 * @returns {Partial<CardView> | null}
 */
export function drawRefusal({ offer, answer, now_ms }) {
  const sale = offer?.sale;
  if (answer?.kind !== 'refused' || !sale) return null;
  const time = timeOfDay(sale.draw?.entry_closes_at_ms ?? now_ms + (answer.detail?.entry_closes_in_ms ?? 0));
  switch (answer.code) {
    case 'draw_only':
      return { message: { title: t('draw.only_title'), note: t('draw.only_note', { time }) } };
    case 'entries_closed':
      return { message: { title: t('draw.closed_title'), note: t('draw.closed_note') } };
    case 'already_entered':
      return { message: { title: t('draw.already_title'), note: t('draw.already_note', { time }) } };
    case 'not_a_draw':
      return { message: { title: t('draw.not_title'), note: t('draw.not_note') } };
    default:
      return null;
  }
}
