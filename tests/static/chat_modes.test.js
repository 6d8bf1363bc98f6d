// @ts-check
/** Modes of the chat: switching one, and the shield that is a bundle of them. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { areSameModes, isShielded, toggleMode, toggleShield, withSlow } from '../../static/js/logic/chat_modes.js';

test('only modes that are on are listed', () => {
  assert.deepEqual(withSlow({}, 10), { slow_s: 10 });
  assert.deepEqual(withSlow({ slow_s: 10, links_off: true }, 0), { links_off: true });
  assert.deepEqual(toggleMode({ slow_s: 5 }, 'emote_only'), { slow_s: 5, emote_only: true });
  assert.deepEqual(toggleMode({ emote_only: true }, 'emote_only'), {});
});

test('the shield is one press on and one press off', () => {
  const on = toggleShield({ emote_only: true });
  assert.deepEqual(on, { emote_only: true, slow_s: 10, links_off: true });
  assert.equal(isShielded(on), true);
  assert.deepEqual(toggleShield(on), { emote_only: true });
});

test('the shield never makes a room laxer', () => {
  assert.deepEqual(toggleShield({ slow_s: 60 }), { slow_s: 60, links_off: true });
  assert.equal(isShielded({ slow_s: 5, links_off: true }), false);
  assert.equal(isShielded({ slow_s: 60 }), false);
});

test('a mode that is off and one that is not named are the same', () => {
  assert.equal(areSameModes({}, { slow_s: 0, emote_only: false }), true);
  assert.equal(areSameModes({ slow_s: 5 }, { slow_s: 10 }), false);
  assert.equal(areSameModes({ links_off: true }, {}), false);
});
