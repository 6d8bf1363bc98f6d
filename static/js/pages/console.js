// @ts-check
/**
 * The host console: the room's live line and the console read, drawn into the panels; keys and events to acts.
 *
 * Invariant: live state (stock, pin, sales, viewers, chat) comes from the line, figures from the read; the line wins.
 */
import './console_parts.js';
import { find, setAttribute, setText } from '../lib/element.js';
import { duration, people, timeOfDay } from '../lib/format.js';
import { loadTexts, t, titleOf } from '../lib/i18n.js';
import { store, stored } from '../lib/stored.js';
import { TICK_MS, countSaid, removeLine, startFlow, takeLines, tickFlow } from '../logic/chat_flow.js';
import { nextStep, saleOnShow, stoppableSale, withLiveState } from '../logic/console_run.js';
import { linkWord } from '../logic/console_link.js';
import { dropOnShow } from '../logic/coupons.js';
import { applyFrame, dropsOf, modelOf } from '../logic/room_state.js';
import { asApiError } from '../net/api.js';
import { RESYNC_MS, ServerClock } from '../net/clock.js';
import { ConsoleApi } from '../net/console_api.js';
import { RoomSocket } from '../net/socket.js';
import { ConsoleActs } from './console_acts.js';
import { ConsoleCamera } from './console_camera.js';
import { ConsoleCoupons } from './console_coupons.js';
import { ConsoleGroups } from './console_groups.js';
import { ConsolePrices } from './console_prices.js';
import { listenToConsole } from './console_input.js';
import { drawReplayLink } from './replay_link.js';

/** @typedef {import('../lib/element.js').LiveElement} LiveElement */
/** @typedef {import('../logic/console_run.js').FlashPlan} FlashPlan */

/** The figures are read this often; the line brings everything that is urgent. */
const READ_MS = 2_000;
const DRAW_MS = 1_000;
/** The plots are drawn no more often than about once a second, whatever the line brings. */
const PLOT_MS = 900;
/** The speed of the chat is measured over this time. */
const RATE_MS = 5_000;
const KEYS_STORED = 'hubbub.console.keys';
const PLANS_STORED = 'hubbub.console.plans.';
const FLOORS_STORED = 'hubbub.console.floors.';

/**
 * Hand properties to an element and let it update.
 * @param {LiveElement} element
 * @param {object} properties
 */
function give(element, properties) {
  Object.assign(element, properties);
  element.changed();
}

export class ConsolePage {
  /** @type {import('../net/console_api.js').ConsoleData | null} */
  data = null;
  /** @type {import('../net/console_api.js').Product[] | null} */
  products = null;
  /** @type {string | null} */
  selected = null;
  /** @type {import('../logic/console_run.js').Armed | null} */
  armed = null;
  /** @type {Map<string, number>} user id to the moment its mute ends, in ms */
  mutes = new Map();
  /** @type {[at_ms: number, lines: number][]} */
  #arrivals = [];
  #reading = false;
  #lost = false;
  #plotted_ms = 0;

  constructor() {
    const main = find('#main');
    this.main = main;
    this.room = main.dataset['room'] ?? '';
    this.me = main.dataset['user'] || null;
    this.seesMoney = main.dataset['role'] !== 'moderator';
    this.model = modelOf(JSON.parse(find('#state').textContent || '{}'));
    this.flow = startFlow(this.state.chat);
    this.clock = new ServerClock();
    this.api = new ConsoleApi(this.room);
    /** @type {Record<string, FlashPlan>} */
    this.plans = stored(PLANS_STORED + this.room, {});
    /** @type {Record<string, number>} the host's floors by SKU: they guard the next sale of it too */
    this.floors = stored(FLOORS_STORED + this.room, {});
    this.keysOn = stored(KEYS_STORED, true);
    this.acts = new ConsoleActs(this);
    this.coupons = new ConsoleCoupons(this);
    this.groups = new ConsoleGroups(this);
    this.prices = new ConsolePrices(this);
    /** @type {ConsoleCamera | null} */
    this.camera = this.seesMoney ? new ConsoleCamera(this) : null;
    this.socket = new RoomSocket({
      room: this.room,
      position: () => this.model,
      onFrame: (frame) => this.#frame(frame),
      onStatus: (status) => this.#status(status),
    });
  }

  get state() {
    return this.model.state;
  }

  get isLive() {
    return this.state.show?.status === 'live';
  }

  get run() {
    return withLiveState(this.data?.run ?? [], this.state);
  }

  /** @template {LiveElement} T @param {string} name @returns {T} */
  element(name) {
    return /** @type {T} */ (find(name));
  }

  /** @returns {import('../components/live-undo-bar/live-undo-bar.js').LiveUndoBar} */
  get undoBar() {
    return this.element('live-undo-bar');
  }

  /** @returns {import('../components/live-ask/live-ask.js').LiveAsk} */
  get ask() {
    return this.element('live-ask');
  }

  /** @returns {import('../components/live-arm-form/live-arm-form.js').LiveArmForm} */
  get armForm() {
    return this.element('live-arm-form');
  }

  /** @returns {import('../components/live-units-form/live-units-form.js').LiveUnitsForm} */
  get unitsForm() {
    return this.element('live-units-form');
  }

  /** @returns {import('../components/live-console-chat/live-console-chat.js').LiveConsoleChat} */
  get chat() {
    return this.element('live-console-chat');
  }

  /** @returns {import('../components/live-chat-search/live-chat-search.js').LiveChatSearch} */
  get search() {
    return this.element('live-chat-search');
  }

  /** Whom a mute keeps silent now. */
  get muted() {
    const now_ms = this.clock.now();
    return new Set([...this.mutes].filter(([, until_ms]) => until_ms > now_ms).map(([user]) => user));
  }

  /** Let single keys act, or not. @param {boolean} isOn */
  switchKeys(isOn) {
    this.keysOn = isOn;
    store(KEYS_STORED, isOn);
  }

  begin() {
    listenToConsole(this);
    this.socket.connect();
    void this.refresh();
    void this.camera?.begin();
    window.setInterval(() => void this.refresh(), READ_MS);
    window.setInterval(() => this.draw(), DRAW_MS);
    window.setInterval(() => this.#tick(), TICK_MS);
    window.setInterval(() => void this.#sync(), RESYNC_MS);
    this.draw();
  }

  async #sync() {
    await this.clock.sync(async () => (await this.socket.command('time')).now_ms);
  }

  /** @param {any[]} frame */
  #frame(frame) {
    this.model = applyFrame(this.model, frame);
    const now_ms = this.clock.now();
    if (frame[0] === 'h') {
      this.clock.hint(frame[1].now_ms);
      void this.#sync();
    } else if (frame[0] === 'Z') this.flow = startFlow(this.state.chat);
    else if (frame[0] === 'L') {
      this.flow = takeLines(this.flow, frame[2], frame[3] ?? 0, null);
      this.#arrivals.push([now_ms, countSaid(frame[2]) + (frame[3] ?? 0)]);
    } else if (frame[0] === 'S') {
      for (const [type, payload] of frame[2]) {
        if (type === 'chat.deleted') {
          this.flow = removeLine(this.flow, payload.line, now_ms);
          this.search.noteDeleted(payload.line, now_ms);
        }
        if (type === 'user.muted') this.noteMute(payload.user, payload.until_ms);
      }
    }
    if (frame[0] !== 'L') this.draw();
  }

  /** @param {import('../net/socket.js').LinkStatus} status */
  #status(status) {
    const word = linkWord(status, { isReadLost: this.#lost, carrier: this.model.carrier });
    find('#link-light').hidden = word === null;
    if (word !== null) setText(find('#link-word'), t(word, { time: timeOfDay(status.since_ms) }));
    this.drawChat();
  }

  /** Read the figures; one read at a time. */
  async refresh() {
    if (this.#reading) return;
    this.#reading = true;
    try {
      this.data = await this.api.read();
      if (this.seesMoney) await this.groups.read();
      this.mutes = new Map(this.data.mutes.map((mute) => [mute.user, mute.until_ms]));
      this.#lost = false;
    } catch (error) {
      const { status } = asApiError(error);
      if (status === 401) location.assign(`/login?next=${encodeURIComponent(location.pathname)}`);
      this.#lost = true;
    } finally {
      this.#reading = false;
    }
    this.#status(this.socket.status);
    this.draw();
  }

  #tick() {
    const flow = tickFlow(this.flow, this.clock.now(), this.me);
    if (flow === this.flow) return;
    this.flow = flow;
    this.drawChat();
  }

  drawChat() {
    const now_ms = this.clock.now();
    this.#arrivals = this.#arrivals.filter(([at]) => at > now_ms - RATE_MS);
    const lines = this.#arrivals.reduce((sum, [, count]) => sum + count, 0);
    give(this.chat, {
      rows: this.flow.rows,
      me: this.me,
      rate: Math.round(lines / (RATE_MS / 1000)),
      oneIn: this.flow.oneIn,
      muted: this.muted,
      modes: this.state.modes,
      isOpen: this.socket.isOpen,
      isHost: this.seesMoney,
      itemTitle: (/** @type {number} */ no) => titleOf(this.state.bag.find((item) => item.no === no)),
    });
    give(this.search, { muted: this.muted, me: this.me });
  }

  #drawHead() {
    const { show } = this.state;
    const status = show?.status ?? 'none';
    setText(find('#show-title'), show?.title ?? t('console.no_show'));
    setAttribute(find('#show-live'), 'data-status', status);
    const past = this.isLive && show?.started_at_ms ? t('console.live_for', { duration: duration(this.clock.now() - show.started_at_ms) }) : t('room.live');
    setText(find('#show-live-word'), this.isLive ? past : status === 'scheduled' && show?.starts_at_ms ? t('room.soon', { time: timeOfDay(show.starts_at_ms) }) : t('room.not_live'));
    drawReplayLink(this.state);
    if (!this.seesMoney) return;
    find('#start-show').hidden = status !== 'scheduled';
    find('#end-show').hidden = !this.isLive;
    find('#plan-show').hidden = status === 'scheduled' || this.isLive;
    setText(find('#stage-word'), this.isLive ? t('room.live_watching', { count: people(this.state.viewers) }) : t('room.not_live'));
    find('#stage-dot').classList.toggle('dot-hollow', !this.isLive);
    find('#stage-said').hidden = !this.state.announcement;
    setText(find('#stage-said'), this.state.announcement ?? '');
  }

  /** Hand the present state to every panel. */
  draw() {
    const now_ms = this.clock.now();
    this.#drawHead();
    this.drawChat();
    give(this.element('live-delivery-light'), { delivery: this.data?.delivery ?? null });
    give(this.element('live-picture-light'), { figures: this.data?.picture ?? null });
    if (!this.seesMoney) return;
    this.camera?.draw();
    if (this.armed && this.armed.until_ms < now_ms) this.armed = null;
    const { run, data, state } = this;
    const currency = data?.figures?.currency ?? state.bag[0]?.currency ?? 'CNY';
    const pinned_at_ms = data?.pinned === state.pinned ? data?.pinned_at_ms ?? null : null;
    const item = run.find((row) => row.item === state.pinned) ?? null;
    give(this.element('live-run-sheet'), { run, plans: this.plans, selected: this.selected, pinned_at_ms, now_ms, canAdd: this.isLive || state.show?.status === 'scheduled' });
    give(this.element('live-next'), { step: nextStep(run, this.plans), armed: this.armed, currency, isLive: this.isLive });
    give(this.element('live-now-panel'), { item, sale: saleOnShow(state, state.pinned), stoppable: stoppableSale(state, state.pinned), now: data?.now ?? null, pinned_at_ms, now_ms, show: state.show, announcement: state.announcement ?? null });
    give(this.element('live-drop-desk'), { drop: dropOnShow(dropsOf(state), now_ms), now_ms, currency, isLive: this.isLive, item: run.find((row) => row.item === (this.selected ?? state.pinned)) ?? null });
    give(this.element('live-group-desk'), this.groups.facts(now_ms));
    give(this.element('live-audit-light'), { audit: data?.audit ?? null, now_ms });
    give(this.element('live-figures'), { figures: data?.figures ?? null, viewers: state.viewers, currency });
    give(this.element('live-order-feed'), { orders: data?.orders ?? [] });
    give(this.element('live-goods-picker'), { products: this.products, inBag: new Set(run.map((row) => row.sku)) });
    if (Math.abs(now_ms - this.#plotted_ms) < PLOT_MS) return;
    this.#plotted_ms = now_ms;
    give(this.element('live-plot'), { series: data?.series ?? null, start_ms: state.show?.started_at_ms ?? 0, now_ms: this.isLive ? now_ms : data?.series?.viewers.at(-1)?.[0] ?? now_ms, currency, titleOfItem: (/** @type {string} */ id) => titleOf(run.find((row) => row.item === id)) });
  }

  /** @param {string | null} item */
  select(item) {
    this.selected = item;
    if (this.seesMoney) this.draw();
  }

  /** @param {import('../logic/console_run.js').Armed | null} armed */
  setArmed(armed) {
    this.armed = armed;
    this.draw();
  }

  /**
   * @param {string} item
   * @param {FlashPlan} plan
   */
  keepPlan(item, plan) {
    this.plans = { ...this.plans, [item]: plan };
    this.keepFloor(this.run.find((row) => row.item === item)?.sku, plan.floor_minor);
    store(PLANS_STORED + this.room, this.plans);
    this.draw();
  }

  /**
   * Remember an item's floor for its next sale, or that it has none any more.
   * @param {string | undefined} sku
   * @param {number | undefined} floor_minor
   */
  keepFloor(sku, floor_minor) {
    if (!sku) return;
    const { [sku]: before, ...others } = this.floors;
    this.floors = floor_minor === undefined ? others : { ...others, [sku]: floor_minor };
    store(FLOORS_STORED + this.room, this.floors);
  }

  /** @param {string} item */
  forgetPlan(item) {
    this.plans = Object.fromEntries(Object.entries(this.plans).filter(([id]) => id !== item));
    store(PLANS_STORED + this.room, this.plans);
    this.draw();
  }

  /**
   * @param {string} user
   * @param {number} until_ms 0 when the mute was lifted
   */
  noteMute(user, until_ms) {
    this.mutes.set(user, until_ms);
    this.drawChat();
  }

  async loadProducts() {
    const picker = this.element('live-goods-picker');
    try {
      this.products = await this.api.products();
      give(picker, { isFailed: false });
    } catch {
      give(picker, { isFailed: true });
    }
    this.draw();
  }

  openDrop() {
    /** @type {import('../components/live-drop-desk/live-drop-desk.js').LiveDropDesk} */ (this.element('live-drop-desk')).open();
  }

  openKeys() {
    /** @type {import('../components/live-key-map/live-key-map.js').LiveKeyMap} */
    const map = this.element('live-key-map');
    give(map, { isOn: this.keysOn });
    map.open();
  }
}

await loadTexts();
new ConsolePage().begin();
