// @ts-check
/**
 * A session that is kept: begun, watched, begun anew with back-off when it fails. WHIP and WHEP differ in what they put into it.
 *
 * Invariant: at most one session at a time; after `stop` nothing is left of it, whatever was under way.
 */
import { nextTry, viewersCode } from '../logic/whip.js';
import { asApiError } from './api.js';
import { WhipError, WhipSession } from './whip_session.js';

/** ICE may lose its path for this long before the session is given up: a phone that changes its network needs about two seconds. */
const LOST_MS = 4_000;
/** A session that does not connect in this time never will. */
const CONNECT_MS = 12_000;
/** A connection that held this long was a good one: the next failure starts the back-off anew. */
const GOOD_MS = 10_000;

/** @typedef {'idle' | 'connecting' | 'connected' | 'waiting' | 'refused'} Phase waiting: for the next attempt; refused: not tried again */
/** @typedef {{phase: Phase, code: string, status: number, attempt: number, retry_at_ms: number | null}} LinkState code: why not, as the server said it */
/** @typedef {import('./whip_session.js').Ticket} Ticket */

/** @type {LinkState} */
const IDLE = { phase: 'idle', code: '', status: 0, attempt: 0, retry_at_ms: null };

export class WhipLink {
  /** @type {WhipSession | null} */
  #session = null;
  #timer = 0;
  #lostTimer = 0;
  #connected_at_ms = 0;
  #run = 0;

  /**
   * @param {object} options
   * @param {() => Promise<Ticket>} options.ticket asked before each attempt, so that none is old
   * @param {(peer: RTCPeerConnection) => void | Promise<void>} options.prepare adds transceivers and listeners to a new peer
   * @param {(state: LinkState) => void} options.onState
   * @param {boolean} options.isPublisher
   * @param {() => Record<string, string>} [options.query] added to the address of an offer
   */
  constructor({ ticket, prepare, onState, isPublisher, query = () => ({}) }) {
    this.ticket = ticket;
    this.prepare = prepare;
    this.onState = onState;
    this.isPublisher = isPublisher;
    this.query = query;
    this.state = IDLE;
  }

  /** @returns {RTCPeerConnection | null} the peer of now, for its statistics */
  get peer() {
    return this.#session?.peer ?? null;
  }

  get isElsewhere() {
    return this.#session?.isElsewhere ?? false;
  }

  /** @param {Partial<LinkState>} change */
  #tell(change) {
    this.state = { ...this.state, ...change };
    this.onState(this.state);
  }

  /** Begin now; also skips a wait, and begins anew what was refused. */
  start() {
    if (this.state.phase === 'connecting' || this.state.phase === 'connected') return;
    this.#drop();
    void this.#begin();
  }

  /** End it for good. */
  stop() {
    this.#drop();
    this.#tell(IDLE);
  }

  /** The page sees what the connection does not: nothing arrives. Begin anew with back-off. */
  restart() {
    if (this.state.phase === 'connected') this.#failed(new WhipError({ status: 0, code: 'stalled' }));
  }

  #drop() {
    this.#run += 1;
    clearTimeout(this.#timer);
    clearTimeout(this.#lostTimer);
    this.#session?.close();
    this.#session = null;
  }

  async #begin() {
    this.#run += 1;
    const run = this.#run;
    this.#tell({ phase: 'connecting', retry_at_ms: null });
    try {
      const ticket = await this.ticket();
      if (run !== this.#run) return;
      const peer = new RTCPeerConnection({ iceServers: ticket.ice_servers ?? [], bundlePolicy: 'max-bundle' });
      const session = new WhipSession(peer, ticket);
      this.#session = session;
      peer.addEventListener('connectionstatechange', () => this.#changed(session));
      await this.prepare(peer);
      this.#timer = window.setTimeout(() => this.#failed(new WhipError({ status: 0, code: 'timeout' })), CONNECT_MS);
      await session.open(this.query());
    } catch (error) {
      if (run === this.#run) this.#failed(asWhipError(error));
    }
  }

  /** @param {WhipSession} session */
  #changed(session) {
    if (session !== this.#session) return;
    const { connectionState } = session.peer;
    clearTimeout(this.#lostTimer);
    if (connectionState === 'connected') {
      clearTimeout(this.#timer);
      if (this.state.phase !== 'connected') this.#connected_at_ms = Date.now();
      this.#tell({ phase: 'connected', code: '', status: 0 });
    }
    if (connectionState === 'failed') this.#failed(new WhipError({ status: 0, code: 'failed' }));
    if (connectionState === 'disconnected') this.#lostTimer = window.setTimeout(() => this.#failed(new WhipError({ status: 0, code: 'lost' })), LOST_MS);
  }

  /** @param {WhipError} error */
  #failed(error) {
    const wasGood = this.state.phase === 'connected' && Date.now() - this.#connected_at_ms > GOOD_MS;
    const attempt = wasGood ? 0 : this.state.attempt;
    this.#drop();
    const { isPublisher } = this;
    const { status, retry_after_ms } = error;
    const code = isPublisher ? error.code : viewersCode(error);
    const next = nextTry({ status, code, attempt, retry_after_ms, isPublisher, random: Math.random() });
    if (next.act === 'give_up') {
      this.#tell({ phase: 'refused', code, status, attempt, retry_at_ms: null });
      return;
    }
    this.#timer = window.setTimeout(() => void this.#begin(), next.wait_ms);
    this.#tell({ phase: 'waiting', code, status, attempt: attempt + 1, retry_at_ms: Date.now() + next.wait_ms });
  }
}

/** @param {unknown} error */
function asWhipError(error) {
  if (error instanceof WhipError) return error;
  // A ticket that was refused comes from our own server; anything else is the browser's: an answer that it cannot take.
  const { status, code, retry_ms } = asApiError(error);
  return new WhipError({ status, code, retry_after_ms: retry_ms ?? null });
}
