// @ts-check
/**
 * A show played again: which moment a place of the video is, and what the room showed and said then.
 *
 * Invariant: pure; a place shows the same whether one played up to it or jumped there.
 */
import { applyEvent } from './room_state.js';

/** @typedef {import('./room_state.js').RoomState} RoomState */
/** @typedef {import('./room_state.js').ChatLine} ChatLine */
/** @typedef {{no: number, from_ms: number, to_ms: number, start_ms: number}} Part from and to by the wall clock, start in the video */
/** @typedef {{item: string, no: number, title: string, title_zh: string | null, at_ms: number, start_ms: number, end_ms: number}} Chapter */
/** @typedef {[offset: number, type: string, payload: any, at_ms: number]} LoggedEvent */

/** Lines that stand in the chat at once. */
const LINES_SHOWN = 60;

/**
 * When a place of the video was.
 * @param {readonly Part[]} parts
 * @param {number} place_ms
 * @returns {number} Unix ms
 */
export function wallOf(parts, place_ms) {
  const part = parts.findLast((one) => one.start_ms <= place_ms) ?? parts[0];
  if (!part) return 0;
  return Math.min(part.from_ms + place_ms - part.start_ms, part.to_ms);
}

/**
 * What the room showed at a moment: the log up to it, from nothing.
 * @param {RoomState} empty a room without show, bag and sales
 * @param {readonly LoggedEvent[]} events oldest first
 * @param {number} at_ms
 * @returns {RoomState}
 */
export function stateAt(empty, events, at_ms) {
  const end = countUntil(events, at_ms, (event) => event[3]);
  const told = events.slice(0, end);
  // A picture of the whole room needs nothing that came before it.
  const from = Math.max(0, told.findLastIndex(([, type]) => type === 'room.state'));
  return told.slice(from).reduce((state, [, type, payload, ms]) => applyEvent(state, [type, payload, ms]), empty);
}

/**
 * The newest lines that had been said at a moment.
 * @param {readonly ChatLine[]} lines oldest first
 * @param {number} at_ms
 * @returns {ChatLine[]}
 */
export function linesAt(lines, at_ms) {
  const end = countUntil(lines, at_ms, (line) => line[5]);
  return lines.slice(Math.max(0, end - LINES_SHOWN), end);
}

/**
 * The chapter that a place lies in.
 * @param {readonly Chapter[]} chapters
 * @param {number} place_ms
 * @returns {Chapter | null}
 */
export function chapterAt(chapters, place_ms) {
  return chapters.findLast((one) => one.start_ms <= place_ms && place_ms < one.end_ms) ?? null;
}

/**
 * How many of a sorted list are at or before a moment.
 * @template T
 * @param {readonly T[]} list
 * @param {number} at_ms
 * @param {(one: T) => number} timeOf
 */
function countUntil(list, at_ms, timeOf) {
  let low = 0;
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (timeOf(/** @type {T} */ (list[middle])) <= at_ms) low = middle + 1;
    else high = middle;
  }
  return low;
}
