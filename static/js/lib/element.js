// @ts-check
/**
 * The base of every custom element: data down by property, actions up as `live:` events, one update a microtask.
 *
 * Invariant: `update()` is idempotent and complete, so it may run at any time and any number of times.
 */

export class LiveElement extends HTMLElement {
  #isBuilt = false;
  #isQueued = false;
  /** @type {Map<string, HTMLElement>} */
  #refs = new Map();

  connectedCallback() {
    if (!this.#isBuilt) {
      this.#isBuilt = true;
      this.build();
    }
    this.connected();
    this.update();
  }

  disconnectedCallback() {
    this.disconnected();
  }

  /** Make the markup, once. */
  build() {}

  /** Start timers and listeners, at every connection. */
  connected() {}

  /** Stop what `connected` started. */
  disconnected() {}

  /** Bring the markup in step with the properties. */
  update() {}

  /** Ask for an update; several in one task become one. */
  changed() {
    if (this.#isQueued) return;
    this.#isQueued = true;
    queueMicrotask(() => {
      this.#isQueued = false;
      if (this.isConnected && this.#isBuilt) this.update();
    });
  }

  /**
   * Tell the page what the person wants.
   * @param {string} name without the `live:`
   * @param {unknown} [detail]
   */
  emit(name, detail) {
    this.dispatchEvent(new CustomEvent(`live:${name}`, { detail, bubbles: true, composed: true }));
  }

  /**
   * This element's own part marked `data-ref="name"`; parts of elements inside it are theirs.
   * @param {string} name
   * @returns {HTMLElement}
   */
  ref(name) {
    const known = this.#refs.get(name);
    if (known?.isConnected) return known;
    for (const found of this.querySelectorAll(`[data-ref="${name}"]`)) {
      if (ownerOf(found) !== this) continue;
      const part = /** @type {HTMLElement} */ (found);
      this.#refs.set(name, part);
      return part;
    }
    throw new Error(`${this.localName} has no ref ${name}`);
  }
}

/**
 * @param {Element} element
 * @returns {Element | null}
 */
function ownerOf(element) {
  let owner = element.parentElement;
  while (owner && !(owner instanceof LiveElement)) owner = owner.parentElement;
  return owner;
}

/**
 * Register an element once.
 * @param {string} name
 * @param {CustomElementConstructor} constructor
 */
export function define(name, constructor) {
  if (!customElements.get(name)) customElements.define(name, constructor);
}

/**
 * Write a text only when it changed, so that nothing is laid out or read out again for nothing.
 * @param {Element} element
 * @param {string} text
 */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * Set or, with null, remove an attribute, only when it changed.
 * @param {Element} element
 * @param {string} name
 * @param {string | null} value
 */
export function setAttribute(element, name, value) {
  if (element.getAttribute(name) === value) return;
  if (value === null) element.removeAttribute(name);
  else element.setAttribute(name, value);
}

/**
 * The first element for a selector, which must be there.
 * @param {string} selector
 * @param {ParentNode} [root]
 * @returns {HTMLElement}
 */
export function find(selector, root = document) {
  const found = root.querySelector(selector);
  if (!found) throw new Error(`nothing matches ${selector}`);
  return /** @type {HTMLElement} */ (found);
}
