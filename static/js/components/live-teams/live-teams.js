// @ts-check
/**
 * The sheet of a group buy: one's own team with its seats, or the teams to join and the way to open one.
 *
 * HTML: `<live-teams></live-teams>` inside a live-sheet. Properties: `facts` (GroupBuyFacts or null).
 * Events: `live:join-team {sale, group}` (null: a new one), `live:pay-seat {sale}`, `live:share-team {group}`, `live:leave-team {group}`.
 */
import { define, LiveElement, setAttribute, setText } from '../../lib/element.js';
import { duration, money, number } from '../../lib/format.js';
import { create, html, render } from '../../lib/html.js';
import { t, titleOf } from '../../lib/i18n.js';
import { keyedList } from '../../lib/keyed_list.js';
import { teamNeeds, teamPrice, teamProgress } from '../live-group-buy/team_words.js';

/** @typedef {import('../live-group-buy/live-group-buy.js').GroupBuyFacts} GroupBuyFacts */
/** @typedef {import('../../logic/room_state.js').Team} Team */

/** More seats than these are a number and not a picture. */
const SEATS_DRAWN_MAX = 10;

export class LiveTeams extends LiveElement {
  /** @type {GroupBuyFacts | null} */
  #facts = null;

  get facts() {
    return this.#facts;
  }

  set facts(facts) {
    this.#facts = facts;
    this.changed();
  }

  build() {
    render(this, html`
      <header class="team-head"><div class="good-picture"><img data-ref="image" alt="" width="60" height="60"><span class="good-number" data-ref="number"></span></div>
        <div class="team-words"><h2 data-ref="title"></h2><p class="muted" data-ref="price"></p></div></header>
      <section class="team-own" data-ref="own"><h3><span>${t('team.mine')}</span><span class="muted" data-ref="closes"></span></h3>
        <div class="team-seats" role="img" data-ref="seats"></div><p class="team-state" role="status" data-ref="state"></p><p class="muted" data-ref="paid"></p>
        <button class="button button-main button-lime" type="button" data-ref="pay"></button>
        <button class="button button-main" type="button" data-ref="share">${t('team.share')}</button>
        <button class="button button-main button-plain" type="button" data-ref="leave">${t('team.leave')}</button></section>
      <ul class="team-list" data-ref="list" aria-label="${t('team.title')}"></ul>
      <p class="muted" data-ref="none"></p>
      <button class="button button-main" type="button" data-ref="open"></button>
      <p class="team-note" role="alert" data-ref="note"></p>
      <p class="team-promise muted">${t('team.promise')}</p>`);
    this.ref('open').addEventListener('click', () => this.#join(null));
    for (const act of /** @type {const} */ (['share', 'leave'])) {
      this.ref(act).addEventListener('click', () => this.#facts?.seat && this.emit(`${act}-team`, { group: this.#facts.seat.group.id }));
    }
    this.ref('pay').addEventListener('click', () => this.#facts && this.emit('pay-seat', { sale: this.#facts.sale.id }));
  }

  /** @param {string | null} group */
  #join(group) {
    if (this.#facts && !this.#facts.isAsking) this.emit('join-team', { sale: this.#facts.sale.id, group });
  }

  /** @param {Team} team */
  #row(team) {
    const row = create(html`<li class="team-row"><span class="avatar" aria-hidden="true">${team.leader.slice(0, 1)}</span>
      <p class="team-words"><b></b><span class="muted"></span></p><button class="button" type="button">${t('team.join')}</button></li>`);
    row.querySelector('button')?.addEventListener('click', () => this.#join(team.id));
    return row;
  }

  /**
   * @param {HTMLElement} row
   * @param {Team} team
   * @param {number} index
   * @param {GroupBuyFacts} facts
   */
  #updateRow(row, team, index, { now_ms, isAsking }) {
    const [name, needs, button] = /** @type {[Element, Element, Element]} */ ([row.querySelector('b'), row.querySelector('.muted'), row.querySelector('button')]);
    setText(name, t('team.name', { name: team.leader }));
    setText(needs, teamNeeds(team, now_ms));
    button.classList.toggle('button-lime', index === 0);
    setAttribute(button, 'aria-label', t('team.join_named', { name: team.leader, missing: number(team.need - team.joined) }));
    setAttribute(button, 'aria-disabled', isAsking ? 'true' : null);
  }

  update() {
    const facts = this.#facts;
    if (!facts) return;
    const { sale, item, teams, phase, isAsking, note, canOpen } = facts;
    const image = /** @type {HTMLImageElement} */ (this.ref('image'));
    if (item?.picture && image.getAttribute('src') !== item.picture) image.src = item.picture;
    image.hidden = !item?.picture;
    setText(this.ref('number'), String(item?.no ?? ''));
    setText(this.ref('title'), titleOf(item));
    setText(this.ref('price'), teamPrice(sale, item?.price_minor));
    const isMine = phase === 'pay' || phase === 'wait';
    this.#drawOwn(facts, isMine || phase === 'formed');
    keyedList(this.ref('list'), isMine || phase === 'formed' ? [] : teams, {
      key: ({ id }) => id, create: (team) => this.#row(team), update: (row, team, index) => this.#updateRow(row, team, index, facts),
    });
    this.ref('none').hidden = isMine || phase === 'formed' || teams.length > 0;
    setText(this.ref('none'), t(canOpen ? 'team.none_yet' : 'team.full'));
    this.ref('open').hidden = isMine || phase === 'formed' || !canOpen;
    this.ref('open').classList.toggle('button-lime', teams.length === 0);
    setText(this.ref('open'), t(isAsking ? 'team.asking' : teams.length > 0 ? 'team.own' : 'team.open'));
    setText(this.ref('note'), note?.text ?? '');
    setAttribute(this.ref('note'), 'data-tone', note?.isGood ? 'good' : null);
  }

  /**
   * @param {GroupBuyFacts} facts
   * @param {boolean} isShown
   */
  #drawOwn({ seat, phase, sale, now_ms }, isShown) {
    this.ref('own').hidden = !isShown || !seat;
    if (!isShown || !seat) return;
    const { group } = seat;
    const isForming = group.state === 'forming';
    setText(this.ref('closes'), isForming ? t('team.closes', { duration: duration(group.deadline_ms - now_ms) }) : '');
    const drawn = group.need <= SEATS_DRAWN_MAX ? group.need : 0;
    const seats = this.ref('seats');
    seats.hidden = drawn === 0;
    setAttribute(seats, 'aria-label', t('team.seats', { joined: number(group.joined), need: number(group.need) }));
    const wanted = Array.from({ length: drawn }, (_, index) => (index < group.joined ? 'taken' : 'free'));
    if (wanted.join() !== seats.dataset['seats']) {
      seats.dataset['seats'] = wanted.join();
      render(seats, html`${wanted.map((kind) => html`<i class="team-seat" data-kind="${kind}"></i>`)}`);
    }
    setText(this.ref('state'), teamProgress(group, phase === 'pay'));
    setText(this.ref('paid'), !isForming ? '' : phase === 'wait' ? t('team.yours_paid', { paid: number(group.paid), need: number(group.need) }) : t('team.pay_next'));
    this.ref('pay').hidden = phase !== 'pay';
    setText(this.ref('pay'), t('team.pay', { price: money(sale.price_minor, sale.currency) }));
    this.ref('share').hidden = !isForming || group.joined >= group.need;
    this.ref('leave').hidden = !isForming;
  }
}

define('live-teams', LiveTeams);
