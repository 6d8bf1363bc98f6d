// @ts-check
/** Playlists of recordings: ranges, places, parts. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { parsePlaylist, partStart, segmentAt } from '../../static/js/logic/playlist.js';

const TEXT = `#EXTM3U
#EXT-X-VERSION:7
#EXT-X-SOMETHING-NEW:1
#EXT-X-HUBBUB-TYPE:video/mp4; codecs="avc1.42e01f,opus"
#EXT-X-MAP:URI="0001.mp4",BYTERANGE="700@0"
#EXT-X-PROGRAM-DATE-TIME:2026-11-22T11:22:57.966Z
#EXTINF:4.000,
#EXT-X-BYTERANGE:100@700
0001.mp4
#EXTINF:2.500,
#EXT-X-BYTERANGE:50@800
0001.mp4
#EXT-X-DISCONTINUITY
#EXT-X-HUBBUB-TYPE:video/webm; codecs="vp8"
#EXT-X-MAP:URI="0002.webm",BYTERANGE="300@0"
#EXTINF:4.100,
#EXT-X-BYTERANGE:60@300
0002.webm
#EXT-X-ENDLIST
`;

test('segments stand one after the other over all parts', () => {
  const { segments, isOver, end_s } = parsePlaylist(TEXT);
  assert.equal(isOver, true);
  assert.equal(end_s, 10.6);
  assert.deepEqual(segments.map(({ start_s, end_s: end, part }) => [start_s, end, part]), [[0, 4, 0], [4, 6.5, 0], [6.5, 10.6, 1]]);
});

test('a segment has its range, its type, its header and its moment', () => {
  const [first, , last] = parsePlaylist(TEXT).segments;
  assert.deepEqual([first?.uri, first?.offset, first?.size], ['0001.mp4', 700, 100]);
  assert.equal(first?.at_ms, Date.parse('2026-11-22T11:22:57.966Z'));
  assert.equal(last?.type, 'video/webm; codecs="vp8"');
  assert.deepEqual(last?.init, { uri: '0002.webm', size: 300, offset: 0 });
});

test('a place is found, and behind the last there is none', () => {
  const { segments } = parsePlaylist(TEXT);
  assert.equal(segmentAt(segments, 0)?.start_s, 0);
  assert.equal(segmentAt(segments, 4)?.start_s, 4);
  assert.equal(segmentAt(segments, 9)?.part, 1);
  assert.equal(segmentAt(segments, 10.6), null);
  assert.equal(partStart(segments, 1), 6.5);
});

test('an empty playlist plays nothing', () => {
  assert.deepEqual(parsePlaylist('#EXTM3U\n'), { segments: [], isOver: false, end_s: 0 });
});
