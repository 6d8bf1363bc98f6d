// @ts-check
/**
 * Where to go after signing in: the page that asked for it, on this site only.
 *
 * Invariant: the result is absolute and of `origin`; a path such as `//evil.example` is never handed on by itself,
 * because a browser would read it as another site.
 */

/**
 * @param {string | null} next what the address bar asks for
 * @param {string} origin
 * @returns {string}
 */
export function destinationOf(next, origin) {
  const home = `${origin}/`;
  if (!next || !URL.canParse(next, origin)) return home;
  const url = new URL(next, origin);
  return url.origin === origin ? url.href : home;
}
