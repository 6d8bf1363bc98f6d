// @ts-check
/**
 * The switch between dark and light; without a choice the page follows the system.
 *
 * Invariant: the choice is only `data-theme` on the root element; colours live in tokens.css.
 */

const STORED = 'hubbub.theme';

/**
 * The theme in use.
 * @returns {'dark' | 'light'}
 */
export function theme() {
  const chosen = document.documentElement.dataset['theme'];
  if (chosen === 'dark' || chosen === 'light') return chosen;
  return matchMedia('(prefers-color-scheme: light)').matches ? 'light' : 'dark';
}

/**
 * Choose a theme and remember it in this browser.
 * @param {'dark' | 'light'} chosen
 */
export function chooseTheme(chosen) {
  document.documentElement.dataset['theme'] = chosen;
  try {
    localStorage.setItem(STORED, chosen);
  } catch {
    // The choice then lasts until the page is left.
  }
}
