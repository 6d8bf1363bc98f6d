// @ts-check
/**
 * A team by its shared link: how far it is, how long it runs, and the way in.
 *
 * Invariant: one press is one seat, however often it is retried; a team that is full or over offers a new one, as long as
 * its group buy still opens teams.
 */
import '../components/live-sheet/live-sheet.js';
import '../components/live-sign-in/live-sign-in.js';
import { find, setText } from '../lib/element.js';
import { duration, money, number } from '../lib/format.js';
import { hasText, t } from '../lib/i18n.js';
import { asApiError, get, intentKey, post, settleIntent } from '../net/api.js';

/** @typedef {import('../components/live-sheet/live-sheet.js').LiveSheet} LiveSheet */
/** @typedef {{id: string, sale: string, price_minor: number, normal_price_minor: number, currency: string, need: number,
 *   joined: number, paid: number, state: 'forming' | 'formed' | 'failed', ends_in_ms: number, is_open?: boolean, can_open?: boolean,
 *   is_completed?: boolean}} Team */

/** A friend who waits for others looks that often. */
const LOOK_MS = 4_000;
const SECOND_MS = 1_000;

const place = find('#group');
const button = /** @type {HTMLButtonElement} */ (find('#group-join'));
const problem = find('#group-problem');
const sheet = /** @type {LiveSheet} */ (find('#name-sheet'));
let team = /** @type {Team} */ (JSON.parse(find('#state').textContent ?? '{}').group);
let read_at = performance.now();
let isSignedIn = place.dataset.signedIn === 'yes';
let isBusy = false;

/** @returns {string} */
function stateWords() {
  const counts = { paid: number(team.paid), joined: number(team.joined), need: number(team.need), missing: number(team.need - team.joined) };
  if (team.state === 'formed') return t(team.is_completed ? 'group.completed' : 'group.formed', counts);
  if (team.state === 'failed') return t('group.failed', counts);
  return team.joined < team.need ? t('group.needs', counts) : t('group.full', counts);
}

function draw() {
  const left_ms = Math.max(0, team.ends_in_ms - (performance.now() - read_at));
  const canJoin = team.is_open === true && left_ms > 0;
  setText(find('#group-price'), t('group.price', { price: money(team.price_minor, team.currency), normal: money(team.normal_price_minor, team.currency) }));
  setText(find('#group-state'), stateWords());
  const isOver = !canJoin && !team.can_open;
  const time = team.state === 'forming' ? [t('group.ends_in', { duration: duration(left_ms) })] : [];
  setText(find('#group-time'), [...time, ...(isOver ? [t('group.no_more')] : [])].join(' '));
  setText(button, t(canJoin ? 'group.join' : 'group.open'));
  button.hidden = isOver;
}

async function look() {
  try {
    team = (await get(`/api/groups/${team.id}`)).group;
    read_at = performance.now();
  } catch {
    // What is shown stays; the next look is soon.
  }
  draw();
}

/** @param {unknown} thrown */
function showProblem(thrown) {
  const { code } = asApiError(thrown);
  setText(problem, t(hasText(`group.problem.${code}`) ? `group.problem.${code}` : 'group.problem.other'));
  problem.hidden = false;
}

async function join() {
  if (isBusy) return;
  if (!isSignedIn) {
    sheet.open();
    return;
  }
  isBusy = true;
  problem.hidden = true;
  const wish = team.is_open ? { group: team.id } : { open: true };
  const intent = `group:${team.id}:${team.is_open ? 'join' : 'open'}`;
  try {
    const { reservation } = await post(`/api/sales/${team.sale}/groups`, wish, intentKey(intent));
    const { order, payment } = await post('/api/orders', { reservations: [reservation.id] }, intentKey(`${intent}:order`));
    settleIntent(intent);
    settleIntent(`${intent}:order`);
    location.assign(payment?.url ?? `/orders/${order.id}`);
  } catch (thrown) {
    const { retryable, status } = asApiError(thrown);
    if (!retryable && status >= 400) {
      settleIntent(intent);
      settleIntent(`${intent}:order`);
    }
    showProblem(thrown);
    await look();
  } finally {
    isBusy = false;
  }
}

button.addEventListener('click', () => void join());
document.addEventListener('live:signed-in', () => {
  isSignedIn = true;
  sheet.close();
  void join();
});
draw();
setInterval(draw, SECOND_MS);
setInterval(() => void look(), LOOK_MS);
