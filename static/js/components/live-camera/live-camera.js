// @ts-check
/**
 * The console's camera: a light, and behind it the preview, the choice of devices, live and stop, and keys for other programs.
 *
 * HTML: `<live-camera></live-camera>`. Properties: `isOffered`, `stream` (or null), `source`, `devices`, `isMuted`, `bitrate`, `light`, `figures`
 * (words), `trouble` (key or null), `isAsking`. Methods: `open()`, `devicesChosen()`. Parts: `<live-stream-keys>`.
 * Events: `live:camera-open`, `-close`, `-choose`, `-source {source}`, `-mute`, `-bitrate {bits_per_s}`, `-start`, `-stop`.
 */
import { number } from '../../lib/format.js';
import { html, icon, render } from '../../lib/html.js';
import { t } from '../../lib/i18n.js';
import { define, setAttribute, setText } from '../../lib/element.js';
import { SheetElement } from '../../lib/sheet_element.js';
import { BITRATE_USUAL, BITRATES, has } from '../../logic/console_camera.js';

/** @typedef {{id: string, label: string}} Device */
/** @typedef {{cameras: Device[], microphones: Device[]}} Devices */

const MEGA = 1_000_000;
/** Spaces inside a figure, not those beside the dots between figures: a line may end only at the latter. */
const INSIDE = /([^·]) (?=[^·])/g;

export class LiveCamera extends SheetElement {
  isOffered = false;
  /** @type {MediaStream | null} */
  stream = null;
  /** @type {'camera' | 'screen'} */
  source = 'camera';
  /** @type {Devices} */
  devices = { cameras: [], microphones: [] };
  isMuted = false;
  /** @type {number} */
  bitrate = BITRATE_USUAL;
  /** @type {import('../../logic/console_camera.js').CameraLight} */
  light = { state: 'none', word: 'camera.off', isSending: false };
  figures = '';
  /** @type {string | null} */
  trouble = null;
  isAsking = false;

  build() {
    render(this, html`
      <button class="light light-button" type="button" data-ref="light" aria-haspopup="dialog" hidden><span class="light-dot"></span><span>${t('camera.title')} <b data-ref="finding"></b></span> <kbd class="key" aria-hidden="true">V</kbd></button>
      <live-sheet label="${t('camera.title')}"><div class="camera">
        <h2>${t('camera.title')}</h2>
        <div class="camera-view"><video data-ref="preview" muted autoplay playsinline aria-label="${t('camera.preview')}"></video><p data-ref="blank">${t('camera.blank')}</p></div>
        <p class="camera-light light" role="status" data-ref="says"><span class="light-dot"></span><span data-ref="words"></span></p>
        <p class="camera-trouble" role="alert" data-ref="trouble"></p>
        <div class="camera-acts"><button class="button button-lime" type="button" data-ref="start">${t('camera.start')}</button>
          <button class="button button-coral" type="button" data-ref="stop">${t('camera.stop')}</button>
          <button class="button" type="button" data-ref="mute"></button>
          <button class="button" type="button" data-ref="again">${t('camera.again')}</button></div>
        <div class="camera-fields">
          <label><span class="field-label">${t('camera.source')}</span><select class="field" data-ref="source">${['camera', 'screen'].map((name) => html`<option value="${name}">${t(`camera.source_${name}`)}</option>`)}</select></label>
          <label><span class="field-label">${t('camera.camera')}</span><select class="field" data-ref="camera"></select></label>
          <label><span class="field-label">${t('camera.microphone')}</span><select class="field" data-ref="microphone"></select></label>
          <label><span class="field-label">${t('camera.bitrate')}</span><select class="field" data-ref="bitrate">${BITRATES.map((rate) => html`<option value="${rate}">${t('camera.megabits', { rate: number(rate / MEGA) })}</option>`)}</select></label>
        </div>
        <live-stream-keys></live-stream-keys>
      </div></live-sheet>`);
    /** @type {Record<string, () => void>} */
    const presses = {
      light: () => this.open(), start: () => this.emit('camera-start'), stop: () => this.emit('camera-stop'),
      mute: () => this.emit('camera-mute'), again: () => this.emit('camera-choose'),
    };
    for (const [name, act] of Object.entries(presses)) this.ref(name).addEventListener('click', act);
    for (const name of ['camera', 'microphone']) this.ref(name).addEventListener('change', () => this.emit('camera-choose'));
    this.ref('source').addEventListener('change', () => this.emit('camera-source', { source: this.#select('source').value }));
    this.ref('bitrate').addEventListener('change', () => this.emit('camera-bitrate', { bits_per_s: Number(this.#select('bitrate').value) }));
    this.sheet.addEventListener('live:sheet-closed', (event) => {
      event.stopPropagation();
      this.emit('camera-close');
    });
    // The attribute alone does not mute an element made by script.
    this.#preview.muted = true;
  }

  /** @param {string} name */
  #select(name) {
    return /** @type {HTMLSelectElement} */ (this.ref(name));
  }

  get #preview() {
    return /** @type {HTMLVideoElement} */ (this.ref('preview'));
  }

  open() {
    if (!this.isOffered) return;
    this.sheet.open();
    this.emit('camera-open');
  }

  /** @returns {{camera: string | null, microphone: string | null}} */
  devicesChosen() {
    return { camera: this.#select('camera').value || null, microphone: this.#select('microphone').value || null };
  }

  update() {
    const { light, stream } = this;
    const words = `${t(light.word)}${this.figures ? `${t('site.separator')}${this.figures.replace(INSIDE, '$1\u00a0')}` : ''}`;
    const button = this.ref('light');
    button.hidden = !this.isOffered;
    setAttribute(button, 'data-state', light.state);
    setAttribute(button, 'title', words);
    setText(this.ref('finding'), t(light.isSending && light.state !== 'bad' ? 'camera.on' : light.word));
    setAttribute(this.ref('says'), 'data-state', light.state);
    setText(this.ref('words'), words);
    if (this.#preview.srcObject !== stream) this.#preview.srcObject = stream;
    setAttribute(this.#preview, 'data-source', this.source);
    this.ref('blank').hidden = has(stream, 'video');
    setText(this.ref('trouble'), this.trouble ? t(this.trouble) : '');
    this.#acts();
    this.#choices();
  }

  #acts() {
    const { light, stream } = this;
    const hasVoice = has(stream, 'audio');
    const hasPicture = has(stream, 'video');
    this.ref('start').hidden = light.isSending || !hasPicture;
    this.ref('stop').hidden = !light.isSending;
    this.ref('again').hidden = (hasPicture && hasVoice) || this.isAsking;
    const mute = this.ref('mute');
    mute.hidden = !hasVoice;
    setAttribute(mute, 'aria-pressed', String(this.isMuted));
    const shown = String(this.isMuted);
    if (mute.dataset['shown'] === shown) return;
    mute.dataset['shown'] = shown;
    render(mute, html`${icon(this.isMuted ? 'muted' : 'sound')} ${t(this.isMuted ? 'camera.unmute' : 'camera.mute')}`);
  }

  #choices() {
    this.#fill('camera', this.devices.cameras);
    this.#fill('microphone', this.devices.microphones);
    this.#select('source').value = this.source;
    this.#select('bitrate').value = String(this.bitrate);
    this.#select('camera').disabled = this.source === 'screen';
  }

  /**
   * @param {'camera' | 'microphone'} name
   * @param {Device[]} devices a browser names them only to a page that may use them
   */
  #fill(name, devices) {
    const select = this.#select(name);
    const listed = devices.map(({ id, label }) => `${id} ${label}`).join('\n');
    if (select.dataset['listed'] === listed) return;
    select.dataset['listed'] = listed;
    const chosen = select.value;
    render(select, html`${devices.length === 0 ? html`<option value="">${t('camera.usual')}</option>` : ''}${devices.map(({ id, label }, index) => html`<option value="${id}">${label || t('camera.nameless', { no: index + 1 })}</option>`)}`);
    if (devices.some(({ id }) => id === chosen)) select.value = chosen;
  }
}

define('live-camera', LiveCamera);
