// @ts-check
/**
 * A team by its shared link: how far it is, how long it runs, and the way in.
 *
 * Invariant: one press is one seat, however often it is retried; a team that is full or over offers a new one, as long as
 * its group buy still opens teams; whoever is in it is led to the own seat or order.
 */
import '../components/live-sheet/live-sheet.js';
import '../components/live-sign-in/live-sign-in.js';
import { find, setText } from '../lib/element.js';
import { duration, money, number } from '../lib/format.js';
import { hasText, t } from '../lib/i18n.js';
import { asApiError, get, intentKey, post, settleIntent } from '../net/api.js';
import { OwnSeat } from './group_seat.js';

/** @typedef {import('../components/live-sheet/live-sheet.js').LiveSheet} LiveSheet */
/** @typedef {{id: string, sale: string, price_minor: number, normal_price_minor: number, currency: string, need: number,
 *   joined: number, paid: number, state: 'forming' | 'formed' | 'failed', ends_in_ms: number, is_open?: boolean, can_open?: boolean,
 *   is_completed?: boolean, title: string, title_zh?: string | null, picture: string}} Team */

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
const own = new OwnSeat(team);

/** @returns {string} */
function stateWords() {
  const counts = { paid: number(team.paid), joined: number(team.joined), need: number(team.need), missing: number(team.need - team.joined) };
  if (team.state === 'formed') return t(team.is_completed ? 'group.completed' : 'group.formed', counts);
  if (team.state === 'failed') return t('group.failed', counts);
  return team.joined < team.need ? t('group.needs', counts) : t('group.full', counts);
}

/** How long the team can still wait. */
function leftMs() {
  return Math.max(0, team.ends_in_ms - (performance.now() - read_at));
}

function canJoin() {
  return team.is_open === true && leftMs() > 0;
}

/** @returns {string} */
function buttonWords() {
  if (own.order) return t('receipt.see_order');
  if (own.hold) return t('team.pay', { price: money(own.hold.unit_price_minor, own.hold.currency) });
  return t(canJoin() ? 'group.join' : 'group.open');
}

function draw() {
  own.draw();
  setText(find('#group-price'), t('group.price', { price: money(team.price_minor, team.currency), normal: money(team.normal_price_minor, team.currency) }));
  setText(find('#group-state'), stateWords());
  const isOver = !canJoin() && !team.can_open && !own.hold && !own.order;
  const time = team.state === 'forming' ? [t('group.ends_in', { duration: duration(leftMs()) })] : [];
  setText(find('#group-time'), [...time, ...(isOver ? [t('group.no_more')] : [])].join(' '));
  setText(button, buttonWords());
  button.hidden = isOver;
}

async function look() {
  try {
    const { id } = team;
    const { group } = await get(`/api/groups/${id}`);
    if (team.id !== id) return;
    team = group;
    read_at = performance.now();
  } catch {
    // What is shown stays; the next look is soon.
  }
  draw();
}

/** Whoever is in the team already has no other to join. @returns {Promise<string | null>} the team that one is in */
async function lookForOwn() {
  let group = null;
  try {
    group = await own.read(team.id, team.sale);
  } catch {
    // Whoever presses is told.
  }
  draw();
  return group;
}

/** Go on with one's own team, where the link was another's: it is found again, and shared, by its own address. @param {string} group */
function goOnWith(group) {
  if (group === team.id) return;
  team.id = group;
  history.replaceState(null, '', `/g/${group}${location.search}`);
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
  const wish = canJoin() ? { group: team.id } : { open: true };
  const intent = `group:${team.id}:${canJoin() ? 'join' : 'open'}`;
  try {
    const { group, reservation } = await post(`/api/sales/${team.sale}/groups`, wish, intentKey(intent));
    settleIntent(intent);
    goOnWith(group);
    own.take(reservation);
    await look();
  } catch (thrown) {
    const { code, retryable, status } = asApiError(thrown);
    if (!retryable && status >= 400) settleIntent(intent);
    showProblem(thrown);
    const mine = code === 'already_in_group' ? await lookForOwn() : null;
    if (mine && mine !== team.id) {
      setText(problem, t('group.yours'));
      goOnWith(mine);
      await lookForOwn();
    }
    await look();
  } finally {
    isBusy = false;
  }
}

button.addEventListener('click', () => {
  if (own.order) location.assign(`/orders/${own.order}`);
  else if (own.hold) own.open();
  else void join();
});
document.addEventListener('live:signed-in', () => {
  isSignedIn = true;
  sheet.close();
  void join();
});
draw();
if (isSignedIn) void lookForOwn();
setInterval(draw, SECOND_MS);
setInterval(() => void look(), LOOK_MS);
