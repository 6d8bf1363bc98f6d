// @ts-check
/**
 * The replay of a show: the video leads, chat and pins follow it, the bag sells at today's prices.
 *
 * Invariant: what is drawn follows from the place of the video alone, so a jump shows what playing up to it shows.
 */
import '../components/live-chat-list/live-chat-list.js';
import '../components/live-sheet/live-sheet.js';
import '../components/live-sign-in/live-sign-in.js';
import { startFlow } from '../logic/chat_flow.js';
import { offerOf } from '../logic/card_state.js';
import { chapterAt, stateAt, wallOf } from '../logic/replay.js';
import { itemOf } from '../logic/room_state.js';
import { find, setAttribute, setText } from '../lib/element.js';
import { duration, money, timeWithSeconds } from '../lib/format.js';
import { create, html } from '../lib/html.js';
import { keyedList } from '../lib/keyed_list.js';
import { locale, t, titleOf } from '../lib/i18n.js';
import { HlsPlayer } from '../net/hls_player.js';
import { ReplayRecord } from './replay/record.js';
import { ReplayShop } from './replay/shop.js';

/** @typedef {import('../logic/replay.js').Part} Part */
/** @typedef {import('../logic/replay.js').Chapter} Chapter */
/** @typedef {import('./replay/shop.js').SoldItem} SoldItem */
/** @typedef {{show: {id: string, room: string, title: string, started_at_ms: number}, chapters: Chapter[], bag: SoldItem[],
 *   recording: {state: string, playlist: string, length_ms: number, parts: Part[]}}} Replay */
/** @typedef {import('../components/live-chat-list/live-chat-list.js').LiveChatList} LiveChatList */

/** Chat and pins are drawn this often while the video plays. */
const DRAW_MS = 250;
/** A playlist that does not come is asked for again, after the player's own pause between two looks. */
const RETRY_MS = 5_000;

const { replay, host } = /** @type {{replay: Replay, host: any}} */ (JSON.parse(find('#state').textContent ?? '{}'));
const { recording, chapters, show } = replay;
const video = /** @type {HTMLVideoElement} */ (find('#video'));
const chat = /** @type {LiveChatList} */ (find('live-chat-list'));
const problem = find('#problem');
const empty = { room: show.room, show: null, pinned: null, bag: [], sales: [], viewers: 0, likes: 0, modes: {}, chat: [], host };
const record = new ReplayRecord(show.id, () => draw());
let drawn = '';

/** @returns {number} where the video is, in ms */
const place = () => video.currentTime * 1000;

function draw() {
  const now_ms = wallOf(recording.parts, place());
  record.want(now_ms);
  const state = stateAt(/** @type {any} */ (empty), record.events, now_ms);
  const lines = record.linesAt(now_ms);
  chat.itemTitle = (no) => titleOf(state.bag.find((item) => item.no === no));
  const version = `${lines.length} ${lines.at(-1)?.[0]} ${lines[0]?.[0]}`;
  if (version !== drawn) chat.rows = startFlow(lines).rows;
  drawn = version;
  setText(find('#then-time'), timeWithSeconds(now_ms));
  drawThen(state, now_ms);
  drawChapters();
}

/**
 * @param {import('../logic/room_state.js').RoomState} state as it was
 * @param {number} now_ms
 */
function drawThen(state, now_ms) {
  const item = itemOf(state, state.pinned);
  const sale = item ? offerOf(state, item, [], now_ms).sale : null;
  const price = item ? money(sale?.price_minor ?? item.price_minor, item.currency) : '';
  setText(find('#then-item'), item ? `${item.no} ${titleOf(item)}${t('site.separator')}${t('replay.then_price', { price })}` : t('replay.nothing_then'));
  const note = find('#then-note');
  note.hidden = !state.announcement;
  setText(note, state.announcement ?? '');
}

function drawChapters() {
  const current = chapterAt(chapters, place());
  find('#no-chapters').hidden = chapters.length > 0;
  keyedList(find('#chapters'), chapters, {
    key: (one) => String(one.start_ms),
    create: (one) => {
      const row = create(html`<li><button class="chapter" type="button"><span class="chapter-time">${duration(one.start_ms)}</span><span>${one.no} ${titleOf(one)}</span></button></li>`);
      const button = /** @type {HTMLElement} */ (row.querySelector('button'));
      button.addEventListener('click', () => seek(one.start_ms));
      return row;
    },
    update: (element, one) => setAttribute(/** @type {Element} */ (element.firstElementChild), 'aria-current', one === current ? 'true' : null),
  });
}

/** @param {number} place_ms */
function seek(place_ms) {
  video.currentTime = place_ms / 1000;
}

/** @param {string} key */
function showProblem(key) {
  setText(problem, t(key));
  problem.hidden = false;
}

/** It plays: what is left to say is that its end is missing. */
function endProblem() {
  if (recording.state === 'cut') showProblem('replay.cut');
  else problem.hidden = true;
}

/** A link may name a place, `#t=95` in seconds, as the evidence of an order does. */
function startPlace() {
  const seconds = Number.parseFloat(new URLSearchParams(location.hash.slice(1)).get('t') ?? '0');
  return Number.isFinite(seconds) && seconds > 0 ? Math.min(seconds * 1000, recording.length_ms) : 0;
}

async function start() {
  const date = new Intl.DateTimeFormat(locale(), { dateStyle: 'medium', timeStyle: 'short' }).format(show.started_at_ms);
  setText(find('#replay-date'), t('replay.of', { date }));
  endProblem();
  new ReplayShop(replay.bag, show.room).start();
  for (const event of ['timeupdate', 'seeking', 'loadedmetadata']) video.addEventListener(event, draw);
  for (const event of ['loadeddata', 'playing']) video.addEventListener(event, endProblem);
  setInterval(() => { if (!video.paused) draw(); }, DRAW_MS);
  void record.load();
  draw();
  await play(new HlsPlayer(video, recording.playlist, { onProblem: (what) => showProblem(`replay.${what}`) }));
  if (startPlace()) seek(startPlace());
}

/** @param {HlsPlayer} player */
async function play(player) {
  while (true) {
    try {
      await player.start();
      return;
    } catch {
      showProblem('replay.network');
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
}

void start();
