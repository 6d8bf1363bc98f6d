// @ts-check
/** The way back after signing in stays on this site. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { destinationOf } from '../../static/js/logic/destination.js';

const HERE = 'http://shop.example';

test('a page of this site is where one goes back to', () => {
  assert.equal(destinationOf('/console/demo?lang=zh', HERE), `${HERE}/console/demo?lang=zh`);
  assert.equal(destinationOf(null, HERE), `${HERE}/`);
});

test('no spelling of another site leads there', () => {
  const elsewhere = ['//evil.example', 'https://evil.example/x', '\\\\evil.example', 'javascript:alert(1)', 'http://[', '/\t/evil.example'];
  for (const next of elsewhere) assert.equal(destinationOf(next, HERE), `${HERE}/`, next);
  for (const next of ['/.//evil.example/x', '/x/..//evil.example/']) {
    assert.equal(new URL(destinationOf(next, HERE)).origin, HERE, next);
    assert.ok(destinationOf(next, HERE).startsWith(`${HERE}/`), next);
  }
});
