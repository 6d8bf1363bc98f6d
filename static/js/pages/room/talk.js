// @ts-check
/**
 * The chat of a room: lines in by ticks, one's own line out, and what stands in the way.
 *
 * Invariant: a line that was typed is shown, sent again on request, or given back to the field; it never vanishes.
 */
import { acceptOwn, addOwn, rejectOwn, removeLine, startFlow, takeLines, tickFlow, TICK_MS } from '../../logic/chat_flow.js';
import { areSameModes } from '../../logic/chat_modes.js';
import { duration } from '../../lib/format.js';
import { t } from '../../lib/i18n.js';
import { asApiError } from '../../net/api.js';

/** @typedef {import('../../logic/room_state.js').ChatLine} ChatLine */
/** @typedef {import('../../components/live-composer/live-composer.js').LiveComposer} LiveComposer */
/** @typedef {import('../../components/live-chat-list/live-chat-list.js').LiveChatList} LiveChatList */
/** @typedef {import('./purchase.js').User} User */

/** Refusals without a time of their own are shown this long. */
const REFUSAL_MS = 3_000;
const SECOND_MS = 1_000;
/** At most one line is read out in this time, host and moderators first. */
const READ_MS = 3_000;

export class Talk {
  #nextLine = 1;
  /** @type {{code: string, until_ms: number} | null} */
  #refusal = null;
  #mutedUntil_ms = 0;
  /** @type {import('../../logic/room_state.js').Modes} */
  #modes = {};
  #isReading = false;
  #readAt_ms = 0;
  #readKey = '';

  /**
   * @param {object} options
   * @param {import('../../net/socket.js').RoomSocket} options.socket
   * @param {import('../../net/clock.js').ServerClock} options.clock
   * @param {LiveChatList} options.list
   * @param {LiveComposer} options.composer
   * @param {HTMLElement[]} options.notes where "1 in N" is said
   * @param {readonly ChatLine[]} options.lines
   * @param {(user: User) => boolean} options.isStaff modes do not hold for them
   * @param {(text: string) => void} options.onRead reads a line out
   */
  constructor({ socket, clock, list, composer, notes, lines, isStaff, onRead }) {
    this.onRead = onRead;
    this.isStaff = isStaff;
    this.socket = socket;
    this.clock = clock;
    this.list = list;
    this.composer = composer;
    this.notes = notes;
    /** @type {User | null} */
    this.user = null;
    this.flow = startFlow(lines);
    setInterval(() => this.#tick(), TICK_MS);
    this.draw();
  }

  #tick() {
    const flow = tickFlow(this.flow, this.clock.now(), this.user?.id ?? null);
    const isSame = flow === this.flow;
    this.flow = flow;
    if (!isSame) this.draw();
    if (this.#isReading) this.#read();
    if (this.#refusal || this.#mutedUntil_ms) this.drawComposer();
  }

  /** Switch reading the chat out on or off; returns whether it is on. */
  toggleReading() {
    this.#isReading = !this.#isReading;
    this.#readKey = this.flow.rows.at(-1)?.key ?? '';
    return this.#isReading;
  }

  #read() {
    const now_ms = this.clock.now();
    if (now_ms - this.#readAt_ms < READ_MS) return;
    const fresh = this.flow.rows.slice(this.flow.rows.findIndex((row) => row.key === this.#readKey) + 1);
    const row = fresh.findLast((one) => one.flags.includes('host') || one.flags.includes('mod')) ?? fresh.at(-1);
    if (!row || row.key === this.#readKey) return;
    this.#readAt_ms = now_ms;
    this.#readKey = this.flow.rows.at(-1)?.key ?? '';
    this.onRead(`${row.name}: ${row.text}`);
  }

  /** A new snapshot: its lines, and whatever of one's own is still on the way. @param {readonly ChatLine[]} lines */
  restart(lines) {
    const own = this.flow.rows.filter((row) => row.state === 'pending' || row.state === 'failed');
    const fresh = startFlow(lines);
    this.flow = { ...fresh, rows: [...fresh.rows, ...own] };
    this.draw();
  }

  /**
   * @param {readonly ChatLine[]} lines
   * @param {number} dropped
   */
  take(lines, dropped) {
    this.flow = takeLines(this.flow, lines, dropped, this.user?.id ?? null);
  }

  /** @param {string} line */
  remove(line) {
    this.flow = removeLine(this.flow, line, this.clock.now());
    this.draw();
  }

  /** @param {number} until_ms server time, 0 = not muted any more */
  mute(until_ms) {
    this.#mutedUntil_ms = until_ms;
    this.drawComposer();
  }

  /** What the room takes at present. @param {import('../../logic/room_state.js').Modes} modes */
  keepModes(modes) {
    if (areSameModes(modes, this.#modes)) return;
    this.#modes = modes;
    if (this.#refusal?.code === 'slow_mode') this.#refusal = null;
    this.drawComposer();
  }

  /** The modes that hold for whoever types here. */
  get #ownModes() {
    return this.user && this.isStaff(this.user) ? {} : this.#modes;
  }

  /** @param {string} text */
  async say(text) {
    if (!this.user) return;
    const key = `own-${this.#nextLine++}`;
    this.flow = addOwn(this.flow, { key, user: this.user.id, name: this.user.name, text, at_ms: this.clock.now() });
    this.draw();
    await this.#send(key, text);
  }

  /** @param {string} key */
  async retry(key) {
    const row = this.flow.rows.find((one) => one.key === key && one.state === 'failed');
    if (!row || !this.user) return;
    this.flow = addOwn(this.flow, { key, user: this.user.id, name: this.user.name, text: row.text, at_ms: row.at_ms });
    this.draw();
    await this.#send(key, row.text);
  }

  /**
   * @param {string} key
   * @param {string} text
   */
  async #send(key, text) {
    try {
      const answer = await this.socket.say(text);
      if (answer?.line) this.flow = acceptOwn(this.flow, key, answer.line);
      const { slow_s } = this.#ownModes;
      if (slow_s) this.#refusal = { code: 'slow_mode', until_ms: this.clock.now() + slow_s * SECOND_MS };
    } catch (thrown) {
      const error = asApiError(thrown);
      const isLost = error.code === 'offline' || error.code === 'unknown_outcome';
      this.flow = rejectOwn(this.flow, key, isLost ? 'failed' : 'refused');
      if (!isLost) this.#refuse(error, text);
    }
    this.draw();
  }

  /**
   * @param {import('../../net/api.js').ApiError} error
   * @param {string} text given back to the field
   */
  #refuse(error, text) {
    const until_ms = this.clock.now() + (error.retry_ms ?? REFUSAL_MS);
    if (error.code === 'muted') this.#mutedUntil_ms = until_ms;
    else if (error.code === 'sign_in_required') this.composer.emit('ask-name');
    else this.#refusal = { code: error.code, until_ms };
    this.composer.setDraft(error.code === 'duplicate' ? '' : text);
    this.drawComposer();
  }

  draw() {
    this.list.me = this.user?.id ?? null;
    this.list.rows = this.flow.rows;
    const [long, short] = this.notes;
    for (const note of this.notes) note.hidden = this.flow.oneIn <= 1;
    if (long) long.textContent = t('chat.busy', { count: this.flow.oneIn });
    if (short) short.textContent = t('chat.busy_short', { count: this.flow.oneIn });
    this.drawComposer();
  }

  drawComposer() {
    const now_ms = this.clock.now();
    if (this.#refusal && this.#refusal.until_ms <= now_ms) this.#refusal = null;
    if (this.#mutedUntil_ms && this.#mutedUntil_ms <= now_ms) this.#mutedUntil_ms = 0;
    this.composer.hasUser = this.user !== null;
    this.composer.hint = this.#hint();
    this.composer.refusal = this.#refusalView(now_ms);
  }

  #hint() {
    const { slow_s, emote_only, links_off } = this.#ownModes;
    const parts = [slow_s ? t('chat.mode_slow', { seconds: slow_s }) : '', emote_only ? t('chat.mode_emote_only') : '', links_off ? t('chat.mode_links_off') : ''];
    return parts.filter(Boolean).join(' · ');
  }

  /** @param {number} now_ms */
  #refusalView(now_ms) {
    if (!this.user) return null;
    if (!this.socket.isOpen) return { icon: 'wifi', text: t('chat.offline') };
    if (this.#mutedUntil_ms) return { icon: 'muted', text: t('chat.muted', { duration: duration(this.#mutedUntil_ms - now_ms) }) };
    if (!this.#refusal) return null;
    const seconds = Math.max(1, Math.ceil((this.#refusal.until_ms - now_ms) / SECOND_MS));
    if (this.#refusal.code === 'too_long') return { icon: 'clock', text: t('chat.too_long', { count: this.composer.textMax }) };
    if (this.#refusal.code === 'emote_only') return { icon: 'ban', text: t('chat.emote_only') };
    if (this.#refusal.code === 'links_off') return { icon: 'ban', text: t('chat.links_off') };
    if (this.#refusal.code === 'duplicate') return { icon: 'clock', text: t('chat.duplicate') };
    return { icon: 'clock', text: t('chat.slow', { seconds }) };
  }
}
