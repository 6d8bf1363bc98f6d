// @ts-check
/** Fills the test sheet: each component in each state, with facts like a server's. `window.sheet` is for the tests. */
import '../../static/js/components/live-bag/live-bag.js';
import '../../static/js/components/live-banner/live-banner.js';
import '../../static/js/components/live-chat-list/live-chat-list.js';
import '../../static/js/components/live-checkout/live-checkout.js';
import '../../static/js/components/live-composer/live-composer.js';
import '../../static/js/components/live-hold-ring/live-hold-ring.js';
import '../../static/js/components/live-receipt/live-receipt.js';
import '../../static/js/components/live-sale-card/live-sale-card.js';
import '../../static/js/components/live-second-chance/live-second-chance.js';
import '../../static/js/components/live-sheet/live-sheet.js';
import '../../static/js/components/live-stock-bar/live-stock-bar.js';
import { startFlow } from '../../static/js/logic/chat_flow.js';
import { holdLeft } from '../../static/js/logic/countdown.js';
import { find } from '../../static/js/lib/element.js';
import { create, html } from '../../static/js/lib/html.js';
import { t } from '../../static/js/lib/i18n.js';

/** @typedef {import('../../static/js/components/live-sale-card/card_view.js').CardFacts} CardFacts */
/** @typedef {import('../../static/js/components/live-sale-card/live-sale-card.js').LiveSaleCard} LiveSaleCard */
/** @typedef {import('../../static/js/logic/room_state.js').Sale} Sale */

const NOW = 1_795_346_577_966;
const item = { item: 'i3', no: 3, sku: 'bowl', title: 'Kiln-change tea bowl', title_zh: '窑变天目盏', picture: '/static/img/goods/tea-bowl.svg', price_minor: 32_900, currency: 'CNY', sale: 'r' };
const tray = { ...item, item: 'i5', no: 5, sku: 'tray', title: 'Bamboo tea tray', title_zh: '竹茶盘', picture: null, price_minor: 8_900, sale: 'r5' };
/** @type {Sale} */
const regular = { id: 'r', kind: 'regular', sku: 'bowl', item: 'i3', price_minor: 32_900, currency: 'CNY', state: 'open', opens_at_ms: 1, ends_at_ms: null, per_buyer: null, stock: [40, 0, 0] };
/** @type {Sale} */
const flash = { ...regular, id: 'f', kind: 'flash', price_minor: 19_900, normal_price_minor: 32_900, opens_at_ms: NOW - 60_000, ends_at_ms: NOW + 161_000, per_buyer: 1, stock: [17, 42, 41], hold_s: 300 };
const hold = { id: 'h', sale: 'f', qty: 1, unit_price_minor: 19_900, currency: 'CNY', expires_at_ms: NOW + 292_000, whole_ms: 300_000, reserved_at_ms: NOW - 8_000, state: /** @type {'held' | 'paying'} */ ('held'), pay_url: null, order: null };

/** @param {Partial<CardFacts> & {sale?: Sale, upcoming?: Sale | null}} change @returns {CardFacts} */
function makeFacts({ sale = flash, upcoming = null, ...change }) {
  return {
    offer: { item, sale, regular, upcoming }, show: 'live', starts_at_ms: NOW, hold: null, answer: null, bought: 0, took_ms: null,
    reason: null, other: tray, isClockCertain: true, plusMinus_ms: 18, now_ms: NOW, ...change,
  };
}

const armed = { ...flash, state: /** @type {const} */ ('armed'), opens_at_ms: NOW + 7_000, stock: /** @type {[number, number, number]} */ ([100, 0, 0]) };
/** @param {string} code */
const refused = (code) => ({ kind: /** @type {const} */ ('refused'), at_ms: NOW, code });

const draw = { commit: 'a1', entry_closes_at_ms: NOW + 20_000, entries: 4_031 };
const drawn = { ...draw, entry_closes_at_ms: NOW - 5_000, seed: 'b2', digest: 'c3', winners: 100 };
const entry = { id: 'n1', sale: 'f', qty: 1, state: /** @type {const} */ ('entered'), rank: null, of: null, waiting: null };

/** @type {Record<string, CardFacts>} */
const CARDS = {
  pinned: makeFacts({ sale: regular, upcoming: { ...armed, opens_at_ms: NOW + 240_000 } }),
  armed: makeFacts({ sale: armed }),
  'refused-not_open': makeFacts({ sale: armed, answer: { kind: 'early', at_ms: NOW } }),
  open: makeFacts({}),
  asking: makeFacts({ answer: { kind: 'asking', at_ms: NOW } }),
  held: makeFacts({ hold }),
  last: makeFacts({ hold: { ...hold, expires_at_ms: NOW + 42_000 } }),
  offered: makeFacts({ sale: { ...flash, stock: [0, 8, 92], waiting: [3, 1] }, hold: { ...hold, expires_at_ms: NOW + 84_000, whole_ms: 90_000, offer: { entry: 'e', waiting: 3 } } }),
  waiting: makeFacts({ sale: { ...flash, stock: [0, 8, 92], waiting: [6, 0] }, waiting: { id: 'e', sale: 'f', qty: 1, place: 4, waiting: 6 } }),
  paying: makeFacts({ hold: { ...hold, state: 'paying' } }),
  gone: makeFacts({ answer: { kind: 'gone', at_ms: NOW } }),
  'let-go': makeFacts({ answer: { kind: 'let_go', at_ms: NOW } }),
  'refused-limit_reached': makeFacts({ answer: refused('limit_reached') }),
  'refused-held_out': makeFacts({ sale: { ...flash, stock: [0, 8, 92], waiting: [3, 0] }, answer: refused('held_out') }),
  'refused-sold_out': makeFacts({ sale: { ...flash, state: 'sold_out', stock: [0, 0, 100] }, took_ms: 41_000 }),
  'refused-ended': makeFacts({ sale: { ...flash, state: 'ended', ends_at_ms: NOW } }),
  'refused-cancelled': makeFacts({ sale: { ...flash, state: 'cancelled', ends_at_ms: NOW }, reason: 'wrong price' }),
  'refused-unknown_outcome': makeFacts({ answer: { kind: 'unknown', at_ms: NOW, attempt: 2, retry_at_ms: NOW + 3_000 } }),
  'refused-other': makeFacts({ answer: refused('not_enough_left') }),
  enter: makeFacts({ sale: { ...flash, draw, stock: [100, 0, 0] } }),
  entered: makeFacts({ sale: { ...flash, draw, stock: [100, 0, 0] }, entry }),
  drawing: makeFacts({ sale: { ...flash, draw: { ...draw, entry_closes_at_ms: NOW }, stock: [100, 0, 0] }, entry }),
  lost: makeFacts({ sale: { ...flash, draw: drawn, stock: [0, 100, 0] }, entry: { ...entry, state: 'lost', rank: 112, of: 4_031, waiting: 12 } }),
  soon: makeFacts({ show: 'scheduled' }),
  none: makeFacts({ offer: null }),
  over: makeFacts({ show: 'ended', offer: null }),
};

for (const [name, facts] of Object.entries(CARDS)) {
  const figure = create(html`<figure data-case="${name}"><figcaption>${name}</figcaption><live-sale-card></live-sale-card></figure>`);
  find('#cards').append(figure);
  /** @type {LiveSaleCard} */ (find('live-sale-card', figure)).facts = facts;
}

const BANNERS = [
  { kind: 'reconnecting', text: t('banner.reconnecting') },
  { kind: 'back', text: t('banner.back_replayed') },
  { kind: 'offline', text: t('banner.offline', { time: '20:31', seconds: 6 }), action: t('banner.now') },
  { kind: 'announcement', text: '<b>Moon cups</b> in ten minutes', action: t('site.close') },
];
for (const message of BANNERS) {
  const banner = document.createElement('live-banner');
  find('#banners').append(banner);
  Object.assign(banner, { message });
}

const COMPOSERS = [
  { hasUser: false },
  { hasUser: true },
  { hasUser: true, refusal: { icon: 'clock', text: t('chat.slow', { seconds: 4 }) } },
  { hasUser: true, refusal: { icon: 'muted', text: t('chat.muted', { duration: '8:12' }) } },
];
for (const facts of COMPOSERS) {
  const composer = document.createElement('live-composer');
  find('#composers').append(composer);
  Object.assign(composer, facts);
}

/** @type {import('../../static/js/logic/room_state.js').ChatLine[]} */
const LINES = [
  ['c1', 'u1', 'mika', 'the blue in that glaze is unreal', [], NOW],
  ['c2', 'h', 'Xiaoman', '全手工，每只窑变都不一样', ['host'], NOW],
  ['c3', 'u2', '<img src=x onerror=alert(1)>', '<script>alert(1)</script>', [], NOW],
  ['c4', null, 'l***a', '3 Kiln-change tea bowl', ['order'], NOW],
  ['c5', 'm', 'Wren', 'No. 6 is back at 21:00', ['mod'], NOW],
  ['c6', 'me', 'Me', 'saving up for the pot', [], NOW],
];
Object.assign(find('live-chat-list'), { me: 'me', itemTitle: () => item.title, rows: startFlow(LINES).rows });
Object.assign(find('live-bag'), {
  rows: [
    { offer: { item, sale: flash, regular, upcoming: null }, isOnNow: true, isLive: true, isAsking: false, hold: null, now_ms: NOW },
    { offer: { item: tray, sale: { ...regular, stock: [0, 0, 9] }, regular, upcoming: null }, isOnNow: false, isLive: true, isAsking: false, hold: null, now_ms: NOW },
  ],
});
Object.assign(find('live-checkout'), { order: { hold, item, left: holdLeft(hold.expires_at_ms, hold.whole_ms, NOW) } });
Object.assign(find('live-receipt'), {
  order: {
    id: 'HB-20261122-0417', state: 'paid', total_minor: 19_900, currency: 'CNY', created_at_ms: NOW, paid_at_ms: NOW, room: 'demo',
    lines: [{ ...item, qty: 1, unit_price_minor: 19_900, reservation: 'h', sale: 'f' }], proof: { place: 91, of: 100, decided_at_ms: NOW },
  },
});
const sheet = /** @type {import('../../static/js/components/live-sheet/live-sheet.js').LiveSheet} */ (find('#sheet'));
find('#opener').addEventListener('click', () => sheet.open());

Object.assign(window, { sheet: { cards: CARDS, lines: LINES, startFlow, isReady: true } });
