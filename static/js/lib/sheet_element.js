// @ts-check
/**
 * The base of elements whose whole content lies in a live-sheet of their own.
 *
 * Invariant: such an element has one sheet and names its parts itself.
 */
import { LiveElement, find } from './element.js';

/** @typedef {import('../components/live-sheet/live-sheet.js').LiveSheet} LiveSheet */

export class SheetElement extends LiveElement {
  /**
   * A part of this element, although it lies inside the sheet.
   * @param {string} name
   * @returns {HTMLElement}
   */
  ref(name) {
    return find(`[data-ref="${name}"]`, this);
  }

  /** @returns {LiveSheet} */
  get sheet() {
    return /** @type {LiveSheet} */ (find('live-sheet', this));
  }
}
