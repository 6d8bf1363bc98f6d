// @ts-check
/**
 * A plain WHEP player (draft-ietf-wish-whep): one audio and one video track of any WHEP server, kept alive.
 *
 * Invariant: one stream for the player's whole life; after a new session it has the new tracks, so that an element goes on showing it.
 */
import { WhipLink } from './whip_link.js';

/** Frames are shown as soon as they are whole: a shop answers the host, so late is worse than a stutter. */
const JITTER_TARGET_MS = 0;

/** @typedef {import('./whip_link.js').LinkState} LinkState */
/** @typedef {'picture' | 'sound'} Want sound: the video is not even asked for */

export class WhepPlayer {
  #link;
  /** @type {Want} */
  #want = 'picture';

  /**
   * @param {object} options
   * @param {() => Promise<import('./whip_session.js').Ticket>} options.ticket
   * @param {(state: LinkState) => void} options.onState
   */
  constructor({ ticket, onState }) {
    this.stream = new MediaStream();
    this.#link = new WhipLink({ ticket, onState, isPublisher: false, prepare: (peer) => this.#prepare(peer) });
  }

  get state() {
    return this.#link.state;
  }

  get peer() {
    return this.#link.peer;
  }

  /** @param {Want} want what is asked for changes with a new session */
  start(want) {
    if (want !== this.#want && this.state.phase !== 'idle') this.stop();
    this.#want = want;
    this.#link.start();
  }

  stop() {
    this.#link.stop();
    for (const track of this.stream.getTracks()) this.stream.removeTrack(track);
  }

  restart() {
    this.#link.restart();
  }

  /** @param {RTCPeerConnection} peer */
  #prepare(peer) {
    peer.addTransceiver('audio', { direction: 'recvonly' });
    if (this.#want === 'picture') peer.addTransceiver('video', { direction: 'recvonly' });
    peer.addEventListener('track', ({ track, receiver }) => {
      if ('jitterBufferTarget' in receiver) receiver.jitterBufferTarget = JITTER_TARGET_MS;
      for (const old of this.stream.getTracks()) if (old.kind === track.kind) this.stream.removeTrack(old);
      this.stream.addTrack(track);
    });
  }
}
