// @ts-check
/** The word beside the console's line: the worst of what is wrong, or nothing. */
import assert from 'node:assert/strict';
import test from 'node:test';

import { linkWord } from '../../static/js/logic/console_link.js';

/** @param {Partial<import('../../static/js/logic/banner.js').Link>} [change] @returns {import('../../static/js/logic/banner.js').Link} */
const makeLink = (change) => ({ state: 'open', rec: 'fresh', code: null, since_ms: 0, retry_at_ms: null, attempt: 0, wasOpen: true, ...change });
const well = { isReadLost: false, carrier: { isDegraded: false, load: 0 } };

test('a line that is well says nothing', () => {
  assert.equal(linkWord(makeLink(), well), null);
  assert.equal(linkWord(makeLink({ state: 'connecting', wasOpen: false }), well), null);
});

test('a lost line comes before everything', () => {
  const bad = { isReadLost: true, carrier: { isDegraded: true, load: 3 } };
  assert.equal(linkWord(makeLink({ state: 'waiting' }), bad), 'console.link_lost');
  assert.equal(linkWord(makeLink({ state: 'connecting' }), bad), 'banner.reconnecting_plain');
  assert.equal(linkWord(makeLink({ state: 'closed' }), bad), 'banner.closed');
  assert.equal(linkWord(makeLink(), bad), 'console.degraded');
});

test('each rung of the ladder has its words', () => {
  const words = [1, 2, 3].map((load) => linkWord(makeLink(), { ...well, carrier: { isDegraded: false, load } }));
  assert.deepEqual(words, ['console.load_chat', 'console.load_state', 'console.load_doors']);
});
