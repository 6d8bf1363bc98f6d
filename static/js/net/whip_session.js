// @ts-check
/**
 * One WHIP or WHEP session: an offer posted, candidates sent after it, and the session ended when it is left.
 *
 * Invariant: a session that the server has begun is ended by DELETE, also when it came too late to be wanted.
 */
import { CANDIDATES_MAX, offerParts, readIceLinks, readRetryAfter, sdpFragment } from '../logic/whip.js';

/** An offer that is not answered for this long is as good as lost. */
const ANSWER_MS = 10_000;
/** Candidates come in bursts: one PATCH carries those of so long. */
const GATHER_MS = 50;

/** @typedef {{url: string, token?: string, ice_servers?: RTCIceServer[]}} Ticket where to post, and what opens it */

export class WhipError extends Error {
  /** @param {{status: number, code?: string, retry_after_ms?: number | null}} fields status 0: no answer came */
  constructor({ status, code = '', retry_after_ms = null }) {
    super(code || `status ${status}`);
    this.name = 'WhipError';
    this.status = status;
    this.code = code;
    this.retry_after_ms = retry_after_ms;
  }
}

export class WhipSession {
  /** @type {string | null} the session's address once there is one */
  #address = null;
  #etag = '*';
  /** @type {RTCIceCandidate[]} */
  #candidates = [];
  #sent = 0;
  #isGathered = false;
  #isTrickling = true;
  #isClosed = false;
  #timer = 0;
  /** @type {import('../logic/whip.js').OfferParts} */
  #offer = { ufrag: '', pwd: '', mids: [] };

  /**
   * @param {RTCPeerConnection} peer with its transceivers
   * @param {Ticket} ticket
   */
  constructor(peer, ticket) {
    this.peer = peer;
    this.ticket = ticket;
    peer.addEventListener('icecandidate', ({ candidate }) => this.#gathered(candidate));
  }

  /** Whether another host took the offer, of which ours hears nothing more. */
  get isElsewhere() {
    return this.#address !== null && new URL(this.#address).origin !== location.origin;
  }

  /** @returns {Record<string, string>} */
  get #headers() {
    return this.ticket.token ? { Authorization: `Bearer ${this.ticket.token}` } : {};
  }

  /**
   * Post the offer and take the answer.
   * @param {Record<string, string>} [query] added to the address
   * @returns {Promise<void>} once the peer has both descriptions; rejects with WhipError
   */
  async open(query = {}) {
    const { peer } = this;
    const offer = await peer.createOffer();
    // Only who has to learn the ICE servers from the answer waits with gathering (RFC 9725 section 4.6).
    const knowsServers = this.ticket.ice_servers !== undefined;
    if (knowsServers) await peer.setLocalDescription(offer);
    const sdp = peer.localDescription?.sdp ?? offer.sdp ?? '';
    this.#offer = offerParts(sdp);
    const url = new URL(this.ticket.url, location.href);
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
    const response = await this.#call(url.href, 'POST', sdp, { 'Content-Type': 'application/sdp' });
    if (response.status !== 201) throw await refusal(response);
    const answer = await response.text();
    // After a redirect the session's address is relative to the engine's.
    const place = response.headers.get('Location');
    this.#address = place === null ? null : new URL(place, response.url || url.href).href;
    this.#etag = response.headers.get('ETag') ?? '*';
    if (this.#isClosed) {
      this.#end();
      throw new WhipError({ status: 0, code: 'left' });
    }
    if (!knowsServers) {
      peer.setConfiguration({ ...peer.getConfiguration(), iceServers: readIceLinks(response.headers.get('Link')) });
      await peer.setLocalDescription(offer);
    }
    await peer.setRemoteDescription({ type: 'answer', sdp: answer });
    this.#sendSoon();
  }

  /**
   * @param {string} url
   * @param {string} method
   * @param {string | null} body
   * @param {Record<string, string>} headers
   */
  async #call(url, method, body, headers) {
    try {
      return await fetch(url, { method, body, headers: { ...this.#headers, ...headers }, credentials: 'omit', cache: 'no-store', signal: AbortSignal.timeout(ANSWER_MS) });
    } catch {
      throw new WhipError({ status: 0, code: 'network' });
    }
  }

  /** @param {RTCIceCandidate | null} candidate null after the last */
  #gathered(candidate) {
    if (candidate?.candidate && this.#candidates.length < CANDIDATES_MAX) this.#candidates.push(candidate);
    if (!candidate) this.#isGathered = true;
    this.#sendSoon();
  }

  #sendSoon() {
    if (this.#timer || !this.#address || !this.#isTrickling || this.#isClosed) return;
    this.#timer = window.setTimeout(() => void this.#trickle(), GATHER_MS);
  }

  /** Send what has gathered; one PATCH is under way at a time. */
  async #trickle() {
    const candidates = this.#candidates.slice(this.#sent);
    const isLast = this.#isGathered;
    if (this.#address && !this.#isClosed && (candidates.length > 0 || isLast)) {
      this.#sent += candidates.length;
      const body = sdpFragment(this.#offer, candidates, isLast);
      const headers = { 'Content-Type': 'application/trickle-ice-sdpfrag', 'If-Match': this.#etag };
      // A server that takes none finds us by our own checks; one that is away is noticed by the connection.
      const response = await this.#call(this.#address, 'PATCH', body, headers).catch(() => null);
      if (isLast || (response && !response.ok)) this.#isTrickling = false;
    }
    this.#timer = 0;
    if (this.#candidates.length > this.#sent || (this.#isGathered && !isLast)) this.#sendSoon();
  }

  /** Leave: also while the page goes away, for which the request is kept alive. */
  close() {
    if (this.#isClosed) return;
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#timer = 0;
    this.peer.close();
    this.#end();
  }

  #end() {
    if (!this.#address) return;
    const address = this.#address;
    this.#address = null;
    void fetch(address, { method: 'DELETE', headers: this.#headers, credentials: 'omit', keepalive: true }).catch(() => {
      // The server notices by itself that nobody is there.
    });
  }
}

/**
 * @param {Response} response
 * @returns {Promise<WhipError>}
 */
async function refusal(response) {
  const problem = await response.json().catch(() => null);
  const code = typeof problem?.code === 'string' ? problem.code : '';
  return new WhipError({ status: response.status || 0, code, retry_after_ms: readRetryAfter(response.headers.get('Retry-After'), Date.now()) });
}
