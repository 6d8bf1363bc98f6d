// @ts-check
/**
 * Coupons that are dropped into the room: claiming one, with one key however often it is asked for.
 *
 * Invariant: what is shown as claimed is what the server said; a retry never makes a second claim.
 */
import { find } from '../../lib/element.js';
import { dropOnShow } from '../../logic/coupons.js';
import { dropsOf } from '../../logic/room_state.js';
import { asApiError, get, intentKey, post, settleIntent } from '../../net/api.js';

/** @typedef {import('./page.js').RoomPage} RoomPage */
/** @typedef {import('../../components/live-drop/live-drop.js').LiveDrop} LiveDrop */

const DOUBT = new Set(['unknown_outcome', 'network', 'unavailable', 'database_unavailable', 'overloaded', 'internal']);
/** Waits between retries with the same key. */
const RETRY_WAITS_MS = [500, 1_000, 2_000, 4_000];

export class Drops {
  /** @type {Set<string>} drops of which this person has a coupon */
  #claimed = new Set();
  /** @type {Map<string, string>} refusals by drop */
  #refusals = new Map();
  /** @type {string | null} */
  #asking = null;

  /** @param {RoomPage} page */
  constructor(page) {
    this.page = page;
    this.card = /** @type {LiveDrop} */ (find('live-drop'));
    document.addEventListener('live:claim', (event) => void this.claim(/** @type {CustomEvent} */ (event).detail.drop));
  }

  /** Read anew what one has claimed. */
  async refresh() {
    if (!this.page.user || dropsOf(this.page.state).length === 0) return;
    try {
      const { claims } = await get('/api/coupons');
      this.#claimed = new Set([...this.#claimed, ...claims.map((/** @type {{drop: string}} */ one) => one.drop)]);
      this.page.changed();
    } catch {
      // What is shown stays; a claim that is there already is answered with itself.
    }
  }

  /** @param {string} drop */
  async claim(drop) {
    const { page } = this;
    if (this.#asking) return;
    if (!page.user && !(await page.sheets.askName('buy'))) return;
    this.#asking = drop;
    this.#refusals.delete(drop);
    page.changed();
    try {
      await this.#insist(drop);
      this.#claimed.add(drop);
    } catch (thrown) {
      const { code } = asApiError(thrown);
      this.#refusals.set(drop, code);
      if (code === 'limit_reached') void this.refresh();
    } finally {
      this.#asking = null;
      page.changed();
    }
  }

  /** @param {string} drop */
  async #insist(drop) {
    const intent = `claim.${drop}`;
    for (let attempt = 0; ; attempt += 1) {
      try {
        await post(`/api/drops/${encodeURIComponent(drop)}/claims`, {}, intentKey(intent));
        settleIntent(intent);
        return;
      } catch (thrown) {
        const { code } = asApiError(thrown);
        const wait_ms = RETRY_WAITS_MS[attempt];
        if (!DOUBT.has(code)) settleIntent(intent);
        if (!DOUBT.has(code) || wait_ms === undefined) throw thrown;
        await new Promise((resolve) => setTimeout(resolve, wait_ms));
      }
    }
  }

  /** @param {number} now_ms */
  draw(now_ms) {
    const drop = dropOnShow(dropsOf(this.page.state), now_ms);
    this.card.facts = drop && {
      drop, now_ms,
      isAsking: this.#asking === drop.id,
      hasClaim: this.#claimed.has(drop.id),
      refusal: this.#refusals.get(drop.id) ?? null,
    };
  }
}
