// @ts-check
/**
 * What the sale card shows in each of its states, in the page's words.
 *
 * Invariant: every refusal has a title, what can still happen, and one thing to do.
 */
import { decideCard } from '../../logic/card_state.js';
import { holdLeft } from '../../logic/countdown.js';
import { duration, money, timeOfDay } from '../../lib/format.js';
import { t, titleOf } from '../../lib/i18n.js';
import { drawnParts, drawView } from './draw_view.js';
import { refusalView } from './refusal_view.js';
import { armedView, askingView, openView, pinnedView } from './selling_view.js';
import { unlockWords } from './unlock_words.js';
import { cameBackNote, heldOut, offeredView, waitingView } from './waiting_view.js';

/** @typedef {import('../../logic/card_state.js').CardState} CardState */
/** @typedef {import('../../logic/card_state.js').Offer} Offer */
/** @typedef {import('../../logic/card_state.js').Hold} Hold */
/** @typedef {import('../../logic/card_state.js').Answer} Answer */
/** @typedef {import('../../logic/room_state.js').Stock} Stock */
/** @typedef {import('../../logic/room_state.js').BagItem} BagItem */
/** @typedef {{offer: Offer | null, show: 'scheduled' | 'live' | 'ended' | null, starts_at_ms: number | null, hold: Hold | null,
 *   answer: Answer | null, bought: number, took_ms: number | null, reason: string | null, other: BagItem | null,
 *   isClockCertain: boolean, plusMinus_ms: number | null, now_ms: number, waiting?: import('../../logic/waiting_list.js').Entry | null,
 *   entry?: import('../../logic/draws.js').OwnEntry | null, hasCameBack?: boolean}} CardFacts `waiting`: one's own place in the sale's line; `entry`: one's own in its draw; `hasCameBack`: a unit has just gone to the next in line */
/** @typedef {'buy' | 'early' | 'pay' | 'go-on-paying' | 'let-go' | 'join' | 'leave' | 'enter' | 'take-back' | 'see-draw' | 'buy-regular' | 'see-other' | 'see-bag' | 'see-orders' | 'none'} CardAct */
/** @typedef {{act: CardAct, label: string, tone: 'lime' | 'white' | 'grey' | 'armed' | 'asking' | 'amber', fill?: number}} MainButton */
/** @typedef {{state: CardState, title: string, sub?: string, price?: string, struck?: string, struckDays?: number | null, message?: {title: string, note: string},
 *   time?: string, timeNote?: string, stock?: Stock, terms?: string, note?: string, ring?: {left_ms: number, part: number, isLast: boolean},
 *   main?: MainButton, letGo?: string, how?: string,
 *   unlock?: ReturnType<typeof unlockWords>, letGoAct?: CardAct}} CardView `letGo` is the second button; its act is let-go where none is named; `how` leads to how the sale was drawn */

/**
 * @param {CardFacts} facts
 * @returns {CardView}
 */
export function cardView(facts) {
  const state = decideCard(facts);
  const view = { ...itemView(facts), ...stateView(state, facts), state };
  return { ...view, ...cameBackNote(view, facts), ...drawnParts(state, facts) };
}

/**
 * The head that all states with an item share.
 * @param {CardFacts} facts
 */
function itemView({ offer, now_ms }) {
  if (!offer) return { title: '' };
  const { item, sale } = offer;
  // A host who shows the lowest price of the last days compares with that alone, also when it is no higher.
  const days = sale?.reference_days ?? null;
  const normal_minor = sale?.kind === 'regular' ? item.price_minor : sale?.normal_price_minor;
  const before_minor = sale?.reference_minor ?? normal_minor ?? item.price_minor;
  const isReduced = sale !== null && sale.kind !== 'group' && before_minor > sale.price_minor;
  return {
    title: titleOf(item),
    price: money(sale?.price_minor ?? item.price_minor, item.currency),
    struck: isReduced ? money(before_minor, item.currency) : '',
    struckDays: isReduced ? days : null,
    unlock: unlockWords(sale, now_ms),
  };
}

/**
 * @param {CardState} state
 * @param {CardFacts} facts
 * @returns {Partial<CardView>}
 */
function stateView(state, facts) {
  switch (state) {
    case 'none':
      return emptyView('card.nothing');
    case 'over':
      return emptyView('card.over');
    case 'soon':
      return soonView(facts);
    case 'pinned':
      return pinnedView(facts);
    case 'armed':
    case 'refused-not_open':
      return armedView(facts, state === 'refused-not_open');
    case 'open':
      return openView(facts);
    case 'asking':
      return askingView(facts);
    case 'held':
    case 'last':
    case 'paying':
      return heldView(facts, state);
    case 'offered':
      return offeredView(facts);
    case 'waiting':
      return waitingView(facts);
    case 'enter':
    case 'entered':
    case 'drawing':
    case 'lost':
      return drawView(state, facts);
    case 'refused-held_out':
      return heldOut(facts);
    default:
      return refusalView(state, facts);
  }
}

/**
 * @param {'card.nothing' | 'card.over'} key
 * @returns {Partial<CardView>}
 */
function emptyView(key) {
  return {
    title: t(`${key}_title`), sub: t(`${key}_note`), price: '', struck: '',
    main: key === 'card.over'
      ? { act: 'see-orders', label: t('site.my_orders'), tone: 'white' }
      : { act: 'see-bag', label: t('bag.title'), tone: 'white' },
  };
}

/**
 * @param {CardFacts} facts
 * @returns {Partial<CardView>}
 */
function soonView({ offer, starts_at_ms }) {
  const sub = starts_at_ms ? t('card.soon_title', { time: timeOfDay(starts_at_ms) }) : t('room.waiting');
  const main = /** @type {MainButton} */ ({ act: 'see-bag', label: t('bag.title'), tone: 'white' });
  return offer ? { sub, main } : { title: sub, sub: t('card.soon_note'), main };
}

/**
 * @param {CardFacts} facts
 * @param {'held' | 'last' | 'paying'} state
 * @returns {Partial<CardView>}
 */
function heldView({ offer, hold, now_ms }, state) {
  if (!hold || !offer) return {};
  const left = holdLeft(hold.expires_at_ms, hold.whole_ms, now_ms);
  const price = money(hold.unit_price_minor * hold.qty, hold.currency);
  const words = { qty: hold.qty, title: titleOf(offer.item), price, duration: duration(left.left_ms) };
  if (state === 'paying') {
    return {
      title: t('card.paying_title'), sub: t('card.paying_note', words), price: '', struck: '', ring: left,
      main: { act: 'go-on-paying', label: t('card.paying_go', words), tone: 'lime' },
    };
  }
  const isLast = state === 'last';
  return {
    title: isLast ? t('card.last_title', words) : t('card.held_title'),
    sub: isLast ? t((offer.sale?.waiting?.[0] ?? 0) > 0 ? 'card.last_note_line' : 'card.last_note') : t('card.held_note', words),
    price: '', struck: '', ring: left,
    ...(!isLast && offer.sale?.kind === 'flash' ? { stock: offer.sale.stock } : {}),
    main: { act: 'pay', label: t('card.pay', words), tone: 'lime' },
    letGo: t('card.let_go'),
  };
}
