// @ts-check
/**
 * Which sale the one card shows and in which state, from the room, the clock, one's own holds and the last answer.
 *
 * Invariant: a hold of one's own comes before everything, a running question before every other answer.
 */
import { pricedAt } from './campaign_prices.js';
import { drawState } from './draws.js';
import { itemOf, saleOf } from './room_state.js';
import { LAST_MS } from './countdown.js';
import { isRuleShown, ruleOf } from './press_rules.js';

/** @typedef {import('./room_state.js').RoomState} RoomState */
/** @typedef {import('./room_state.js').Sale} Sale */
/** @typedef {import('./room_state.js').BagItem} BagItem */
/** @typedef {{id: string, sale: string, qty: number, unit_price_minor: number, currency: string, expires_at_ms: number,
 *   whole_ms: number, reserved_at_ms: number, state: 'held' | 'paying', pay_url: string | null, order: string | null,
 *   offer?: import('./waiting_list.js').Offered | null}} Hold an `offer` of the waiting list, or one's own press */
/** @typedef {{kind: 'asking', at_ms: number}
 *   | {kind: 'unknown', at_ms: number, attempt: number, retry_at_ms: number | null}
 *   | {kind: 'refused', at_ms: number, code: string, detail?: any, retry_ms?: number}
 *   | {kind: 'early', at_ms: number}
 *   | {kind: 'gone', at_ms: number}
 *   | {kind: 'let_go', at_ms: number, isPassedOn?: boolean}
 *   | {kind: 'closed', at_ms: number, reason: string}} Answer `closed`: the line one waited in */
/** @typedef {'none' | 'soon' | 'over' | 'pinned' | 'armed' | 'open' | 'asking' | 'held' | 'last' | 'paying' | 'offered' | 'waiting' | 'gone' | 'let-go'
 *   | 'enter' | 'entered' | 'drawing' | 'lost'
 *   | 'refused-not_open' | 'refused-limit_reached' | 'refused-held_out' | 'refused-sold_out' | 'refused-ended'
 *   | 'refused-cancelled' | 'refused-halted' | 'refused-unknown_outcome' | 'refused-other'} CardState */
/** @typedef {{item: BagItem, sale: Sale | null, regular: Sale | null, upcoming: Sale | null}} Offer */

/** Longer ahead than this an armed sale is a note under the price: people may still buy the item as it is. */
const ARMED_SHOWN_MS = 120_000;
/** Flash sales that are worth the card while they last. @type {ReadonlySet<string>} */
const SHOWN = new Set(['armed', 'open', 'halted']);
/** What a sale says of itself while it goes on; a draw has its own words then. @type {ReadonlySet<CardState>} */
const SELLS = new Set(/** @type {CardState[]} */ (['open', 'refused-held_out', 'refused-sold_out']));
/** A sale that is over keeps the card this long, so that whoever was pressing sees how it went. */
const CLOSED_SHOWN_MS = 60_000;
/** The answer to an early press. */
const EARLY_SHOWN_MS = 2_000;
/** The news that a hold is gone, and refusals without a lasting cause. */
const NEWS_SHOWN_MS = 10_000;

/**
 * Which item and sale the card is about; null when nothing is shown.
 * @param {RoomState} state
 * @param {readonly Hold[]} holds own live holds
 * @param {number} now_ms server time
 * @returns {Offer | null}
 */
export function chooseOffer(state, holds, now_ms) {
  const running = state.sales.filter((sale) => sale.kind === 'flash' && SHOWN.has(sale.state)).at(-1);
  const heldSale = state.sales.find((sale) => holds.some((hold) => hold.sale === sale.id));
  const item = itemOf(state, state.pinned) ?? itemOfSale(state, running) ?? itemOfSale(state, heldSale);
  if (!item) return null;
  return offerOf(state, item, holds, now_ms);
}

/**
 * @param {RoomState} state
 * @param {Sale | null | undefined} sale
 * @returns {BagItem | null}
 */
export function itemOfSale(state, sale) {
  if (!sale) return null;
  return itemOf(state, sale.item) ?? state.bag.find((one) => one.sale === sale.id || one.sku === sale.sku) ?? null;
}

/**
 * The offer of one bag item: the sale with one's own hold, else the flash sale of the moment, else the regular one.
 * @param {RoomState} state
 * @param {BagItem} item
 * @param {readonly Hold[]} holds
 * @param {number} now_ms
 * @returns {Offer}
 */
export function offerOf(state, item, holds, now_ms) {
  const regular = pricedAt(saleOf(state, item, 'regular'), now_ms);
  const flash = saleOf(state, item, 'flash');
  const isLater = flash?.state === 'armed' && (flash.opens_at_ms ?? 0) - now_ms > ARMED_SHOWN_MS;
  const held = [flash, regular].find((sale) => sale && holds.some((hold) => hold.sale === sale.id));
  const sale = held ?? (flash && !isLater && isCurrent(flash, now_ms) ? flash : regular);
  return { item, sale: sale ?? null, regular, upcoming: isLater ? flash : null };
}

/**
 * What a unit of an item costs whoever buys it now: in its open flash sale, else at the campaign or the list price.
 * @param {RoomState} state
 * @param {BagItem} item
 * @param {number} now_ms server time
 * @returns {number} minor units
 */
export function priceOf(state, item, now_ms) {
  const flash = saleOf(state, item, 'flash');
  const sale = flash?.state === 'open' ? flash : pricedAt(saleOf(state, item, 'regular'), now_ms);
  return sale?.price_minor ?? item.price_minor;
}

/**
 * @param {Sale} sale
 * @param {number} now_ms
 * @returns {boolean}
 */
function isCurrent(sale, now_ms) {
  if (SHOWN.has(sale.state) && (sale.state !== 'halted' || now_ms < (sale.ends_at_ms ?? Infinity))) return true;
  return now_ms - (sale.ends_at_ms ?? now_ms) < CLOSED_SHOWN_MS;
}

/**
 * The card's state.
 * @param {object} facts
 * @param {Offer | null} facts.offer
 * @param {'scheduled' | 'live' | 'ended' | null} facts.show
 * @param {Hold | null} facts.hold own hold on the offer's sale
 * @param {Answer | null} facts.answer last answer about the offer's sale
 * @param {import('./waiting_list.js').Entry | null} [facts.waiting] one's place in the line of the offer's sale
 * @param {import('./draws.js').OwnEntry | null} [facts.entry] one's entry in the draw of the offer's sale
 * @param {number} facts.bought units of this sale one has paid
 * @param {boolean} facts.isClockCertain
 * @param {number} facts.now_ms server time
 * @returns {CardState}
 */
export function decideCard({ offer, show, hold, answer, waiting, entry, bought, isClockCertain, now_ms }) {
  if (hold) return holdState(hold, now_ms);
  if (answer?.kind === 'asking') return 'asking';
  if (answer?.kind === 'unknown') return 'refused-unknown_outcome';
  if (show === 'ended') return 'over';
  if (show !== 'live') return 'soon';
  const sale = offer?.sale;
  if (!sale) return 'none';
  if (waiting && sale.state !== 'ended' && sale.state !== 'cancelled') return 'waiting';
  const said = answerState(sale, answer, now_ms);
  if (said) return said;
  const own = saleState(sale, bought, isClockCertain, now_ms);
  return (SELLS.has(own) ? drawState(sale, entry, now_ms) : null) ?? own;
}

/**
 * @param {Hold} hold
 * @param {number} now_ms
 * @returns {CardState}
 */
function holdState(hold, now_ms) {
  if (hold.state === 'paying') return 'paying';
  const left_ms = hold.expires_at_ms - now_ms;
  if (left_ms <= 0) return 'gone';
  if (hold.offer) return 'offered';
  return left_ms <= LAST_MS ? 'last' : 'held';
}

/**
 * What the last answer still says about a sale; null when it is out of date.
 * @param {Sale} sale
 * @param {Answer | null} answer
 * @param {number} now_ms
 * @returns {CardState | null}
 */
function answerState(sale, answer, now_ms) {
  if (!answer) return null;
  const age_ms = now_ms - answer.at_ms;
  const [available] = sale.stock;
  if (answer.kind === 'gone') return age_ms < NEWS_SHOWN_MS ? 'gone' : null;
  if (answer.kind === 'let_go') return age_ms < NEWS_SHOWN_MS ? 'let-go' : null;
  // The answer may come before the event that says the sale has opened.
  const isOpen = sale.state === 'open' || sale.state === 'sold_out' || (sale.state === 'armed' && now_ms >= (sale.opens_at_ms ?? Infinity));
  if (answer.kind === 'early') return sale.state === 'armed' && age_ms < EARLY_SHOWN_MS ? 'refused-not_open' : null;
  if (answer.kind !== 'refused' && answer.kind !== 'closed') return null;
  switch (answer.kind === 'closed' ? answer.reason : answer.code) {
    case 'not_open':
      return sale.state === 'armed' && age_ms < EARLY_SHOWN_MS ? 'refused-not_open' : null;
    case 'limit_reached':
      return isOpen ? 'refused-limit_reached' : null;
    case 'held_out':
      return isOpen && available === 0 && sale.stock[1] > 0 ? 'refused-held_out' : null;
    case 'sold_out':
      return isOpen && available === 0 ? 'refused-sold_out' : null;
    case 'halted':
      // The answer may come before the event that says so; after it the sale speaks for itself.
      return isOpen && age_ms < NEWS_SHOWN_MS ? 'refused-halted' : null;
    case 'ended':
      return age_ms < NEWS_SHOWN_MS ? 'refused-ended' : null;
    case 'cancelled':
      return age_ms < NEWS_SHOWN_MS ? 'refused-cancelled' : null;
    default: {
      const isShown = ruleOf(answer) ? isOpen && isRuleShown(answer, now_ms) : age_ms < NEWS_SHOWN_MS;
      return isShown ? 'refused-other' : null;
    }
  }
}

/**
 * What the sale itself says to somebody who has not asked.
 * @param {Sale} sale
 * @param {number} bought
 * @param {boolean} isClockCertain
 * @param {number} now_ms
 * @returns {CardState}
 */
function saleState(sale, bought, isClockCertain, now_ms) {
  if (sale.state === 'cancelled') return 'refused-cancelled';
  if (sale.state === 'ended') return 'refused-ended';
  if (sale.state === 'armed') {
    if (sale.kind === 'regular') return 'soon';
    if (!isClockCertain || now_ms < (sale.opens_at_ms ?? Infinity)) return 'armed';
  }
  if (sale.kind === 'flash' && sale.ends_at_ms !== null && now_ms >= sale.ends_at_ms) return 'refused-ended';
  if (sale.state === 'halted') return 'refused-halted';
  if (sale.per_buyer !== null && bought >= sale.per_buyer) return 'refused-limit_reached';
  return stockState(sale);
}

/**
 * @param {Sale} sale open by its state or by the clock
 * @returns {CardState}
 */
function stockState(sale) {
  const [available, held] = sale.stock;
  if (available > 0) return sale.kind === 'regular' ? 'pinned' : 'open';
  return held > 0 ? 'refused-held_out' : 'refused-sold_out';
}

/**
 * The next thing to look at when a sale is over: the first other item that can be bought, in bag order after this one.
 * @param {RoomState} state
 * @param {BagItem} item
 * @returns {BagItem | null}
 */
export function nextItem(state, item) {
  const sorted = [...state.bag].sort((a, b) => a.no - b.no);
  const ordered = [...sorted.filter((one) => one.no > item.no), ...sorted.filter((one) => one.no < item.no)];
  return ordered.find((one) => {
    const sale = saleOf(state, one, 'regular');
    return sale !== null && sale.state !== 'halted' && sale.stock[0] > 0;
  }) ?? null;
}
