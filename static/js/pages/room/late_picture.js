// @ts-check
/**
 * The recording under way in the stage's video, some seconds late, for whom WebRTC has no place.
 *
 * Invariant: it is on only between a "full" and the next session; the live picture never waits for it.
 */
import { HlsPlayer } from '../../net/hls_player.js';

/** @typedef {import('../../components/live-stage/live-stage.js').LiveStage} LiveStage */
/** @typedef {import('../../net/whip_link.js').LinkState} LinkState */

export class LatePicture {
  /** @type {string | null} of the newest ticket; null where nothing is recorded, or nothing of it was there yet */
  #url = null;
  /** @type {HlsPlayer | null} */
  #player = null;
  #isWanted = false;
  #isUnsupported = false;
  #time_s = 0;

  /**
   * @param {LiveStage} stage
   * @param {() => void} changed when it goes on or off by itself
   */
  constructor(stage, changed) {
    this.stage = stage;
    this.changed = changed;
  }

  get isOn() {
    return this.#player !== null;
  }

  /** What the newest ticket says. @param {string | null | undefined} url */
  offer(url) {
    this.#url = url ?? null;
  }

  /**
   * Follow the player of the live picture: a full house begins it, and a session, or the end of the pulling, ends it. What goes
   * wrong between two attempts does not.
   * @param {LinkState} state
   * @param {boolean} isPulled the picture is asked for, not the sound alone
   */
  follow({ phase, code }, isPulled) {
    if (code === 'video_full') this.#isWanted = true;
    if (!isPulled || phase === 'connected' || phase === 'refused' || phase === 'idle') this.#isWanted = false;
    if (!isPulled) this.#isUnsupported = false;
    const url = this.#isWanted && !this.#isUnsupported ? this.#url : null;
    if (this.#player === null && url !== null) this.#begin(url);
    else if (this.#player !== null && url === null) this.#end();
  }

  /** Whether its time went on since the last look. @returns {boolean} */
  hasMoved() {
    const before_s = this.#time_s;
    this.#time_s = this.stage.video.currentTime;
    return this.#player !== null && this.#time_s !== before_s;
  }

  /** @param {string} url */
  #begin(url) {
    const { stage } = this;
    stage.freeze();
    stage.stream = null;
    stage.update();
    this.#time_s = stage.video.currentTime;
    this.#player = new HlsPlayer(stage.video, url, {
      isFollowing: true,
      onProblem: (problem) => {
        if (problem !== 'unsupported') return;
        this.#isUnsupported = true;
        this.changed();
      },
    });
    void this.#play(this.#player);
  }

  /** @param {HlsPlayer} player */
  async #play(player) {
    try {
      await player.start();
      if (player === this.#player) await this.stage.play();
    } catch {
      // Nothing is recorded yet, or it is away: the ticket of the next attempt names it again.
      if (player !== this.#player) return;
      this.#url = null;
      this.changed();
    }
  }

  #end() {
    this.stage.freeze();
    this.#player?.stop();
    this.#player = null;
  }
}
