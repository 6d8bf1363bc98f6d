// @ts-check
/**
 * What a page makes of a waiting list: one's place, when to ask for it anew, and the note that one came back.
 *
 * Invariant: a place is asked for only by those who may be in a line, when it may have moved, and seldom by those who are far back.
 */

/** @typedef {import('./room_state.js').RoomState} RoomState */
/** @typedef {import('./room_state.js').Waiting} Waiting */
/** @typedef {{id: string, sale: string, qty: number, place: number | null, waiting: number}} Entry one's own place in a line */
/** @typedef {{entry: string, waiting: number}} Offered what makes a hold an offer: its entry, and how many wait behind */
/** @typedef {Readonly<Record<string, number>>} Notes when the last note was put up, by sale, in ms */

/** Nobody asks for a place more often than this; each place further back waits a little longer, up to the most. */
const ASK_MS = 3_000;
const ASK_MS_A_PLACE = 100;
const ASK_MS_MAX = 30_000;
/** Those who hear of a change together spread their questions over this part of the wait. */
const SPREAD = 0.5;
/** A note that one came back stays this long, and the next one for the same sale comes no sooner than after the gap. */
export const NOTE_MS = 5_000;
const NOTE_GAP_MS = 8_000;

/**
 * How many wait for a sale's pool, and how many have an offer.
 * @param {RoomState} state
 * @param {string | null | undefined} sale
 * @returns {Waiting}
 */
export function waitingOf(state, sale) {
  return state.sales.find((one) => one.id === sale)?.waiting ?? [0, 0];
}

/**
 * Whether anybody waits in this room, or has an offer: without that nobody has to ask for a place.
 * @param {RoomState} state
 * @returns {boolean}
 */
export function hasLine(state) {
  return state.sales.some(({ waiting }) => waiting !== undefined && waiting[0] + waiting[1] > 0);
}

/**
 * Whether somebody has to ask for their entries, as the room says nothing of them. A room that comes back as one must not
 * ask as one: those ask who know of an entry, and a page that has just been opened where people wait, as its person may
 * have joined elsewhere.
 * @param {{state: RoomState, isOpened: boolean, knows: boolean}} facts `knows`: this page, or one before it, has heard of an entry
 * @returns {boolean}
 */
export function mustAsk({ state, isOpened, knows }) {
  return knows || (isOpened && hasLine(state));
}

/**
 * Whether somebody may have left the line, so that others moved up. Who joins changes nobody's place.
 * @param {Waiting} before
 * @param {Waiting} after
 * @returns {boolean}
 */
export function hasMoved(before, after) {
  return after[0] < before[0] || after[1] > before[1];
}

/**
 * How long to wait before asking for one's place.
 * @param {number | null} place the last one known
 * @param {number} asked_ms when it was asked for last
 * @param {number} now_ms
 * @param {number} share 0 to 1 at random, so that a line does not ask at once
 * @returns {number} ms, 0 or more
 */
export function askIn(place, asked_ms, now_ms, share) {
  const gap_ms = Math.min(ASK_MS_MAX, ASK_MS + ASK_MS_A_PLACE * (place ?? 1));
  return Math.max(0, asked_ms + gap_ms - now_ms) + Math.round(gap_ms * SPREAD * share);
}

/**
 * An entry after its line has moved: nobody is further back than the line is long. A line that only grew says nothing,
 * as its length may be older than the entry.
 * @param {Entry} entry
 * @param {Waiting} before
 * @param {Waiting} after
 * @returns {Entry}
 */
export function movedUp(entry, before, after) {
  if (entry.place === null || after[0] === 0 || !hasMoved(before, after)) return entry;
  return { ...entry, place: Math.min(entry.place, after[0]) };
}

/**
 * The sales of which a unit went to the next in line between two states, and are due a note.
 * @param {RoomState} before
 * @param {RoomState} after
 * @param {Notes} notes
 * @param {number} now_ms
 * @returns {string[]}
 */
export function cameBack(before, after, notes, now_ms) {
  return after.sales
    .filter((sale) => (sale.waiting?.[1] ?? 0) > waitingOf(before, sale.id)[1])
    .filter((sale) => now_ms - (notes[sale.id] ?? -Infinity) >= NOTE_GAP_MS)
    .map((sale) => sale.id);
}
