// @ts-check
/**
 * Hearts that rise beside the chat, drawn on one canvas.
 *
 * HTML: `<live-hearts></live-hearts>`
 * Methods: `tap()` own heart at once, `grow(count)` likes of others since the last call. Events: none.
 * Invariant: at most 24 hearts, at most 6 a second of others, and no frame is asked for when none is there.
 */
import { define, LiveElement } from '../../lib/element.js';
import { create, html } from '../../lib/html.js';

const HEARTS_MAX = 24;
const LIFE_MS = 2_400;
/** Others' hearts are at least this far apart: 6 a second. */
const GAP_MS = 167;
/** Likes of others that still wait to be drawn; more would tell of a moment long gone. */
const WAITING_MAX = 12;
const COLOUR_TOKENS = ['--heart-0', '--heart-1', '--heart-2'];
/** A heart in a box of 24, the icon's shape filled. */
const SHAPE = 'M12 20.5C6 16 2.5 12.7 2.5 8.8A5 5 0 0 1 12 6.6a5 5 0 0 1 9.5 2.2c0 3.9-3.5 7.2-9.5 11.7Z';

/** @typedef {{born: number, x: number, sway: number, phase: number, turn: number, size: number, colour: string}} Heart */

export class LiveHearts extends LiveElement {
  /** @type {Heart[]} */
  #hearts = [];
  #waiting = 0;
  #lastOther = 0;
  #frame = 0;
  /** @type {string[]} */
  colours = [];

  build() {
    this.canvas = /** @type {HTMLCanvasElement} */ (create(html`<canvas class="hearts" aria-hidden="true"></canvas>`));
    this.append(this.canvas);
    this.shape = new Path2D(SHAPE);
    const style = getComputedStyle(this);
    this.colours = COLOUR_TOKENS.map((token) => style.getPropertyValue(token).trim());
    this.still = matchMedia('(prefers-reduced-motion: reduce)');
    document.addEventListener('visibilitychange', () => {
      this.#hearts = [];
      this.#waiting = 0;
    });
  }

  /** One's own heart. */
  tap() {
    if (this.still?.matches || document.hidden) return;
    this.#add(30);
  }

  /** @param {number} count */
  grow(count) {
    if (this.still?.matches || document.hidden || count <= 0) return;
    this.#waiting = Math.min(WAITING_MAX, this.#waiting + count);
    this.#run();
  }

  /** @param {number} size */
  #add(size) {
    if (this.#hearts.length >= HEARTS_MAX) return;
    this.#hearts.push({
      born: performance.now(),
      x: 0.35 + Math.random() * 0.4,
      sway: 10 + Math.random() * 6,
      phase: Math.random() * Math.PI * 2,
      turn: ((Math.random() * 24 - 12) * Math.PI) / 180,
      size,
      colour: this.colours[Math.floor(Math.random() * this.colours.length)] ?? '',
    });
    this.#run();
  }

  #run() {
    if (this.#frame) return;
    this.#frame = requestAnimationFrame((now) => {
      this.#frame = 0;
      this.#draw(now);
      if (this.#hearts.length || this.#waiting) this.#run();
    });
  }

  /** @param {number} now */
  #draw(now) {
    const { canvas, shape } = this;
    const context = canvas?.getContext('2d');
    if (!canvas || !context || !shape) return;
    const { clientWidth: width, clientHeight: height } = canvas;
    const scale = Math.min(2, devicePixelRatio);
    if (canvas.width !== width * scale) canvas.width = width * scale;
    if (canvas.height !== height * scale) canvas.height = height * scale;
    if (this.#waiting && now - this.#lastOther >= GAP_MS) {
      this.#lastOther = now;
      this.#waiting -= 1;
      this.#add(16 + Math.random() * 12);
    }
    this.#hearts = this.#hearts.filter((heart) => now - heart.born < LIFE_MS);
    context.setTransform(scale, 0, 0, scale, 0, 0);
    context.clearRect(0, 0, width, height);
    for (const heart of this.#hearts) {
      const age = Math.max(0, (now - heart.born) / LIFE_MS);
      const rise = 1 - (1 - age) ** 2;
      context.save();
      context.translate(width * heart.x + Math.sin(heart.phase + age * 7) * heart.sway, height - 20 - rise * (height - 40));
      context.rotate(heart.turn);
      context.scale(heart.size / 24, heart.size / 24);
      context.translate(-12, -12);
      context.globalAlpha = age < 0.7 ? 1 : Math.max(0, (1 - age) / 0.3);
      context.fillStyle = heart.colour;
      context.fill(shape);
      context.restore();
    }
  }
}

define('live-hearts', LiveHearts);
