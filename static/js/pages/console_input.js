// @ts-check
/**
 * What a person does on the console: events of the panels, keys and tabs, each handed to its act.
 *
 * Invariant: keys that move money act for those alone who see it, and none acts while a dialog is open.
 */
import { find, setAttribute } from '../lib/element.js';
import { campaignToHalt } from '../logic/console_groups.js';
import { actOf } from '../logic/console_keys.js';

/** @typedef {import('./console.js').ConsolePage} ConsolePage */
/** @typedef {import('../logic/console_keys.js').ConsoleAct} ConsoleAct */

/** @type {ReadonlySet<ConsoleAct>} */
const MONEY_ACTS = new Set(['next', 'pin', 'arm', 'group_buy', 'drop_coupons', 'close_sale', 'halt_sale', 'add_units', 'drop_price', 'say', 'select_up', 'select_down', 'pin_selected', 'orders', 'camera']);

/**
 * Listen to everything, once.
 * @param {ConsolePage} page
 */
export function listenToConsole(page) {
  const { acts } = page;
  /** @type {Record<string, (detail: any) => unknown>} */
  const events = {
    next: () => acts.next(),
    'select-item': ({ item }) => page.select(item === page.selected ? null : item),
    'pin-item': ({ item }) => acts.pinItem(item),
    'remove-item': ({ item }) => acts.removeItem(item),
    'forget-plan': ({ item }) => page.forgetPlan(item),
    'add-item': () => /** @type {import('../components/live-goods-picker/live-goods-picker.js').LiveGoodsPicker} */ (page.element('live-goods-picker')).open(),
    'load-products': () => page.loadProducts(),
    'put-in-bag': ({ sku }) => acts.addItem(sku),
    unpin: () => acts.unpin(),
    arm: () => acts.arm(),
    'arm-flash': ({ item, plan }) => acts.armFlash(item, plan),
    'plan-flash': ({ item, plan }) => page.keepPlan(item, plan),
    say: () => acts.say(),
    'say-nothing': () => acts.sayNothing(),
    'close-sale': (detail) => acts.closeSale(detail?.item),
    'halt-sale': (detail) => acts.haltSale(detail?.sale),
    'drop-coupons': ({ wish, title }) => acts.dropCoupons(wish, title),
    'close-drop': ({ drop }) => acts.closeDrop(drop),
    'open-coupons': () => page.coupons.list.open(),
    'read-coupons': () => page.coupons.read(),
    'halt-coupon': (which) => page.coupons.halt(which),
    'group-buy': () => page.groups.openForm(),
    'open-group': ({ sku, wish }) => page.groups.create(sku, wish),
    'other-group': () => page.groups.turn(),
    'close-group': ({ sale }) => page.groups.close(sale),
    'complete-team': ({ team }) => page.groups.complete(team),
    'open-orders': () => acts.orders.list.open(),
    'read-orders': (wish) => acts.orders.read(wish),
    refund: ({ order }) => acts.orders.refund(order),
    evidence: ({ order }) => /** @type {import('../components/live-evidence/live-evidence.js').LiveEvidence} */ (page.element('live-evidence')).open(order),
    'give-back': (refund) => acts.orders.giveBack(refund),
    'retry-refund': ({ order, refund }) => acts.orders.retry(order, refund),
    'add-units': (detail) => acts.openUnits(detail?.item),
    'change-units': (detail) => acts.changeUnits(detail),
    'campaign-price': (detail) => page.prices.openForm(detail?.item),
    'set-campaign-price': ({ item, wish }) => page.prices.set(item, wish),
    'withdraw-campaign-price': ({ item, campaign }) => page.prices.withdraw(item, campaign),
    'plan-show': (show) => acts.planShow(show),
    'say-line': ({ text }) => acts.sayLine(text),
    'delete-line': (line) => acts.deleteLine(line),
    'mute-user': (person) => acts.mute(person),
    'unmute-user': (person) => acts.unmute(person),
    'set-modes': ({ modes }) => acts.setModes(modes),
    'switch-shield': () => acts.switchShield(),
    'open-search': () => page.search.open(page.api.exportPath),
    'search-chat': (question) => acts.search(question),
    'switch-keys': ({ isOn }) => page.switchKeys(isOn),
  };
  for (const [name, act] of Object.entries(events)) {
    document.addEventListener(`live:${name}`, (event) => void act(/** @type {CustomEvent} */ (event).detail));
  }
  document.addEventListener('keydown', (event) => press(page, event));
  for (const tab of document.querySelectorAll('.console-tab')) {
    tab.addEventListener('click', () => openTab(page, /** @type {HTMLElement} */ (tab)));
  }
  find('#keys-button').addEventListener('click', () => page.openKeys());
  if (!page.seesMoney) return;
  find('#start-show').addEventListener('click', () => acts.startShow());
  find('#end-show').addEventListener('click', () => void acts.endShow());
  find('#plan-show').addEventListener('click', () => /** @type {import('../components/live-show-form/live-show-form.js').LiveShowForm} */ (page.element('live-show-form')).open(page.clock.now()));
}

/**
 * @param {ConsolePage} page
 * @param {HTMLElement} chosen
 */
function openTab(page, chosen) {
  setAttribute(page.main, 'data-tab', chosen.dataset['tab'] ?? 'sale');
  for (const tab of document.querySelectorAll('.console-tab')) setAttribute(tab, 'aria-pressed', String(tab === chosen));
}

/**
 * @param {ConsolePage} page
 * @param {KeyboardEvent} event
 */
function press(page, event) {
  if (document.querySelector('dialog[open]')) return;
  const target = /** @type {Element} */ (event.target);
  const act = actOf(event, {
    inField: target.matches('input, textarea, select, [contenteditable]'),
    onControl: target.matches('button, a, summary, .plot-canvas') && !target.matches('[data-selected] > .run-row'),
    isOn: page.keysOn,
  });
  if (!act || (MONEY_ACTS.has(act) && !page.seesMoney)) return;
  const { acts, chat } = page;
  /** @type {Record<ConsoleAct, () => unknown>} */
  const doing = {
    next: () => acts.next(), pin: () => acts.pin(), arm: () => acts.arm(), group_buy: () => page.groups.openForm(), drop_coupons: () => page.openDrop(), close_sale: () => acts.closeSale(), halt_sale: () => acts.haltSale(campaignToHalt(page.state, page.state.pinned ?? page.selected)?.id), add_units: () => acts.openUnits(), drop_price: () => page.prices.openForm(), say: () => acts.say(),
    line_down: () => chat.move(1), line_up: () => chat.move(-1), delete_line: () => chat.actOnSelected('delete'), mute: () => chat.actOnSelected('mute'),
    undo: () => page.undoBar.undo(), compose: () => chat.compose(), select_up: () => acts.select(-1), select_down: () => acts.select(1),
    pin_selected: () => page.selected && acts.pinItem(page.selected), keys: () => page.openKeys(), leave: () => acts.leave(),
    orders: () => acts.orders.list.open(), shield: () => acts.switchShield(), search: () => page.search.open(page.api.exportPath),
    camera: () => page.camera?.element.open(),
  };
  event.preventDefault();
  void doing[act]();
}
