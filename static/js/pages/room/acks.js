// @ts-check
/**
 * Tells the server, when it asks, when sale news was drawn here: the console's delivery light is made of it.
 *
 * Invariant: nothing is said that was not drawn; a hidden page draws nothing and says so instead.
 */

/** @typedef {import('../../net/clock.js').ServerClock} ServerClock */

export class Acks {
  #isAsked = false;
  /** Newest offset that came with the hello: replayed, not live. */
  #greeted = 0;
  #frame = 0;
  /** @type {{offset: number, at_ms: number} | null} */
  #drawing = null;

  /**
   * @param {object} options
   * @param {(frame: unknown[]) => void} options.send
   * @param {ServerClock} options.clock
   */
  constructor({ send, clock }) {
    this.send = send;
    this.clock = clock;
    document.addEventListener('visibilitychange', () => this.#seen());
  }

  /** @param {{ack?: boolean, offset: number}} hello */
  greet(hello) {
    this.#stop();
    this.#greeted = hello.offset;
    this.ask(hello.ack === true);
  }

  /** @param {boolean} isAsked from the next event on; what was drawn before is still told */
  ask(isAsked) {
    this.#isAsked = isAsked;
    if (isAsked && document.hidden) this.send(['v', false]);
  }

  /**
   * A sale frame was applied; it counts as drawn in the next animation frame, just before that is painted.
   * @param {number} offset of its last event
   * @param {number} at_ms
   */
  applied(offset, at_ms) {
    if (!this.#isAsked || offset <= this.#greeted || document.hidden) return;
    this.#drawing = { offset, at_ms };
    this.#frame ||= requestAnimationFrame(() => this.#drawn());
  }

  #drawn() {
    this.#frame = 0;
    const drawn = this.#drawing;
    this.#drawing = null;
    if (!drawn) return;
    const ms = this.clock.plusMinus_ms === null ? null : Math.max(0, Math.round(this.clock.now() - drawn.at_ms));
    this.send(['a', drawn.offset, ms]);
  }

  #seen() {
    if (document.hidden) this.#stop();
    if (this.#isAsked) this.send(['v', !document.hidden]);
  }

  #stop() {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    this.#drawing = null;
  }
}
