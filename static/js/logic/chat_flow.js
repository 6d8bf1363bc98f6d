// @ts-check
/**
 * Chat at a speed people can read: a few lines a tick, the rest counted and owned up to.
 *
 * Invariant: lines of the host, of moderators and one's own are always shown, and every line not shown is counted,
 * with all those it stands for.
 */

/** @typedef {import('./room_state.js').ChatLine} ChatLine */
/** @typedef {{key: string, id: string, user: string, name: string, text: string, flags: string[], at_ms: number,
 *   stands_for: number, state: 'shown' | 'pending' | 'failed' | 'removed', until_ms: number}} Row */
/** @typedef {{at_ms: number, shown: number, missed: number}} Tally */
/** @typedef {{rows: Row[], queue: ChatLine[], missed: number, tallies: Tally[], oneIn: number, oneInAt_ms: number, seen: string[]}} ChatFlow */

/** Lines are drawn this often. */
export const TICK_MS = 250;
/** At most so many a tick: 16 a second is more than anyone reads. */
const LINES_A_TICK = 4;
/** Rows kept in the page. */
const ROWS_MAX = 120;
/** The share of lines not shown is measured over this time, and the note changes no faster. */
const WINDOW_MS = 5_000;
/** Above this share the room says that it leaves lines out. */
const MISSED_SHARE = 0.25;
/** A removed line says so for this long. */
const REMOVED_MS = 2_000;
/** Line ids remembered, so that a replayed line is not shown twice. */
const SEEN_MAX = 400;

/**
 * A flow that starts with the lines of a snapshot.
 * @param {readonly ChatLine[]} lines
 * @returns {ChatFlow}
 */
export function startFlow(lines = []) {
  const rows = lines.slice(-ROWS_MAX).map(rowOf);
  return { rows, queue: [], missed: 0, tallies: [], oneIn: 1, oneInAt_ms: -Infinity, seen: rows.map((row) => row.id) };
}

/**
 * How many lines that were said lines stand for; one flagged `x12` stands for twelve.
 * @param {readonly ChatLine[]} lines
 * @returns {number}
 */
export function countSaid(lines) {
  return lines.reduce((sum, [, , , , flags]) => sum + standsFor(flags), 0);
}

/** @param {readonly string[]} flags */
function standsFor(flags) {
  const flag = flags.find((one) => /^x\d+$/.test(one));
  return flag ? Number(flag.slice(1)) : 1;
}

/**
 * @param {ChatLine} line
 * @returns {Row}
 */
function rowOf([id, user, name, text, flags, at_ms]) {
  return { key: id, id, user: user ?? '', name, text, flags, at_ms, stands_for: standsFor(flags), state: 'shown', until_ms: Infinity };
}

/**
 * Take in a batch; an echo of one's own pending line completes it at once.
 * @param {ChatFlow} flow
 * @param {readonly ChatLine[]} lines
 * @param {number} dropped lines the server left out
 * @param {string | null} me own user id
 * @returns {ChatFlow}
 */
export function takeLines(flow, lines, dropped, me) {
  const seen = new Set(flow.seen);
  let rows = flow.rows;
  /** @type {ChatLine[]} */
  const queue = [];
  for (const line of lines) {
    const [id, user, , text] = line;
    if (seen.has(id)) {
      // One's own line, known since the answer: the echo may say that it stands for others as well.
      rows = rows.map((row) => (row.id === id ? { ...row, flags: line[4], stands_for: standsFor(line[4]) } : row));
      continue;
    }
    seen.add(id);
    const at = user !== null && user === me ? rows.findIndex((row) => row.state !== 'shown' && row.user === me && row.text === text) : -1;
    if (at >= 0) rows = rows.with(at, { ...rowOf(line), key: /** @type {Row} */ (rows[at]).key });
    else queue.push(line);
  }
  return { ...flow, rows, queue: [...flow.queue, ...queue], missed: flow.missed + dropped, seen: [...seen].slice(-SEEN_MAX) };
}

/**
 * Show one's own line before the server has it.
 * @param {ChatFlow} flow
 * @param {{key: string, user: string, name: string, text: string, at_ms: number}} line
 * @returns {ChatFlow}
 */
export function addOwn(flow, { key, user, name, text, at_ms }) {
  /** @type {Row} */
  const row = { key, id: key, user, name, text, flags: [], at_ms, stands_for: 1, state: 'pending', until_ms: Infinity };
  return { ...flow, rows: [...flow.rows.filter((one) => one.key !== key), row].slice(-ROWS_MAX) };
}

/**
 * The server took one's own line under an id; its echo is then known.
 * @param {ChatFlow} flow
 * @param {string} key
 * @param {string} id
 * @returns {ChatFlow}
 */
export function acceptOwn(flow, key, id) {
  const rows = flow.rows.map((row) => (row.key === key ? { ...row, id, state: /** @type {const} */ ('shown') } : row));
  return { ...flow, rows, seen: [...flow.seen, id].slice(-SEEN_MAX) };
}

/**
 * One's own line did not get through (it stays, to be sent again) or was refused (it goes).
 * @param {ChatFlow} flow
 * @param {string} key
 * @param {'failed' | 'refused'} outcome
 * @returns {ChatFlow}
 */
export function rejectOwn(flow, key, outcome) {
  if (outcome === 'refused') return { ...flow, rows: flow.rows.filter((row) => row.key !== key) };
  const rows = flow.rows.map((row) => (row.key === key && row.state === 'pending' ? { ...row, state: /** @type {const} */ ('failed') } : row));
  return { ...flow, rows };
}

/**
 * A moderator removed a line: it says so, then goes.
 * @param {ChatFlow} flow
 * @param {string} id
 * @param {number} now_ms
 * @returns {ChatFlow}
 */
export function removeLine(flow, id, now_ms) {
  const rows = flow.rows.map((row) => (row.id === id ? { ...row, state: /** @type {const} */ ('removed'), until_ms: now_ms + REMOVED_MS } : row));
  return { ...flow, rows, queue: flow.queue.filter(([one]) => one !== id) };
}

/**
 * Choose the lines of one tick, in order.
 * @param {readonly ChatLine[]} queue
 * @param {string | null} me
 * @returns {ChatLine[]}
 */
function chooseLines(queue, me) {
  const isKept = (/** @type {ChatLine} */ line) => (me !== null && line[1] === me) || line[4].includes('host') || line[4].includes('mod');
  let room = LINES_A_TICK - queue.filter(isKept).length;
  const fromEnd = [...queue].reverse().filter((line) => {
    if (isKept(line)) return true;
    room -= 1;
    return room >= 0;
  });
  return fromEnd.reverse();
}

/**
 * Draw one tick.
 * @param {ChatFlow} flow
 * @param {number} now_ms
 * @param {string | null} me
 * @returns {ChatFlow} the same object when nothing changed
 */
export function tickFlow(flow, now_ms, me) {
  const isStill = flow.queue.length === 0 && flow.missed === 0 && !flow.rows.some((row) => row.until_ms <= now_ms);
  if (isStill && flow.tallies.length === 0 && flow.oneIn === 1) return flow;
  const chosen = chooseLines(flow.queue, me);
  const shown = countSaid(chosen);
  const missed = flow.missed + countSaid(flow.queue) - shown;
  const tallies = flow.tallies.filter((tally) => tally.at_ms > now_ms - WINDOW_MS);
  if (chosen.length || missed) tallies.push({ at_ms: now_ms, shown, missed });
  const rows = isStill ? flow.rows : [...flow.rows.filter((row) => row.until_ms > now_ms), ...chosen.map(rowOf)].slice(-ROWS_MAX);
  const mayChange = now_ms - flow.oneInAt_ms >= WINDOW_MS;
  const oneIn = mayChange ? measureOneIn(tallies) : flow.oneIn;
  return { ...flow, rows, queue: [], missed: 0, tallies, oneIn, oneInAt_ms: oneIn === flow.oneIn ? flow.oneInAt_ms : now_ms };
}

/**
 * @param {readonly Tally[]} tallies
 * @returns {number} 1 when (nearly) every line is shown
 */
function measureOneIn(tallies) {
  const shown = tallies.reduce((sum, tally) => sum + tally.shown, 0);
  const missed = tallies.reduce((sum, tally) => sum + tally.missed, 0);
  if (missed <= MISSED_SHARE * (shown + missed)) return 1;
  return Math.max(2, Math.round((shown + missed) / Math.max(1, shown)));
}
