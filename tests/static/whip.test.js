// @ts-check
/** WHIP and WHEP as text: links, fragments, waits, codecs. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { nextTry, offerParts, preferCodecs, readIceLinks, readRetryAfter, sdpFragment, viewersCode } from '../../static/js/logic/whip.js';

test('links of ICE servers are read, others are not', () => {
  const header = '<stun:stun.example.net>; rel="ice-server", <turn:turn.example.net?transport=udp>; rel="ice-server"; username="u:1"; credential="a,b;c"; credential-type="password", <https://x.example/>; rel="next"';
  assert.deepEqual(readIceLinks(header), [{ urls: 'stun:stun.example.net' }, { urls: 'turn:turn.example.net?transport=udp', username: 'u:1', credential: 'a,b;c' }]);
  assert.deepEqual(readIceLinks('<javascript:alert(1)>; rel="ice-server"'), []);
  assert.deepEqual(readIceLinks(null), []);
});

test('a fragment names the offer and carries its candidates under the first section', () => {
  const offer = offerParts('v=0\r\na=ice-ufrag:abc\r\na=ice-pwd:secret\r\na=mid:0\r\nm=video\r\na=mid:1\r\n');
  assert.deepEqual(offer, { ufrag: 'abc', pwd: 'secret', mids: ['0', '1'] });
  const body = sdpFragment(offer, [{ candidate: 'candidate:1 1 udp 1 192.0.2.1 9 typ host' }], true);
  assert.equal(body, 'a=ice-ufrag:abc\r\na=ice-pwd:secret\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\na=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\na=end-of-candidates\r\n');
  assert.ok(!sdpFragment(offer, [], false).includes('end-of-candidates'));
});

test('Retry-After is read as seconds or a date, and believed up to a minute', () => {
  assert.equal(readRetryAfter('2', 0), 2_000);
  assert.equal(readRetryAfter('86400', 0), 60_000);
  assert.equal(readRetryAfter('Thu, 01 Jan 1970 00:00:05 GMT', 1_000), 4_000);
  assert.equal(readRetryAfter('Thu, 01 Jan 1970 00:00:00 GMT', 1_000), 0);
  assert.equal(readRetryAfter('soon', 0), null);
  assert.equal(readRetryAfter(null, 0), null);
});

test('a viewer waits where a publisher is told', () => {
  const facts = { attempt: 0, retry_after_ms: 2_000, isPublisher: false, random: 0 };
  assert.deepEqual(nextTry({ ...facts, status: 409 }), { act: 'wait', wait_ms: 2_000 });
  assert.deepEqual(nextTry({ ...facts, status: 503, random: 1 }), { act: 'wait', wait_ms: 2_500 });
  assert.deepEqual(nextTry({ ...facts, status: 409, attempt: 9 }), { act: 'wait', wait_ms: 2_000 });
  assert.deepEqual([0, 1, 2, 9].map((attempt) => nextTry({ ...facts, status: 503, attempt, retry_after_ms: 10_000 })), [10_000, 15_000, 22_500, 40_000].map((wait_ms) => ({ act: 'wait', wait_ms })));
  assert.deepEqual(nextTry({ ...facts, status: 409, isPublisher: true }), { act: 'give_up' });
  assert.deepEqual(nextTry({ ...facts, status: 503, isPublisher: true }), { act: 'wait', wait_ms: 2_000 });
});

test('what no waiting heals is given up, a stale ticket is asked for again a few times', () => {
  const facts = { attempt: 0, retry_after_ms: null, isPublisher: false, random: 0 };
  for (const status of [400, 403, 404, 405, 406, 413, 415, 422]) assert.equal(nextTry({ ...facts, status }).act, 'give_up');
  assert.equal(nextTry({ ...facts, status: 401 }).act, 'ask_anew');
  assert.equal(nextTry({ ...facts, status: 401, attempt: 4 }).act, 'give_up');
  assert.deepEqual(nextTry({ ...facts, status: 0 }), { act: 'wait', wait_ms: 500 });
  assert.deepEqual(nextTry({ ...facts, status: 0, attempt: 30, random: 0.999_999 }), { act: 'wait', wait_ms: 20_000 });
});

test('an engine that has no codes of ours is understood by its status, and waited for', () => {
  assert.deepEqual([404, 409, 503, 500].map((status) => viewersCode({ status, code: '' })), ['not_live', 'not_live', 'video_full', '']);
  assert.equal(viewersCode({ status: 404, code: 'not_found' }), 'not_found');
  const facts = { status: 404, attempt: 0, retry_after_ms: null, isPublisher: false, random: 0 };
  assert.deepEqual(nextTry({ ...facts, code: 'not_live' }), { act: 'wait', wait_ms: 500 });
  assert.equal(nextTry({ ...facts, code: 'not_found' }).act, 'give_up');
});

test('H.264 comes first, then VP8, the rest as it was', () => {
  const codecs = [
    { mimeType: 'video/VP8' }, { mimeType: 'video/rtx' }, { mimeType: 'video/H264', sdpFmtpLine: 'packetization-mode=0;profile-level-id=42e01f' },
    { mimeType: 'video/VP9' }, { mimeType: 'video/H264', sdpFmtpLine: 'packetization-mode=1;profile-level-id=42001f' },
    { mimeType: 'video/H264', sdpFmtpLine: 'packetization-mode=1;profile-level-id=42e01f' },
  ];
  assert.deepEqual(preferCodecs(codecs).map((codec) => codecs.indexOf(codec)), [5, 4, 0, 2, 1, 3]);
});
