// @ts-check
/**
 * A panel that comes up over the page: a native dialog with a grab handle.
 *
 * HTML: `<live-sheet id="checkout" label="Check out">…content…</live-sheet>`
 * Properties: `isOpen`. Methods: `open()`, `close()`. Events: `live:sheet-closed`.
 * Invariant: closing is always one tap (handle, Esc, outside) and keeps what was typed; focus returns to its opener.
 */
import { define, LiveElement } from '../../lib/element.js';
import { create, html } from '../../lib/html.js';
import { t } from '../../lib/i18n.js';

/** Dragged down further than this, a sheet closes. */
const DRAG_CLOSES_PX = 80;

export class LiveSheet extends LiveElement {
  /** @type {HTMLDialogElement | null} */
  #dialog = null;
  /** @type {Element | null} */
  #opener = null;

  get isOpen() {
    return this.#dialog?.open ?? false;
  }

  build() {
    const content = [...this.childNodes];
    const dialog = /** @type {HTMLDialogElement} */ (create(html`
      <dialog class="sheet" aria-label="${this.getAttribute('label')}">
        <button class="sheet-grab" type="button" data-ref="grab" aria-label="${t('site.close')}"></button>
        <div class="sheet-body" data-ref="body" tabindex="-1"></div>
      </dialog>`));
    this.#dialog = dialog;
    this.append(dialog);
    this.body.append(...content);
    dialog.addEventListener('click', (event) => {
      if (event.target === dialog) this.close();
    });
    dialog.addEventListener('close', () => this.#closed());
    dialog.addEventListener('cancel', (event) => {
      event.preventDefault();
      this.close();
    });
    this.#drag(this.ref('grab'), dialog);
  }

  /** Where the content lives. */
  get body() {
    return this.ref('body');
  }

  open() {
    if (this.isOpen || !this.#dialog) return;
    this.#opener = document.activeElement;
    this.#dialog.showModal();
    /** @type {HTMLElement} */ (this.body.querySelector('[autofocus]') ?? this.body).focus({ preventScroll: true });
  }

  close() {
    if (!this.isOpen) return;
    this.#dialog?.close();
  }

  #closed() {
    // It was opened again before its end was told: what is told now would end what has just begun.
    if (this.isOpen) return;
    this.#dialog?.style.removeProperty('--drag');
    if (this.#opener instanceof HTMLElement && this.#opener.isConnected) this.#opener.focus({ preventScroll: true });
    this.emit('sheet-closed', { id: this.id });
  }

  /**
   * Follow the finger, close far enough down, else spring back. A plain press closes.
   * @param {HTMLElement} grab
   * @param {HTMLDialogElement} dialog
   */
  #drag(grab, dialog) {
    let start = 0;
    let moved = 0;
    grab.addEventListener('pointerdown', (event) => {
      start = event.clientY;
      moved = 0;
      grab.setPointerCapture(event.pointerId);
    });
    grab.addEventListener('pointermove', (event) => {
      if (!grab.hasPointerCapture(event.pointerId)) return;
      moved = Math.max(0, event.clientY - start);
      dialog.style.setProperty('--drag', `${moved}px`);
    });
    grab.addEventListener('lostpointercapture', () => {
      dialog.style.removeProperty('--drag');
      if (moved > DRAG_CLOSES_PX) this.close();
    });
    grab.addEventListener('click', () => {
      if (moved < 4) this.close();
    });
  }
}

define('live-sheet', LiveSheet);
