// @ts-check
/**
 * An HLS playlist as a list of byte ranges with their places on one time line (RFC 8216).
 *
 * Invariant: pure; what is not understood is skipped, so that a playlist of a later release still plays.
 */

/** @typedef {{uri: string, size: number, offset: number}} Range */
/** @typedef {Range & {start_s: number, end_s: number, at_ms: number | null, part: number, type: string, init: Range | null}} Segment
 *   `at_ms` is the wall clock at its beginning; `part` counts up at every discontinuity */
/** @typedef {{segments: Segment[], isOver: boolean, end_s: number}} Playlist */

/**
 * @param {string} text
 * @returns {Playlist}
 */
export function parsePlaylist(text) {
  /** @type {Segment[]} */
  const segments = [];
  const now = { type: '', part: 0, start_s: 0, duration_s: 0, at_ms: /** @type {number | null} */ (null) };
  /** @type {Range | null} */
  let init = null;
  let range = { size: 0, offset: 0 };
  let isOver = false;
  for (const line of text.split('\n')) {
    const [tag, value] = split(line);
    if (tag === '#EXT-X-ENDLIST') isOver = true;
    else if (tag === '#EXT-X-DISCONTINUITY') now.part += 1;
    else if (tag === '#EXT-X-HUBBUB-TYPE') now.type = value;
    else if (tag === '#EXT-X-MAP') init = readMap(value);
    else if (tag === '#EXT-X-PROGRAM-DATE-TIME') now.at_ms = Date.parse(value);
    else if (tag === '#EXTINF') now.duration_s = Number.parseFloat(value);
    else if (tag === '#EXT-X-BYTERANGE') range = readRange(value);
    else if (line && !line.startsWith('#')) {
      const end_s = now.start_s + now.duration_s;
      segments.push({ uri: line, ...range, start_s: now.start_s, end_s, at_ms: now.at_ms, part: now.part, type: now.type, init });
      now.start_s = end_s;
    }
  }
  return { segments, isOver, end_s: now.start_s };
}

/**
 * Which segment has a place, or comes next behind it; null behind the last.
 * @param {readonly Segment[]} segments
 * @param {number} place_s
 * @returns {Segment | null}
 */
export function segmentAt(segments, place_s) {
  return segments.find((one) => one.end_s > place_s + 0.001) ?? null;
}

/**
 * Where a part begins on the time line; its own times count from there.
 * @param {readonly Segment[]} segments
 * @param {number} part
 * @returns {number}
 */
export function partStart(segments, part) {
  return segments.find((one) => one.part === part)?.start_s ?? 0;
}

/**
 * @param {string} line
 * @returns {[string, string]}
 */
function split(line) {
  const at = line.indexOf(':');
  return line.startsWith('#') && at > 0 ? [line.slice(0, at), line.slice(at + 1).trim()] : [line.trim(), ''];
}

/** @param {string} value `500@0` */
function readRange(value) {
  const [size = '0', offset = '0'] = value.replaceAll('"', '').split('@');
  return { size: Number.parseInt(size, 10), offset: Number.parseInt(offset, 10) };
}

/**
 * @param {string} value `URI="0001.mp4",BYTERANGE="700@0"`
 * @returns {Range | null}
 */
function readMap(value) {
  const uri = /URI="([^"]+)"/.exec(value)?.[1];
  const range = /BYTERANGE="([^"]+)"/.exec(value)?.[1];
  return uri && range ? { uri, ...readRange(range) } : null;
}
