// @ts-check
/**
 * The rules that a sale has for whoever presses: what they ask, and how long a refusal of theirs lasts.
 *
 * Invariant: a press is never held back here; the server decides, this only says what it said.
 */

/** @typedef {import('./room_state.js').Sale} Sale */
/** @typedef {import('./card_state.js').Answer} Answer */
/** @typedef {{version: number, present_s?: number, presses_per_user_s?: number, presses_per_address_s?: number,
 *   per_card?: number, drop_limit?: number}} PressRules those that are on */

/** A refusal is shown at least this long: the pause of a pace is over before anybody has read it. */
const RULE_SHOWN_MS = 3_000;
/** A permit is asked for anew when this much of its 45 s is left, so that a lost line finds it fresh. */
const RENEW_MS = 30_000;
const BOUGHT_FROM = new Set(['armed', 'open', 'sold_out', 'halted']);

/**
 * The rule that has refused a press, or null when something else has.
 * @param {Answer | null} answer
 * @returns {string | null}
 */
export function ruleOf(answer) {
  return answer?.kind === 'refused' ? answer.detail?.rule ?? null : null;
}

/**
 * How long one still has to wait before the next press; 0 when one may press.
 * @param {Answer} answer
 * @param {number} now_ms
 */
export function ruleWait(answer, now_ms) {
  return answer.kind === 'refused' ? Math.max(0, answer.at_ms + (answer.retry_ms ?? 0) - now_ms) : 0;
}

/**
 * Whether the refusal of a rule is still to be shown.
 * @param {Answer} answer
 * @param {number} now_ms
 */
export function isRuleShown(answer, now_ms) {
  return ruleWait(answer, now_ms) > 0 || now_ms - answer.at_ms < RULE_SHOWN_MS;
}

/**
 * Whether a permit is of use for a sale: it asks for presence and can still be bought from.
 * @param {Sale} sale
 */
export function wantsPermit(sale) {
  return sale.rules?.present_s !== undefined && BOUGHT_FROM.has(sale.state);
}

/**
 * Whether a permit is missing, or old enough to be renewed.
 * @param {{until_ms: number} | undefined} permit
 * @param {number} now_ms
 */
export function isDue(permit, now_ms) {
  return !permit || permit.until_ms - now_ms < RENEW_MS;
}
