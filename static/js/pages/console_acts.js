// @ts-check
/**
 * What staff do on the console: each act calls the server once, says what happened, and offers to take it back where that is true.
 *
 * Invariant: an act that moves money or ends something for good asks first, and nothing is shown as done before the server said so.
 */
import { duration, money, number } from '../lib/format.js';
import { hasText, t, titleOf } from '../lib/i18n.js';
import { toggleShield } from '../logic/chat_modes.js';
import { lowestOf } from '../logic/console_flash.js';
import { isRunning, moveSelection, nextStep, pressNext, stoppableSale } from '../logic/console_run.js';
import { phaseOf } from '../logic/coupons.js';
import { dropsOf } from '../logic/room_state.js';
import { undoOf } from '../logic/console_units.js';
import { asApiError } from '../net/api.js';
import { sendSurely } from './console_guard.js';
import { ConsoleOrders } from './console_orders.js';

/** @typedef {import('./console.js').ConsolePage} ConsolePage */
/** @typedef {import('../logic/console_run.js').FlashPlan} FlashPlan */

const MUTE_MIN = 10;
/** A message on the screen must be read in a glance. */
const SAY_MAX = 120;
const MINUTE_MS = 60_000;

/**
 * The modes that are on, in words.
 * @param {import('../logic/room_state.js').Modes} modes
 */
function modesText({ slow_s, emote_only, links_off }) {
  const parts = [slow_s ? t('console.mode_slow_on', { seconds: slow_s }) : '', emote_only ? t('console.mode_emote_only') : '', links_off ? t('console.mode_links_off') : ''];
  return parts.filter(Boolean).join(' · ') || t('console.mode_none');
}

/** @param {import('../net/console_api.js').UnitsDone} done */
function unitsText({ added, to_waiting_list }) {
  if (added < 0) return t('console.did_take_units', { count: number(-added) });
  return t(to_waiting_list > 0 ? 'console.did_add_listed' : 'console.did_add_units', { added: number(added), count: number(to_waiting_list) });
}

export class ConsoleActs {
  /** @param {ConsolePage} page */
  constructor(page) {
    this.page = page;
    this.orders = new ConsoleOrders(page);
  }

  /**
   * Run one act; say `done` or what went wrong; read the console anew.
   * @param {() => Promise<any>} act
   * @param {string | ((answer: any) => {text: string, undo: (() => void) | null})} done a text, or what the answer makes of it
   * @param {(() => void) | null} [undo] with a text
   * @returns {Promise<boolean>} whether it was done
   */
  async run(act, done, undo = null) {
    const { undoBar } = this.page;
    try {
      const answer = await act();
      const told = typeof done === 'string' ? { text: done, undo } : done(answer);
      undoBar.say(told.text, { undo: told.undo });
      return true;
    } catch (error) {
      const { code } = asApiError(error);
      undoBar.say(hasText(`console.error.${code}`) ? t(`console.error.${code}`) : t('console.error.other', { code }), { isWrong: true });
      return false;
    } finally {
      void this.page.refresh();
    }
  }

  /** @param {string} text */
  #refuse(text) {
    this.page.undoBar.say(text, { isWrong: true });
  }

  /** @returns {boolean} */
  #mustBeLive() {
    if (this.page.isLive) return true;
    this.#refuse(t('console.error.not_live'));
    return false;
  }

  next() {
    const { page } = this;
    if (!page.isLive) return;
    const step = nextStep(page.run, page.plans);
    const { go, armed } = pressNext(step, page.armed, page.clock.now());
    page.setArmed(armed);
    if (!go || step.kind === 'none') return;
    const { item, plan } = step;
    if (step.kind === 'pin' || !plan) {
      void this.pinItem(item.item);
      return;
    }
    const done = t('console.did_arm', { no: item.no, price: money(plan.price_minor, item.currency) });
    void this.run(async () => {
      await page.api.pin(item.item);
      const armed = await this.#armSurely(item, plan);
      page.forgetPlan(item.item);
      return armed;
    }, (armed) => this.#sayArmed(done, armed));
  }

  /**
   * Arm a flash sale; when the server takes the price for a mistake, ask for it once more.
   * @param {import('../logic/console_run.js').RunItem} row
   * @param {FlashPlan} plan
   * @returns {Promise<any>}
   */
  #armSurely(row, plan) {
    const { api, ask } = this.page;
    return sendSurely(ask, row.currency, lowestOf(plan), (confirmed) => api.armFlash(row.sku, confirmed === undefined ? plan : { ...plan, confirm_price_minor: confirmed }));
  }

  /** What arming says; the sale can be called off, and whoever holds a unit by then keeps it. @param {string} text @param {{sale?: {id: string}}} armed */
  #sayArmed(text, { sale }) {
    return { text, undo: sale ? () => void this.run(() => this.page.api.cancelSale(sale.id), t('console.undone')) : null };
  }

  /**
   * Make a coupon and drop all of it; it can be taken back until it opens, and closed after that.
   * @param {import('../logic/console_coupons.js').DropWish} wish
   * @param {string} title
   */
  async dropCoupons(wish, title) {
    const { api } = this.page;
    if (!this.#mustBeLive()) return;
    await this.run(() => api.dropCoupons(wish, title), ({ drop }) => ({
      text: t('console.did_drop', { what: title, count: number(drop.quantity) }),
      undo: () => void this.run(() => api.cancelDrop(drop.id), t('console.undone')),
    }));
  }

  /** One that has not opened is taken back. @param {string} drop */
  async closeDrop(drop) {
    const { api, state, clock } = this.page;
    const found = dropsOf(state).find((one) => one.id === drop);
    const isEarly = found !== undefined && phaseOf(found, clock.now()) === 'armed';
    await this.run(() => (isEarly ? api.cancelDrop(drop) : api.closeDrop(drop)), t(isEarly ? 'console.undone' : 'console.did_close_drop'));
  }

  /** @param {string} item */
  async pinItem(item) {
    const { page } = this;
    if (!this.#mustBeLive() || item === page.state.pinned) return;
    const before = page.state.pinned;
    const row = page.run.find((one) => one.item === item);
    const undo = () => void this.run(() => (before ? page.api.pin(before) : page.api.unpin()), t('console.undone'));
    await this.run(() => page.api.pin(item), t('console.did_pin', { no: row?.no ?? '', title: titleOf(row) }), undo);
  }

  /** Pin the selected item; take the pinned one down when it or none is selected. */
  pin() {
    const { selected, state } = this.page;
    if (selected && selected !== state.pinned) void this.pinItem(selected);
    else this.unpin();
  }

  unpin() {
    const { page } = this;
    const before = page.state.pinned;
    if (!before) return;
    void this.run(() => page.api.unpin(), t('console.did_unpin'), () => void this.pinItem(before));
  }

  arm() {
    const { page } = this;
    const id = page.selected ?? page.state.pinned;
    const item = page.run.find((row) => row.item === id);
    if (!this.#mustBeLive()) return;
    if (!item) return this.#refuse(t('console.error.no_item'));
    if (isRunning(item.flash)) return this.#refuse(t('console.error.sale_running'));
    if (item.stock[0] <= 0) return this.#refuse(t('console.error.no_stock'));
    page.armForm.open(item, { normal_minor: item.price_minor ?? 0, available: item.stock[0], floor_minor: page.floors[item.sku] ?? null }, page.plans[item.item] ?? null);
  }

  /**
   * @param {string} item
   * @param {FlashPlan} plan
   */
  armFlash(item, plan) {
    const row = this.page.run.find((one) => one.item === item);
    if (!row) return;
    const done = t('console.did_arm', { no: row.no, price: money(plan.price_minor, row.currency) });
    this.page.keepFloor(row.sku, plan.floor_minor);
    void this.run(async () => {
      const armed = await this.#armSurely(row, plan);
      this.page.forgetPlan(item);
      return armed;
    }, (armed) => this.#sayArmed(done, armed));
  }

  /**
   * Close the running flash sale of an item; without one, of the selected item, else of the pinned one.
   * @param {string} [item]
   */
  async closeSale(item) {
    const { page } = this;
    const rows = [item ?? page.selected, item ? null : page.state.pinned].map((id) => page.run.find((row) => row.item === id));
    const sale = rows.map((row) => row?.flash).find(isRunning);
    if (!sale) return;
    const [left, held, paid] = sale.stock;
    const isArmed = sale.state === 'armed';
    const lines = isArmed
      ? [t('console.cancel_left', { count: number(left) })]
      : [t('console.close_left', { count: number(left) }), t('console.close_held', { count: number(held) }), t('console.close_paid', { count: number(paid) })];
    const answer = await page.ask.ask({ title: t(isArmed ? 'console.cancel_title' : 'console.close_title'), lines, yes: t('console.close_sale'), isStop: true });
    if (!answer) return;
    await this.run(() => (isArmed ? page.api.cancelSale(sale.id) : page.api.closeSale(sale.id)), t('console.did_close'));
  }

  /** The kill switch: stop what is on now, or the sale that is named, or let it go on. Undone by its opposite. @param {string | null} [id] */
  async haltSale(id = null) {
    const { page } = this;
    const named = page.state.sales.find((one) => one.id === id) ?? page.groups.find(id);
    const sale = named ?? stoppableSale(page.state, page.state.pinned ?? page.selected);
    if (!sale) return;
    const resume = (/** @type {string} */ done) => void this.run(() => page.api.resumeSale(sale.id), done);
    if (sale.state === 'halted') return resume(t('console.did_resume'));
    const [, held, paid] = sale.stock;
    const words = { count: number(held) };
    const answer = await page.ask.ask({
      title: t('console.halt_title', { title: sale.kind === 'group' ? page.groups.titleOf(sale) : titleOf(page.run.find((row) => row.sku === sale.sku)) }),
      lines: [t(sale.kind === 'group' ? 'console.halt_group_note' : 'console.halt_note'), t('console.close_held', words), t('console.close_paid', { count: number(paid) })],
      yes: t('console.halt_sale'), isStop: true, ...(held > 0 ? { choice: t('console.halt_release', words) } : {}),
      field: { label: t('console.halt_reason'), value: '', length_max: SAY_MAX, isNeeded: true },
    });
    if (!answer) return;
    const how = { reason: answer.text, release_holds: answer.isChosen };
    await this.run(() => page.api.haltSale(sale.id, how), t('console.did_halt'), () => resume(t('console.undone')));
  }

  /**
   * Ask how many more: of the running flash sale of an item or of its stock; without an item of the selected, else the pinned one.
   * @param {string} [item]
   */
  openUnits(item) {
    const { page } = this;
    const id = item ?? page.selected ?? page.state.pinned;
    const row = page.run.find((one) => one.item === id);
    if (!row) return this.#refuse(t('console.error.no_item'));
    const flash = isRunning(row.flash) ? row.flash : null;
    const regular = page.state.sales.find((sale) => sale.id === page.state.bag.find((one) => one.item === id)?.sale);
    const stock = /** @type {const} */ ({ kind: 'stock', stock: row.stock, waiting: regular?.waiting ?? [0, 0], spare: row.stock[0] });
    const sale = flash ? { id: flash.id, limits: /** @type {const} */ ({ kind: 'sale', stock: flash.stock, waiting: flash.waiting ?? [0, 0], spare: row.stock[0] }) } : null;
    page.unitsForm.open(row, stock, sale);
  }

  /**
   * Change units, and say what became of them; what went to people who waited is not taken back.
   * @param {{item: string, sale: string | null, change: {delta: number, reason: string}}} wish
   */
  changeUnits({ item, sale, change }) {
    const { api, run } = this.page;
    const sku = run.find((one) => one.item === item)?.sku;
    if (!sku) return;
    const change_units = (/** @type {number} */ delta, /** @type {string} */ reason) => (sale ? api.addUnits(sale, delta, reason) : api.adjustStock(sku, delta, reason));
    void this.run(() => change_units(change.delta, change.reason), (/** @type {import('../net/console_api.js').UnitsDone} */ done) => {
      const back = undoOf(done);
      const undo = () => void this.run(() => change_units(back, t('console.undone')), t('console.undone'));
      return { text: unitsText(done), undo: back === 0 ? null : undo };
    });
  }

  async say() {
    const { page } = this;
    if (!this.#mustBeLive()) return;
    const before = page.state.announcement ?? '';
    const answer = await page.ask.ask({ title: t('console.say_title'), lines: [t('console.say_note')], yes: t('console.say_yes'), field: { label: t('console.say_label'), value: '', length_max: SAY_MAX } });
    if (!answer?.text) return;
    await this.run(() => page.api.announce(answer.text), t('console.did_say'), () => void this.run(() => page.api.announce(before), t('console.undone')));
  }

  sayNothing() {
    const before = this.page.state.announcement ?? '';
    void this.run(() => this.page.api.announce(''), t('console.did_say_nothing'), () => void this.run(() => this.page.api.announce(before), t('console.undone')));
  }

  startShow() {
    void this.run(() => this.page.api.start(), t('console.did_start'));
  }

  async endShow() {
    const { page } = this;
    const figures = page.data?.figures;
    const running = page.run.filter((row) => isRunning(row.flash)).length;
    const lines = [t('console.end_orders', { count: number(figures?.orders ?? 0) })];
    if (running > 0) lines.push(t('console.end_running', { count: running }));
    const started_ms = page.state.show?.started_at_ms;
    if (started_ms) lines.unshift(t('console.end_length', { duration: duration(page.clock.now() - started_ms) }));
    const answer = await page.ask.ask({ title: t('console.end_title'), lines, yes: t('console.end_show'), isStop: true });
    if (answer) await this.run(() => page.api.end(), t('console.did_end'));
  }

  /** @param {{title: string, starts_at_ms: number}} show */
  planShow({ title, starts_at_ms }) {
    void this.run(() => this.page.api.schedule(title, starts_at_ms), t('console.did_plan_show', { title }));
  }

  /** @param {string} sku */
  addItem(sku) {
    const product = this.page.products?.find((one) => one.sku === sku);
    void this.run(() => this.page.api.addToBag(sku), t('console.did_add', { title: titleOf(product) }));
  }

  /** @param {string} item */
  removeItem(item) {
    const row = this.page.run.find((one) => one.item === item);
    if (!row) return;
    void this.run(() => this.page.api.removeFromBag(item), t('console.did_remove', { no: row.no, title: titleOf(row) }));
  }

  /** @param {{line: string, name: string}} line */
  deleteLine({ line, name }) {
    void this.run(() => this.page.api.deleteLine(line), t('console.did_delete', { name }));
  }

  /** @param {{user: string, name: string}} person */
  mute({ user, name }) {
    const undo = () => void this.run(() => this.page.api.unmute(user), t('console.undone')).then((done) => done && this.page.noteMute(user, 0));
    void this.run(() => this.page.api.mute(user, MUTE_MIN), t('console.did_mute', { name, minutes: MUTE_MIN }), undo)
      .then((done) => done && this.page.noteMute(user, this.page.clock.now() + MUTE_MIN * MINUTE_MS));
  }

  /** @param {{user: string, name: string}} person */
  unmute({ user, name }) {
    void this.run(() => this.page.api.unmute(user), t('console.did_unmute', { name })).then((done) => done && this.page.noteMute(user, 0));
  }

  /** @param {import('../logic/room_state.js').Modes} modes */
  setModes(modes) {
    const before = this.page.state.modes;
    const undo = () => void this.run(() => this.page.api.setModes(before), t('console.undone'));
    return this.run(() => this.page.api.setModes(modes), t('console.did_modes', { modes: modesText(modes) }), undo);
  }

  switchShield() {
    void this.setModes(toggleShield(this.page.state.modes));
  }

  /** @param {import('../net/console_api.js').ChatQuestion} question */
  async search(question) {
    try {
      this.page.search.take(question, await this.page.api.searchChat(question));
    } catch (error) {
      this.page.search.fail(question, asApiError(error).code);
    }
  }

  /** @param {string} text */
  async sayLine(text) {
    try {
      await this.page.socket.say(text);
    } catch (error) {
      const { code } = asApiError(error);
      this.#refuse(hasText(`console.error.${code}`) ? t(`console.error.${code}`) : t('console.error.other', { code }));
    }
  }

  /** @param {1 | -1} direction */
  select(direction) {
    this.page.select(moveSelection(this.page.run, this.page.selected, direction));
  }

  /** Esc: take back a press that waits for its second, else leave the field or line, else the selected item. */
  leave() {
    if (this.page.armed) this.page.setArmed(null);
    else if (!this.page.chat.leave()) this.page.select(null);
  }
}
