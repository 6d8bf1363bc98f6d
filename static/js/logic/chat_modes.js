// @ts-check
/**
 * The modes of a room's chat: what staff switch, and what it means for whoever types.
 *
 * Invariant: as the server has it, only modes that are on are listed; nothing here changes its arguments.
 */

/** @typedef {import('./room_state.js').Modes} Modes */

/** Seconds offered for slow mode; the server takes any number up to its last one. */
export const SLOW_CHOICES_S = [5, 10, 30, 60, 300];
/** The saved bundle: slow enough to read every line, and nothing to click on. */
const SHIELD = Object.freeze({ slow_s: 10, links_off: true });

/**
 * Modes without those that are off.
 * @param {Modes} modes
 * @returns {Modes}
 */
function onlyOn(modes) {
  return Object.fromEntries(Object.entries(modes).filter(([, value]) => value));
}

/**
 * @param {Modes} modes
 * @param {number} slow_s 0 is off
 * @returns {Modes}
 */
export function withSlow(modes, slow_s) {
  return onlyOn({ ...modes, slow_s });
}

/**
 * @param {Modes} modes
 * @param {'emote_only' | 'links_off'} mode
 * @returns {Modes}
 */
export function toggleMode(modes, mode) {
  return onlyOn({ ...modes, [mode]: !modes[mode] });
}

/**
 * Whether everything is on that the shield switches on.
 * @param {Modes} modes
 */
export function isShielded(modes) {
  return Boolean(modes.links_off) && (modes.slow_s ?? 0) >= SHIELD.slow_s;
}

/**
 * Shield on keeps what is stricter already; off takes the whole bundle down.
 * @param {Modes} modes
 * @returns {Modes}
 */
export function toggleShield(modes) {
  if (isShielded(modes)) return onlyOn({ ...modes, slow_s: 0, links_off: false });
  return { ...modes, ...SHIELD, slow_s: Math.max(SHIELD.slow_s, modes.slow_s ?? 0) };
}

/**
 * Modes that differ in nothing.
 * @param {Modes} one
 * @param {Modes} other
 */
export function areSameModes(one, other) {
  return (one.slow_s ?? 0) === (other.slow_s ?? 0) && !one.emote_only === !other.emote_only && !one.links_off === !other.links_off;
}
