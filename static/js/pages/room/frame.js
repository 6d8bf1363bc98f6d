// @ts-check
/**
 * The room around the card: host line, head, banner, bag, hold ring, tab title.
 *
 * Invariant: everything here is drawn from the model and the clock; nothing is kept between draws.
 */
import { chooseBanner } from '../../logic/banner.js';
import { offerOf } from '../../logic/card_state.js';
import { holdLeft } from '../../logic/countdown.js';
import { avatarIndex, duration, initial, number, people, timeOfDay } from '../../lib/format.js';
import { find, setAttribute, setText } from '../../lib/element.js';
import { t } from '../../lib/i18n.js';
import { drawReplayLink } from '../replay_link.js';

/** @typedef {import('../../logic/room_state.js').RoomState} RoomState */
/** @typedef {import('../../logic/card_state.js').Hold} Hold */
/** @typedef {import('../../logic/card_state.js').Answer} Answer */
/** @typedef {import('../../net/socket.js').LinkStatus} LinkStatus */
/** @typedef {import('../../components/live-banner/live-banner.js').LiveBanner} LiveBanner */
/** @typedef {import('../../components/live-bag/live-bag.js').LiveBag} LiveBag */
/** @typedef {import('../../components/live-hold-ring/live-hold-ring.js').LiveHoldRing} LiveHoldRing */

/** Host, how it stands, how many watch. @param {RoomState} state @param {number} now_ms */
export function drawHead(state, now_ms) {
  const { show } = state;
  const isLive = show?.status === 'live';
  const host = state.host?.name ?? '';
  const count = people(state.viewers);
  setText(find('#host-name'), host);
  setText(find('#show-title'), show?.title ?? host);
  const line = isLive ? t('room.live_watching', { count }) : notLive(show);
  setText(find('#host-line'), line);
  const long = isLive ? t('room.live_long', { duration: duration(now_ms - (show.started_at_ms ?? now_ms)), count, host }) : `${line}${t('site.separator')}${host}`;
  setText(find('#show-line'), long);
  const likes = t('room.likes', { count: people(state.likes) });
  setAttribute(find('#like-button'), 'aria-label', `${t('room.like')}${t('site.separator')}${likes}`);
  for (const dot of document.querySelectorAll('.live-dot')) dot.classList.toggle('dot-hollow', !isLive);
  drawReplayLink(state);
}

/** @param {RoomState['show']} show */
function notLive(show) {
  if (show?.status === 'scheduled' && show.starts_at_ms) return t('room.soon', { time: timeOfDay(show.starts_at_ms) });
  return t(show?.status === 'ended' ? 'room.ended' : 'room.not_live');
}

/** @param {import('./purchase.js').User | null} user */
export function drawUser(user) {
  const avatar = find('#user-avatar');
  avatar.hidden = !user;
  if (!user) return;
  setText(avatar, initial(user.name));
  avatar.className = `avatar avatar-${avatarIndex(user.id)}`;
  setAttribute(avatar, 'title', user.name);
  setAttribute(avatar, 'aria-label', user.name);
}

/**
 * @param {LiveBanner} element
 * @param {{link: LinkStatus, isDegraded: boolean, announcement: string | null, back: {rec: string, at_ms: number} | null, hasHold: boolean}} facts
 */
export function drawBanner(element, { link, isDegraded, announcement, back, hasHold }) {
  const banner = chooseBanner({ link, isDegraded, announcement, back, isOnline: navigator.onLine, now_ms: Date.now() });
  if (!banner) {
    element.message = null;
    return;
  }
  const { kind } = banner;
  const words = { time: timeOfDay(banner.since_ms ?? 0), seconds: banner.wait_s ?? 0 };
  /** @type {Record<typeof kind, () => {text: string, action?: string}>} */
  const messages = {
    closed: () => ({ text: t('banner.closed'), action: t('banner.reload') }),
    banned: () => ({ text: t('banner.banned') }),
    none: () => ({ text: t('room.none') }),
    signed_out: () => ({ text: t('banner.signed_out'), action: t('banner.reload') }),
    overloaded: () => ({ text: t('banner.overloaded', words) }),
    offline: () => ({ text: t(words.seconds > 0 ? 'banner.offline' : 'banner.offline_trying', words), action: t('banner.now') }),
    reconnecting: () => ({ text: t(hasHold ? 'banner.reconnecting' : 'banner.reconnecting_plain') }),
    late: () => ({ text: t('banner.late') }),
    announcement: () => ({ text: banner.text ?? '', action: t('site.close') }),
    back: () => ({ text: t(banner.rec === 'replayed' ? 'banner.back_replayed' : 'banner.back_snapshot') }),
  };
  element.message = { kind, ...messages[kind]() };
}

/**
 * @param {LiveBag} element
 * @param {object} facts
 * @param {RoomState} facts.state
 * @param {Hold[]} facts.holds
 * @param {Map<string, Answer>} facts.answers
 * @param {Map<string, import('../../logic/waiting_list.js').Entry>} facts.waiting by sale
 * @param {Map<string, import('../../logic/draws.js').OwnEntry>} facts.entries in draws, by sale
 * @param {string | null} facts.onNow bag item on the card
 * @param {number} facts.now_ms
 */
export function drawBag(element, { state, holds, answers, waiting, entries, onNow, now_ms }) {
  const isLive = state.show?.status === 'live';
  element.rows = [...state.bag].sort((a, b) => a.no - b.no).map((item) => {
    const offer = stillSold(offerOf(state, item, holds, now_ms), holds);
    const kind = offer.sale ? answers.get(offer.sale.id)?.kind : undefined;
    return {
      offer, now_ms, isLive, isOnNow: item.item === onNow,
      isAsking: kind === 'asking' || kind === 'unknown',
      hold: holds.find((hold) => hold.sale === offer.sale?.id) ?? null,
      waiting: waiting.get(offer.sale?.id ?? '') ?? null,
      entry: entries.get(offer.sale?.id ?? '') ?? null,
    };
  });
  const count = state.bag.length;
  setText(find('#bag-count'), t('bag.count', { count }));
  setText(find('#bag-badge'), number(count));
  find('#bag-badge').hidden = count === 0;
  setAttribute(find('#bag-button'), 'aria-label', t('bag.open', { count }));
}

/**
 * A row sells: once a flash sale is over, the item is there at its usual price (the card tells how the sale went).
 * @param {import('../../logic/card_state.js').Offer} offer
 * @param {Hold[]} holds
 */
function stillSold(offer, holds) {
  const { sale, regular } = offer;
  const isOver = sale?.state === 'ended' || sale?.state === 'cancelled' || (sale?.state === 'halted' && sale.kind === 'flash');
  const isHeld = holds.some((hold) => hold.sale === sale?.id);
  return isOver && regular && !isHeld ? { ...offer, sale: regular } : offer;
}

/**
 * The hold that ends first, round the bag button and in the tab's title.
 * @param {Hold | null} hold
 * @param {number} now_ms
 * @param {string} title
 */
export function drawHold(hold, now_ms, title) {
  const ring = /** @type {LiveHoldRing} */ (find('#bag-ring'));
  ring.hidden = !hold;
  if (!hold) {
    document.title = title;
    return;
  }
  const left = holdLeft(hold.expires_at_ms, hold.whole_ms, now_ms);
  ring.left = left;
  document.title = `${t(hold.offer ? 'ring.turn' : 'ring.title', { duration: duration(left.left_ms) })}${t('site.separator')}${title}`;
}
