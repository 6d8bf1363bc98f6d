// @ts-check
/**
 * The live picture over its poster: the video, the last frame when it is lost, what is said about it and what can be pressed.
 *
 * HTML: `<live-stage></live-stage>` after the poster. Properties: `view` (StageView), `stream` (MediaStream or null), `isMuted`; `video`, for who plays a file in it while `stream` is null.
 * Methods: `freeze()` keeps the frame of now, `thaw()` lets it go; `play()`. Read: `hasFrame`, `luminance()`.
 * Events: `live:stage-sound`, `live:stage-play`, `live:stage-offer {offer}`, `live:stage-frame` (a new frame of a new stream), `live:stage-refused`, `live:stage-played`.
 * Invariant: nothing of it can take a press that belongs to the chat or the sale: it lies below both.
 */
import { define, LiveElement, setAttribute, setText } from '../../lib/element.js';
import { html, icon, render } from '../../lib/html.js';
import { t } from '../../lib/i18n.js';
import { CELLS, chatLuminance } from '../../logic/stage.js';

/** @typedef {import('../../logic/stage.js').StageView} StageView */

/** A picture that is taller than this is shown whole on a wide stage. */
const TALL = 1.2;

/** @type {StageView} */
const POSTER = { state: 'poster', word: null, offer: null, isPlayOffered: false, sound: null };

export class LiveStage extends LiveElement {
  /** @type {StageView} */
  view = POSTER;
  /** @type {MediaStream | null} */
  stream = null;
  isMuted = true;
  /** A frame was shown and can still be seen. */
  hasFrame = false;
  #isRefused = false;

  build() {
    render(this, html`
      <video class="stage-video" playsinline muted autoplay disablepictureinpicture data-ref="video" tabindex="-1" aria-label="${t('stage.video')}"></video>
      <canvas class="stage-still" data-ref="still" hidden></canvas>
      <div class="stage-line" data-ref="line" hidden></div>
      <div class="stage-words">
        <button class="button stage-chip-button" type="button" data-ref="sound"></button>
        <p class="stage-note" role="status" data-ref="note"></p>
        <button class="button stage-offer" type="button" data-ref="offer"></button>
      </div>
      <button class="button button-white stage-play" type="button" data-ref="play">${icon('play')} ${t('stage.play')}</button>`);
    const { video } = this;
    // The attribute alone does not mute an element made by script.
    video.muted = true;
    this.ref('sound').addEventListener('click', () => this.emit('stage-sound'));
    this.ref('play').addEventListener('click', () => this.emit('stage-play'));
    this.ref('offer').addEventListener('click', () => this.emit('stage-offer', { offer: this.view.offer }));
    video.addEventListener('resize', () => this.#shape());
    video.addEventListener('loadeddata', () => this.#awaitFrame());
    // A browser that pauses by itself (a call, headphones pulled out) is asked to go on; it may refuse.
    video.addEventListener('pause', () => (this.stream || video.hasAttribute('src')) && !video.ended && !document.hidden && void this.play());
  }

  get video() {
    return /** @type {HTMLVideoElement} */ (this.ref('video'));
  }

  get #still() {
    return /** @type {HTMLCanvasElement} */ (this.ref('still'));
  }

  /** Whether it may play at all is the browser's to say. */
  async play() {
    try {
      await this.video.play();
      if (this.#isRefused) this.emit('stage-played');
      this.#isRefused = false;
    } catch (error) {
      if (/** @type {DOMException} */ (error).name !== 'NotAllowedError') return;
      this.#isRefused = true;
      this.emit('stage-refused');
    }
  }

  /** Tell of the next frame that is really shown. */
  #awaitFrame() {
    const shown = () => {
      this.hasFrame = true;
      this.#still.hidden = true;
      this.#shape();
      this.emit('stage-frame');
    };
    if (this.video.requestVideoFrameCallback) this.video.requestVideoFrameCallback(shown);
    else shown();
  }

  #shape() {
    const { videoWidth, videoHeight } = this.video;
    if (videoWidth > 0) setAttribute(this, 'data-shape', videoHeight / videoWidth > TALL ? 'tall' : null);
  }

  /** Keep the frame that is shown, for while there is no other. */
  freeze() {
    const { video } = this;
    if (!this.hasFrame || !this.#still.hidden || video.readyState < 2 || video.videoWidth === 0) return;
    const still = this.#still;
    still.width = video.videoWidth;
    still.height = video.videoHeight;
    still.getContext('2d')?.drawImage(video, 0, 0);
    still.hidden = false;
  }

  /** New frames are shown again. */
  thaw() {
    if (this.video.readyState >= 2) this.#still.hidden = true;
  }

  /** @returns {number | null} of what is behind the chat, 0 to 1; null when nothing is shown */
  luminance() {
    const { video } = this;
    if (this.view.state !== 'playing' || video.readyState < 2) return null;
    const canvas = document.createElement('canvas');
    canvas.width = CELLS;
    canvas.height = CELLS;
    const context = canvas.getContext('2d', { willReadFrequently: true });
    if (!context) return null;
    context.drawImage(video, 0, 0, CELLS, CELLS);
    return chatLuminance(context.getImageData(0, 0, CELLS, CELLS).data);
  }

  update() {
    const { view, video } = this;
    if (video.srcObject !== this.stream) {
      video.srcObject = this.stream;
      if (this.stream) {
        this.#awaitFrame();
        void this.play();
      }
    }
    if (video.muted !== this.isMuted) video.muted = this.isMuted;
    setAttribute(this, 'data-state', view.state);
    setAttribute(this, 'data-frame', this.hasFrame ? '' : null);
    this.ref('line').hidden = view.state !== 'loading' || view.isPlayOffered;
    this.#sound();
    const note = this.ref('note');
    setText(note, view.word ? t(view.word) : '');
    setAttribute(note, 'data-word', view.word);
    this.ref('offer').hidden = view.offer === null;
    setText(this.ref('offer'), view.offer ? t(`stage.offer_${view.offer}`) : '');
    this.ref('play').hidden = !view.isPlayOffered;
  }

  #sound() {
    const { sound } = this.view;
    const button = this.ref('sound');
    button.hidden = sound === null;
    const name = `${sound}${this.isMuted}`;
    if (button.dataset['shown'] === name) return;
    button.dataset['shown'] = name;
    const word = t(this.isMuted ? (sound === 'chip' ? 'stage.tap' : 'stage.sound_on') : 'stage.sound_off');
    button.classList.toggle('button-round', sound === 'button');
    setAttribute(button, 'aria-label', sound === 'button' ? word : null);
    render(button, sound === 'button' ? icon(this.isMuted ? 'muted' : 'sound') : html`${icon('muted')} ${word}`);
  }
}

define('live-stage', LiveStage);
