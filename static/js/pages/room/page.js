// @ts-check
/**
 * The room page's controller: frames in, drawing out, and the acts of a person in between.
 *
 * Invariant: the model is replaced, never changed; every draw shows one model at one moment of the server's clock.
 */
import { couponOff } from '../../components/live-drop/coupon_words.js';
import { cardView } from '../../components/live-sale-card/card_view.js';
import { placeWords } from '../../components/live-sale-card/draw_view.js';
import { chooseOffer, itemOfSale, nextItem, offerOf } from '../../logic/card_state.js';
import { countdown } from '../../logic/countdown.js';
import { applyFrame, itemOf, modelOf } from '../../logic/room_state.js';
import { NOTE_MS, cameBack } from '../../logic/waiting_list.js';
import { find } from '../../lib/element.js';
import { t, titleOf } from '../../lib/i18n.js';
import { get } from '../../net/api.js';
import { RESYNC_MS, ServerClock } from '../../net/clock.js';
import { RoomSocket } from '../../net/socket.js';
import { Acks } from './acks.js';
import { Chance } from './chance.js';
import { Drops } from './drops.js';
import { drawBag, drawBanner, drawHead, drawHold, drawUser } from './frame.js';
import { listenToPage } from './gestures.js';
import { News } from './news.js';
import { PictureLoader } from './picture_loader.js';
import { Purchase } from './purchase.js';
import { Sheets } from './sheets.js';
import { Talk } from './talk.js';
import { Teams } from './teams.js';

/** @typedef {import('../../logic/room_state.js').RoomState} RoomState */
/** @typedef {import('../../logic/card_state.js').Offer} Offer */
/** @typedef {import('../../components/live-sale-card/live-sale-card.js').LiveSaleCard} LiveSaleCard */
/** @typedef {import('../../components/live-sale-card/card_view.js').CardFacts} CardFacts */
/** @typedef {import('../../components/live-banner/live-banner.js').LiveBanner} LiveBanner */
/** @typedef {import('../../components/live-bag/live-bag.js').LiveBag} LiveBag */
/** @typedef {import('../../components/live-hearts/live-hearts.js').LiveHearts} LiveHearts */
/** @typedef {import('./purchase.js').User} User */

/** So close to an opening the card is drawn by frames, so that 0:00 and lime come in the same one. */
const BY_FRAMES_MS = 3_500;
/** Before an opening the clock is measured once more. */
const SYNC_AHEAD_MS = 10_000;
/** Slowest redraw: durations show seconds. */
const SECOND_MS = 1_000;

/**
 * @template {HTMLElement} T
 * @param {string} selector
 * @returns {T}
 */
const element = (selector) => /** @type {T} */ (find(selector));

export class RoomPage {
  #isQueued = false;
  #timer = 0;
  /** @type {Set<string>} sales for which the clock was measured shortly before */
  #syncedFor = new Set();
  /** @type {string | null} */
  #dismissed = null;
  /** @type {{rec: string, at_ms: number} | null} */
  #back = null;
  #wasLost = false;
  /** @type {Record<string, number>} when the room was told that one came back, by sale */
  #notes = {};
  /** Own likes on their way: their hearts have been shown. */
  ownLikes = 0;

  constructor() {
    const initial = /** @type {RoomState} */ (JSON.parse(find('#state').textContent ?? '{}'));
    this.model = modelOf(initial);
    this.title = document.title;
    this.clock = new ServerClock();
    /** @type {User | null} */
    this.user = null;
    this.card = /** @type {LiveSaleCard} */ (element('live-sale-card'));
    this.banner = /** @type {LiveBanner} */ (element('live-banner'));
    this.bag = /** @type {LiveBag} */ (element('live-bag'));
    this.hearts = /** @type {LiveHearts} */ (element('live-hearts'));
    this.news = new News(find('#news'), find('#own-news'));
    this.socket = new RoomSocket({
      room: initial.room,
      position: () => this.model,
      onFrame: (frame) => this.#frame(frame),
      onStatus: (status) => this.#status(status),
    });
    const { socket, clock } = this;
    this.acks = new Acks({ clock, send: (frame) => socket.send(frame) });
    this.sheets = new Sheets(this);
    this.purchase = new Purchase({ socket, clock, room: () => this.state, onChange: () => this.changed(), needUser: () => this.sheets.askName('buy') });
    this.chance = new Chance(this);
    this.drops = new Drops(this);
    this.teams = new Teams(this);
    this.picture = new PictureLoader(this);
    this.talk = new Talk({
      socket, clock, list: element('live-chat-list'), composer: element('live-composer'),
      notes: [find('#chat-busy'), find('#chat-busy-short')], lines: initial.chat,
      isStaff: ({ id, role }) => role === 'moderator' || role === 'operator' || id === this.state.host?.id,
      onRead: (text) => this.news.say(text),
    });
    this.talk.keepModes(initial.modes);
    this.talk.list.itemTitle = (no) => titleOf(this.state.bag.find((item) => item.no === no));
  }

  get state() {
    return this.model.state;
  }

  async start() {
    listenToPage(this);
    this.changed();
    setInterval(() => void this.#syncClock(), RESYNC_MS);
    try {
      const { user } = await get('/api/me');
      this.setUser(user);
    } catch {
      // The hello will say who we are.
    }
    this.socket.connect();
  }

  /** @param {User | null} user */
  setUser(user) {
    this.user = user;
    this.purchase.user = user;
    this.talk.user = user;
    this.talk.draw();
    drawUser(user);
    void this.purchase.refresh();
    void this.drops.refresh();
    void this.teams.refresh();
  }

  /** A name was given: the line speaks for that user from now on. @param {User} user */
  signedIn(user) {
    this.setUser(user);
    this.socket.reconnect();
  }

  /** @param {any[]} frame */
  #frame(frame) {
    const { state: before, offset } = this.model;
    this.model = applyFrame(this.model, frame);
    switch (frame[0]) {
      case 'h':
        this.#hello(frame[1]);
        break;
      case 'Z':
        this.talk.restart(this.state.chat);
        break;
      case 'S':
        for (const event of frame[2]) this.#event(event);
        if (this.model.offset > offset) this.acks.applied(this.model.offset, frame[2].at(-1)[2]);
        break;
      case 'a':
        this.acks.ask(frame[1] === true);
        break;
      case 'L':
        this.talk.take(frame[2], frame[3] ?? 0);
        break;
      case 'D':
        this.#direct(frame[1], frame[2]);
        break;
      default:
    }
    this.talk.keepModes(this.state.modes);
    if (frame[0] === 'K') this.#keys(before);
    this.changed();
  }

  /** Numbers have changed: hearts, places in line, and the note that one came back. @param {RoomState} before */
  #keys(before) {
    const { state } = this;
    if (state.likes > before.likes) this.#growHearts(state.likes - before.likes);
    this.purchase.waiting.notice(before, state);
    this.teams.notice(before, state);
    const now_ms = this.clock.now();
    for (const sale of cameBack(before, state, this.#notes, now_ms)) {
      this.#notes = { ...this.#notes, [sale]: now_ms };
      if (!this.purchase.holds.has(sale)) this.news.say(t('card.came_back'));
    }
  }

  /** Hearts of others: one's own have been shown. @param {number} count */
  #growHearts(count) {
    const own = Math.min(count, this.ownLikes);
    this.ownLikes -= own;
    this.hearts.grow(count - own);
  }

  /** @param {any} hello */
  #hello(hello) {
    this.clock.hint(hello.now_ms);
    this.acks.greet(hello);
    const chars = hello.limits?.chat_chars ?? hello.limits?.chars_max;
    if (chars) this.talk.composer.textMax = chars;
    if (hello.user && hello.user.id !== this.user?.id) this.setUser(hello.user);
    else {
      void this.purchase.refresh();
      void this.teams.refresh();
    }
  }

  /** @param {import('../../logic/room_state.js').SaleEvent} event */
  #event(event) {
    const [type, payload] = event;
    if (type === 'chat.deleted') this.talk.remove(payload.line);
    if (type === 'user.muted' && payload.user === this.user?.id) this.talk.mute(payload.until_ms);
    if (type === 'announcement') this.#dismissed = null;
    if (type === 'coupon.armed') this.news.say(t('drop.news', { what: couponOff(payload.drop.coupon) }));
    if (type === 'coupon.halted') this.news.say(t('drop.news_halted', payload));
    if (type === 'coupon.unhalted') this.news.say(t('drop.news_unhalted'));
    if (type === 'coupon.halted' || type === 'coupon.unhalted') this.sheets.couponsChanged();
    if (type === 'group_buy.opened') this.teams.opened(payload.sale);
    if (type === 'flash.unlocked') this.purchase.fell(payload);
    if (type === 'flash.drawn') this.purchase.draws.drawn(payload.sale);
    this.news.event(this.state, event, this.clock.now());
  }

  /**
   * @param {string} type
   * @param {any} payload
   */
  #direct(type, payload) {
    if (type === 'muted') this.talk.mute(payload.until_ms);
    if (type === 'reservation.expired') {
      this.purchase.expired(payload.sale, payload.reservation);
      this.news.tell(t('card.gone'));
      void this.teams.refresh();
    }
    if (type === 'offer.made') this.purchase.waiting.made(payload);
    if (type === 'waiting.closed') {
      this.purchase.waiting.closed(payload);
      this.news.tell(t(`card.closed_${payload.reason}`));
    }
    if (type === 'draw.won') this.purchase.draws.won(payload);
    if (type === 'draw.lost') {
      this.purchase.draws.lost(payload);
      this.news.tell(placeWords(payload));
    }
    if (type.startsWith('order.') || type.startsWith('payment.')) void this.purchase.refresh();
    if (type === 'group.formed' || type === 'group.failed') void this.teams.told(type, payload);
    if (type === 'order.capture_failed') void this.teams.lostMoney(payload);
    if (type.startsWith('order.')) void this.teams.refresh();
    if (type === 'order.paid') void this.sheets.showReceipt(payload.order.id);
    if (type === 'payment.declined') this.news.tell(t('orders.declined'));
    if (type === 'payment.voided') void this.sheets.tellVoided(payload.order);
    if (type === 'payment.excess') this.news.excess(payload);
  }

  /** @param {import('../../net/socket.js').LinkStatus} status */
  #status(status) {
    if (status.state === 'waiting') this.#wasLost = true;
    if (status.state === 'open' && this.#wasLost) {
      this.#wasLost = false;
      this.#back = { rec: status.rec ?? '', at_ms: Date.now() };
    }
    if (status.state === 'open') void this.#syncClock();
    this.talk?.drawComposer();
    this.changed();
  }

  async #syncClock() {
    if (!this.socket.isOpen) return;
    await this.clock.sync(async () => (await this.socket.command('time')).now_ms);
    this.changed();
  }

  /** Shown again from the browser's cache, perhaps from the payment page: nothing on the screen is sure. */
  comeBack() {
    this.sheets.resume();
    this.socket.connect();
    void this.purchase.refresh();
  }

  /** The banner's button. @param {string} kind */
  bannerAction(kind) {
    if (kind === 'announcement') this.#dismissed = this.state.announcement ?? null;
    else if (kind === 'offline') this.socket.connect();
    else location.reload();
    this.changed();
  }

  /** The offer of a sale, wherever it is shown. @param {string | null} sale @returns {Offer | null} */
  offerOfSale(sale) {
    const found = this.state.sales.find((one) => one.id === sale);
    const item = itemOfSale(this.state, found);
    return item ? offerOf(this.state, item, this.purchase.list, this.clock.now()) : null;
  }

  /** Draw soon; several reasons in one task become one drawing. */
  changed() {
    if (this.#isQueued) return;
    this.#isQueued = true;
    queueMicrotask(() => {
      this.#isQueued = false;
      this.#draw();
    });
  }

  /** @param {Offer | null} offer @param {number} now_ms @returns {CardFacts} */
  #cardFacts(offer, now_ms) {
    const id = offer?.sale?.id ?? '';
    const facts = this.model.facts[id];
    const { show } = this.state;
    return {
      offer, now_ms,
      show: show?.status ?? null,
      starts_at_ms: show?.starts_at_ms ?? null,
      hold: this.purchase.holds.get(id) ?? null,
      answer: this.purchase.answers.get(id) ?? null,
      bought: this.purchase.bought.get(id) ?? 0,
      waiting: this.purchase.waiting.entries.get(id) ?? null,
      entry: this.purchase.draws.entries.get(id) ?? null,
      hasCameBack: now_ms - (this.#notes[id] ?? -Infinity) < NOTE_MS,
      took_ms: facts?.took_ms ?? null,
      reason: facts?.reason ?? null,
      other: offer ? nextItem(this.state, offer.item) : null,
      isClockCertain: this.clock.isCertain,
      plusMinus_ms: this.clock.plusMinus_ms,
    };
  }

  #draw() {
    const now_ms = this.clock.now();
    const holds = this.purchase.list;
    this.purchase.permits.keep(this.state.sales);
    this.purchase.draws.keep(this.state.sales);
    const offer = chooseOffer(this.state, holds, now_ms);
    const facts = this.#cardFacts(offer, now_ms);
    this.card.facts = facts;
    this.news.own(holds, facts.answer, cardView(facts).message?.title ?? '', now_ms);
    drawHead(this.state, now_ms);
    const announcement = this.state.announcement && this.state.announcement !== this.#dismissed ? this.state.announcement : null;
    drawBanner(this.banner, { link: this.socket.status, isDegraded: this.model.carrier.isDegraded, announcement, back: this.#back, hasHold: holds.length > 0 });
    drawBag(this.bag, { state: this.state, holds, answers: this.purchase.answers, waiting: this.purchase.waiting.entries, entries: this.purchase.draws.entries, onNow: offer?.item.item ?? null, now_ms });
    drawHold(holds[0] ?? null, now_ms, this.title);
    this.sheets.draw(now_ms);
    this.chance.draw(now_ms);
    this.drops.draw(now_ms);
    this.teams.draw(now_ms);
    this.picture.draw();
    this.news.time(this.state, now_ms);
    this.#schedule(offer, now_ms);
  }

  /** @param {Offer | null} offer @param {number} now_ms */
  #schedule(offer, now_ms) {
    clearTimeout(this.#timer);
    const sale = offer?.sale;
    const opens_at_ms = sale?.state === 'armed' ? sale.opens_at_ms : null;
    if (opens_at_ms !== null && opens_at_ms !== undefined && sale) {
      const left_ms = opens_at_ms - now_ms;
      if (left_ms < SYNC_AHEAD_MS && left_ms > 0 && !this.#syncedFor.has(sale.id)) {
        this.#syncedFor.add(sale.id);
        void this.#syncClock();
      }
      if (left_ms > 0 && left_ms < BY_FRAMES_MS && !document.hidden) {
        requestAnimationFrame(() => this.changed());
        return;
      }
    }
    const closes_at_ms = sale?.draw && !sale.draw.seed ? sale.draw.entry_closes_at_ms : null;
    const ends = [opens_at_ms, closes_at_ms, sale?.state === 'open' ? sale.ends_at_ms : null, ...this.purchase.list.map((hold) => hold.expires_at_ms)];
    const waits = ends.flatMap((end) => (end ? [countdown(end, now_ms).next_ms] : [])).filter((wait) => wait > 0);
    this.#timer = window.setTimeout(() => this.changed(), Math.min(SECOND_MS, ...waits) + 1);
  }

  /** The item of a hold. @param {import('../../logic/card_state.js').Hold} hold */
  itemOfHold(hold) {
    const sale = this.state.sales.find((one) => one.id === hold.sale);
    return itemOfSale(this.state, sale) ?? itemOf(this.state, sale?.item ?? null);
  }
}
