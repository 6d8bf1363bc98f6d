// @ts-check
/**
 * The way from a show that is over to its replay, in the room and in its console.
 *
 * Invariant: the link is there only when there is something to play; a show is asked for once, and a few times more
 * when its recording was not done.
 */
import { find, setAttribute } from '../lib/element.js';
import { get } from '../net/api.js';

/** A recording's rows come some seconds behind its show's end. */
const AGAIN_MS = 10_000;
/** A show without a recording has none later. */
const TRIES_MAX = 6;

/** @param {import('../logic/room_state.js').RoomState} state */
export function drawReplayLink({ room, show }) {
  const link = find('#replay-link');
  const id = show?.status === 'ended' ? show.id : null;
  if (link.dataset['show'] === (id ?? undefined)) return;
  link.hidden = true;
  if (id === null) delete link.dataset['show'];
  else {
    link.dataset['show'] = id;
    void ask(link, room, id, TRIES_MAX);
  }
}

/**
 * @param {HTMLElement} link
 * @param {string} room
 * @param {string} show
 * @param {number} tries that are left, with this one
 */
async function ask(link, room, show, tries) {
  const isWanted = () => link.dataset['show'] === show;
  try {
    const { recording } = await get(`/api/shows/${encodeURIComponent(show)}/replay`);
    if (!isWanted() || !recording) return;
    setAttribute(link, 'href', `/r/${encodeURIComponent(room)}/replay/${encodeURIComponent(show)}`);
    link.hidden = false;
  } catch {
    if (tries > 1) setTimeout(() => { if (isWanted()) void ask(link, room, show, tries - 1); }, AGAIN_MS);
  }
}
