// @ts-check
/**
 * One way to keep a list of elements in step with a list of items.
 *
 * Invariant: an item keeps its element (and focus, scroll and animation) as long as its key stays in the list.
 */

/** @type {WeakMap<Element, Map<string, HTMLElement>>} */
const known = new WeakMap();

/**
 * Make `parent`'s children match `items`, in order. Costs O(items); elements in place are not moved.
 * @template T
 * @param {Element} parent owns only these children
 * @param {readonly T[]} items
 * @param {object} how
 * @param {(item: T) => string | number} how.key unique in the list
 * @param {(item: T) => HTMLElement} how.create
 * @param {(element: HTMLElement, item: T, index: number) => void} [how.update] called for new and old alike
 */
export function keyedList(parent, items, { key, create, update }) {
  const before = known.get(parent) ?? new Map();
  /** @type {Map<string, HTMLElement>} */
  const after = new Map();
  for (const item of items) {
    const name = String(key(item));
    after.set(name, before.get(name) ?? create(item));
  }
  for (const [name, element] of before) {
    if (!after.has(name)) element.remove();
  }
  let place = parent.firstElementChild;
  let index = 0;
  for (const item of items) {
    const element = /** @type {HTMLElement} */ (after.get(String(key(item))));
    if (element === place) place = place.nextElementSibling;
    else parent.insertBefore(element, place);
    update?.(element, item, index);
    index += 1;
  }
  known.set(parent, after);
}
