// @ts-check
/**
 * What was told and said in a show, read page by page as the video needs it.
 *
 * Invariant: of the chat only a stretch around what is watched is kept; a jump out of it reads a new one.
 */
import { linesAt } from '../../logic/replay.js';
import { get } from '../../net/api.js';

/** @typedef {import('../../logic/room_state.js').ChatLine} ChatLine */
/** @typedef {import('../../logic/replay.js').LoggedEvent} LoggedEvent */

/** So much of the chat is read before the place one jumps to, and ahead of where one watches. */
const BEFORE_MS = 180_000;
const AHEAD_MS = 60_000;
const RETRY_MS = 3_000;

export class ReplayRecord {
  /** @type {LoggedEvent[]} */
  events = [];
  /** @type {ChatLine[]} */
  #lines = [];
  /** The stretch of the chat that is known. */
  #from_ms = Infinity;
  #to_ms = -Infinity;
  /** @type {string | null} */
  #next = null;
  #isBusy = false;
  #waitUntil_ms = 0;

  /**
   * @param {string} show
   * @param {() => void} onNews
   */
  constructor(show, onNews) {
    this.path = `/api/shows/${encodeURIComponent(show)}/replay`;
    this.onNews = onNews;
  }

  /** Read what the room was told, all of it; a page that does not come is asked for again. */
  async load() {
    /** @type {number | null} */
    let after = 0;
    while (after !== null) {
      /** @type {{events: LoggedEvent[], next: number | null} | null} */
      const page = await get(`${this.path}/log?after=${after}`).catch(() => null);
      if (!page) {
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
        continue;
      }
      this.events = [...this.events, ...page.events];
      after = page.next;
      this.onNews();
    }
  }

  /** See to it that the chat around a moment is there soon. @param {number} at_ms */
  want(at_ms) {
    const isKnown = this.#from_ms <= at_ms && at_ms <= this.#to_ms;
    const isShort = isKnown && this.#next !== null && this.#to_ms - at_ms < AHEAD_MS;
    if ((isKnown && !isShort) || this.#isBusy || performance.now() < this.#waitUntil_ms) return;
    void this.#read(isShort ? null : at_ms - BEFORE_MS);
  }

  /** @param {number} at_ms @returns {ChatLine[]} */
  linesAt(at_ms) {
    return this.#from_ms <= at_ms && at_ms <= this.#to_ms ? linesAt(this.#lines, at_ms) : [];
  }

  /** @param {number | null} since_ms where a new stretch begins; null goes on with the present one */
  async #read(since_ms) {
    this.#isBusy = true;
    try {
      const query = since_ms === null ? `line=${this.#next}` : `since_ms=${Math.max(0, Math.floor(since_ms))}`;
      const { lines, next } = await get(`${this.path}/chat?${query}`);
      this.#lines = since_ms === null ? [...this.#lines, ...lines] : lines;
      if (since_ms !== null) this.#from_ms = since_ms;
      this.#next = next;
      this.#to_ms = next === null ? Infinity : this.#lines.at(-1)?.[5] ?? Infinity;
    } catch {
      this.#waitUntil_ms = performance.now() + RETRY_MS;
    } finally {
      this.#isBusy = false;
    }
    this.onNews();
  }
}
