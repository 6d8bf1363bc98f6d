// @ts-check
/** Reading files of the tree from Chromium, synchronously as the tests expect it. */

/** @param {string | URL} address */
function fetchNow(address) {
  const request = new XMLHttpRequest();
  request.open('GET', address, false);
  request.send();
  if (request.status !== 200) throw new Error(`${address}: ${request.status}`);
  return request.responseText;
}

/** @param {string | URL} path */
export const readFileSync = (path) => fetchNow(path);

/**
 * @param {string | URL} path a folder; the test's server answers with the names in it
 * @param {{recursive?: boolean}} [options]
 * @returns {string[]}
 */
export const readdirSync = (path, options) => JSON.parse(fetchNow(`${path}?${options?.recursive ? 'tree' : 'list'}`));
