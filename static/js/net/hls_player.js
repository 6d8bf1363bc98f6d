// @ts-check
/**
 * Play our HLS playlists in a video element: byte ranges into Media Source Extensions, or the browser's own HLS.
 *
 * Invariant: one request at a time, a bounded buffer, and a failed request is asked again; nothing here reads the clock of
 * the show. A running playlist is followed some seconds behind its end.
 */
import { parsePlaylist, partStart, segmentAt } from '../logic/playlist.js';

/** @typedef {import('../logic/playlist.js').Playlist} Playlist */
/** @typedef {import('../logic/playlist.js').Segment} Segment */
/** @typedef {import('../logic/playlist.js').Range} Range */

/** So much is fetched ahead of what is seen, and kept behind it. */
const AHEAD_S = 24;
const BEHIND_S = 60;
/** A running playlist is looked at again. */
const REFRESH_MS = 4_000;
/** How far behind the end of a running playlist one watches: two segments and a half. */
const EDGE_S = 10;
/** Whoever has fallen behind by this much more (a phone that slept) is brought back there. */
const LAG_S = 12;
const RETRY_MS = 2_000;
/** A hole of this length between two ranges is jumped over: sound and picture of a part end apart. */
const HOLE_S = 1;
const TICK_MS = 250;
const NATIVE = 'application/vnd.apple.mpegurl';

export class HlsPlayer {
  /** @type {Playlist} */
  #playlist = { segments: [], isOver: false, end_s: 0 };
  /** @type {MediaSource | null} */
  #source = null;
  /** @type {SourceBuffer | null} */
  #buffer = null;
  /** @type {Segment | null} what was appended last; the header of its part is in the buffer */
  #last = null;
  #isBusy = false;
  #listening = new AbortController();
  #timer = 0;
  #readAt_ms = -Infinity;
  #waitUntil_ms = 0;
  /** @type {number | null} where to begin, until there is something to play there */
  #begin_s = null;

  /**
   * @param {HTMLVideoElement} video
   * @param {string} url of the playlist
   * @param {{onProblem: (problem: 'unsupported' | 'network') => void, isFollowing?: boolean}} options isFollowing: a running
   *   playlist is watched at its end, not from its beginning
   */
  constructor(video, url, { onProblem, isFollowing = false }) {
    this.video = video;
    this.url = new URL(url, location.href);
    this.onProblem = onProblem;
    this.isFollowing = isFollowing;
  }

  get #isStopped() {
    return this.#listening.signal.aborted;
  }

  /** Where one watches a running playlist. */
  get #edge_s() {
    return Math.max(0, this.#playlist.end_s - EDGE_S);
  }

  /** Begin; settled when there is something to play, or that nothing can be. Rejects when there is no playlist. */
  async start() {
    await this.#read();
    if (this.#isStopped) return;
    if (this.#isRunning && this.#playlist.segments.length === 0) throw new Error('playlist: nothing yet');
    const type = this.#playlist.segments[0]?.type ?? '';
    if (!('MediaSource' in window) || (type && !MediaSource.isTypeSupported(type))) {
      this.#playNatively();
      return;
    }
    const source = new MediaSource();
    this.#source = source;
    this.video.src = URL.createObjectURL(source);
    await new Promise((resolve) => source.addEventListener('sourceopen', resolve, { once: true }));
    if (this.#isStopped) return;
    URL.revokeObjectURL(this.video.src);
    this.#timer = window.setInterval(() => void this.#tick(), TICK_MS);
    this.video.addEventListener('seeking', () => void this.#tick(), { signal: this.#listening.signal });
    if (this.#isRunning) this.#begin_s = this.#edge_s;
    await this.#tick();
  }

  /** Is it followed to its end? */
  get #isRunning() {
    return this.isFollowing && !this.#playlist.isOver;
  }

  /** Stop and let go of everything. */
  stop() {
    this.#listening.abort();
    clearInterval(this.#timer);
    this.#source = null;
    this.#buffer = null;
    this.video.removeAttribute('src');
    this.video.load();
  }

  #playNatively() {
    if (!this.video.canPlayType(NATIVE)) {
      this.onProblem('unsupported');
      return;
    }
    this.video.addEventListener('error', () => this.onProblem('unsupported'), { signal: this.#listening.signal });
    this.video.src = this.url.href;
  }

  /** Read the playlist, where it is due. */
  async #read() {
    if (this.#playlist.isOver || performance.now() - this.#readAt_ms < REFRESH_MS) return;
    this.#readAt_ms = performance.now();
    const response = await fetch(this.url, { credentials: 'same-origin' });
    if (!response.ok) throw new Error(`playlist: ${response.status}`);
    this.url = new URL(response.url || this.url.href);
    this.#playlist = parsePlaylist(await response.text());
  }

  async #tick() {
    if (this.#isBusy || !this.#source || performance.now() < this.#waitUntil_ms) return;
    this.#isBusy = true;
    try {
      await this.#read();
      this.#jumpHole();
      this.#keepUp();
      const next = this.#next();
      if (next) await this.#append(next);
      else this.#end();
    } catch {
      if (this.#isStopped) return;
      this.#waitUntil_ms = performance.now() + RETRY_MS;
      this.onProblem('network');
    } finally {
      this.#isBusy = false;
    }
  }

  /** @returns {Segment | null} the first segment that the buffer lacks, from where one watches on */
  #next() {
    const from_s = this.#begin_s ?? this.video.currentTime;
    const ranges = this.video.buffered;
    let ahead_s = from_s;
    for (let i = 0; i < ranges.length; i += 1) {
      if (ranges.start(i) <= ahead_s + HOLE_S && ranges.end(i) > ahead_s) ahead_s = ranges.end(i);
    }
    if (ahead_s - from_s > AHEAD_S) return null;
    // What was appended a moment ago ends some milliseconds before or behind what the playlist says.
    const found = segmentAt(this.#playlist.segments, ahead_s > from_s ? ahead_s + 0.1 : from_s);
    return found === this.#last && ahead_s > from_s ? null : found;
  }

  /** @param {Segment} segment */
  async #append(segment) {
    if (!MediaSource.isTypeSupported(segment.type)) {
      this.onProblem('unsupported');
      this.#waitUntil_ms = Infinity;
      return;
    }
    const isNewPart = segment.part !== this.#last?.part;
    const header = isNewPart && segment.init ? await this.#fetch(segment.init) : null;
    const data = await this.#fetch(segment);
    const source = this.#source;
    if (!source || source.readyState === 'closed') return;
    const buffer = this.#buffer ?? source.addSourceBuffer(segment.type);
    this.#buffer = buffer;
    if (header) {
      if (this.#last && this.#last.type !== segment.type) buffer.changeType(segment.type);
      buffer.timestampOffset = partStart(this.#playlist.segments, segment.part);
      await this.#settle(buffer, () => buffer.appendBuffer(header));
    }
    await this.#forget(buffer);
    await this.#settle(buffer, () => buffer.appendBuffer(data));
    this.#last = segment;
    this.#settleBegin(segment);
    const end_s = Math.max(this.#playlist.end_s, buffer.buffered.length ? buffer.buffered.end(buffer.buffered.length - 1) : 0);
    if (source.readyState === 'open' && source.duration !== end_s) source.duration = end_s;
  }

  /** @param {SourceBuffer} buffer */
  async #forget(buffer) {
    const until_s = this.video.currentTime - BEHIND_S;
    if (buffer.buffered.length && buffer.buffered.start(0) < until_s) await this.#settle(buffer, () => buffer.remove(0, until_s));
  }

  /**
   * @param {SourceBuffer} buffer
   * @param {() => void} act
   */
  async #settle(buffer, act) {
    const done = new Promise((resolve, reject) => {
      buffer.addEventListener('updateend', resolve, { once: true });
      buffer.addEventListener('error', reject, { once: true });
    });
    act();
    await done;
  }

  /** @param {Range} range @returns {Promise<ArrayBuffer>} */
  async #fetch({ uri, offset, size }) {
    const response = await fetch(new URL(uri, this.url), { headers: { Range: `bytes=${offset}-${offset + size - 1}` } });
    if (response.status !== 206) throw new Error(`segment: ${response.status}`);
    return response.arrayBuffer();
  }

  /** A place that is set before there is any media is forgotten by some browsers: it is set again. @param {Segment} first */
  #settleBegin(first) {
    if (this.#begin_s === null) return;
    this.video.currentTime = Math.max(this.#begin_s, first.start_s);
    this.#begin_s = null;
  }

  #keepUp() {
    if (this.#isRunning && this.#begin_s === null && this.#edge_s - this.video.currentTime > LAG_S) this.video.currentTime = this.#edge_s;
  }

  #jumpHole() {
    const { buffered, currentTime } = this.video;
    for (let i = 0; i < buffered.length; i += 1) {
      const gap_s = buffered.start(i) - currentTime;
      if (gap_s > 0 && gap_s <= HOLE_S && !isIn(buffered, currentTime)) this.video.currentTime = buffered.start(i) + 0.01;
    }
  }

  #end() {
    const isAll = this.#last !== null && this.#last === this.#playlist.segments.at(-1);
    if (this.#playlist.isOver && isAll && this.#source?.readyState === 'open' && this.#buffer?.updating === false) this.#source.endOfStream();
  }
}

/**
 * @param {TimeRanges} ranges
 * @param {number} at_s
 */
function isIn(ranges, at_s) {
  for (let i = 0; i < ranges.length; i += 1) if (ranges.start(i) <= at_s && at_s < ranges.end(i) - 0.05) return true;
  return false;
}
