// @ts-check
/**
 * The time left of a hold as a ring with the time inside; amber in the last minute.
 *
 * HTML: `<live-hold-ring></live-hold-ring>`; attribute `small` is 48 px, `big` 84, `chip` 44 px around other content without the time.
 * Properties: `left` {left_ms, part, isLast} of logic/countdown `holdLeft`. Events: none.
 * Invariant: the time is text as well as a picture, and it is never a live region.
 */
import { define, LiveElement, setAttribute, setText } from '../../lib/element.js';
import { duration } from '../../lib/format.js';
import { html, render } from '../../lib/html.js';
import { t } from '../../lib/i18n.js';

export class LiveHoldRing extends LiveElement {
  #left = { left_ms: 0, part: 0, isLast: false };

  get left() {
    return this.#left;
  }

  set left(left) {
    this.#left = left;
    this.changed();
  }

  build() {
    render(this, html`
      <svg class="ring" viewBox="0 0 60 60" aria-hidden="true">
        <circle class="ring-track" cx="30" cy="30" r="27"></circle>
        <circle class="ring-part" cx="30" cy="30" r="27" pathLength="100" data-ref="part"></circle>
      </svg>
      <span class="ring-time" role="img" data-ref="time"></span>`);
  }

  update() {
    const { left_ms, part, isLast } = this.#left;
    const time = duration(left_ms);
    this.dataset['last'] = String(isLast);
    setAttribute(this.ref('part'), 'stroke-dasharray', `${Math.round(part * 1000) / 10} 100`);
    setText(this.ref('time'), time);
    setAttribute(this.ref('time'), 'aria-label', t('ring.label', { duration: time }));
  }
}

define('live-hold-ring', LiveHoldRing);
