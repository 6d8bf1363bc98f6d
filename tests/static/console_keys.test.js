// @ts-check
/** The keyboard never acts where a person writes. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { KEY_MAP, actOf } from '../../static/js/logic/console_keys.js';

const FREE = { inField: false, onControl: false, isOn: true };

test('a key means its act, in either case', () => {
  assert.equal(actOf({ key: 'n' }, FREE), 'next');
  assert.equal(actOf({ key: 'N' }, FREE), 'next');
  assert.equal(actOf({ key: 'e' }, FREE), 'halt_sale');
  assert.equal(actOf({ key: 'g' }, FREE), 'group_buy');
  assert.equal(actOf({ key: 'q' }, FREE), 'drop_coupons');
  assert.equal(actOf({ key: 'Delete' }, FREE), 'delete_line');
  assert.equal(actOf({ key: '?' }, FREE), 'keys');
  assert.equal(actOf({ key: 'a' }, FREE), 'add_units');
  assert.equal(actOf({ key: 'd' }, FREE), 'drop_price');
});

test('nothing acts in a field but Escape', () => {
  assert.equal(actOf({ key: 'n' }, { ...FREE, inField: true }), null);
  assert.equal(actOf({ key: 'Escape' }, { ...FREE, inField: true }), 'leave');
});

test('single keys can be switched off', () => {
  assert.equal(actOf({ key: 'x' }, { ...FREE, isOn: false }), null);
});

test('combinations belong to the browser', () => {
  for (const held of ['ctrlKey', 'altKey', 'metaKey']) assert.equal(actOf({ key: 'n', [held]: true }, FREE), null);
});

test('Enter on a button presses the button, not the run sheet', () => {
  assert.equal(actOf({ key: 'Enter' }, { ...FREE, onControl: true }), null);
  assert.equal(actOf({ key: 'Enter' }, FREE), 'pin_selected');
});

test('a held key repeats only where it moves', () => {
  assert.equal(actOf({ key: 'n', repeat: true }, FREE), null);
  assert.equal(actOf({ key: 'j', repeat: true }, FREE), 'line_down');
});

test('the space bar and names of objects are never bound', () => {
  for (const key of [' ', 'constructor', 'toString']) assert.equal(actOf({ key }, FREE), null);
});

test('the map names every act once', () => {
  const acts = KEY_MAP.map(([, act]) => act);
  assert.equal(new Set(acts).size, acts.length);
});
