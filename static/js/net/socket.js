// @ts-check
/**
 * The room's WebSocket: hello, recovery by offset and epoch, commands, heartbeat, and coming back after a loss.
 *
 * Invariant: frames are handed on in order, and a sale frame only when it follows what the page has.
 */
import { decideReturn, nextWait } from '../logic/backoff.js';
import { hasGap } from '../logic/room_state.js';
import { ApiError, newKey } from './api.js';

/** A server that knows more than we do for this long is asked for the rest. */
const SYNC_AFTER_MS = 500;
/** A command without an answer for this long has an unknown outcome. */
const ANSWER_MS = 5_000;
/** A connection that never says hello is given up. */
const HELLO_MS = 8_000;
/** Before the first hello says how often the heart beats. */
const HEARTBEAT_S = 20;
/** Heartbeats that may be missed before the line counts as dead. */
const MISSED_BEATS = 2;

/** @typedef {'connecting' | 'open' | 'waiting' | 'closed'} LinkState */
/** @typedef {{state: LinkState, rec: string | null, code: number | null, since_ms: number, retry_at_ms: number | null, attempt: number, wasOpen: boolean}} LinkStatus */
/** @typedef {{resolve: (value: any) => void, reject: (error: ApiError) => void, timer: number}} Waiting */

export class RoomSocket {
  /** @type {WebSocket | null} */
  #socket = null;
  /** @type {Map<number, Waiting>} */
  #waiting = new Map();
  #nextId = 1;
  #attempt = 0;
  #retryTimer = 0;
  #syncTimer = 0;
  #aliveTimer = 0;
  #beatTimer = 0;
  #beat_ms = HEARTBEAT_S * 1000;
  /** @type {number | null} */
  #comeBack_ms = null;
  #isStopped = false;

  /**
   * @param {object} options
   * @param {string} options.room slug
   * @param {() => {epoch: string, offset: number}} options.position where the page is in the sale lane
   * @param {(frame: any[]) => void} options.onFrame every frame that is not an answer to a command
   * @param {(status: LinkStatus) => void} options.onStatus
   * @param {() => number} [options.random]
   */
  constructor({ room, position, onFrame, onStatus, random = Math.random }) {
    this.room = room;
    this.position = position;
    this.onFrame = onFrame;
    this.onStatus = onStatus;
    this.random = random;
    /** @type {LinkStatus} */
    this.status = { state: 'connecting', rec: null, code: null, since_ms: Date.now(), retry_at_ms: null, attempt: 0, wasOpen: false };
    /** @type {{conn: string, user: any, limits: any} | null} */
    this.hello = null;
  }

  get isOpen() {
    return this.status.state === 'open';
  }

  /** @param {Partial<LinkStatus>} change */
  #report(change) {
    this.status = { ...this.status, ...change };
    this.onStatus(this.status);
  }

  /** Connect now; also skips a wait. */
  connect() {
    clearTimeout(this.#retryTimer);
    if (this.#socket) return;
    this.#isStopped = false;
    this.#comeBack_ms = null;
    const { epoch, offset } = this.position();
    const query = new URLSearchParams({ v: '1' });
    if (epoch) {
      query.set('e', epoch);
      query.set('o', String(offset));
    }
    const scheme = location.protocol === 'https:' ? 'wss:' : 'ws:';
    const socket = new WebSocket(`${scheme}//${location.host}/ws/${encodeURIComponent(this.room)}?${query}`, ['hubbub.v1.json']);
    this.#socket = socket;
    this.#report({ state: 'connecting', retry_at_ms: null });
    this.#expectLife(HELLO_MS);
    socket.onmessage = (message) => {
      if (this.#socket === socket) this.#receive(String(message.data));
    };
    socket.onclose = (event) => {
      if (this.#socket === socket) this.#lost(event.code);
    };
  }

  /** Drop the line and come back at once, as another user or after sleep. */
  reconnect() {
    this.#drop();
    this.#attempt = 0;
    this.connect();
  }

  /** Leave for good. */
  stop() {
    this.#isStopped = true;
    clearTimeout(this.#retryTimer);
    this.#drop();
    this.#report({ state: 'closed' });
  }

  #drop() {
    const socket = this.#socket;
    this.#socket = null;
    this.#clearTimers();
    this.#failWaiting();
    socket?.close(1000);
  }

  #clearTimers() {
    clearTimeout(this.#syncTimer);
    clearTimeout(this.#aliveTimer);
    clearInterval(this.#beatTimer);
    this.#syncTimer = 0;
  }

  #failWaiting() {
    for (const { reject, timer } of this.#waiting.values()) {
      clearTimeout(timer);
      reject(new ApiError({ code: 'unknown_outcome', retryable: true }));
    }
    this.#waiting.clear();
  }

  /** @param {number} ms */
  #expectLife(ms) {
    clearTimeout(this.#aliveTimer);
    this.#aliveTimer = window.setTimeout(() => {
      const socket = this.#socket;
      if (!socket) return;
      this.#lost(1006);
      socket.close();
    }, ms);
  }

  /** @param {number} code */
  #lost(code) {
    this.#socket = null;
    this.#clearTimers();
    this.#failWaiting();
    if (this.#isStopped) return;
    const since_ms = this.status.state === 'open' ? Date.now() : this.status.since_ms;
    const decision = decideReturn(code);
    if (decision === 'stay_away') {
      this.#isStopped = true;
      this.#report({ state: 'closed', code, since_ms, retry_at_ms: null });
      return;
    }
    const told_ms = this.#comeBack_ms;
    const wait_ms = told_ms !== null && decision === 'come_back' ? told_ms : Math.max(told_ms ?? 0, nextWait(this.#attempt, this.random()));
    this.#attempt += 1;
    this.#retryTimer = window.setTimeout(() => this.connect(), wait_ms);
    this.#report({ state: 'waiting', code, since_ms, retry_at_ms: Date.now() + wait_ms, attempt: this.#attempt });
  }

  /** @param {string} text */
  #receive(text) {
    /** @type {any[]} */
    const frame = JSON.parse(text);
    this.#expectLife(this.status.state === 'open' ? this.#beat_ms * MISSED_BEATS + SYNC_AFTER_MS : HELLO_MS);
    switch (frame[0]) {
      case 'h':
        this.#greet(frame);
        return;
      case 'r':
        this.#answer(frame[1], (waiting) => waiting.resolve(frame[2]));
        return;
      case 'e':
        this.#answer(frame[1], (waiting) => waiting.reject(new ApiError(frame[2])));
        return;
      case 'b':
        this.#comeBack_ms = Number(frame[2]) || 0;
        return;
      case 'S':
        if (hasGap(this.position(), frame[1])) this.#askSync();
        else this.onFrame(frame);
        return;
      case 'Z':
        this.onFrame(frame);
        return;
      case 'K':
      case 'L':
        this.onFrame(frame);
        this.#watchOffset(frame[1]);
        return;
      case 'p':
        this.#watchOffset(frame[1]);
        return;
      default:
        this.onFrame(frame);
    }
  }

  /** @param {any[]} frame */
  #greet(frame) {
    const hello = frame[1];
    this.hello = hello;
    this.#attempt = 0;
    this.#beat_ms = (Number(hello.hb_s) || HEARTBEAT_S) * 1000;
    clearInterval(this.#beatTimer);
    this.#beatTimer = window.setInterval(() => this.send(['p']), this.#beat_ms);
    this.onFrame(frame);
    const code = this.status.code;
    this.#report({ state: 'open', rec: hello.rec, code, retry_at_ms: null, attempt: 0, wasOpen: true });
  }

  /**
   * A process that knows a later sale offset: wait for the frames, then ask for them.
   * @param {number} so
   */
  #watchOffset(so) {
    if (so <= this.position().offset || this.#syncTimer) return;
    this.#syncTimer = window.setTimeout(() => {
      this.#syncTimer = 0;
      if (so > this.position().offset) this.#askSync();
    }, SYNC_AFTER_MS);
  }

  #askSync() {
    const { epoch, offset } = this.position();
    this.send(['sync', epoch, offset]);
  }

  /**
   * @param {number} id
   * @param {(waiting: Waiting) => void} settle
   */
  #answer(id, settle) {
    const waiting = this.#waiting.get(id);
    if (!waiting) return;
    this.#waiting.delete(id);
    clearTimeout(waiting.timer);
    settle(waiting);
  }

  /**
   * Send a frame if the line is up.
   * @param {unknown[]} frame
   * @returns {boolean} whether it was handed to the network
   */
  send(frame) {
    if (this.#socket?.readyState !== WebSocket.OPEN) return false;
    this.#socket.send(JSON.stringify(frame));
    return true;
  }

  /**
   * @param {(id: number) => unknown[]} frameOf
   * @param {number} [answer_ms]
   * @returns {Promise<any>}
   */
  #ask(frameOf, answer_ms = ANSWER_MS) {
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      if (!this.send(frameOf(id))) {
        reject(new ApiError({ code: 'offline', retryable: true }));
        return;
      }
      const timer = window.setTimeout(() => {
        this.#waiting.delete(id);
        reject(new ApiError({ code: 'unknown_outcome', retryable: true }));
      }, answer_ms);
      this.#waiting.set(id, { resolve, reject, timer });
    });
  }

  /**
   * Send a command and wait for its answer; rejects with `unknown_outcome` when none comes, `offline` when not sent.
   * @param {string} command
   * @param {object} [args]
   * @param {string} [key] idempotency key
   * @returns {Promise<any>}
   */
  command(command, args = {}, key = newKey()) {
    return this.#ask((id) => ['q', id, command, args, key]);
  }

  /**
   * Say a line in the chat.
   * @param {string} text
   * @returns {Promise<any>}
   */
  say(text) {
    return this.#ask((id) => ['c', id, text]);
  }

  /**
   * Hand on likes gathered since the last call.
   * @param {number} count
   */
  like(count) {
    return this.send(['k', count]);
  }
}
