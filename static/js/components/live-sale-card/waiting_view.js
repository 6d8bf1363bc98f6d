// @ts-check
/**
 * The sale card when all units are held: the way into the line, one's place in it, and one's turn.
 *
 * Invariant: a place is never promised before the server gave it; the button names the place one would have now.
 */
import { holdLeft } from '../../logic/countdown.js';
import { duration, money, number, ordinal } from '../../lib/format.js';
import { t, titleOf } from '../../lib/i18n.js';
import { joinButton } from './selling_view.js';

/** @typedef {import('./card_view.js').CardFacts} CardFacts */
/** @typedef {import('./card_view.js').CardView} CardView */

/** How the line is served: after a draw those whom it passed over come first. @param {import('../../logic/room_state.js').Sale} sale */
const promise = (sale) => t(sale.draw ? 'card.list_promise_draw' : 'card.list_promise');

/**
 * All units are held by others: some may come back, and the line comes first.
 * @param {CardFacts} facts
 * @returns {Partial<CardView>}
 */
export function heldOut({ offer, answer }) {
  const sale = offer?.sale;
  if (!sale) return {};
  const [, held, sold] = sale.stock;
  const wasRefused = answer?.kind === 'refused';
  return {
    message: {
      title: wasRefused ? t('card.held_out_title') : t('card.held_out_taken', { count: held + sold, total: number(held + sold) }),
      note: t('card.held_out_note', { count: held }),
    },
    stock: sale.stock,
    note: promise(sale),
    main: joinButton(sale),
  };
}

/**
 * One is in line: the place, what can still happen, and something to look at meanwhile.
 * @param {CardFacts} facts
 * @returns {Partial<CardView>}
 */
export function waitingView(facts) {
  const sale = facts.offer?.sale;
  if (!sale || !facts.waiting) return {};
  const { place } = facts.waiting;
  return {
    message: {
      title: place === null ? t('card.waiting_title_none') : t('card.waiting_title', { place: ordinal(place) }),
      note: t('card.held_out_note', { count: sale.stock[1] }),
    },
    stock: sale.stock,
    note: promise(sale),
    main: { act: 'see-bag', label: t('card.see_bag'), tone: 'grey' },
    letGo: t('card.leave'),
    letGoAct: 'leave',
  };
}

/**
 * One's turn, on the card as on the sheet, for whoever has closed that.
 * @param {CardFacts} facts
 * @returns {Partial<CardView>}
 */
export function offeredView({ offer, hold, now_ms }) {
  if (!hold || !offer) return {};
  const left = holdLeft(hold.expires_at_ms, hold.whole_ms, now_ms);
  const price = money(hold.unit_price_minor * hold.qty, hold.currency);
  return {
    title: t('chance.title'),
    sub: t('card.held_note', { qty: hold.qty, title: titleOf(offer.item), price, duration: duration(left.left_ms) }),
    price: '', struck: '', ring: left,
    main: { act: 'pay', label: t('card.pay', { price }), tone: 'lime' },
    letGo: t((offer.sale?.waiting?.[0] ?? 0) > 0 ? 'chance.pass_short' : 'card.let_go'),
  };
}

/**
 * The room's note that a unit went to the next in line, under the stock bar where there is one.
 * @param {Partial<CardView>} view
 * @param {CardFacts} facts
 * @returns {Partial<CardView>}
 */
export function cameBackNote(view, facts) {
  return facts.hasCameBack && view.stock && !facts.hold ? { note: t('card.came_back') } : {};
}
