// @ts-check
/**
 * Handing a link on: the system's share sheet where there is one, else the clipboard.
 *
 * Invariant: nothing is shown as copied that was not.
 */

/**
 * @param {{title: string, url: string}} link
 * @returns {Promise<'shared' | 'copied' | 'none'>} `shared`: the share sheet came up, and speaks for itself; `none`: the
 *   browser allows neither (a page without TLS has no clipboard)
 */
export async function shareLink({ title, url }) {
  if (navigator.share) {
    // A person who closes the share sheet has had an answer.
    await navigator.share({ title, url }).catch(() => {});
    return 'shared';
  }
  try {
    await navigator.clipboard.writeText(url);
    return 'copied';
  } catch {
    return 'none';
  }
}
