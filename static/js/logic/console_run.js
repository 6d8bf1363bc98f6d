// @ts-check
/**
 * The run sheet of the console: what *Next* will do, what may be done to a row, and what the room's live state adds.
 *
 * Invariant: nothing here reads a clock; the present moment is an argument.
 */

/** @typedef {import('./room_state.js').Stock} Stock */
/** @typedef {import('./room_state.js').Sale} Sale */
/** @typedef {import('./room_state.js').RoomState} RoomState */
/** @typedef {{item: string, no: number, sku: string, title: string, title_zh?: string | null, picture?: string | null,
 *   price_minor?: number, currency: string, notes?: string | null, notes_zh?: string | null, stock: Stock,
 *   status: 'done' | 'now' | 'to_come', result?: {paid: number, gmv_minor?: number} | null, flash?: Sale | null,
 *   campaign?: import('./campaign_prices.js').CampaignPrice | null}} RunItem `campaign`: the campaign price of its regular sale */
/** @typedef {{price_minor: number, quantity: number, per_buyer: number, countdown_s: number, duration_s: number,
 *   show_reference?: boolean, floor_minor?: number, confirm_price_minor?: number, fairness?: 'draw', entry_s?: number,
 *   unlock?: {units: number, price_minor: number, otherwise: 'charge' | 'release'},
 *   rules?: Partial<Record<import('./console_flash.js').RuleField, number>>}} FlashPlan the confirmation is the price again, typed by the host */
/** @typedef {{kind: 'none'} | {kind: 'pin' | 'arm', item: RunItem, plan: FlashPlan | null, stays: RunItem | null}} NextStep */
/** @typedef {{item: string, until_ms: number}} Armed a first press that waits for its second */

/** A press that arms money counts only when it is repeated within this time. */
export const CONFIRM_MS = 3_000;

/** Sale states in which units may still be bought, now or once the host resumes. */
const RUNNING = new Set(['armed', 'open', 'sold_out', 'halted']);

/**
 * Whether a sale is armed or still sells.
 * @param {Sale | null | undefined} sale
 * @returns {sale is Sale}
 */
export function isRunning(sale) {
  return Boolean(sale && RUNNING.has(sale.state));
}

/**
 * Put the room's live state (pin, stock, sale states) over the run sheet of the last poll.
 * @param {readonly RunItem[]} run
 * @param {RoomState} state
 * @returns {RunItem[]}
 */
export function withLiveState(run, state) {
  const sales = new Map(state.sales.map((sale) => [sale.id, sale]));
  return run.map((row) => {
    const inBag = state.bag.find((one) => one.item === row.item);
    const regular = inBag?.sale ? sales.get(inBag.sale) : undefined;
    const flash = state.sales.filter((sale) => sale.kind === 'flash' && sale.item === row.item).at(-1) ?? row.flash ?? null;
    const isNow = state.pinned === row.item;
    const status = isNow ? 'now' : row.status === 'now' ? 'done' : row.status;
    return { ...row, status, stock: regular?.stock ?? row.stock, flash, campaign: regular?.campaign_price ?? null };
  });
}

/**
 * What *Next* does: the first item to come after the pinned one, else the first to come at all.
 * @param {readonly RunItem[]} run
 * @param {Readonly<Record<string, FlashPlan>>} plans flash sales planned for an item, by item id
 * @returns {NextStep}
 */
export function nextStep(run, plans) {
  const now = run.findIndex((row) => row.status === 'now');
  const item = run.slice(now + 1).find((row) => row.status === 'to_come') ?? run.find((row) => row.status === 'to_come');
  if (!item) return { kind: 'none' };
  const plan = isRunning(item.flash) ? null : plans[item.item] ?? null;
  const current = now >= 0 ? run[now] : undefined;
  const stays = current && isRunning(current.flash) ? current : null;
  return { kind: plan ? 'arm' : 'pin', item, plan, stays };
}

/**
 * One press of *Next*: a step that arms money waits for a second press, any other goes at once.
 * @param {NextStep} step
 * @param {Armed | null} armed the first press, if there was one
 * @param {number} now_ms
 * @returns {{go: boolean, armed: Armed | null}}
 */
export function pressNext(step, armed, now_ms) {
  if (step.kind === 'none') return { go: false, armed: null };
  if (step.kind === 'pin') return { go: true, armed: null };
  if (armed && armed.item === step.item.item && now_ms <= armed.until_ms) return { go: true, armed: null };
  return { go: false, armed: { item: step.item.item, until_ms: now_ms + CONFIRM_MS } };
}

/**
 * The row after a move of the selection; stays at the ends.
 * @param {readonly RunItem[]} run
 * @param {string | null} selected item id
 * @param {1 | -1} direction
 * @returns {string | null}
 */
export function moveSelection(run, selected, direction) {
  if (run.length === 0) return null;
  const from = run.findIndex((row) => row.item === selected);
  const start = from >= 0 ? from : run.findIndex((row) => row.status === 'now');
  const to = start < 0 ? 0 : Math.min(run.length - 1, Math.max(0, start + direction));
  return run[to]?.item ?? null;
}

/**
 * The sale the now panel shows for an item: a flash sale while it runs, or when it was the last thing; else the regular one.
 * @param {RoomState} state
 * @param {string | null} item
 * @returns {Sale | null}
 */
export function saleOnShow(state, item) {
  if (!item) return null;
  const flash = state.sales.filter((sale) => sale.kind === 'flash' && sale.item === item).at(-1);
  if (flash && flash.state !== 'cancelled') return flash;
  const inBag = state.bag.find((one) => one.item === item);
  return state.sales.find((sale) => sale.id === inBag?.sale) ?? null;
}

/**
 * The sale that *Stop sale* stops: the item's flash sale while it runs, else its regular one.
 * @param {RoomState} state
 * @param {string | null} item
 * @returns {Sale | null}
 */
export function stoppableSale(state, item) {
  const flash = state.sales.filter((sale) => sale.kind === 'flash' && sale.item === item).at(-1);
  if (isRunning(flash)) return flash;
  const inBag = state.bag.find((one) => one.item === item);
  const regular = state.sales.find((sale) => sale.id === inBag?.sale);
  return isRunning(regular) ? regular : null;
}

/**
 * Refusals by reason, most frequent first.
 * @param {Readonly<Record<string, number>>} refused
 * @returns {{total: number, reasons: [code: string, count: number][]}}
 */
export function refusals(refused) {
  const reasons = Object.entries(refused).filter(([, count]) => count > 0).sort((a, b) => b[1] - a[1]);
  return { total: reasons.reduce((sum, [, count]) => sum + count, 0), reasons };
}

/** A chart of presses shows no more than this many seconds after the opening. */
const SECONDS_MAX = 600;

/**
 * Counts a second from the first to the last second in which somebody pressed, with zeros between.
 * @param {readonly ({at_ms: number, count: number} | [at_ms: number, count: number])[]} presses in order of time
 * @returns {number[]}
 */
export function everySecond(presses) {
  const counts = presses.map((one) => (Array.isArray(one) ? { at_ms: one[0], count: one[1] } : one));
  const first = counts[0];
  if (!first) return [];
  const secondOf = (/** @type {number} */ at_ms) => Math.floor(at_ms / 1000) - Math.floor(first.at_ms / 1000);
  const length = Math.min(SECONDS_MAX, secondOf(counts.at(-1)?.at_ms ?? first.at_ms) + 1);
  const seconds = new Array(Math.max(1, length)).fill(0);
  for (const { at_ms, count } of counts) {
    const second = secondOf(at_ms);
    if (second >= 0 && second < length) seconds[second] += count;
  }
  return seconds;
}
