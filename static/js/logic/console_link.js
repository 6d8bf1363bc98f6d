// @ts-check
/**
 * Whether the console's own line needs a word: lost, late, or a server with too much to do.
 *
 * Invariant: the worst comes first, and a line that is well says nothing.
 */

/** @typedef {import('./banner.js').Link} Link */
/** @typedef {import('./room_state.js').Carrier} Carrier */

/** What each rung of the server's ladder gives up, in words. */
const RUNGS = ['console.load_chat', 'console.load_state', 'console.load_doors'];

/**
 * @param {Link} link
 * @param {{isReadLost: boolean, carrier: Carrier}} facts `isReadLost`: the figures could not be read
 * @returns {string | null} the key of what to say
 */
export function linkWord(link, { isReadLost, carrier }) {
  if (link.state === 'closed') return 'banner.closed';
  if (link.state === 'waiting') return 'console.link_lost';
  if (link.state === 'connecting' && (link.wasOpen || link.attempt > 0)) return 'banner.reconnecting_plain';
  if (carrier.isDegraded) return 'console.degraded';
  if (isReadLost) return 'console.read_lost';
  return RUNGS[carrier.load - 1] ?? null;
}
