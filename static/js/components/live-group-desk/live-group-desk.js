// @ts-check
/**
 * The console's group buy: the one that runs, or has teams that form, with its figures, its teams, and the ways to end it; where a new one begins.
 *
 * HTML: `<live-group-desk></live-group-desk>`. Properties: `sale` (Sale or null), `others` (how many more there are), `teams` (TeamView[]), `itemTitle`, `now_ms`, `isLive`.
 * Events: `live:group-buy`, `live:other-group`, `live:close-group {sale}`, `live:halt-sale {sale}`, `live:complete-team {team}`.
 */
import { define, LiveElement, find, setAttribute, setText } from '../../lib/element.js';
import { duration, money, number } from '../../lib/format.js';
import { create, html, render } from '../../lib/html.js';
import { t } from '../../lib/i18n.js';
import { keyedList } from '../../lib/keyed_list.js';
import { canComplete, countTeams, hasEnded, isUntouched } from '../../logic/console_groups.js';

/** @typedef {import('../live-sheet/live-sheet.js').LiveSheet} LiveSheet */
/** @typedef {import('../../logic/teams.js').TeamView} TeamView */

export class LiveGroupDesk extends LiveElement {
  /** @type {import('../../logic/room_state.js').Sale | null} */
  sale = null;
  others = 0;
  /** @type {readonly TeamView[]} */
  teams = [];
  itemTitle = '';
  now_ms = 0;
  isLive = false;

  build() {
    render(this, html`
      <p class="drop-desk"><span data-ref="line" role="status"></span>
        <button class="button console-button" type="button" data-ref="new">${t('console.group_new')}<kbd class="key" aria-hidden="true">G</kbd></button>
        <button class="button console-button" type="button" data-ref="other"></button>
        <button class="button console-button" type="button" data-ref="show" aria-haspopup="dialog"></button>
        <button class="button console-button" type="button" data-ref="halt"></button>
        <button class="button console-button button-coral" type="button" data-ref="close"></button></p>
      <live-sheet label="${t('console.group_teams_title')}" data-ref="sheet"><h2>${t('console.group_teams_title')}</h2>
        <p class="muted" data-ref="figures"></p><ul class="group-teams" data-ref="list"></ul></live-sheet>`);
    this.ref('new').addEventListener('click', () => this.emit('group-buy'));
    this.ref('other').addEventListener('click', () => this.emit('other-group'));
    this.ref('show').addEventListener('click', () => /** @type {LiveSheet} */ (this.ref('sheet')).open());
    this.ref('halt').addEventListener('click', () => this.sale && this.emit('halt-sale', { sale: this.sale.id }));
    this.ref('close').addEventListener('click', () => this.sale && this.emit('close-group', { sale: this.sale.id }));
  }

  /** A part, although it may lie inside the sheet. @param {string} name @returns {HTMLElement} */
  ref(name) {
    return find(`[data-ref="${name}"]`, this);
  }

  /** @param {TeamView} team */
  #row(team) {
    const row = create(html`<li class="group-team"><p><b></b><span class="muted"></span></p><button class="button console-button" type="button">${t('console.group_complete')}</button></li>`);
    row.querySelector('button')?.addEventListener('click', () => this.emit('complete-team', { team: team.id }));
    return row;
  }

  /** @param {HTMLElement} row @param {TeamView} team */
  #updateRow(row, team) {
    const [name, words, button] = /** @type {[Element, Element, HTMLElement]} */ ([row.querySelector('b'), row.querySelector('.muted'), row.querySelector('button')]);
    const counts = { joined: number(team.joined), need: number(team.need), paid: number(team.paid) };
    setText(name, t('team.name', { name: team.leader }));
    const state = team.state === 'formed' ? t(team.is_completed ? 'console.group_completed' : 'console.group_formed') : team.state === 'failed' ? t('console.group_failed') : duration(team.deadline_ms - this.now_ms);
    setText(words, [t('console.group_progress', counts), state].join(t('site.separator')));
    button.hidden = !canComplete(team, this.now_ms);
    setAttribute(button, 'aria-label', t('console.group_complete_named', { name: team.leader }));
  }

  update() {
    const { sale, teams, now_ms, others } = this;
    this.ref('new').hidden = !this.isLive;
    this.ref('show').hidden = !sale;
    this.ref('close').hidden = !sale;
    this.ref('halt').hidden = !sale;
    this.ref('other').hidden = others === 0;
    setText(this.ref('other'), t('console.group_other', { count: number(others) }));
    if (!sale) {
      setText(this.ref('line'), '');
      return;
    }
    const own = teams.filter((team) => team.sale === sale.id);
    const counts = countTeams(teams, sale.id);
    const [left, held, paid] = sale.stock;
    const price = t('team.price_alone', { price: money(sale.price_minor, sale.currency), need: number(sale.group?.need ?? 0) });
    const stock = t('console.group_units', { left: number(left), held: number(held), paid: number(paid) });
    const halted = sale.state === 'halted' ? [t('console.halted_because', { reason: sale.reason ?? '' })] : [];
    setText(this.ref('line'), [this.itemTitle, price, stock, ...halted].join(t('site.separator')));
    setText(this.ref('halt'), t(sale.state === 'halted' ? 'console.resume_sale' : 'console.halt_sale'));
    setText(this.ref('show'), t('console.group_teams', { count: number(own.length) }));
    setText(this.ref('close'), t(isUntouched(sale) ? 'console.drop_undo' : hasEnded(sale, now_ms) ? 'console.group_stop' : 'console.group_close'));
    setText(this.ref('figures'), t('console.group_figures', { open: number(counts.open), formed: number(counts.formed), completed: number(counts.completed), failed: number(counts.failed) }));
    keyedList(this.ref('list'), own, { key: ({ id }) => id, create: (team) => this.#row(team), update: (row, team) => this.#updateRow(row, team) });
  }
}

define('live-group-desk', LiveGroupDesk);
