// @ts-check
/** The drawings: small, self-contained, and every icon that a page asks for is there. */
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import test from 'node:test';

const STATIC = new URL('../../static/', import.meta.url);
const SMALL_BYTES = 3 * 1024;
const STAGE_BYTES = 20 * 1024;

/** @param {string} path */
const read = (path) => readFileSync(new URL(path, STATIC), 'utf8');
/** @param {string} folder @param {string} ending */
const list = (folder, ending) => readdirSync(new URL(folder, STATIC), { recursive: true }).map(String).filter((name) => name.endsWith(ending)).map((name) => folder + name);

const drawings = list('img/', '.svg');

test('goods and hosts take at most 3 KB each, the stage 20 KB', () => {
  for (const path of drawings.filter((name) => /goods|host|mark/.test(name))) assert.ok(read(path).length <= SMALL_BYTES, path);
  assert.ok(read('img/scene/kiln.svg').length <= STAGE_BYTES);
});

test('a drawing runs nothing and loads nothing', () => {
  for (const path of drawings) assert.ok(!/<script|<style|<foreignObject|\son\w+=|href="(?!#)|url\((?!#)/i.test(read(path)), path);
});

test('every reference inside a drawing is answered in it', () => {
  for (const path of drawings) {
    const text = read(path);
    const ids = new Set([...text.matchAll(/\sid="([\w-]+)"/g)].map((match) => match[1]));
    for (const match of text.matchAll(/(?:href="#|url\(#)([\w-]+)/g)) assert.ok(ids.has(match[1]), `${path} ${match[1]}`);
  }
});

test('every icon in use is in the sprite', () => {
  const sprite = read('img/icons.svg');
  const sources = [...list('js/', '.js'), ...list('html/', '.html')].map(read).join('\n');
  const used = [...sources.matchAll(/icons\.svg#i-([a-z]+)/g), ...sources.matchAll(/\bicon\('([a-z]+)'\)/g)].map((match) => match[1]);
  assert.ok(used.length > 0);
  for (const name of used) assert.ok(sprite.includes(`id="i-${name}"`), name);
});
