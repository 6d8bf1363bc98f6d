// @ts-check
/**
 * A plain WHIP publisher (RFC 9725) of one audio and one video track, to any WHIP server, kept alive.
 *
 * Invariant: tracks can be changed while it publishes (another camera, the screen, silence) without a new session.
 */
import { preferCodecs } from '../logic/whip.js';
import { WhipLink } from './whip_link.js';

/** @typedef {import('./whip_link.js').LinkState} LinkState */

export class WhipPublisher {
  #link;
  /** @type {{audio: MediaStreamTrack | null, video: MediaStreamTrack | null}} */
  #tracks = { audio: null, video: null };
  /** @type {{audio?: RTCRtpSender, video?: RTCRtpSender}} */
  #senders = {};
  #bitrate_bps = 1_500_000;
  #takesOver = false;

  /**
   * @param {object} options
   * @param {() => Promise<import('./whip_session.js').Ticket>} options.ticket
   * @param {(state: LinkState) => void} options.onState
   */
  constructor({ ticket, onState }) {
    this.#link = new WhipLink({
      ticket, isPublisher: true, prepare: (peer) => this.#prepare(peer), query: () => this.#query,
      onState: (state) => {
        // It is taken over once; who comes after that is told the same as anybody.
        if (state.phase === 'connected') this.#takesOver = false;
        onState(state);
      },
    });
  }

  get state() {
    return this.#link.state;
  }

  /** @returns {Record<string, string>} */
  get #query() {
    return this.#takesOver ? { take_over: '1' } : {};
  }

  get peer() {
    return this.#link.peer;
  }

  get isElsewhere() {
    return this.#link.isElsewhere;
  }

  /** @param {{takesOver?: boolean}} [how] takesOver: end another publisher of the room */
  start({ takesOver = false } = {}) {
    this.#takesOver = takesOver;
    this.#link.start();
  }

  stop() {
    this.#link.stop();
    this.#senders = {};
  }

  /** The room says that nothing arrives. */
  restart() {
    this.#link.restart();
  }

  /**
   * What is sent, now or when it starts; null sends nothing of the kind.
   * @param {{audio?: MediaStreamTrack | null, video?: MediaStreamTrack | null}} tracks
   */
  async setTracks(tracks) {
    this.#tracks = { ...this.#tracks, ...tracks };
    if ('audio' in tracks) await this.#senders.audio?.replaceTrack(tracks.audio ?? null);
    if ('video' in tracks) await this.#senders.video?.replaceTrack(tracks.video ?? null);
  }

  /** @param {number} bits_per_s at most, of the picture */
  async setBitrate(bits_per_s) {
    this.#bitrate_bps = bits_per_s;
    await this.#limit();
  }

  async #limit() {
    const sender = this.#senders.video;
    if (!sender) return;
    const parameters = sender.getParameters();
    const [encoding] = parameters.encodings ?? [];
    if (!encoding) return;
    encoding.maxBitrate = this.#bitrate_bps;
    // A face that moves smoothly sells better than one that is sharp and jumps.
    parameters.degradationPreference = 'balanced';
    await sender.setParameters(parameters);
  }

  /** @param {RTCPeerConnection} peer */
  async #prepare(peer) {
    const { audio, video } = this.#tracks;
    const stream = new MediaStream();
    const sound = peer.addTransceiver(audio ?? 'audio', { direction: 'sendonly', streams: [stream] });
    const picture = peer.addTransceiver(video ?? 'video', { direction: 'sendonly', streams: [stream], sendEncodings: [{ maxBitrate: this.#bitrate_bps }] });
    picture.setCodecPreferences?.(preferCodecs(RTCRtpSender.getCapabilities('video')?.codecs ?? []));
    this.#senders = { audio: sound.sender, video: picture.sender };
    await this.#limit();
  }
}
