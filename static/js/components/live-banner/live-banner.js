// @ts-check
/**
 * The one place that says how the network is and what the host announces.
 *
 * HTML: `<live-banner></live-banner>`
 * Properties: `message` {kind, text, action?} or null; `action` is the text of its one button.
 * Events: `live:banner-action` {kind}.
 * Invariant: one message at a time, chosen by logic/banner.js; this element only shows it.
 */
import { define, LiveElement, setText } from '../../lib/element.js';
import { html, icon, render } from '../../lib/html.js';

/** @typedef {{kind: string, text: string, action?: string}} BannerMessage */

/** @type {Record<string, string>} */
const ICONS = { back: 'check', announcement: 'sound', overloaded: 'people', signed_out: 'shield', banned: 'ban' };

export class LiveBanner extends LiveElement {
  /** @type {BannerMessage | null} */
  #message = null;

  get message() {
    return this.#message;
  }

  set message(message) {
    this.#message = message;
    this.changed();
  }

  build() {
    render(this, html`<div class="banner" data-ref="banner" role="status" hidden>
      <span data-ref="icon"></span><p data-ref="text"></p><button class="banner-action" type="button" data-ref="action"></button></div>`);
    this.ref('action').addEventListener('click', () => this.emit('banner-action', { kind: this.#message?.kind }));
  }

  update() {
    const message = this.#message;
    const banner = this.ref('banner');
    banner.hidden = !message;
    if (!message) return;
    if (banner.dataset['kind'] !== message.kind) {
      banner.dataset['kind'] = message.kind;
      render(this.ref('icon'), icon(ICONS[message.kind] ?? 'wifi'));
    }
    setText(this.ref('text'), message.text);
    this.ref('action').hidden = !message.action;
    setText(this.ref('action'), message.action ?? '');
  }
}

define('live-banner', LiveBanner);
