// @ts-check
/**
 * The second chance: a sheet for whose turn it is, over an offer that is an ordinary hold.
 *
 * Invariant: the sheet opens once for an offer, and again only after a reload that found it open; closing it keeps the hold.
 */
import { holdLeft } from '../../logic/countdown.js';
import { waitingOf } from '../../logic/waiting_list.js';
import { find } from '../../lib/element.js';
import { timeOfDay } from '../../lib/format.js';
import { t } from '../../lib/i18n.js';

/** @typedef {import('../../logic/card_state.js').Hold} Hold */
/** @typedef {import('../../components/live-second-chance/live-second-chance.js').LiveSecondChance} LiveSecondChance */
/** @typedef {import('../../components/live-sheet/live-sheet.js').LiveSheet} LiveSheet */
/** @typedef {import('./page.js').RoomPage} RoomPage */

const CLOSED_PREFIX = 'hubbub.chance.';
const VIBRATION_MS = 20;

export class Chance {
  /** @type {Hold | null} whose sheet is open */
  #hold = null;
  /** @type {Set<string>} reservations whose sheet was opened by this page */
  #opened = new Set();

  /** @param {RoomPage} page */
  constructor(page) {
    this.page = page;
    this.sheet = /** @type {LiveSheet} */ (find('#chance-sheet'));
    document.addEventListener('live:chance-pay', (event) => this.#pay(/** @type {CustomEvent} */ (event).detail.hold));
    document.addEventListener('live:chance-pass', (event) => this.#pass(/** @type {CustomEvent} */ (event).detail.hold));
    this.sheet.addEventListener('live:sheet-closed', () => this.#closed());
  }

  get #content() {
    return /** @type {LiveSecondChance} */ (find('live-second-chance'));
  }

  /** @param {Hold} hold */
  #open(hold) {
    this.#opened.add(hold.id);
    this.#hold = hold;
    this.page.sheets.closeAll();
    this.sheet.open();
    this.#content.opened();
    const isAllowed = navigator.userActivation?.hasBeenActive && !matchMedia('(prefers-reduced-motion: reduce)').matches;
    if (isAllowed) navigator.vibrate?.(VIBRATION_MS);
  }

  /** The sheet goes, whatever becomes of the hold. */
  #shut() {
    this.#hold = null;
    this.sheet.close();
  }

  /** Pay as any hold is paid. @param {Hold} hold */
  #pay(hold) {
    this.#shut();
    this.page.sheets.openCheckout(hold);
  }

  /** @param {Hold} hold */
  #pass(hold) {
    this.#shut();
    void this.page.purchase.letGo(hold);
  }

  /** Closed by the person: the offer stays, and is not shown again by itself. */
  #closed() {
    const hold = this.#hold;
    this.#hold = null;
    if (!hold) return;
    markClosed(hold.id);
    this.page.news.say(t('chance.kept', { time: timeOfDay(hold.expires_at_ms) }));
  }

  /**
   * Open for an offer that is new to this page; keep time; go when the offer is over.
   * @param {number} now_ms
   */
  draw(now_ms) {
    const offers = this.page.purchase.list.filter((one) => one.offer && one.state === 'held' && one.expires_at_ms > now_ms);
    const next = offers.find((one) => !this.#opened.has(one.id) && !wasClosed(one.id));
    if (!this.#hold && next) this.#open(next);
    if (!this.#hold) return;
    const hold = offers.find((one) => one.id === this.#hold?.id);
    if (!hold) {
      this.#shut();
      return;
    }
    this.#content.offer = {
      hold,
      item: this.page.itemOfHold(hold),
      left: holdLeft(hold.expires_at_ms, hold.whole_ms, now_ms),
      waiting: waitingOf(this.page.state, hold.sale)[0],
    };
  }
}

/** @param {string} reservation */
function markClosed(reservation) {
  try {
    sessionStorage.setItem(CLOSED_PREFIX + reservation, '1');
  } catch {
    // Without storage the sheet comes once more after a reload, and can be closed again.
  }
}

/** @param {string} reservation */
function wasClosed(reservation) {
  try {
    return sessionStorage.getItem(CLOSED_PREFIX + reservation) !== null;
  } catch {
    return false;
  }
}
