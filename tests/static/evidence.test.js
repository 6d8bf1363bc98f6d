// @ts-check
/** The line of time of an order's evidence, and what a reader is told of its gaps. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { gapsOf, timelineOf } from '../../static/js/logic/evidence.js';

/** @typedef {import('../../static/js/logic/evidence.js').Evidence} Evidence */
/** @typedef {import('../../static/js/logic/evidence.js').EvidenceOrderLine} Line */

/** @param {Partial<Line>} [change] @param {Partial<Line['press']>} [press] @returns {Line} */
const line = (change, press) => ({
  no: 1, title: 'Bowl',
  press: { reservation: 'r1', at_ms: 100, sale: 's1', qty: 1, origin: 'walk_in', asked_at_ms: null, log_offset: 9, stock: { free: 3 }, draw: null, ...press },
  pin: { item: 'i1', no: 1, title: 'Bowl', since_ms: 40, is_this_item: true },
  card: { at_ms: 50, title: 'Bowl', sale: { price_minor: 199, normal_price_minor: 329, stock: [5, 0, 0] } },
  price: { unit_price_minor: 199 }, terms: { version: 1, fields: {} }, events: [], clip_at: { offset_ms: 90 }, ...change,
});
/** @param {Partial<Evidence>} [change] @returns {Evidence} */
const bundle = (change) => ({
  view: 'staff', made_at_ms: 900, order: { id: 'o1', room: 'demo', total_minor: 199, currency: 'CNY', created_at_ms: 120, buyer: { name: 'Lena' } },
  show: { title: 'Show', started_at_ms: 10 }, lines: [line()], chat: [], money: { payments: [], refunds: [] }, digest: 'sha256:0', ...change,
});
/** @param {Evidence} facts */
const kinds = (facts) => timelineOf(facts).map(({ kind }) => kind);

test('everything stands in the order of time', () => {
  assert.deepEqual(kinds(bundle()), ['start', 'pin', 'card', 'press', 'ordered']);
  const chat = { id: 'c1', at_ms: 60, user: 'u1', name: 'Lena', text: 'blue?', is_buyer: true, is_host: false };
  const facts = bundle({ chat: [{ at_ms: 100, is_complete: true, is_cut: false, lines: [chat] }] });
  assert.deepEqual(kinds(facts), ['start', 'pin', 'card', 'chat', 'press', 'ordered']);
});

test('a stopped coupon of the order stands at its time, one that is good nowhere', () => {
  const coupon = (/** @type {{at_ms: number, reason: string} | null} */ halt) => bundle({ order: { ...bundle().order, coupon: { title: '−¥50', halt } } });
  const facts = coupon({ at_ms: 130, reason: 'A zero too many' });
  assert.deepEqual(kinds(facts), ['start', 'pin', 'card', 'press', 'ordered', 'coupon']);
  assert.deepEqual(timelineOf(facts).at(-1)?.coupon, { title: '−¥50', reason: 'A zero too many' });
  assert.ok(!kinds(coupon(null)).includes('coupon'));
});

test('of one millisecond what was shown comes before the press', () => {
  const shown = line({ pin: { item: 'i1', no: 1, title: 'Bowl', since_ms: 100, is_this_item: true }, card: null });
  assert.deepEqual(kinds(bundle({ lines: [shown] })), ['start', 'pin', 'press', 'ordered']);
});

test('one pin is told once of a cart, by the line that was pinned', () => {
  const other = line({ pin: { item: 'i1', no: 1, title: 'Bowl', since_ms: 40, is_this_item: false } }, { reservation: 'r2' });
  for (const lines of [[line(), other], [other, line()]]) {
    const pins = timelineOf(bundle({ lines })).filter(({ kind }) => kind === 'pin');
    assert.deepEqual(pins.map((entry) => entry.line?.pin?.is_this_item), [true]);
  }
});

test('what is not known is left out, and the reader is told', () => {
  const bare = line({ pin: null, card: null, terms: null }, { log_offset: null });
  const facts = bundle({ lines: [bare], show: { title: 'Show', started_at_ms: null } });
  assert.deepEqual(kinds(facts), ['press', 'ordered']);
  assert.deepEqual(gapsOf(facts), ['no_offset', 'no_terms']);
  assert.deepEqual(gapsOf(bundle()), []);
  assert.deepEqual(gapsOf(bundle({ chat: [{ at_ms: 1, is_complete: false, is_cut: true, lines: [] }] })), ['chat_cut', 'chat_to_come']);
});

test('of the events only those that say something new are entries', () => {
  const events = [
    { offset: 1, at_ms: 41, type: 'room.state', payload: {} }, { offset: 2, at_ms: 42, type: 'flash.armed', payload: {} },
    { offset: 3, at_ms: 43, type: 'flash.opened', payload: {} }, { offset: 4, at_ms: 44, type: 'announcement', payload: { text: null } },
    { offset: 5, at_ms: 45, type: 'announcement', payload: { text: 'Two left' } },
  ];
  const found = timelineOf(bundle({ lines: [line({ events })] })).filter(({ event }) => event);
  assert.deepEqual(found.map(({ kind, event }) => [kind, event?.offset]), [['event', 3], ['said', 5]]);
});

test('lines of one cart share what they share', () => {
  const events = [{ offset: 3, at_ms: 43, type: 'flash.opened', payload: {} }];
  const facts = bundle({ lines: [line({ events }), line({ events, card: null }, { reservation: 'r2' })] });
  assert.deepEqual(kinds(facts), ['start', 'pin', 'event', 'card', 'press', 'press', 'ordered']);
});

test('whoever was drawn entered before, and whoever lost entered before the line', () => {
  const draw = { entered_at_ms: 70, rank: 2, of: 9 };
  const won = line({}, { origin: 'draw', asked_at_ms: 70, draw });
  assert.deepEqual(kinds(bundle({ lines: [won] })), ['start', 'pin', 'card', 'entered', 'press', 'ordered']);
  const offered = line({}, { origin: 'waiting_list', asked_at_ms: 90, draw });
  assert.deepEqual(kinds(bundle({ lines: [offered] })), ['start', 'pin', 'card', 'entered', 'asked', 'press', 'ordered']);
});

test('an offer has its question, money has each step that it took', () => {
  const offered = line({}, { origin: 'waiting_list', asked_at_ms: 70 });
  const payment = { id: 'p1', provider: 'sandbox', provider_ref: 'sp_1', amount_minor: 199, state: 'captured', created_at_ms: 130, authorised_at_ms: 140, updated_at_ms: 150 };
  const waiting = { ...payment, id: 'p2', state: 'created', created_at_ms: 160, authorised_at_ms: null };
  const refund = { amount_minor: 100, state: 'done', reason: 'broken', created_at_ms: 170 };
  const facts = bundle({ lines: [offered], money: { payments: [payment, waiting], refunds: [refund] } });
  assert.deepEqual(kinds(facts).slice(3), ['asked', 'press', 'ordered', 'payment', 'payment', 'payment', 'payment', 'refund']);
  const words = timelineOf(facts).map((entry) => entry.payment?.word).filter(Boolean);
  assert.deepEqual(words, ['created', 'authorised', 'captured', 'created']);
});
