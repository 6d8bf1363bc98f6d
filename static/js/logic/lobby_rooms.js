// @ts-check
/**
 * The lobby's rooms in order: what is live, most watched first, and what comes, soonest first.
 *
 * Invariant: a room is in one of the two lists at most once, and nothing here reads a clock.
 */

/** @typedef {{id: string, title: string, status: string, starts_at_ms?: number | null, started_at_ms?: number | null}} LobbyShow */
/** @typedef {{id: string, title: string, starts_at_ms: number, items: number, picture?: string | null}} NextShow */
/** @typedef {{kind: string, state: string, opens_at_ms: number | null, price_minor: number, currency: string, title: string,
 *   title_zh?: string | null, quantity: number, per_buyer: number | null}} NextEvent */
/** @typedef {{show: string, title: string, started_at_ms: number, length_ms: number}} Replay the last show that is over and was recorded */
/** @typedef {{room: string, title?: string | null, host: {id: string, name: string, avatar?: string | null}, show: LobbyShow | null,
 *   next_show: NextShow | null, viewers: number, next_event: NextEvent | null, poster: string | null, replay?: Replay | null}} LobbyRoom */
/** @typedef {LobbyRoom & {next_show: NextShow}} ComingRoom */
/** @typedef {LobbyRoom & {replay: Replay}} ReplayRoom */

const MINUTE_MS = 60_000;
/** "in 34 min" is said within this; further away the time alone says enough. */
const SOON_MIN = 90;

/**
 * Live rooms, most watched first.
 * @param {readonly LobbyRoom[]} rooms
 * @returns {LobbyRoom[]}
 */
export function liveRooms(rooms) {
  return rooms.filter((room) => room.show?.status === 'live').sort((a, b) => b.viewers - a.viewers);
}

/**
 * Rooms with a show to come, soonest first; a live room's next show counts too.
 * @param {readonly LobbyRoom[]} rooms
 * @returns {ComingRoom[]}
 */
export function comingRooms(rooms) {
  return rooms
    .flatMap((room) => (room.next_show ? [/** @type {ComingRoom} */ (room)] : []))
    .sort((a, b) => a.next_show.starts_at_ms - b.next_show.starts_at_ms);
}

/**
 * Rooms whose last show can be watched again, the newest first.
 * @param {readonly LobbyRoom[]} rooms
 * @returns {ReplayRoom[]}
 */
export function replayRooms(rooms) {
  return rooms.flatMap((room) => (room.replay ? [/** @type {ReplayRoom} */ (room)] : [])).sort((a, b) => b.replay.started_at_ms - a.replay.started_at_ms);
}

/**
 * Whole minutes until a show, or null when it is far away or past.
 * @param {number} starts_at_ms
 * @param {number} now_ms
 * @returns {number | null}
 */
export function minutesUntil(starts_at_ms, now_ms) {
  const minutes = Math.ceil((starts_at_ms - now_ms) / MINUTE_MS);
  return minutes > 0 && minutes <= SOON_MIN ? minutes : null;
}

/**
 * Whether two moments fall on one day where the reader is.
 * @param {number} one_ms
 * @param {number} other_ms
 * @returns {boolean}
 */
export function isSameDay(one_ms, other_ms) {
  return new Date(one_ms).toDateString() === new Date(other_ms).toDateString();
}
