// @ts-check
/**
 * What WHIP (RFC 9725) and WHEP have to be told and asked, as text in and text out.
 *
 * Invariant: nothing here names an engine: whatever speaks the two protocols is spoken to alike.
 */
import { nextWait } from './backoff.js';

/** @typedef {{urls: string, username?: string, credential?: string}} IceServer as `RTCPeerConnection` takes it */
/** @typedef {{ufrag: string, pwd: string, mids: string[]}} OfferParts */
/** @typedef {{candidate: string, sdpMid?: string | null}} Candidate */
/** @typedef {{act: 'wait', wait_ms: number} | {act: 'ask_anew', wait_ms: number} | {act: 'give_up'}} NextTry `ask_anew`: with a fresh ticket */

/** A server that names a time is believed up to this. */
const RETRY_AFTER_MS_MAX = 60_000;
/** Whoever is told when to come back comes spread over this part of the time more. */
const SPREAD = 0.25;
/** After each 503 a viewer waits so many times longer than the server asked, up to a limit. */
const PATIENCE = 1.5;
const PATIENCE_MAX = 4;
/** No codec is worth more than this many candidates to a server; honest browsers have some ten. */
export const CANDIDATES_MAX = 40;

/** Refusals that no waiting heals: the offer itself, or what the ticket is for. */
const FINAL = new Set([400, 403, 404, 405, 406, 413, 415, 422]);
const NOT_LIVE = 'not_live';

/**
 * Why a viewer got no session, as our own server says it. An engine that it was sent on to has no such words: its status speaks.
 * @param {{status: number, code: string}} answer
 * @returns {string} a code, or nothing
 */
export function viewersCode({ status, code }) {
  if (code) return code;
  // Many engines have no path where nobody publishes.
  if (status === 404 || status === 409) return NOT_LIVE;
  return status === 503 ? 'video_full' : '';
}

/**
 * The ICE servers of a `Link` header (RFC 9725 section 4.6); of other links nothing is taken.
 * @param {string | null} header several links, separated by commas
 * @returns {IceServer[]}
 */
export function readIceLinks(header) {
  const found = [];
  for (const [, url, rest] of (header ?? '').matchAll(/<([^>]*)>((?:\s*;\s*[\w-]+=(?:"[^"]*"|[^;,\s]*))*)/g)) {
    const parameters = Object.fromEntries([...(rest ?? '').matchAll(/;\s*([\w-]+)=(?:"([^"]*)"|([^;,\s]*))/g)].map(([, name, quoted, bare]) => [name, quoted ?? bare ?? '']));
    if (parameters['rel'] !== 'ice-server' || !/^(stun|turn)s?:/.test(url ?? '')) continue;
    /** @type {IceServer} */
    const server = { urls: url ?? '' };
    if (parameters['username'] !== undefined) server.username = parameters['username'];
    if (parameters['credential'] !== undefined) server.credential = parameters['credential'];
    found.push(server);
  }
  return found;
}

/**
 * What a candidate's fragment has to repeat of the offer.
 * @param {string} sdp
 * @returns {OfferParts}
 */
export function offerParts(sdp) {
  const lines = sdp.split(/\r?\n/);
  const valueOf = (/** @type {string} */ name) => lines.find((line) => line.startsWith(`a=${name}:`))?.slice(name.length + 3) ?? '';
  return { ufrag: valueOf('ice-ufrag'), pwd: valueOf('ice-pwd'), mids: lines.filter((line) => line.startsWith('a=mid:')).map((line) => line.slice(6)) };
}

/**
 * The body of a trickle PATCH, `application/trickle-ice-sdpfrag` (RFC 8840 section 9). With everything in one
 * bundle, all candidates stand under its first section.
 * @param {OfferParts} offer
 * @param {Candidate[]} candidates
 * @param {boolean} isLast no more will come
 * @returns {string}
 */
export function sdpFragment({ ufrag, pwd, mids }, candidates, isLast) {
  const lines = [`a=ice-ufrag:${ufrag}`, `a=ice-pwd:${pwd}`, 'm=audio 9 UDP/TLS/RTP/SAVPF 0', `a=mid:${mids[0] ?? '0'}`];
  for (const { candidate } of candidates) lines.push(`a=${candidate.replace(/^a=/, '')}`);
  if (isLast) lines.push('a=end-of-candidates');
  return `${lines.join('\r\n')}\r\n`;
}

/**
 * How long a `Retry-After` header asks to wait; null when it says nothing that can be read.
 * @param {string | null} header seconds, or a date
 * @param {number} now_ms wall clock
 * @returns {number | null} milliseconds, at most a minute
 */
export function readRetryAfter(header, now_ms) {
  if (!header) return null;
  const wait_ms = /^\d+$/.test(header.trim()) ? Number(header) * 1000 : Date.parse(header) - now_ms;
  return Number.isFinite(wait_ms) ? Math.min(RETRY_AFTER_MS_MAX, Math.max(0, wait_ms)) : null;
}

/**
 * What to do after an offer got no session, or a session ended.
 *
 * A take-over or a full house is for people to decide (publishers), or passes by itself (viewers): `isPublisher` says whose it is.
 * @param {{status: number, code?: string, attempt: number, retry_after_ms: number | null, isPublisher: boolean, random: number}} facts
 *   status 0: no answer, or the connection failed
 * @returns {NextTry}
 */
export function nextTry({ status, code = '', attempt, retry_after_ms, isPublisher, random }) {
  // A full house is asked ever less often: whoever waits there is one of many.
  const times = status === 503 && !isPublisher ? Math.min(PATIENCE_MAX, PATIENCE ** attempt) : 1;
  const wait_ms = retry_after_ms === null ? nextWait(attempt, random) : Math.round(Math.min(RETRY_AFTER_MS_MAX, retry_after_ms * times) * (1 + SPREAD * random));
  if (status === 401) return attempt > 3 ? { act: 'give_up' } : { act: 'ask_anew', wait_ms };
  if ((FINAL.has(status) && code !== NOT_LIVE) || (status === 409 && isPublisher)) return { act: 'give_up' };
  return { act: 'wait', wait_ms };
}

/**
 * Codecs in the order that suits a shop: H.264 (hardware in every phone, recordings play anywhere), then VP8, then the rest as it was.
 * @template {{mimeType: string, sdpFmtpLine?: string}} T
 * @param {T[]} codecs
 * @returns {T[]}
 */
export function preferCodecs(codecs) {
  const rank = (/** @type {T} */ { mimeType, sdpFmtpLine = '' }) => {
    const name = mimeType.toLowerCase();
    // Constrained baseline in packetization-mode 1 is what every browser sends and takes (RFC 7742).
    if (name === 'video/h264') return /packetization-mode=1/.test(sdpFmtpLine) ? (/profile-level-id=42e01f/i.test(sdpFmtpLine) ? 0 : 1) : 3;
    return name === 'video/vp8' ? 2 : 4;
  };
  return codecs.map((codec, index) => ({ codec, index })).sort((a, b) => rank(a.codec) - rank(b.codec) || a.index - b.index).map(({ codec }) => codec);
}
