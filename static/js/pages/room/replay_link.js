// @ts-check
/**
 * The way from a room whose show is over to its replay.
 *
 * Invariant: the link is there only when there is something to play; a show is asked for once, and again after a while
 * when its recording was not done.
 */
import { find, setAttribute } from '../../lib/element.js';
import { get } from '../../net/api.js';

/** A recording's rows come some seconds behind its show's end. */
const AGAIN_MS = 10_000;

/** @param {import('../../logic/room_state.js').RoomState} state */
export function drawReplayLink({ room, show }) {
  const link = find('#replay-link');
  const id = show?.status === 'ended' ? show.id : null;
  if (link.dataset['show'] === (id ?? undefined)) return;
  link.hidden = true;
  if (id === null) delete link.dataset['show'];
  else {
    link.dataset['show'] = id;
    void ask(link, room, id);
  }
}

/**
 * @param {HTMLElement} link
 * @param {string} room
 * @param {string} show
 */
async function ask(link, room, show) {
  const isWanted = () => link.dataset['show'] === show;
  try {
    const { recording } = await get(`/api/shows/${encodeURIComponent(show)}/replay`);
    if (!isWanted() || !recording) return;
    setAttribute(link, 'href', `/r/${encodeURIComponent(room)}/replay/${encodeURIComponent(show)}`);
    link.hidden = false;
  } catch {
    setTimeout(() => { if (isWanted()) delete link.dataset['show']; }, AGAIN_MS);
  }
}
