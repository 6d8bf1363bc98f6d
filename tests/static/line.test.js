// @ts-check
/** The line to the room: waits, close codes, the banner's choice, the server's clock. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { decideReturn, nextWait, WAIT_MS_MAX, WAIT_MS_MIN } from '../../static/js/logic/backoff.js';
import { chooseBanner } from '../../static/js/logic/banner.js';
import { bestOffset, ServerClock } from '../../static/js/net/clock.js';

test('waits are jittered between half a second and twenty', () => {
  for (let attempt = 0; attempt < 40; attempt += 1) {
    assert.equal(nextWait(attempt, 0), WAIT_MS_MIN);
    assert.ok(nextWait(attempt, 0.999_999) <= WAIT_MS_MAX);
  }
  assert.equal(nextWait(0, 0.999_999), 1_000);
  assert.equal(nextWait(30, 0.999_999), WAIT_MS_MAX);
});

test('close codes tell whether to come back', () => {
  assert.deepEqual([4001, 4099, 4108, 4129, 4200, 4201, 1006, 1012].map(decideReturn),
    ['stay_away', 'stay_away', 'back_off', 'back_off', 'come_back', 'come_back', 'back_off', 'back_off']);
});

/** @param {Partial<import('../../static/js/logic/banner.js').Link>} [change] @returns {import('../../static/js/logic/banner.js').Link} */
const makeLink = (change) => ({ state: 'open', rec: 'fresh', code: null, since_ms: 0, retry_at_ms: null, attempt: 0, wasOpen: true, ...change });
const calm = { isOnline: true, isDegraded: false, announcement: null, back: null, now_ms: 1_000 };

test('an open line says nothing', () => {
  assert.equal(chooseBanner({ ...calm, link: makeLink() }), null);
});

test('a lost line is reconnecting first, offline later', () => {
  const link = makeLink({ state: 'waiting', attempt: 1, retry_at_ms: 7_000 });
  assert.equal(chooseBanner({ ...calm, link })?.kind, 'reconnecting');
  assert.deepEqual(chooseBanner({ ...calm, link: { ...link, retry_at_ms: 16_000 }, now_ms: 10_000 }), { kind: 'offline', since_ms: 0, wait_s: 6 });
  assert.equal(chooseBanner({ ...calm, link, isOnline: false })?.kind, 'offline');
});

test('a full room says when', () => {
  assert.deepEqual(chooseBanner({ ...calm, link: makeLink({ state: 'waiting', code: 4113, retry_at_ms: 21_000 }) }), { kind: 'overloaded', wait_s: 20 });
});

test('the network comes before what the host announces, and that before good news', () => {
  const back = { rec: 'replayed', at_ms: 500 };
  assert.equal(chooseBanner({ ...calm, link: makeLink({ state: 'waiting', attempt: 1 }), announcement: 'Hi', back })?.kind, 'reconnecting');
  assert.equal(chooseBanner({ ...calm, link: makeLink(), announcement: 'Hi', back })?.kind, 'announcement');
  assert.equal(chooseBanner({ ...calm, link: makeLink(), announcement: 'Hi', back, isDegraded: true })?.kind, 'late');
  assert.equal(chooseBanner({ ...calm, link: makeLink({ state: 'waiting', attempt: 1 }), back: null, isDegraded: true })?.kind, 'reconnecting');
  assert.equal(chooseBanner({ ...calm, link: makeLink(), back })?.kind, 'back');
  assert.equal(chooseBanner({ ...calm, link: makeLink(), back, now_ms: 9_000 }), null);
});

test('a closed line says why', () => {
  assert.deepEqual([4001, 4003, 4004, 4009].map((code) => chooseBanner({ ...calm, link: makeLink({ state: 'closed', code }) })?.kind),
    ['signed_out', 'banned', 'none', 'closed']);
});

test('the clock takes the offset of the shortest round trip', () => {
  const best = bestOffset([{ sent: 0, received: 200, server_ms: 5_000 }, { sent: 300, received: 320, server_ms: 5_210 }, { sent: 400, received: 500, server_ms: 5_390 }]);
  assert.deepEqual(best, { offset_ms: 4_900, doubt_ms: 10 });
});

test('a sync of five round trips makes the clock certain', async () => {
  let local = 0;
  const clock = new ServerClock(() => local);
  assert.equal(clock.isCertain, false);
  assert.equal(clock.plusMinus_ms, null);
  await clock.sync(async () => {
    local += 36;
    return 1_000_018 + local - 36;
  });
  assert.equal(clock.isCertain, true);
  assert.equal(clock.plusMinus_ms, 18);
  assert.equal(clock.now(), 1_000_000 + local);
});

test('a hello only helps until the first sync', () => {
  const clock = new ServerClock(() => 50);
  clock.hint(1_050);
  assert.equal(clock.now(), 1_050);
  clock.doubt_ms = 5;
  clock.hint(9_999);
  assert.equal(clock.now(), 1_050);
});

test('a sync that gets no answer leaves the clock as it was', async () => {
  const clock = new ServerClock(() => 50);
  clock.hint(1_050);
  await clock.sync(() => Promise.reject(new Error('lost')));
  assert.equal(clock.now(), 1_050);
});
