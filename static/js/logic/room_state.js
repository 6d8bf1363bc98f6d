// @ts-check
/**
 * The room as a page knows it: old state + frame = new state, as `docs/protocol.md` says.
 *
 * Invariant: nothing here changes its arguments, and an unknown type or key leaves the state as it was.
 */

/** @typedef {[available: number, held: number, sold: number]} Stock */
/** @typedef {[waiting: number, offered: number]} Waiting how many wait for units that come free, how many have an offer */
/** @typedef {[id: string, user: string | null, name: string, text: string, flags: string[], at_ms: number]} ChatLine */
/** @typedef {{id: string, title: string, status: 'scheduled' | 'live' | 'ended', starts_at_ms?: number | null, started_at_ms?: number | null}} Show */
/** @typedef {{item: string, no: number, sku: string, title: string, title_zh?: string | null, picture?: string | null,
 *   price_minor: number, currency: string, sale: string | null}} BagItem */
/** @typedef {{id: string, kind: 'regular' | 'flash' | 'group', sku: string, price_minor: number, currency: string,
 *   state: 'armed' | 'open' | 'sold_out' | 'halted' | 'ended' | 'cancelled', reason?: string,
 *   reference_minor?: number, reference_days?: number, opens_at_ms: number | null, ends_at_ms: number | null,
 *   fairness?: 'draw', draw?: Draw, per_buyer: number | null, stock: Stock, waiting?: Waiting, item?: string | null, normal_price_minor?: number | null, hold_s?: number | null,
 *   rules?: import('./press_rules.js').PressRules, group?: {need: number, lasts_ms: number}, unlock?: Unlock,
 *   campaign_price?: {id: string, price_minor: number, from_ms: number, until_ms: number}}} Sale `price_minor` is the price without it */
/** @typedef {{units: number, price_minor: number, plain_minor: number, otherwise: 'charge' | 'release', state: 'open' | 'unlocked' | 'missed',
 *   promised: number}} Unlock the price falls for everybody once so many units are promised: their money is granted */
/** @typedef {{id: string, sale: string, joined: number, need: number, deadline_ms: number, leader: string}} Team a team with a seat free; the leader's
 *   name is masked */
/** @typedef {{commit: string, entry_closes_at_ms: number, entries?: number, seed?: string, digest?: string, winners?: number}} Draw
 *   who may buy is drawn among those who entered in time; the seed comes with the draw */
/** @typedef {{id: string, room: string, title: string, title_zh?: string | null, amount_minor?: number, percent?: number,
 *   max_minor?: number | null, threshold_minor?: number, skus?: string[], sources: string[], currency: string,
 *   valid_s: number, per_person: number, scope?: 'shop', halt_reason?: string}} Coupon what it takes off, and of what; with a scope in every
 *   room; with a reason its host has stopped it */
/** @typedef {{id: string, coupon: Coupon, state: 'armed' | 'open' | 'gone' | 'ended' | 'cancelled', quantity: number,
 *   left: number, opens_at_ms: number, ends_at_ms: number, min_age_s: number}} Drop */
/** @typedef {{slow_s?: number, emote_only?: boolean, links_off?: boolean}} Modes only those that are on */
/** @typedef {{live: boolean, since_ms: number | null, viewers: number | null, codec: string | null, gives_way?: true}} Picture
 *   live false: it stands still; gives_way: a film that fills the time */
/** @typedef {{room: string, show: Show | null, pinned: string | null, bag: BagItem[], sales: Sale[], drops?: Drop[], viewers: number, likes: number,
 *   modes: Modes, chat: ChatLine[], host?: {id: string, name: string, avatar?: string | null},
 *   announcement?: string | null, poster?: string | null, groups?: Team[],
 *   video?: Picture | null}} RoomState groups: soonest to end first; video: null while nobody publishes */
/** @typedef {[type: string, payload: any, at_ms: number]} SaleEvent */
/** @typedef {{took_ms?: number, reason?: string}} SaleFacts what events told beside the state */
/** @typedef {{isDegraded: boolean, load: number}} Carrier the process that serves this page: cut off from the others? what it gives up? */
/** @typedef {{epoch: string, offset: number, state: RoomState, versions: Record<string, number>,
 *   facts: Record<string, SaleFacts>, carrier: Carrier}} RoomModel */

/** A process that has said nothing of itself is well. @type {Carrier} */
const WELL = { isDegraded: false, load: 0 };

/** Lines kept for a page that opens its chat late; the list draws from its own flow. */
const CHAT_KEPT = 120;

/**
 * A model around a state that did not come with a position (the server-rendered page).
 * @param {RoomState} state
 * @returns {RoomModel}
 */
export function modelOf(state) {
  return { epoch: '', offset: 0, state, versions: {}, facts: {}, carrier: WELL };
}

/**
 * @param {RoomState} state
 * @param {string} sale
 * @param {Partial<Sale>} change
 * @returns {RoomState}
 */
function withSale(state, sale, change) {
  if (!state.sales.some((one) => one.id === sale)) return state;
  return { ...state, sales: state.sales.map((one) => (one.id === sale ? { ...one, ...change } : one)) };
}

/**
 * A sale with another state; only one that is halted keeps a reason.
 * @param {RoomState} state
 * @param {string} sale
 * @param {Partial<Sale> & {state: Sale['state']}} change
 * @returns {RoomState}
 */
function withSaleState(state, sale, change) {
  const before = state.sales.find((one) => one.id === sale);
  if (!before) return state;
  const { reason: _, ...rest } = before;
  return { ...state, sales: state.sales.map((one) => (one === before ? { ...rest, ...change } : one)) };
}

/**
 * @param {RoomState} state
 * @param {{sale: Sale}} told
 * @returns {RoomState}
 */
function withNewSale(state, { sale }) {
  const isKnown = state.sales.some((one) => one.id === sale.id);
  return { ...state, sales: isKnown ? state.sales.map((one) => (one.id === sale.id ? sale : one)) : [...state.sales, sale] };
}

/**
 * A team's figures; null is one that nobody can join any more, or that others came before.
 * @param {RoomState} state
 * @param {string} id
 * @param {[joined: number, need: number, deadline_ms: number, sale: string, leader: string] | null} value
 * @returns {RoomState}
 */
function withTeam(state, id, value) {
  const others = (state.groups ?? []).filter((one) => one.id !== id);
  if (!value) return { ...state, groups: others };
  const [joined, need, deadline_ms, sale, leader] = value;
  const groups = [...others, { id, sale, joined, need, deadline_ms, leader }];
  return { ...state, groups: groups.sort((a, b) => a.deadline_ms - b.deadline_ms || (a.id < b.id ? -1 : 1)) };
}

/**
 * @param {RoomState} state
 * @param {string} sale
 * @param {Partial<Draw>} told
 * @returns {RoomState}
 */
function withDraw(state, sale, told) {
  const draw = state.sales.find((one) => one.id === sale)?.draw;
  return draw ? withSale(state, sale, { draw: { ...draw, ...told } }) : state;
}

/**
 * @param {RoomState} state
 * @param {string} sale
 * @param {Partial<Unlock>} told
 * @returns {RoomState}
 */
function withUnlock(state, sale, told) {
  const unlock = state.sales.find((one) => one.id === sale)?.unlock;
  return unlock ? withSale(state, sale, { unlock: { ...unlock, ...told } }) : state;
}

/**
 * A count that comes after the threshold is decided is older than what was told of it.
 * @param {RoomState} state
 * @param {string} sale
 * @param {[promised: number, units: number]} value
 * @returns {RoomState}
 */
function withPromised(state, sale, [promised]) {
  return state.sales.find((one) => one.id === sale)?.unlock?.state === 'open' ? withUnlock(state, sale, { promised }) : state;
}

/**
 * The coupon drops of a room; a state without the field has none.
 * @param {RoomState} state
 * @returns {Drop[]}
 */
export function dropsOf(state) {
  return state.drops ?? [];
}

/**
 * @param {RoomState} state
 * @param {string} drop
 * @param {Partial<Drop>} change
 * @returns {RoomState}
 */
function withDrop(state, drop, change) {
  if (!dropsOf(state).some((one) => one.id === drop)) return state;
  return { ...state, drops: dropsOf(state).map((one) => (one.id === drop ? { ...one, ...change } : one)) };
}

/**
 * Every drop of a coupon, with why its host has stopped it, or without.
 * @param {RoomState} state
 * @param {string} id coupon
 * @param {string | null} reason
 * @returns {RoomState}
 */
function withCoupon(state, id, reason) {
  if (!dropsOf(state).some((one) => one.coupon.id === id)) return state;
  const told = (/** @type {Coupon} */ { halt_reason: _, ...terms }) => (reason === null ? terms : { ...terms, halt_reason: reason });
  return { ...state, drops: dropsOf(state).map((one) => (one.coupon.id === id ? { ...one, coupon: told(one.coupon) } : one)) };
}

/** @type {Record<string, (state: RoomState, payload: any) => RoomState>} */
const EVENTS = {
  'room.state': (state, { show, pinned, bag, sales, drops, announcement }) => ({ ...state, show, pinned, bag, sales, drops, announcement }),
  'show.pinned': (state, { item }) => ({ ...state, pinned: item }),
  'show.unpinned': (state) => ({ ...state, pinned: null }),
  'bag.changed': (state, { bag, sales }) => ({ ...state, bag, sales }),
  announcement: (state, { text }) => ({ ...state, announcement: text }),
  'flash.armed': withNewSale,
  'group_buy.opened': withNewSale,
  'group_buy.closed': (state, { sale, state: closed, ends_at_ms }) => withSaleState(state, sale, { state: closed, ends_at_ms }),
  'flash.opened': (state, { sale }) => withSaleState(state, sale, { state: 'open' }),
  'flash.sold_out': (state, { sale }) => withSaleState(state, sale, { state: 'sold_out' }),
  'flash.resumed': (state, { sale }) => withSaleState(state, sale, { state: 'open' }),
  'flash.halted': (state, { sale, reason }) => withSaleState(state, sale, { state: 'halted', reason }),
  'flash.unhalted': (state, { sale, state: after }) => withSaleState(state, sale, { state: after }),
  'flash.drawn': (state, { sale, ...told }) => withDraw(state, sale, told),
  'flash.unlocked': (state, { sale, price_minor, promised }) => withUnlock(withSale(state, sale, { price_minor }), sale, { state: 'unlocked', promised }),
  'flash.not_unlocked': (state, { sale, promised, otherwise }) => withUnlock(state, sale, { state: 'missed', promised, otherwise }),
  'flash.closed': (state, { sale, state: closed, ends_at_ms }) => withSaleState(state, sale, { state: closed, ends_at_ms }),
  'coupon.armed': (state, { drop }) => ({ ...state, drops: [...dropsOf(state).filter((one) => one.id !== drop.id), drop] }),
  'coupon.opened': (state, { drop }) => withDrop(state, drop, { state: 'open' }),
  'coupon.closed': (state, { drop, ...told }) => withDrop(state, drop, told),
  'coupon.halted': (state, { coupon, reason }) => withCoupon(state, coupon, reason),
  'coupon.unhalted': (state, { coupon }) => withCoupon(state, coupon, null),
  'chat.modes': (state, { modes }) => ({ ...state, modes }),
  'chat.deleted': (state, { line }) => ({ ...state, chat: state.chat.filter(([id]) => id !== line) }),
};

/**
 * The room state after one sale-lane event.
 * @param {RoomState} state
 * @param {SaleEvent} event
 * @returns {RoomState}
 */
export function applyEvent(state, [type, payload]) {
  const change = Object.hasOwn(EVENTS, type) ? EVENTS[type] : undefined;
  return change ? change(state, payload) : state;
}

/**
 * What an event tells that the state does not keep: how long a sale took, why it was stopped.
 * @param {Record<string, SaleFacts>} facts
 * @param {SaleEvent} event
 * @returns {Record<string, SaleFacts>}
 */
function factsAfter(facts, [type, payload]) {
  if (type === 'flash.sold_out') return { ...facts, [payload.sale]: { ...facts[payload.sale], took_ms: payload.took_ms } };
  if ((type === 'flash.closed' || type === 'group_buy.closed') && payload.reason) {
    return { ...facts, [payload.sale]: { ...facts[payload.sale], reason: payload.reason } };
  }
  return facts;
}

/**
 * Frame Z: the whole room anew.
 * @param {RoomModel} model
 * @param {string} epoch
 * @param {number} offset
 * @param {RoomState} state
 * @returns {RoomModel}
 */
export function applySnapshot(model, epoch, offset, state) {
  return { ...model, epoch, offset, state, versions: {} };
}

/**
 * Frame S: events already known are skipped; after a gap nothing is applied (the caller asks for a sync).
 * @param {RoomModel} model
 * @param {number} first offset of the first event
 * @param {readonly SaleEvent[]} events
 * @returns {RoomModel}
 */
export function applySales(model, first, events) {
  if (hasGap(model, first)) return model;
  return events.slice(Math.max(0, model.offset + 1 - first)).reduce(
    (now, event) => ({
      ...now,
      offset: now.offset + 1,
      state: applyEvent(now.state, event),
      facts: factsAfter(now.facts, event),
    }),
    model,
  );
}

/**
 * Whether events are missing between what the model has and `first`.
 * @param {{offset: number}} model
 * @param {number} first
 * @returns {boolean}
 */
export function hasGap(model, first) {
  return first > model.offset + 1;
}

/**
 * A sale has the figure only while somebody waits or has an offer, as in a state fetched anew.
 * @param {RoomState} state
 * @param {string} sale
 * @param {Waiting} waiting
 * @returns {RoomState}
 */
function withWaiting(state, sale, waiting) {
  if (waiting.some((count) => count > 0)) return withSale(state, sale, { waiting });
  const without = (/** @type {Sale} */ { waiting: _gone, ...rest }) => rest;
  return { ...state, sales: state.sales.map((one) => (one.id === sale ? without(one) : one)) };
}

/**
 * A count of entries that comes after the draw is older than what the draw said.
 * @param {RoomState} state
 * @param {string} sale
 * @param {number} entries
 * @returns {RoomState}
 */
function withEntries(state, sale, entries) {
  return state.sales.find((one) => one.id === sale)?.draw?.seed ? state : withDraw(state, sale, { entries });
}

/**
 * @param {RoomState} state
 * @param {string} key
 * @param {any} value
 * @returns {RoomState}
 */
function withKey(state, key, value) {
  if (key === 'viewers') return { ...state, viewers: value };
  if (key === 'likes') return { ...state, likes: value };
  if (key === 'video') return { ...state, video: value };
  if (key.startsWith('stock:')) return withSale(state, key.slice('stock:'.length), { stock: value });
  if (key.startsWith('drop:')) return withDrop(state, key.slice('drop:'.length), { left: value });
  if (key.startsWith('waiting:')) return withWaiting(state, key.slice('waiting:'.length), value);
  if (key.startsWith('group:')) return withTeam(state, key.slice('group:'.length), value);
  if (key.startsWith('unlock:')) return withPromised(state, key.slice('unlock:'.length), value);
  if (key.startsWith('entries:')) return withEntries(state, key.slice('entries:'.length), value);
  return state;
}

/**
 * Frame K: of each key only a newer version counts.
 * @param {RoomModel} model
 * @param {Record<string, [version: number, value: any]>} entries
 * @returns {RoomModel}
 */
export function applyKeys(model, entries) {
  let { state, carrier } = model;
  const versions = { ...model.versions };
  for (const [key, [version, value]] of Object.entries(entries)) {
    if (version <= (versions[key] ?? -1)) continue;
    versions[key] = version;
    state = withKey(state, key, value);
    if (key === 'degraded') carrier = { ...carrier, isDegraded: value === true };
    if (key === 'load') carrier = { ...carrier, load: value };
  }
  return { ...model, state, versions, carrier };
}

/**
 * Frame L: lines are added once each, the oldest go.
 * @param {RoomModel} model
 * @param {readonly ChatLine[]} lines
 * @returns {RoomModel}
 */
export function applyLines(model, lines) {
  const known = new Set(model.state.chat.map(([id]) => id));
  const fresh = lines.filter(([id]) => !known.has(id));
  return { ...model, state: { ...model.state, chat: [...model.state.chat, ...fresh].slice(-CHAT_KEPT) } };
}

/**
 * The model after any frame of the server; frames that do not touch the room's state leave it.
 * @param {RoomModel} model
 * @param {any[]} frame
 * @returns {RoomModel}
 */
export function applyFrame(model, frame) {
  switch (frame[0]) {
    case 'h':
      return { ...model, versions: {}, carrier: WELL };
    case 'Z':
      return applySnapshot(model, frame[1], frame[2], frame[3]);
    case 'S':
      return applySales(model, frame[1], frame[2]);
    case 'K':
      return applyKeys(model, frame[2]);
    case 'L':
      return applyLines(model, frame[2]);
    default:
      return model;
  }
}

/**
 * The bag item with an id.
 * @param {RoomState} state
 * @param {string | null | undefined} item
 * @returns {BagItem | null}
 */
export function itemOf(state, item) {
  return state.bag.find((one) => one.item === item) ?? null;
}

/**
 * The newest sale of a kind for a bag item.
 * @param {RoomState} state
 * @param {BagItem} item
 * @param {'regular' | 'flash'} kind
 * @returns {Sale | null}
 */
export function saleOf(state, item, kind) {
  if (kind === 'regular') return state.sales.find((sale) => sale.id === item.sale) ?? null;
  return state.sales.filter((sale) => sale.kind === 'flash' && (sale.item ? sale.item === item.item : sale.sku === item.sku)).at(-1) ?? null;
}
