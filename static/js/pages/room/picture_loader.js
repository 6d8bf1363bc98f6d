// @ts-check
/**
 * The script of the room's picture, loaded with the first picture: a room without one stays light.
 *
 * Invariant: a script that does not come is asked for again with back-off, and the stage says so meanwhile.
 */
import { find } from '../../lib/element.js';
import { html, render } from '../../lib/html.js';
import { t } from '../../lib/i18n.js';
import { nextWait } from '../../logic/backoff.js';

/** @typedef {import('../../logic/room_state.js').RoomState} RoomState */

export class PictureLoader {
  /** @type {import('./picture.js').Picture | null} */
  #picture = null;
  #isBusy = false;
  #attempt = 0;
  #again_at_ms = -Infinity;

  /** @param {{state: RoomState, changed: () => void}} page */
  constructor(page) {
    this.page = page;
  }

  /** Bring the stage in step with the room. */
  draw() {
    if (this.#picture) this.#picture.draw();
    else if (this.page.state.video) void this.#load();
  }

  /** The key for sound. */
  pressSound() {
    this.#picture?.pressSound();
  }

  async #load() {
    if (this.#isBusy || performance.now() < this.#again_at_ms) return;
    this.#isBusy = true;
    const script = await import('./picture.js').catch(() => null);
    this.#isBusy = false;
    if (script) {
      this.#picture = new script.Picture(this.page);
      this.page.changed();
      return;
    }
    this.#again_at_ms = performance.now() + nextWait(this.#attempt, Math.random());
    this.#attempt += 1;
    // The stage's own script is not there to say it; when it comes, it draws itself over these words.
    render(find('live-stage'), html`<div class="stage-words"><p class="stage-note" role="status">${t('stage.no_script')}</p></div>`);
  }
}
