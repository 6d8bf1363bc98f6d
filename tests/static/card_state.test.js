// @ts-check
/** Which state the one card is in, for a sale, a moment, one's own hold and the last answer. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { chooseOffer, decideCard, nextItem } from '../../static/js/logic/card_state.js';
import { countdown, holdLeft } from '../../static/js/logic/countdown.js';

/** @typedef {import('../../static/js/logic/card_state.js').Hold} Hold */
/** @typedef {import('../../static/js/logic/card_state.js').Answer} Answer */
/** @typedef {import('../../static/js/logic/room_state.js').Sale} Sale */
/** @typedef {import('../../static/js/logic/room_state.js').RoomState} RoomState */

const NOW = 1_000_000;

/** @param {Partial<Sale>} [change] @returns {Sale} */
const makeFlash = (change) => ({ id: 'f', kind: 'flash', sku: 'bowl', item: 'i3', price_minor: 19_900, currency: 'CNY', state: 'open', opens_at_ms: NOW - 1000, ends_at_ms: NOW + 60_000, per_buyer: 1, stock: [17, 42, 41], ...change });
/** @param {Partial<Sale>} [change] @returns {Sale} */
const makeRegular = (change) => ({ ...makeFlash(), id: 'r', kind: 'regular', price_minor: 32_900, opens_at_ms: 1, ends_at_ms: null, per_buyer: null, stock: [9, 0, 0], ...change });
/** @param {Sale[]} sales @param {Partial<RoomState>} [change] @returns {RoomState} */
const makeRoom = (sales, change) => ({
  room: 'demo', show: { id: 's', title: 'Show', status: 'live' }, pinned: 'i3', viewers: 0, likes: 0, modes: {}, chat: [],
  bag: [{ item: 'i3', no: 3, sku: 'bowl', title: 'Bowl', price_minor: 32_900, currency: 'CNY', sale: 'r' }], sales, ...change,
});
/** @param {Partial<Hold>} [change] @returns {Hold} */
const makeHold = (change) => ({ id: 'h', sale: 'f', qty: 1, unit_price_minor: 19_900, currency: 'CNY', expires_at_ms: NOW + 300_000, whole_ms: 300_000, reserved_at_ms: NOW, state: 'held', pay_url: null, order: null, ...change });

/** @param {Sale[]} sales @param {{hold?: Hold, answer?: Answer, waiting?: import('../../static/js/logic/waiting_list.js').Entry, entry?: import('../../static/js/logic/draws.js').OwnEntry, bought?: number, isClockCertain?: boolean, show?: 'live' | 'ended' | 'scheduled', now_ms?: number}} [facts] */
function stateOf(sales, { hold, answer, waiting, entry, bought = 0, isClockCertain = true, show = 'live', now_ms = NOW } = {}) {
  const offer = chooseOffer(makeRoom(sales), hold ? [hold] : [], now_ms);
  return decideCard({ offer, show, hold: hold ?? null, answer: answer ?? null, waiting: waiting ?? null, entry: entry ?? null, bought, isClockCertain, now_ms });
}

/** @param {string} code @returns {Answer} */
const refused = (code) => ({ kind: 'refused', at_ms: NOW - 500, code });

const DRAW = { commit: 'c', entry_closes_at_ms: NOW + 20_000, entries: 3 };
const DRAWN = { ...DRAW, entry_closes_at_ms: NOW - 2_000, seed: 's', digest: 'd', winners: 1 };
/** @param {import('../../static/js/logic/draws.js').OwnEntry['state']} state */
const makeEntry = (state) => ({ id: 'e', sale: 'f', qty: 1, state, rank: null, of: null, waiting: null });

const WAITING = { id: 'e', sale: 'f', qty: 1, place: 4, waiting: 6 };

/** @type {[string, string, Sale[], Parameters<typeof stateOf>[1]][]} */
const CASES = [
  ['a regular sale is one row', 'pinned', [makeRegular()], {}],
  ['an armed sale counts down', 'armed', [makeRegular(), makeFlash({ state: 'armed', opens_at_ms: NOW + 7_000 })], {}],
  ['far ahead an armed sale leaves the item as it is', 'pinned', [makeRegular(), makeFlash({ state: 'armed', opens_at_ms: NOW + 240_000 })], {}],
  ['at T0 the synced clock opens the card', 'open', [makeFlash({ state: 'armed', opens_at_ms: NOW })], {}],
  ['an uncertain clock waits for the server', 'armed', [makeFlash({ state: 'armed', opens_at_ms: NOW })], { isClockCertain: false }],
  ['an open sale is open', 'open', [makeRegular(), makeFlash()], {}],
  ['past its end a sale has ended, whatever was heard', 'refused-ended', [makeFlash({ ends_at_ms: NOW })], {}],
  ['a halted flash sale says so', 'refused-halted', [makeRegular(), makeFlash({ state: 'halted', reason: 'a wrong price' })], {}],
  ['a draw counts down as any sale', 'armed', [makeFlash({ state: 'armed', opens_at_ms: NOW + 7_000, draw: DRAW })], {}],
  ['a draw is entered, not bought', 'enter', [makeRegular(), makeFlash({ draw: DRAW })], {}],
  ['at T0 the clock opens the entries', 'enter', [makeFlash({ state: 'armed', opens_at_ms: NOW, draw: DRAW })], {}],
  ['who has entered is in', 'entered', [makeFlash({ draw: DRAW })], { entry: makeEntry('entered') }],
  ['when entries have closed it is drawn', 'drawing', [makeFlash({ draw: { ...DRAW, entry_closes_at_ms: NOW } })], { entry: makeEntry('entered') }],
  ['nobody buys before the draw, whoever entered', 'drawing', [makeFlash({ draw: { ...DRAW, entry_closes_at_ms: NOW } })], {}],
  ['after the draw what is left is sold', 'open', [makeFlash({ draw: DRAWN })], {}],
  ['who was not drawn is told the place', 'lost', [makeFlash({ draw: DRAWN, stock: [0, 10, 0] })], { entry: makeEntry('lost') }],
  ['so too before the room has heard of the draw', 'lost', [makeFlash({ draw: DRAW })], { entry: makeEntry('lost') }],
  ['who was not drawn and waits is in line', 'waiting', [makeFlash({ draw: DRAWN, stock: [0, 10, 0] })], { entry: makeEntry('lost'), waiting: WAITING }],
  ['who was drawn holds', 'held', [makeFlash({ draw: DRAWN })], { entry: makeEntry('won'), hold: makeHold() }],
  ['a draw that was stopped says so', 'refused-halted', [makeFlash({ state: 'halted', draw: DRAW })], { entry: makeEntry('entered') }],
  ['a draw that is over has ended', 'refused-ended', [makeFlash({ state: 'ended', ends_at_ms: NOW, draw: DRAW })], { entry: makeEntry('entered') }],
  ['a late entry is refused with words', 'refused-other', [makeFlash({ draw: DRAW })], { answer: refused('entries_closed') }],
  ['a halted regular sale too', 'refused-halted', [makeRegular({ state: 'halted', reason: 'a crack' })], {}],
  ['a hold comes before the halt', 'held', [makeFlash({ state: 'halted' })], { hold: makeHold() }],
  ['the answer may be quicker than the news of a halt', 'refused-halted', [makeFlash()], { answer: refused('halted') }],
  ['resumed, an open sale forgets that answer in time', 'open', [makeFlash()], { answer: { kind: 'refused', at_ms: NOW - 11_000, code: 'halted' } }],
  ['past its end a halted sale has ended', 'refused-ended', [makeFlash({ state: 'halted', ends_at_ms: NOW })], {}],
  ['a press waits for its answer', 'asking', [makeFlash()], { answer: { kind: 'asking', at_ms: NOW } }],
  ['a silence is checked', 'refused-unknown_outcome', [makeFlash()], { answer: { kind: 'unknown', at_ms: NOW, attempt: 2, retry_at_ms: NOW + 3000 } }],
  ['a hold is held', 'held', [makeFlash()], { hold: makeHold() }],
  ['a hold comes before a sale that is over', 'held', [makeFlash({ state: 'ended', ends_at_ms: 1 })], { hold: makeHold() }],
  ['the last minute of a hold is its own state', 'last', [makeFlash()], { hold: makeHold({ expires_at_ms: NOW + 42_000 }) }],
  ['a hold that ran out is gone before the server says so', 'gone', [makeFlash()], { hold: makeHold({ expires_at_ms: NOW }) }],
  ['a hold being paid does not run out', 'paying', [makeFlash()], { hold: makeHold({ state: 'paying', expires_at_ms: NOW }) }],
  ['one\'s turn in line is an offer to its last second', 'offered', [makeFlash({ stock: [0, 8, 92] })], { hold: makeHold({ expires_at_ms: NOW + 9_000, offer: { entry: 'e', waiting: 3 } }) }],
  ['an offer whose payment was begun is paid like any hold', 'paying', [makeFlash()], { hold: makeHold({ state: 'paying', offer: { entry: 'e', waiting: 3 } }) }],
  ['an offer that ran out is gone', 'gone', [makeFlash()], { hold: makeHold({ expires_at_ms: NOW, offer: { entry: 'e', waiting: 3 } }) }],
  ['one waits in line', 'waiting', [makeFlash({ stock: [0, 8, 92] })], { waiting: WAITING }],
  ['who waits is told so although a press was refused before', 'waiting', [makeFlash({ stock: [0, 8, 92] })], { waiting: WAITING, answer: refused('held_out') }],
  ['nobody waits for a sale that has ended', 'refused-ended', [makeRegular(), makeFlash({ state: 'ended', ends_at_ms: NOW - 5_000 })], { waiting: WAITING }],
  ['a line that closed because all are paid says so', 'refused-sold_out', [makeFlash({ state: 'sold_out', stock: [0, 0, 100] })], { answer: { kind: 'closed', at_ms: NOW, reason: 'sold_out' } }],
  ['a line that closed at the buyer\'s limit says so', 'refused-limit_reached', [makeFlash({ stock: [0, 8, 92] })], { answer: { kind: 'closed', at_ms: NOW, reason: 'limit_reached' } }],
  ['an early press is answered', 'refused-not_open', [makeFlash({ state: 'armed', opens_at_ms: NOW + 7_000 })], { answer: { kind: 'early', at_ms: NOW } }],
  ['the answer to an early press passes', 'armed', [makeFlash({ state: 'armed', opens_at_ms: NOW + 7_000 })], { answer: { kind: 'early', at_ms: NOW - 2_500 } }],
  ['the server may say not yet', 'refused-not_open', [makeFlash({ state: 'armed', opens_at_ms: NOW + 100 })], { answer: refused('not_open') }],
  ['one may have no more', 'refused-limit_reached', [makeFlash()], { answer: refused('limit_reached') }],
  ['an answer may come before the news of the opening', 'refused-limit_reached', [makeFlash({ state: 'armed', opens_at_ms: NOW - 50 })], { answer: refused('limit_reached') }],
  ['who has paid the limit is told before pressing', 'refused-limit_reached', [makeFlash()], { bought: 1 }],
  ['all held, as the stock says', 'refused-held_out', [makeFlash({ stock: [0, 8, 92] })], {}],
  ['all held, as the server says', 'refused-held_out', [makeFlash({ stock: [0, 8, 92] })], { answer: refused('held_out') }],
  ['one came back: the card opens by itself', 'open', [makeFlash({ stock: [1, 7, 92] })], { answer: refused('held_out') }],
  ['all sold', 'refused-sold_out', [makeFlash({ stock: [0, 0, 100] })], {}],
  ['all sold, as the server says', 'refused-sold_out', [makeFlash({ state: 'sold_out', stock: [0, 0, 100], ends_at_ms: NOW + 5_000 })], { answer: refused('sold_out') }],
  ['ended', 'refused-ended', [makeRegular(), makeFlash({ state: 'ended', ends_at_ms: NOW - 5_000 })], {}],
  ['ended a while ago, the item is sold as usual', 'pinned', [makeRegular(), makeFlash({ state: 'ended', ends_at_ms: NOW - 90_000 })], {}],
  ['stopped by the host', 'refused-cancelled', [makeRegular(), makeFlash({ state: 'cancelled', ends_at_ms: NOW - 5_000 })], {}],
  ['a refusal nobody foresaw still has words', 'refused-other', [makeFlash()], { answer: refused('not_enough_left') }],
  ['let go', 'let-go', [makeFlash()], { answer: { kind: 'let_go', at_ms: NOW } }],
  ['the news that a hold is gone passes', 'open', [makeFlash()], { answer: { kind: 'gone', at_ms: NOW - 11_000 } }],
  ['before the show', 'soon', [makeRegular({ state: 'armed' })], { show: 'scheduled' }],
  ['after the show', 'over', [makeRegular({ state: 'ended' })], { show: 'ended' }],
];

for (const [name, expected, sales, facts] of CASES) {
  test(`${expected}: ${name}`, () => assert.equal(stateOf(sales, facts), expected));
}

test('without a pinned item the running flash sale is shown, else nothing', () => {
  const room = makeRoom([makeRegular(), makeFlash()], { pinned: null });
  assert.equal(chooseOffer(room, [], NOW)?.sale?.id, 'f');
  assert.equal(chooseOffer({ ...room, sales: [makeRegular()] }, [], NOW), null);
});

test('what to see next is the first other item with stock, in bag order', () => {
  const room = makeRoom([makeRegular(), makeRegular({ id: 'r1' }), makeRegular({ id: 'r5', stock: [0, 0, 9] })]);
  const [bowl] = room.bag;
  assert.ok(bowl);
  room.bag.push({ ...bowl, item: 'i1', no: 1, sale: 'r1' }, { ...bowl, item: 'i5', no: 5, sale: 'r5' });
  assert.equal(nextItem(room, bowl)?.no, 1);
});

test('a countdown shows tenths for three seconds and fills over thirty', () => {
  assert.deepEqual(countdown(NOW + 7_250, NOW), { left_ms: 7_250, isOver: false, hasTenths: false, fill: 1 - 7_250 / 30_000, next_ms: 250 });
  assert.equal(countdown(NOW + 2_420, NOW).hasTenths, true);
  assert.equal(countdown(NOW + 2_420, NOW).next_ms, 20);
  assert.equal(countdown(NOW + 90_000, NOW).fill, 0);
  assert.deepEqual([countdown(NOW, NOW).isOver, countdown(NOW - 5, NOW).left_ms], [true, 0]);
});

test('what is left of a hold is a part of its whole', () => {
  assert.deepEqual(holdLeft(NOW + 75_000, 300_000, NOW), { left_ms: 75_000, part: 0.25, isLast: false });
  assert.equal(holdLeft(NOW + 60_000, 300_000, NOW).isLast, true);
  assert.equal(holdLeft(NOW, 0, NOW).part, 0);
});
