// @ts-check
/**
 * The rules of who may press, in the card's words: said beforehand, and when one of them has refused a press.
 *
 * Invariant: a refusal says which rule, and when the next press can succeed.
 */
import { ruleOf, ruleWait } from '../../logic/press_rules.js';
import { duration } from '../../lib/format.js';
import { t } from '../../lib/i18n.js';

/** @typedef {import('./card_view.js').CardFacts} CardFacts */
/** @typedef {import('./card_view.js').CardView} CardView */
/** @typedef {import('../../logic/press_rules.js').PressRules} PressRules */

/**
 * What a sale asks of whoever presses; empty when it asks for nothing.
 * @param {PressRules | undefined} rules
 * @returns {string[]}
 */
export function rulesWords(rules) {
  if (!rules) return [];
  const { present_s, per_card, presses_per_user_s, presses_per_address_s, drop_limit } = rules;
  return [
    present_s ? t('rule.says_present', { seconds: present_s }) : '',
    per_card ? t('rule.says_card', { count: per_card }) : '',
    presses_per_user_s ? t('rule.says_user', { count: presses_per_user_s }) : '',
    presses_per_address_s ? t('rule.says_address', { count: presses_per_address_s }) : '',
    drop_limit ? t('rule.says_drops', { count: drop_limit }) : '',
  ].filter(Boolean);
}

/**
 * A press that a rule has refused; null when it was something else.
 * @param {CardFacts} facts
 * @returns {Partial<CardView> | null}
 */
export function ruleView({ answer, now_ms }) {
  const rule = ruleOf(answer);
  if (!rule || answer?.kind !== 'refused') return null;
  const left_ms = ruleWait(answer, now_ms);
  const words = { seconds: Math.max(1, Math.ceil(left_ms / 1000)), duration: duration(left_ms) };
  const message = ruleMessage(rule, answer.code, answer.detail, words);
  if (!message) return null;
  return left_ms > 0 ? { message, main: { act: 'none', label: t('rule.wait', words), tone: 'amber' } } : { message };
}

/**
 * @param {string} rule
 * @param {string} code
 * @param {any} detail
 * @param {{seconds: number, duration: string}} words
 * @returns {{title: string, note: string} | null}
 */
function ruleMessage(rule, code, detail, words) {
  switch (rule) {
    case 'present_s':
      if (code !== 'not_present_long_enough') return { title: t('rule.permit_title'), note: t('rule.permit_note') };
      return { title: t('rule.present_title', { count: words.seconds, ...words }), note: t('rule.present_note', { needed: detail.needed_s }) };
    case 'presses_per_user':
      return { title: t('rule.user_title'), note: t('rule.user_note', { count: detail.limit_per_s }) };
    case 'presses_per_address':
      return { title: t('rule.address_title'), note: t('rule.address_note', { count: detail.limit_per_s }) };
    case 'dropped_holds':
      return { title: t('rule.drops_title', words), note: t('rule.drops_note', { count: detail.dropped }) };
    default:
      return null;
  }
}
