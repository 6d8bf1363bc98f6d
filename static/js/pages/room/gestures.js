// @ts-check
/**
 * What people do in a room: presses, keys, likes, sharing, coming back to the tab.
 *
 * Invariant: single keys act only when no field has focus and no sheet is open; every gesture has a button.
 */
import { find, setAttribute } from '../../lib/element.js';
import { ordinal, timeOfDay } from '../../lib/format.js';
import { t } from '../../lib/i18n.js';
import { shareLink } from './share.js';

/** @typedef {import('./page.js').RoomPage} RoomPage */

/** Likes are sent once a second as one number; the server counts no more than this in one frame. */
const LIKES_MS = 1_000;
const LIKES_MAX = 50;
/** How long a short word (link copied) stays. */
const WORD_MS = 2_000;

/** @param {RoomPage} page */
export function listenToPage(page) {
  listenToElements(page);
  listenToKeys(page);
  listenToLikes(page);
  listenToWindow(page);
  find('#bag-button').addEventListener('click', () => page.sheets.openBag());
  find('#proof-button').addEventListener('click', () => page.sheets.proof.open());
  find('#read-button').addEventListener('click', () => {
    const isOn = page.talk.toggleReading();
    setAttribute(find('#read-button'), 'aria-pressed', String(isOn));
  });
  find('#host-open').addEventListener('click', () => page.sheets.proof.open());
  for (const button of document.querySelectorAll('.share-button')) button.addEventListener('click', () => void share(page));
  // Of two strips in one row the second is half out of sight: a press on it does what a swipe does.
  find('#strips').addEventListener('click', (event) => {
    /** @type {Element} */ (event.target).closest('#strips > *')?.scrollIntoView({ inline: 'nearest', block: 'nearest' });
  });
  find('#full-button').addEventListener('click', () => void find('#stage').requestFullscreen?.().catch(() => {}));
}

/** @param {RoomPage} page */
function listenToElements(page) {
  const detail = (/** @type {Event} */ event) => /** @type {CustomEvent} */ (event).detail;
  document.addEventListener('live:card', (event) => cardAct(page, detail(event)));
  document.addEventListener('live:bag', (event) => bagAct(page, detail(event)));
  document.addEventListener('live:say', (event) => void page.talk.say(detail(event).text));
  document.addEventListener('live:retry-line', (event) => void page.talk.retry(detail(event).key));
  document.addEventListener('live:banner-action', (event) => page.bannerAction(detail(event).kind));
  document.addEventListener('live:ask-name', () => {
    void page.sheets.askName('chat').then((isGiven) => {
      if (isGiven) page.talk.composer.focusField();
    });
  });
}

/**
 * @param {RoomPage} page
 * @param {{act: import('../../components/live-sale-card/card_view.js').CardAct, sale: string | null}} press
 */
function cardAct(page, { act, sale }) {
  const { purchase, sheets } = page;
  const hold = sale ? purchase.holds.get(sale) : undefined;
  if (act === 'buy' && sale) void purchase.press(sale);
  if (act === 'early' && sale) purchase.answer(sale, { kind: 'early', at_ms: page.clock.now() });
  if (act === 'pay' && hold) sheets.openCheckout(hold);
  if (act === 'go-on-paying' && hold) void goOnPaying(page, hold);
  if (act === 'let-go' && hold) void purchase.letGo(hold);
  if (act === 'join' && sale) void purchase.waiting.join(sale).then(() => tellPlace(page, sale));
  if (act === 'enter' && sale) void enterDraw(page, sale);
  if (act === 'take-back' && sale) void purchase.draws.leave(sale);
  if (act === 'see-draw' && sale) sheets.openDraw(sale);
  const entry = purchase.waiting.entries.get(sale ?? '');
  if (act === 'leave' && entry) void purchase.waiting.leave(entry);
  if (act === 'buy-regular') {
    const regular = page.offerOfSale(sale)?.regular;
    if (regular) void purchase.press(regular.id).then(() => openIfHeld(page, regular.id));
  }
  if (act === 'see-other' || act === 'see-bag') sheets.openBag();
  if (act === 'see-orders') location.assign('/orders');
}

/**
 * One's place in line is one's own result: said at once.
 * @param {RoomPage} page
 * @param {string} sale
 */
function tellPlace(page, sale) {
  const place = page.purchase.waiting.entries.get(sale)?.place;
  if (place) page.news.tell(t('card.waiting_title', { place: ordinal(place) }));
}

/**
 * @param {RoomPage} page
 * @param {string} sale
 */
async function enterDraw(page, sale) {
  await page.purchase.draws.enter(sale);
  const draw = page.state.sales.find((one) => one.id === sale)?.draw;
  if (draw && page.purchase.draws.entries.has(sale)) page.news.tell(t('draw.in_title', { time: timeOfDay(draw.entry_closes_at_ms) }));
}

/**
 * A hold whose payment was begun goes on where it was left.
 * @param {RoomPage} page
 * @param {import('../../logic/card_state.js').Hold} hold
 */
async function goOnPaying(page, hold) {
  if (!hold.pay_url) await page.purchase.refresh();
  const url = page.purchase.holds.get(hold.sale)?.pay_url;
  location.assign(url ?? (hold.order ? `/orders/${hold.order}` : '/orders'));
}

/**
 * @param {RoomPage} page
 * @param {string} sale
 */
function openIfHeld(page, sale) {
  const hold = page.purchase.holds.get(sale);
  const isOnCard = page.card.facts?.offer?.sale?.id === sale;
  if (hold && !isOnCard) page.sheets.openCheckout(hold);
}

/**
 * @param {RoomPage} page
 * @param {{act: 'buy' | 'pay' | 'join' | 'enter' | 'take-back', item: string, sale: string}} press
 */
function bagAct(page, { act, sale }) {
  const hold = page.purchase.holds.get(sale);
  if (act === 'pay' && hold) {
    if (hold.state === 'paying') void goOnPaying(page, hold);
    else page.sheets.openCheckout(hold);
  }
  if (act === 'join') void page.purchase.waiting.join(sale).then(() => tellPlace(page, sale));
  if (act === 'enter') void enterDraw(page, sale);
  if (act === 'take-back') void page.purchase.draws.leave(sale);
  if (act === 'buy') void page.purchase.press(sale).then(() => openIfHeld(page, sale));
}

/** @param {RoomPage} page */
function listenToKeys(page) {
  document.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    const target = /** @type {Element} */ (event.target);
    if (target.closest('input, textarea, select, [contenteditable]') || document.querySelector('dialog[open]')) return;
    const act = KEYS[event.key.toLowerCase()];
    if (!act) return;
    event.preventDefault();
    act(page);
  });
}

/** @type {Record<string, (page: RoomPage) => void>} */
const KEYS = {
  b: (page) => page.card.press(),
  c: (page) => page.talk.composer.focusField(),
  g: (page) => page.sheets.openBag(),
  l: () => find('#like-button').click(),
  m: (page) => page.picture.pressSound(),
};

/** @param {RoomPage} page */
function listenToLikes(page) {
  const button = find('#like-button');
  let count = 0;
  button.addEventListener('click', () => {
    if (!page.user) {
      void page.sheets.askName('chat');
      return;
    }
    count = Math.min(LIKES_MAX, count + 1);
    page.hearts.tap();
    button.classList.remove('liked');
    requestAnimationFrame(() => button.classList.add('liked'));
  });
  setInterval(() => {
    if (count === 0 || !page.socket.like(count)) return;
    page.ownLikes += count;
    count = 0;
  }, LIKES_MS);
}

/** @param {RoomPage} page */
function listenToWindow(page) {
  addEventListener('online', () => page.socket.connect());
  addEventListener('offline', () => page.changed());
  addEventListener('pagehide', () => page.socket.stop());
  addEventListener('pageshow', (event) => {
    if (event.persisted) page.comeBack();
  });
  document.addEventListener('visibilitychange', () => {
    if (document.hidden) return;
    if (page.socket.status.state === 'waiting') page.socket.connect();
    page.changed();
    void page.purchase.refresh();
  });
  const viewport = window.visualViewport;
  viewport?.addEventListener('resize', () => {
    const covered = Math.max(0, innerHeight - viewport.height - viewport.offsetTop);
    document.documentElement.style.setProperty('--keyboard', `${Math.round(covered)}px`);
  });
}

/** @param {RoomPage} page */
async function share(page) {
  // Where neither is allowed, the address bar has the link.
  if ((await shareLink({ title: page.title, url: location.origin + location.pathname })) !== 'copied') return;
  const word = find('#shared-word');
  word.hidden = false;
  page.news.say(t('room.shared'));
  setTimeout(() => {
    word.hidden = true;
  }, WORD_MS);
}
