// @ts-check
/**
 * What is on and what comes: the most watched live show large, the other live ones as cards, the shows to come, and past ones to watch again.
 *
 * HTML: `<live-lobby>…the same as rendered by the server…</live-lobby>`. Properties: `rooms` (LobbyRoom[]), `now_ms`,
 * `stale_ms` (moment of the last good read when the newest failed, else null). Events: `live:refresh-lobby`.
 */
import { dayAndTime, duration, money, number, people, timeOfDay } from '../../lib/format.js';
import { html, render } from '../../lib/html.js';
import { t, titleOf } from '../../lib/i18n.js';
import { LiveElement, define } from '../../lib/element.js';
import { comingRooms, isSameDay, liveRooms, minutesUntil, replayRooms } from '../../logic/lobby_rooms.js';

/** @typedef {import('../../logic/lobby_rooms.js').LobbyRoom} LobbyRoom */
/** @typedef {import('../../logic/lobby_rooms.js').ComingRoom} ComingRoom */
/** @typedef {import('../../logic/lobby_rooms.js').NextEvent} NextEvent */
/** @typedef {import('../../logic/lobby_rooms.js').ReplayRoom} ReplayRoom */

const EMPTY_POSTER = '/static/img/scene/kiln.svg';

export class LiveLobby extends LiveElement {
  /** @type {LobbyRoom[]} */
  rooms = [];
  now_ms = 0;
  /** @type {number | null} */
  stale_ms = null;
  #drawn = '';

  build() {
    this.addEventListener('click', (event) => {
      if (/** @type {Element} */ (event.target).closest('[data-act="refresh"]')) this.emit('refresh-lobby');
    });
  }

  /**
   * The next true event of a live show, in a sentence.
   * @param {NextEvent} event
   */
  #sentence(event) {
    const values = {
      time: event.opens_at_ms ? timeOfDay(event.opens_at_ms) : '',
      quantity: number(event.quantity),
      title: titleOf(event),
      price: money(event.price_minor, event.currency),
      per_buyer: event.per_buyer ?? '',
    };
    if (event.state !== 'armed') return t('lobby.on_flash', values);
    return t(event.per_buyer ? 'lobby.next_flash' : 'lobby.next_flash_free', values);
  }

  /** @param {{poster: string | null}} room */
  #poster(room) {
    return room.poster ? html`<img class="lobby-poster" src="${room.poster}" alt="">` : '';
  }

  /** @param {LobbyRoom} room */
  #hero(room) {
    return html`<article class="lobby-hero">${this.#poster(room)}
      <span class="lobby-chip"><span class="dot"></span>${t('lobby.live', { count: people(room.viewers) })}</span>
      <div class="lobby-words"><h1>${room.show?.title}</h1><p class="lobby-host">${room.host.name}</p>
        ${room.next_event ? html`<p class="lobby-event">${this.#sentence(room.next_event)}</p>` : ''}
        <a class="button button-white lobby-go" href="/r/${room.room}">${t('lobby.watch')}</a></div></article>`;
  }

  /** @param {LobbyRoom} room */
  #card(room) {
    const event = room.next_event;
    const tag = event ? (event.state === 'armed' && event.opens_at_ms ? t('lobby.flash_short', { time: timeOfDay(event.opens_at_ms) }) : t('lobby.flash_on')) : '';
    return html`<article class="lobby-card">${this.#poster(room)}
      <span class="lobby-chip"><span class="dot"></span><span class="visually-hidden">${t('room.live')} </span>${people(room.viewers)}</span>
      <div class="lobby-words"><h2><a class="lobby-go" href="/r/${room.room}">${room.show?.title}</a></h2><p class="lobby-host">${room.host.name}</p>
        ${tag ? html`<span class="lobby-tag">${tag}</span>` : ''}</div></article>`;
  }

  /** @param {number} starts_at_ms */
  #time(starts_at_ms) {
    return isSameDay(starts_at_ms, this.now_ms) ? t('lobby.today', { time: timeOfDay(starts_at_ms) }) : dayAndTime(starts_at_ms);
  }

  /** @param {ComingRoom} room */
  #coming(room) {
    const show = room.next_show;
    const minutes = minutesUntil(show.starts_at_ms, this.now_ms);
    const when = [this.#time(show.starts_at_ms), ...(minutes === null ? [] : [t('lobby.in_minutes', { count: minutes })])];
    return html`<li class="coming"><span class="coming-picture">${show.picture ?? room.poster ? html`<img src="${show.picture ?? room.poster}" alt="" loading="lazy">` : ''}</span>
      <div class="coming-words"><p class="coming-when">${when.join(t('site.separator'))}</p><h3>${show.title}</h3>
        <p class="muted">${room.host.name}${t('site.separator')}${t('lobby.items', { count: show.items })}</p></div>
      <a class="button button-outline" href="/r/${room.room}" aria-label="${t('lobby.enter')}: ${show.title}">${t('lobby.enter')}</a></li>`;
  }

  /** @param {ReplayRoom} room */
  #past(room) {
    const { show, title, started_at_ms, length_ms } = room.replay;
    return html`<li class="coming"><span class="coming-picture">${room.poster ? html`<img src="${room.poster}" alt="" loading="lazy">` : ''}</span>
      <div class="coming-words"><p class="muted">${[this.#time(started_at_ms), duration(length_ms)].join(t('site.separator'))}</p><h3>${title}</h3><p class="muted">${room.host.name}</p></div>
      <a class="button button-outline" href="/r/${room.room}/replay/${show}" aria-label="${t('replay.link')}: ${title}">${t('replay.link')}</a></li>`;
  }

  /** @param {ComingRoom | undefined} next */
  #nothingOn(next) {
    const title = next ? t('lobby.empty_next', { time: this.#time(next.next_show.starts_at_ms) }) : t('lobby.empty');
    return html`<article class="lobby-hero lobby-dim">${this.#poster(next ?? { poster: EMPTY_POSTER })}
      <div class="lobby-words"><h1>${title}</h1>${next ? html`<p class="lobby-host">${next.next_show.title}${t('site.separator')}${next.host.name}</p>` : ''}
        <p class="lobby-event">${this.rooms.length > 0 ? t('lobby.empty_note') : t('lobby.no_rooms')}</p>
        ${next ? html`<a class="button button-white lobby-go" href="/r/${next.room}">${t('lobby.enter')}</a>` : ''}</div></article>`;
  }

  update() {
    const live = liveRooms(this.rooms);
    const coming = comingRooms(this.rooms);
    const past = replayRooms(this.rooms);
    const [hero, ...cards] = live;
    const stale = this.stale_ms === null ? '' : html`<p class="lobby-stale" role="status">${t('lobby.stale', { time: timeOfDay(this.stale_ms) })}
      <button class="button" type="button" data-act="refresh">${t('lobby.try_again')}</button></p>`;
    const content = html`${stale}
      <section class="lobby-live" data-count="${Math.min(3, live.length)}" aria-label="${t('lobby.title')}">
        ${hero ? this.#hero(hero) : this.#nothingOn(coming[0])}${cards.map((room) => this.#card(room))}</section>
      ${coming.length > 0 ? html`<section class="lobby-coming"><header class="coming-head"><h2>${t('lobby.coming')}</h2><p class="muted">${t('lobby.times_yours')}</p></header>
        <ul class="coming-rows">${coming.map((room) => this.#coming(room))}</ul></section>` : ''}
      ${past.length > 0 ? html`<section class="lobby-past"><header class="coming-head"><h2>${t('lobby.past')}</h2></header>
        <ul class="coming-rows">${past.map((room) => this.#past(room))}</ul></section>` : ''}`;
    if (content.markup === this.#drawn) return;
    const focused = this.contains(document.activeElement) ? document.activeElement?.getAttribute('href') : null;
    this.#drawn = content.markup;
    render(this, content);
    if (focused) /** @type {HTMLElement | null} */ (this.querySelector(`a[href="${CSS.escape(focused)}"]`))?.focus();
  }
}

define('live-lobby', LiveLobby);
