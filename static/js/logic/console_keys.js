// @ts-check
/**
 * The console's keyboard: which act a key stands for.
 *
 * Invariant: no single key acts while a field has focus, with a modifier held, or when keys are switched off.
 */

/** @typedef {'next' | 'pin' | 'arm' | 'group_buy' | 'drop_coupons' | 'close_sale' | 'halt_sale' | 'add_units' | 'drop_price' | 'say' | 'line_down' | 'line_up' | 'delete_line' | 'mute' | 'undo' | 'compose'
 *   | 'orders' | 'shield' | 'search' | 'camera' | 'select_up' | 'select_down' | 'pin_selected' | 'keys' | 'leave'} ConsoleAct */

/** @type {Readonly<Record<string, ConsoleAct>>} */
const ACTS = {
  n: 'next',
  p: 'pin',
  f: 'arm',
  g: 'group_buy',
  q: 'drop_coupons',
  x: 'close_sale',
  e: 'halt_sale',
  a: 'add_units',
  d: 'drop_price',
  m: 'say',
  j: 'line_down',
  k: 'line_up',
  delete: 'delete_line',
  h: 'mute',
  u: 'undo',
  c: 'compose',
  o: 'orders',
  s: 'shield',
  '/': 'search',
  v: 'camera',
  arrowup: 'select_up',
  arrowdown: 'select_down',
  enter: 'pin_selected',
  '?': 'keys',
  escape: 'leave',
};

/** The map as it is shown: key caps and the act's text key. */
export const KEY_MAP = /** @type {const} */ ([
  [['N'], 'next'], [['P'], 'pin'], [['F'], 'arm'], [['G'], 'group_buy'], [['Q'], 'drop_coupons'], [['A'], 'add_units'], [['D'], 'drop_price'], [['X'], 'close_sale'], [['E'], 'halt_sale'], [['M'], 'say'], [['U'], 'undo'],
  [['C'], 'compose'], [['J', 'K'], 'lines'], [['Del'], 'delete_line'], [['H'], 'mute'], [['O'], 'orders'], [['S'], 'shield'], [['/'], 'search'], [['V'], 'camera'],
  [['↑', '↓'], 'select'], [['Enter'], 'pin_selected'], [['?'], 'keys'], [['Esc'], 'leave'],
]);

/**
 * The act of a key press, or null.
 * @param {{key: string, ctrlKey?: boolean, altKey?: boolean, metaKey?: boolean, repeat?: boolean}} press
 * @param {{inField: boolean, onControl: boolean, isOn: boolean}} where onControl: a button or link has focus, so Enter and arrows are its own
 * @returns {ConsoleAct | null}
 */
export function actOf(press, { inField, onControl, isOn }) {
  if (press.ctrlKey || press.altKey || press.metaKey) return null;
  const name = press.key.toLowerCase();
  const act = Object.hasOwn(ACTS, name) ? ACTS[name] ?? null : null;
  if (act === 'leave') return act;
  if (inField || !isOn) return null;
  if (onControl && act === 'pin_selected') return null;
  const mayRepeat = act === 'line_down' || act === 'line_up' || act === 'select_up' || act === 'select_down';
  return press.repeat && !mayRepeat ? null : act;
}
