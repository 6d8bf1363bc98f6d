// @ts-check
/**
 * The room's picture: pulled while the host publishes and somebody looks, measured, and drawn on the stage.
 *
 * Invariant: the chat and the sale never wait for it: it reads the room's state and changes nothing of it.
 */
import '../../components/live-stage/live-stage.js';
import { find } from '../../lib/element.js';
import { BRIGHT, isOnAir, pulls, stageView } from '../../logic/stage.js';
import { behindBetween, countPlaying, isSoundAlone, isTelling, isWeakNetwork, JUDGED, makeBeat, readInbound, startPlaying } from '../../logic/picture_stats.js';
import { post } from '../../net/api.js';
import { WhepPlayer } from '../../net/whep.js';
import { LatePicture } from './late_picture.js';

/** @typedef {import('../../components/live-stage/live-stage.js').LiveStage} LiveStage */
/** @typedef {import('../../logic/room_state.js').RoomState} RoomState */

const SAMPLE_MS = 1_000;
/** A picture without a new frame for so long is lost. */
const FLOWING_MS = 2_000;
/** A session that is younger brings its first frame soon: it is not lost yet. */
const STARTING_MS = 3_000;
/** A session that brings nothing for so long, although the host is on the air, is begun anew. */
const STALLED_MS = 8_000;
const SCRIM_MS = 2_000;
/** What comes within this time needs no words. */
const QUIET_MS = 1_500;
/** What was measured is told this often, to be counted with that of others. */
const BEAT_MS = 10_000;

export class Picture {
  #stage = /** @type {LiveStage} */ (find('live-stage'));
  /** @type {'picture' | 'sound'} */
  #want = 'picture';
  #isMuted = true;
  #wasTapped = false;
  #isRefused = false;
  /** @type {import('../../logic/stage.js').Press} what became of the press on "play" */
  #press = 'none';
  /** A press asked for the attempt under way. */
  #isAsked = false;
  #isWeak = false;
  /** The host sends sound and no picture: a camera that was unplugged. */
  #isSoundAlone = false;
  /** @type {number | null} */
  #hidden_at_ms = null;
  /** @type {number | null} when the pulling began */
  #asked_at_ms = null;
  #frame_at_ms = -Infinity;
  #session_at_ms = 0;
  #pulled_at_ms = 0;
  #scrim_at_ms = 0;
  /** @type {import('../../logic/picture_stats.js').Inbound | null} */
  #before = null;
  /** @type {number[]} */
  #stalls = [];
  /** @type {'picture' | 'sound' | null} */
  #pulled = null;
  /** Of the picture since the last beat. */
  #playing = startPlaying();
  /** @type {number | null} measured once a visit */
  #first_frame_ms = null;
  #isFirstTold = false;
  /** @type {number | null} */
  #behind_ms = null;
  #luck = Math.random();
  #late;

  /** @param {{state: RoomState, changed: () => void}} page */
  constructor(page) {
    this.page = page;
    this.player = new WhepPlayer({
      ticket: () => this.#ticket(),
      onState: ({ phase }) => {
        if (phase === 'waiting' || phase === 'refused') this.#stage.freeze();
        if (phase !== 'connecting') this.#isAsked = false;
        if (phase === 'connected') this.#session_at_ms = performance.now();
        if (phase !== 'connected') {
          this.#before = null;
          this.#isSoundAlone = false;
        }
        page.changed();
      },
    });
    const stage = this.#stage;
    stage.addEventListener('live:stage-sound', () => this.toggleSound());
    this.#late = new LatePicture(stage, () => page.changed());
    stage.addEventListener('live:stage-play', () => this.#pressPlay());
    stage.addEventListener('live:stage-refused', () => this.#refused(true));
    stage.addEventListener('live:stage-played', () => this.#refused(false));
    stage.addEventListener('live:stage-offer', (event) => this.#take(/** @type {CustomEvent} */ (event).detail.offer));
    stage.addEventListener('live:stage-frame', () => this.#frame());
    document.addEventListener('visibilitychange', () => {
      this.#hidden_at_ms = document.hidden ? performance.now() : null;
      this.draw();
    });
    addEventListener('pagehide', () => this.#pull(null));
    window.setInterval(() => void this.#sample(), SAMPLE_MS);
    window.setInterval(() => void this.#beat(), BEAT_MS);
  }

  async #ticket() {
    const ticket = await post(`/api/rooms/${encodeURIComponent(this.page.state.room)}/video/play`);
    this.#late.offer(ticket.fallback_hls);
    return ticket;
  }

  get #video() {
    return this.page.state.video ?? null;
  }

  get #isFlowing() {
    return performance.now() - this.#frame_at_ms < FLOWING_MS;
  }

  /** @param {boolean} isRefused */
  #refused(isRefused) {
    this.#isRefused = isRefused;
    this.#press = isRefused && this.#press !== 'none' ? 'refused' : 'none';
    this.page.changed();
  }

  /** A press on "play": the browser may still refuse, and there may be nothing to play yet; a wait for the next attempt is over. */
  #pressPlay() {
    this.#press = 'asked';
    if (this.#pulled !== null && this.player.state.phase === 'waiting') this.player.start(this.#pulled);
    void this.#stage.play();
    this.page.changed();
  }

  /** Sound on or off, by hand. A browser that refuses sound without a press takes this one. */
  toggleSound() {
    this.#isMuted = !this.#isMuted;
    this.#wasTapped = true;
    this.#stage.isMuted = this.#isMuted;
    this.#stage.update();
    void this.#stage.play();
    this.page.changed();
  }

  /** The key for sound acts where there is sound. */
  pressSound() {
    if (this.#stage.view.sound !== null) this.toggleSound();
  }

  /** @param {import('../../logic/stage.js').StageOffer} offer */
  #take(offer) {
    if (offer === 'again') {
      if (this.#pulled === null) return;
      this.#isAsked = true;
      this.player.start(this.#pulled);
      this.draw();
      return;
    }
    this.#want = offer === 'picture' ? 'picture' : 'sound';
    this.#isWeak = false;
    this.#stalls = [];
    if (this.#want === 'sound' && this.#isMuted) this.toggleSound();
    this.draw();
  }

  #frame() {
    const now_ms = performance.now();
    this.#frame_at_ms = now_ms;
    if (this.#first_frame_ms === null && this.#asked_at_ms !== null && !document.hidden && !this.#late.isOn) this.#first_frame_ms = Math.round(now_ms - this.#asked_at_ms);
    this.page.changed();
  }

  /** @param {'picture' | 'sound' | null} what */
  #pull(what) {
    if (this.#pulled === what) return;
    this.#pulled = what;
    this.#before = null;
    if (what === null) {
      this.#asked_at_ms = null;
      this.#stage.freeze();
      this.player.stop();
      return;
    }
    this.#pulled_at_ms = performance.now();
    if (this.#first_frame_ms === null) this.#asked_at_ms = this.#pulled_at_ms;
    this.#stage.freeze();
    this.player.start(what);
  }

  /** Bring the stage in step with the room. */
  draw() {
    const { state } = this.page;
    const show = state.show?.status ?? null;
    const now_ms = performance.now();
    const isOn = isOnAir({ show, video: this.#video });
    const hidden_ms = this.#hidden_at_ms === null ? null : now_ms - this.#hidden_at_ms;
    this.#pull(pulls({ isOnAir: isOn, want: this.#want, isMuted: this.#isMuted, hidden_ms }));
    this.#fallBack();
    const { phase, code, attempt } = this.player.state;
    const stage = this.#stage;
    const isLate = this.#late.isOn;
    stage.view = stageView({
      show, video: this.#video, want: this.#want, phase, code, attempt, isLate, isFlowing: this.#isFlowing && (phase === 'connected' || isLate), isSoundAlone: this.#isSoundAlone,
      isStarting: attempt === 0 && now_ms - this.#pulled_at_ms < STARTING_MS, isSlow: now_ms - this.#pulled_at_ms > QUIET_MS, hasFrame: stage.hasFrame,
      isWeak: this.#isWeak, isRefused: this.#isRefused, press: this.#press, isAsked: this.#isAsked, isMuted: this.#isMuted, wasTapped: this.#wasTapped,
    });
    if (stage.view.state === 'lost') stage.freeze();
    stage.stream = this.#pulled === null || isLate ? null : this.player.stream;
    stage.isMuted = this.#isMuted;
    stage.changed();
    this.#scrim(now_ms);
  }

  /** Play what is recorded for as long as there is no place; none of that is measured as the live picture. */
  #fallBack() {
    const wasOn = this.#late.isOn;
    this.#late.follow(this.player.state, this.#pulled === 'picture');
    if (this.#late.isOn === wasOn) return;
    this.#isWeak = false;
    this.#stalls = [];
    if (wasOn && this.#first_frame_ms === null && this.#asked_at_ms !== null) this.#asked_at_ms = performance.now();
  }

  /** The ground behind the chat follows the picture. @param {number} now_ms */
  #scrim(now_ms) {
    if (now_ms - this.#scrim_at_ms < SCRIM_MS) return;
    this.#scrim_at_ms = now_ms;
    const luminance = this.#stage.luminance();
    find('.room').dataset['scrim'] = luminance !== null && luminance > BRIGHT ? 'high' : 'low';
  }

  async #sample() {
    const { peer } = this.player;
    if (!peer || this.player.state.phase !== 'connected') {
      if (this.#late.hasMoved()) {
        this.#frame_at_ms = performance.now();
        this.#stage.thaw();
      }
      this.draw();
      return;
    }
    const report = await peer.getStats();
    if (peer !== this.player.peer) return;
    const now = readInbound(report.values(), performance.now());
    const before = this.#before;
    this.#before = now;
    this.#isSoundAlone = this.#pulled === 'picture' && before !== null && isSoundAlone(before, now);
    if (before && this.#pulled === 'picture') this.#measure(before, now);
    const quiet_ms = now.at_ms - Math.max(this.#frame_at_ms, this.#session_at_ms);
    const isDue = this.#pulled === 'picture' && this.#video?.live && !this.#isSoundAlone;
    if (isDue && quiet_ms > STALLED_MS && !document.hidden && !this.#isRefused) this.player.restart();
    this.draw();
  }

  /**
   * @param {import('../../logic/picture_stats.js').Inbound} before
   * @param {import('../../logic/picture_stats.js').Inbound} now
   */
  #measure(before, now) {
    const isMoving = now.frames > before.frames;
    if (isMoving) {
      this.#frame_at_ms = now.at_ms;
      this.#stage.thaw();
    }
    // Out of sight nothing is drawn, and a host who stands still is no fault of the network.
    if (document.hidden || !this.#video?.live || this.#first_frame_ms === null || this.#isSoundAlone) return;
    const stalled_ms = this.#playing.stalled_ms;
    this.#playing = countPlaying(this.#playing, before, now);
    this.#behind_ms = behindBetween(before, now) ?? this.#behind_ms;
    this.#stalls = [...this.#stalls, this.#playing.stalled_ms - stalled_ms].slice(-JUDGED);
    this.#isWeak = isWeakNetwork(this.#stalls);
  }

  /** Tell what was measured since the last time; nobody waits for the answer, and nobody is named. */
  async #beat() {
    const { room, viewers } = this.page.state;
    const first_frame_ms = this.#isFirstTold ? null : this.#first_frame_ms;
    const beat = makeBeat({ playing: this.#playing, first_frame_ms, behind_ms: this.#behind_ms });
    this.#playing = { ...startPlaying(), gap_ms: this.#playing.gap_ms };
    if (!beat || !isTelling(this.#luck, viewers)) return;
    this.#isFirstTold = true;
    try {
      await post(`/api/rooms/${encodeURIComponent(room)}/video/beats`, beat);
    } catch {
      // A figure that is lost is one of many.
    }
  }
}
