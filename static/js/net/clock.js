// @ts-check
/**
 * The server's clock: local monotonic time plus the offset of the best of five round trips.
 *
 * Invariant: `now()` follows `performance.now()`, so changing the wall clock of the machine changes nothing.
 */

/** Round trips per sync; the shortest has the least doubt. */
const ROUNDS = 5;
/** Above this half round trip the page says that the server decides. */
const CERTAIN_MS = 250;
/** A sync is renewed this often: crystals drift by about 1 ms a minute. */
export const RESYNC_MS = 60_000;

/**
 * Choose the offset of the shortest round trip.
 * @param {readonly {sent: number, received: number, server_ms: number}[]} samples local times in ms
 * @returns {{offset_ms: number, doubt_ms: number}} doubt is half the round trip
 */
export function bestOffset(samples) {
  let best = { offset_ms: 0, doubt_ms: Infinity };
  for (const { sent, received, server_ms } of samples) {
    const doubt_ms = (received - sent) / 2;
    if (doubt_ms < best.doubt_ms) best = { offset_ms: server_ms - (sent + doubt_ms), doubt_ms };
  }
  return best;
}

export class ServerClock {
  /** @param {() => number} [monotonic] milliseconds */
  constructor(monotonic = () => performance.now()) {
    this.monotonic = monotonic;
    this.offset_ms = Date.now() - monotonic();
    this.doubt_ms = Infinity;
  }

  /** Server time in Unix milliseconds. */
  now() {
    return this.monotonic() + this.offset_ms;
  }

  /** Half the best round trip in whole ms, or null before the first sync. */
  get plusMinus_ms() {
    return Number.isFinite(this.doubt_ms) ? Math.max(1, Math.ceil(this.doubt_ms)) : null;
  }

  /** Whether the countdown may be trusted to open the button by itself. */
  get isCertain() {
    return this.doubt_ms <= CERTAIN_MS;
  }

  /**
   * A first guess from a hello or an answer, kept only until a real sync.
   * @param {number} server_ms
   */
  hint(server_ms) {
    if (!Number.isFinite(this.doubt_ms)) this.offset_ms = server_ms - this.monotonic();
  }

  /**
   * Measure anew.
   * @param {() => Promise<number>} ask one round trip; resolves with the server's time
   * @returns {Promise<void>}
   */
  async sync(ask) {
    /** @type {{sent: number, received: number, server_ms: number}[]} */
    const samples = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      const sent = this.monotonic();
      try {
        const server_ms = await ask();
        samples.push({ sent, received: this.monotonic(), server_ms });
      } catch {
        break;
      }
    }
    if (samples.length === 0) return;
    const best = bestOffset(samples);
    this.offset_ms = best.offset_ms;
    this.doubt_ms = best.doubt_ms;
  }
}
