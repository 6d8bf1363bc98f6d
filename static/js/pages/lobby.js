// @ts-check
/**
 * The lobby page: draws what the server sent, then reads it anew while somebody looks at it.
 *
 * Invariant: a failed read keeps the list that was there and says how old it is.
 */
import '../components/live-lobby/live-lobby.js';
import '../components/live-theme-switch/live-theme-switch.js';
import { find } from '../lib/element.js';
import { loadTexts } from '../lib/i18n.js';
import { get } from '../net/api.js';

/** @typedef {import('../components/live-lobby/live-lobby.js').LiveLobby} LiveLobby */

/** Viewers and times are not news by the second here. */
const READ_MS = 10_000;

await loadTexts();
const lobby = /** @type {LiveLobby} */ (find('live-lobby'));
let good_ms = Date.now();

/** @param {Partial<LiveLobby>} properties */
function show(properties) {
  Object.assign(lobby, { now_ms: Date.now(), ...properties });
  lobby.changed();
}

async function refresh() {
  if (document.hidden) return;
  try {
    const { rooms } = await get('/api/rooms');
    good_ms = Date.now();
    show({ rooms, stale_ms: null });
  } catch {
    show({ stale_ms: good_ms });
  }
}

show({ rooms: JSON.parse(find('#state').textContent || '{"rooms":[]}').rooms });
lobby.addEventListener('live:refresh-lobby', () => void refresh());
document.addEventListener('visibilitychange', () => void refresh());
window.setInterval(() => void refresh(), READ_MS);
