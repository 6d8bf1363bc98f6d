// @ts-check
/**
 * The host's camera on the console: taken, shown to the host alone, published, measured and let go.
 *
 * Invariant: nothing is sent before *Go live* is pressed, and after *Stop* nothing is; the camera is let go when it is neither shown nor sent.
 */
import '../components/live-camera/live-camera.js';
import '../components/live-stream-keys/live-stream-keys.js';
import { find } from '../lib/element.js';
import { number } from '../lib/format.js';
import { t } from '../lib/i18n.js';
import { store, stored } from '../lib/stored.js';
import { BITRATE_USUAL, BITRATES, cameraLight, cameraTrouble, constraintsFor, followAiring, has, publishTrouble, recordingTrouble, startAiring, voiceTrouble } from '../logic/console_camera.js';
import { readOutbound, sendingBetween } from '../logic/picture_stats.js';
import { asApiError, get, post, remove } from '../net/api.js';
import { WhipPublisher } from '../net/whip.js';

/** @typedef {import('./console.js').ConsolePage} ConsolePage */
/** @typedef {import('../components/live-camera/live-camera.js').LiveCamera} LiveCamera */
/** @typedef {import('../components/live-stream-keys/live-stream-keys.js').LiveStreamKeys} LiveStreamKeys */

const SAMPLE_MS = 1_000;
/** Whether the show is recorded changes seldom, and nobody waits for it. */
const LOOK_MS = 30_000;
const BITRATE_STORED = 'hubbub.console.bitrate';

export class ConsoleCamera {
  #base;
  #isOpen = false;
  /** @type {MediaStream | null} */
  #stream = null;
  #isMuted = false;
  /** @type {'camera' | 'screen'} what is asked for */
  #source = 'camera';
  /** @type {'camera' | 'screen'} what the stream is of */
  #taken = 'camera';
  /** @type {number} */
  #bitrate = BITRATE_USUAL;
  /** @type {string | null} */
  #trouble = null;
  /** @type {string | null} */
  #unrecorded = null;
  #asks = 0;
  #live_at_ms = 0;
  /** @type {import('../logic/picture_stats.js').Outbound | null} */
  #before = null;
  /** @type {import('../logic/console_camera.js').Sending | null} */
  #sending = null;
  #airing = startAiring(0);
  /** @type {import('../logic/console_camera.js').Finding} */
  #finding = 'unknown';

  /** @param {ConsolePage} page */
  constructor(page) {
    this.page = page;
    this.#base = `/api/rooms/${encodeURIComponent(page.room)}/video`;
    const kept = stored(BITRATE_STORED, Number(BITRATE_USUAL));
    this.#bitrate = BITRATES.find((rate) => rate === kept) ?? BITRATE_USUAL;
    this.publisher = new WhipPublisher({
      ticket: () => post(`${this.#base}/publish`),
      onState: (link) => this.#changed(link),
    });
  }

  /** @returns {LiveCamera} */
  get element() {
    return this.page.element('live-camera');
  }

  /** @returns {LiveStreamKeys} */
  get #keys() {
    return this.page.element('live-stream-keys');
  }

  get #isSending() {
    return ['connecting', 'connected', 'waiting'].includes(this.publisher.state.phase);
  }

  /** Is live video offered at all? Then the light appears. */
  async begin() {
    this.#listen();
    await this.#look();
    if (this.element.isOffered) window.setInterval(() => void this.#look(), LOOK_MS);
  }

  async #look() {
    try {
      const { backend, recording } = await get(this.#base);
      this.element.isOffered = Boolean(backend) && backend !== 'none';
      this.#unrecorded = recordingTrouble(recording);
    } catch {
      return; // Not offered to this person, or not by this server.
    }
    this.draw();
  }

  #listen() {
    /** @type {Record<string, (detail: any) => unknown>} */
    const events = {
      'camera-open': () => this.#open(), 'camera-close': () => this.#close(), 'camera-choose': () => this.take(),
      'camera-source': ({ source }) => this.#use(source), 'camera-mute': () => this.#mute(), 'camera-bitrate': ({ bits_per_s }) => this.#limit(bits_per_s),
      'camera-start': () => this.#start(), 'camera-stop': () => this.#stop(),
      'make-key': ({ label }) => this.#act(async () => {
        const { token, url } = await post(`${this.#base}/keys`, { label });
        this.#keys.fresh = { token, url };
      }),
      'revoke-key': ({ key }) => this.#act(() => remove(`${this.#base}/keys/${key}`)),
      'forget-key': () => {
        this.#keys.fresh = null;
        this.#keys.changed();
      },
    };
    for (const [name, act] of Object.entries(events)) document.addEventListener(`live:${name}`, (event) => void act(/** @type {CustomEvent} */ (event).detail));
    navigator.mediaDevices?.addEventListener?.('devicechange', () => void this.#list());
    addEventListener('pagehide', () => this.publisher.stop());
    addEventListener('beforeunload', (event) => {
      if (this.#isSending) event.preventDefault();
    });
    window.setInterval(() => void this.#sample(), SAMPLE_MS);
  }

  #open() {
    this.#isOpen = true;
    if (!this.#stream) void this.take();
    void this.#act(async () => {});
    this.draw();
  }

  #close() {
    this.#isOpen = false;
    this.#keys.fresh = null;
    this.#keys.changed();
    if (!this.#isSending) this.#let();
  }

  /** Let the camera go: its lamp goes out. */
  #let() {
    for (const track of this.#stream?.getTracks() ?? []) track.stop();
    this.#stream = null;
    this.draw();
  }

  /** @param {'camera' | 'screen'} source */
  #use(source) {
    this.#source = source;
    void this.take();
  }

  /** Take the chosen devices, or the screen; what is published changes with them. */
  async take() {
    this.#asks += 1;
    const ask = this.#asks;
    const source = this.#source;
    this.#trouble = null;
    this.element.isAsking = true;
    this.draw();
    try {
      const stream = await this.#capture();
      if (ask !== this.#asks || !(this.#isOpen || this.#isSending)) {
        for (const track of stream.getTracks()) track.stop();
        return;
      }
      for (const track of this.#stream?.getTracks() ?? []) track.stop();
      this.#stream = stream;
      this.#taken = source;
      await this.#hand();
    } catch (error) {
      if (ask !== this.#asks) return;
      this.#trouble = cameraTrouble(navigator.mediaDevices ? /** @type {DOMException} */ (error) : null, source);
      this.#source = has(this.#stream, 'video') ? this.#taken : 'camera';
    } finally {
      if (ask === this.#asks) this.element.isAsking = false;
    }
    await this.#list();
    this.draw();
  }

  /** @returns {Promise<MediaStream>} */
  async #capture() {
    const media = navigator.mediaDevices;
    const wanted = constraintsFor(this.element.devicesChosen());
    if (this.#source === 'camera') {
      // A camera without a voice is still a picture; where there is no camera either, the browser says so once more.
      return media.getUserMedia(wanted).catch((error) => (error.name === 'NotFoundError' ? media.getUserMedia({ video: wanted.video ?? true }) : Promise.reject(error)));
    }
    const screen = await media.getDisplayMedia({ video: { frameRate: { max: 30 } } });
    try {
      const voice = await media.getUserMedia({ audio: wanted.audio ?? true });
      for (const track of voice.getAudioTracks()) screen.addTrack(track);
    } catch {
      // So is a screen.
    }
    return screen;
  }

  /** Hand what was taken to the publisher, and hear when it ends by itself (unplugged, sharing stopped). */
  async #hand() {
    const stream = this.#stream;
    const [audio] = stream?.getAudioTracks() ?? [];
    const [video] = stream?.getVideoTracks() ?? [];
    if (audio) audio.enabled = !this.#isMuted;
    for (const track of stream?.getTracks() ?? []) track.addEventListener('ended', () => this.#lose(track, stream));
    await this.publisher.setTracks({ audio: audio ?? null, video: video ?? null });
  }

  /** Go on with what is left. @param {MediaStreamTrack} track @param {MediaStream | null} stream */
  #lose(track, stream) {
    if (stream !== this.#stream) return;
    stream?.removeTrack(track);
    if (track.kind === 'video') {
      this.#trouble = this.#taken === 'screen' ? 'camera.trouble_screen' : 'camera.trouble_gone';
      this.#source = 'camera';
    }
    if (stream?.getTracks().length === 0) this.#stream = null;
    this.draw();
  }

  async #list() {
    const all = (await navigator.mediaDevices?.enumerateDevices?.().catch(() => [])) ?? [];
    const of = (/** @type {string} */ kind) => all.filter((one) => one.kind === kind && one.deviceId).map(({ deviceId, label }) => ({ id: deviceId, label }));
    this.element.devices = { cameras: of('videoinput'), microphones: of('audioinput') };
    this.element.changed();
  }

  #mute() {
    this.#isMuted = !this.#isMuted;
    for (const track of this.#stream?.getAudioTracks() ?? []) track.enabled = !this.#isMuted;
    this.draw();
  }

  /** @param {number} bits_per_s */
  #limit(bits_per_s) {
    this.#bitrate = BITRATES.find((rate) => rate === bits_per_s) ?? BITRATE_USUAL;
    store(BITRATE_STORED, this.#bitrate);
    void this.publisher.setBitrate(this.#bitrate);
    this.draw();
  }

  async #start(takesOver = false) {
    if (!has(this.#stream, 'video')) return;
    this.#trouble = null;
    await this.publisher.setBitrate(this.#bitrate);
    this.publisher.start({ takesOver });
  }

  #stop() {
    const { isElsewhere } = this.publisher;
    this.publisher.stop();
    // An engine that took the picture itself tells our server nothing: viewers would wait for it.
    if (isElsewhere) void post(`${this.#base}/stop`).catch(() => {});
  }

  /** @param {import('../net/whip_link.js').LinkState} link */
  #changed(link) {
    if (link.phase === 'connecting') {
      this.#airing = startAiring(this.page.clock.now());
      this.#finding = 'unknown';
    }
    if (link.phase === 'connected') this.#live_at_ms ||= performance.now();
    else {
      this.#live_at_ms = 0;
      this.#before = null;
      this.#sending = null;
    }
    this.#trouble = publishTrouble(link) ?? this.#trouble;
    if (link.phase === 'refused' && link.code === 'publisher_present') void this.#askTakeOver();
    const isOver = link.phase === 'idle' || (link.phase === 'refused' && link.code === 'no_show');
    if (isOver && !this.#isOpen) this.#let();
    this.draw();
  }

  async #askTakeOver() {
    const answer = await this.page.ask.ask({ title: t('camera.take_over'), lines: [t('camera.take_over_note')], yes: t('camera.take_over_yes'), isStop: true });
    if (answer) await this.#start(true);
  }

  async #sample() {
    const { peer } = this.publisher;
    if (!peer || this.publisher.state.phase !== 'connected' || !this.#isAired()) return;
    const now = readOutbound((await peer.getStats()).values(), performance.now());
    if (peer !== this.publisher.peer) return;
    this.#sending = this.#before ? sendingBetween(this.#before, now) : null;
    this.#before = now;
    this.draw();
  }

  /** Ask the room what it has of the picture: begin anew what it has lost, and give way to what has come instead. */
  #isAired() {
    const { airing, finding } = followAiring(this.#airing, this.page.state.video ?? null, this.page.clock.now());
    this.#airing = airing;
    this.#finding = finding;
    if (finding === 'gone') this.publisher.restart();
    if (finding === 'replaced') {
      this.#trouble = 'camera.trouble_replaced';
      this.publisher.stop();
    }
    return finding !== 'gone' && finding !== 'replaced';
  }

  /** Do something with the keys, then list them anew. @param {() => Promise<unknown>} act */
  async #act(act) {
    const keys = this.#keys;
    keys.trouble = null;
    try {
      await act();
      keys.keys = (await get(`${this.#base}/keys`)).keys;
    } catch (error) {
      const { code, status } = asApiError(error);
      // Keys are the host's own; nobody else is shown that there are any.
      if (status === 403 || status === 404) keys.keys = null;
      else keys.trouble = code === 'keys_full' ? 'camera.keys_full' : 'camera.keys_trouble';
    }
    keys.changed();
  }

  /** @returns {string} what is sent, in figures */
  get #figures() {
    const sending = this.#sending;
    if (!sending) return '';
    const { bits_per_s, fps, loss, rtt_ms, codec } = sending;
    const words = { rate: number(Math.round(bits_per_s / 100_000) / 10), fps: number(fps), loss: (loss * 100).toFixed(1), codec };
    return rtt_ms === null ? t('camera.figures', words) : t('camera.figures_rtt', { ...words, ms: number(Math.round(rtt_ms)) });
  }

  draw() {
    const { element, page } = this;
    const live_ms = this.#live_at_ms ? performance.now() - this.#live_at_ms : 0;
    const light = cameraLight({ link: this.publisher.state, sending: this.#sending, live_ms, isOther: Boolean(page.state.video), finding: this.#finding });
    Object.assign(element, { stream: this.#stream, source: this.#source, isMuted: this.#isMuted, bitrate: this.#bitrate, light, figures: this.#figures, trouble: this.#trouble ?? voiceTrouble(this.#stream) ?? this.#unrecorded });
    element.changed();
    const own = /** @type {HTMLVideoElement} */ (find('#stage-own'));
    own.hidden = !has(this.#stream, 'video');
    own.muted = true;
    if (own.srcObject !== this.#stream) own.srcObject = this.#stream;
  }
}
