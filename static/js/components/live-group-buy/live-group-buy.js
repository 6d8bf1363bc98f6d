// @ts-check
/**
 * A group buy above the card: the price in a team, the team that ends soonest or one's own, one press.
 *
 * HTML: `<live-group-buy></live-group-buy>`. Properties: `facts` (GroupBuyFacts or null: nothing to show).
 * Events: `live:join-team {sale, group}` (null: a new one), `live:pay-seat {sale}`, `live:share-team {group}`, `live:show-teams`.
 */
import { define, LiveElement, setAttribute, setText } from '../../lib/element.js';
import { money, number } from '../../lib/format.js';
import { html, icon, render } from '../../lib/html.js';
import { t, titleOf } from '../../lib/i18n.js';
import { rulesWords } from '../live-sale-card/rule_view.js';
import { teamLine, teamPrice } from './team_words.js';

/** @typedef {import('../../logic/teams.js').TeamFacts & {item: import('../../logic/room_state.js').BagItem | null, now_ms: number,
 *   isAsking: boolean, note: {text: string, isGood: boolean} | null}} GroupBuyFacts */

export class LiveGroupBuy extends LiveElement {
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
      <section class="drop" aria-label="${t('team.title')}">
        <div class="drop-words"><h2 class="drop-off" data-ref="title"></h2><p data-ref="price"></p><p class="team-line" data-ref="line"></p></div>
        <div class="drop-end"><button class="button team-main" type="button" data-ref="main"></button>
          <button class="team-more" type="button" data-ref="more" aria-haspopup="dialog"></button></div>
        <p class="drop-note" role="status" data-ref="note">${icon('check')}<span data-ref="words"></span></p>
      </section>`);
    this.ref('main').addEventListener('click', () => this.#press());
    this.ref('more').addEventListener('click', () => this.emit('show-teams'));
  }

  #press() {
    const facts = this.#facts;
    if (!facts || facts.isAsking) return;
    const { phase, sale, seat, teams } = facts;
    if (phase === 'pay') this.emit('pay-seat', { sale: sale.id });
    else if (phase === 'wait' && seat) this.emit('share-team', { group: seat.group.id });
    else this.emit('join-team', { sale: sale.id, group: phase === 'join' ? teams[0]?.id ?? null : null });
  }

  update() {
    const facts = this.#facts;
    this.hidden = facts === null;
    if (!facts) return;
    const { phase, sale, item, teams, isAsking, now_ms, note } = facts;
    setText(this.ref('title'), titleOf(item));
    const asks = phase === 'join' || phase === 'open' ? rulesWords(sale.rules) : [];
    setText(this.ref('price'), [teamPrice(sale, item?.price_minor), ...asks].join(t('site.separator')));
    setText(this.ref('line'), teamLine(facts, now_ms));
    const main = this.ref('main');
    const isQuiet = phase === 'formed' || phase === 'full' || phase === 'over';
    main.hidden = isQuiet;
    setAttribute(main, 'aria-disabled', isAsking ? 'true' : null);
    setText(main, isAsking ? t('team.asking') : mainWord(facts));
    const [first] = teams;
    setAttribute(main, 'aria-label', phase === 'join' && first && !isAsking ? t('team.join_named', { name: first.leader, missing: number(first.need - first.joined) }) : null);
    setText(this.ref('more'), phase === 'pay' || phase === 'wait' ? t('team.mine') : t('team.all', { count: number(teams.length) }));
    this.ref('more').hidden = isQuiet || phase === 'open';
    setText(this.ref('words'), note?.text ?? '');
    this.ref('note').hidden = note === null;
    setAttribute(this.ref('note'), 'data-tone', note?.isGood ? 'good' : null);
  }
}

/** @param {GroupBuyFacts} facts */
function mainWord({ phase, sale }) {
  if (phase === 'pay') return t('team.pay', { price: money(sale.price_minor, sale.currency) });
  if (phase === 'wait') return t('team.share_short');
  return t(phase === 'join' ? 'team.join' : 'team.open');
}

define('live-group-buy', LiveGroupBuy);
