// @ts-check
/**
 * Which one message the banner shows.
 *
 * Invariant: the order is closed, offline, reconnecting, late, announcement, back; a lower one never hides a higher one.
 */

/** @typedef {{state: 'connecting' | 'open' | 'waiting' | 'closed', rec: string | null, code: number | null, since_ms: number,
 *   retry_at_ms: number | null, attempt: number, wasOpen: boolean}} Link */
/** @typedef {{kind: 'closed' | 'banned' | 'none' | 'signed_out' | 'overloaded' | 'offline' | 'reconnecting' | 'late' | 'announcement' | 'back',
 *   since_ms?: number, wait_s?: number, text?: string, rec?: string}} Banner */

/** After this long without a line the page says since when, and when it tries again. */
const OFFLINE_AFTER_MS = 8_000;
/** The good news stays this long. */
const BACK_SHOWN_MS = 3_500;
/** A first connection that takes longer than this is worth a word. */
const FIRST_WAIT_MS = 2_000;

/**
 * @param {object} facts
 * @param {Link} facts.link
 * @param {boolean} facts.isOnline what the browser thinks
 * @param {boolean} facts.isDegraded the server's processes do not hear each other
 * @param {string | null} facts.announcement not dismissed
 * @param {{rec: string, at_ms: number} | null} facts.back last return
 * @param {number} facts.now_ms local wall clock
 * @returns {Banner | null}
 */
export function chooseBanner({ link, isOnline, isDegraded, announcement, back, now_ms }) {
  if (link.state === 'closed') return closedBanner(link.code);
  const away_ms = now_ms - link.since_ms;
  const wait_s = link.retry_at_ms === null ? 0 : Math.max(0, Math.ceil((link.retry_at_ms - now_ms) / 1000));
  if (link.state !== 'open') {
    if (link.code === 4113 && link.state === 'waiting') return { kind: 'overloaded', wait_s };
    if (!isOnline || (link.attempt > 0 && away_ms > OFFLINE_AFTER_MS)) return { kind: 'offline', since_ms: link.since_ms, wait_s };
    if (link.wasOpen || link.attempt > 0 || away_ms > FIRST_WAIT_MS) return { kind: 'reconnecting' };
  }
  if (isDegraded && link.state === 'open') return { kind: 'late' };
  if (announcement) return { kind: 'announcement', text: announcement };
  if (back && link.state === 'open' && now_ms - back.at_ms < BACK_SHOWN_MS) return { kind: 'back', rec: back.rec };
  return null;
}

/**
 * @param {number | null} code
 * @returns {Banner}
 */
function closedBanner(code) {
  if (code === 4001) return { kind: 'signed_out' };
  if (code === 4003) return { kind: 'banned' };
  if (code === 4004) return { kind: 'none' };
  return { kind: 'closed' };
}
