// @ts-check
/**
 * What the stage shows: which state of the picture, which words, and what is offered beside it.
 *
 * Invariant: with nobody publishing, and none seen on this visit, the stage is the poster and offers nothing.
 */

/** The room's state key `video`: null while nobody publishes. `live` false is a picture that stands still.
 * @typedef {{live: boolean}} Video */
/** @typedef {'poster' | 'loading' | 'playing' | 'lost' | 'full' | 'off' | 'unable' | 'sound' | 'ended'} StageState */
/** @typedef {'sound_only' | 'picture' | 'again'} StageOffer again: the next attempt, now */
/** @typedef {'none' | 'asked' | 'refused'} Press on "play": the browser answers it, or there is nothing to play yet */
/**
 * @typedef {object} StageFacts
 * @property {'scheduled' | 'live' | 'ended' | null} show
 * @property {Video | null} video
 * @property {'picture' | 'sound'} want
 * @property {import('../net/whip_link.js').Phase} phase of the player
 * @property {string} code why the player waits or was refused
 * @property {number} attempt how often the player has failed in a row
 * @property {boolean} isFlowing frames came lately
 * @property {boolean} isSoundAlone the host sends sound and no picture
 * @property {boolean} isLate there is no place: the recording under way is played instead, some seconds late
 * @property {boolean} isSlow it takes longer than needs no words
 * @property {boolean} isStarting it was asked for a moment ago, and nothing has failed since
 * @property {boolean} hasFrame a frame was shown in this session of the page, and it can still be seen
 * @property {boolean} isWeak the network does not carry the picture
 * @property {boolean} isRefused the browser does not let it play without a press
 * @property {Press} press
 * @property {boolean} isAsked a press asked for the attempt under way
 * @property {boolean} isMuted
 * @property {boolean} wasTapped sound was switched on, or off, by hand
 */
/** @typedef {{state: StageState, word: string | null, offer: StageOffer | null, isPlayOffered: boolean, sound: 'chip' | 'button' | null}} StageView
 *   word: key of a text; sound: the chip with words until the first tap, then a round button */

/** After so many failures "loading" is no longer true. */
const ATTEMPTS_LOADING = 3;
/** No answer came, or no connection: whatever is in between, it is the network. */
const NETWORK = new Set(['network', 'timeout', 'failed', 'lost']);

/**
 * @param {StageFacts} facts
 * @returns {StageView}
 */
export function stageView(facts) {
  const state = stageState(facts);
  const isHeard = state === 'playing' || state === 'lost' || state === 'sound';
  return {
    state,
    word: wordOf(state, facts),
    offer: offerOf(state, facts, isHeard),
    isPlayOffered: facts.isRefused && facts.press !== 'asked' && (isHeard || state === 'loading'),
    sound: !isHeard || facts.isRefused ? null : facts.wasTapped ? 'button' : 'chip',
  };
}

/** @param {StageState} state @param {StageFacts} facts @param {boolean} isHeard @returns {StageOffer | null} */
function offerOf(state, { want, isWeak }, isHeard) {
  if (want === 'sound' && state === 'sound') return 'picture';
  // Also during an attempt: a button that comes and goes by itself loses its focus.
  if (state === 'unable' || state === 'full') return 'again';
  return isWeak && isHeard ? 'sound_only' : null;
}

/** Is there anything to be pulled? @param {Pick<StageFacts, 'show' | 'video'>} facts */
export const isOnAir = ({ show, video }) => show === 'live' && video !== null;

/** @param {StageFacts} facts @returns {StageState} */
function stageState(facts) {
  const { show, video, want, phase, code, attempt, isFlowing, isSoundAlone, isStarting, hasFrame, isRefused, isLate } = facts;
  if (show === 'ended') return hasFrame ? 'ended' : 'poster';
  if (show !== 'live') return 'poster';
  if (video === null) return hasFrame ? 'off' : 'poster';
  if (phase === 'refused') return 'unable';
  // The recording that plays, or waits for a press, is a picture; until then the house is full.
  if (code === 'video_full' && !(isLate && (isFlowing || isRefused))) return 'full';
  if (want === 'sound') return 'sound';
  // A browser that waits for a press shows nothing new: that is no loss.
  if (isRefused) return hasFrame ? 'playing' : 'loading';
  if (isFlowing) return 'playing';
  if (isStarting) return 'loading';
  if (isSoundAlone) return 'lost';
  // A host whose first packets have not come has lost nothing.
  if (hasFrame || (attempt >= ATTEMPTS_LOADING && code !== 'not_live')) return 'lost';
  return 'loading';
}

/** @param {StageState} state @param {StageFacts} facts @returns {string | null} */
function wordOf(state, facts) {
  const { isWeak, isRefused, isLate, isAsked, isSoundAlone, phase, press, code } = facts;
  if (isRefused && press === 'refused' && (state === 'playing' || state === 'loading')) return 'stage.play_refused';
  if (state === 'playing') return isRefused ? (phase === 'connected' ? null : waitingWord(facts)) : isLate ? 'stage.late' : isWeak ? 'stage.weak' : null;
  if (state === 'loading') return waitingWord(facts);
  if (state === 'full' && isAsked) return 'stage.connecting';
  if (state === 'lost' && isSoundAlone) return 'stage.no_picture';
  if (state === 'lost') return NETWORK.has(code) ? 'stage.network' : 'stage.lost';
  if (state === 'sound') return phase === 'waiting' ? 'stage.sound_lost' : 'stage.sound_only';
  return { poster: null, full: 'stage.full', off: 'stage.off', unable: 'stage.unable', ended: 'room.ended' }[state];
}

/** What is waited for; a button that waits for its press speaks for itself. @param {StageFacts} facts @returns {string | null} */
function waitingWord({ isRefused, press, isSlow, phase, code }) {
  if ((isRefused && press !== 'asked') || !(isSlow || press === 'asked')) return null;
  if (code === 'not_live') return 'stage.not_yet';
  if (NETWORK.has(code)) return 'stage.network';
  return phase === 'waiting' ? 'stage.trying' : 'stage.connecting';
}

/** Pages out of sight do not pull a picture for longer than this; a look at another tab costs no new session. */
export const HIDDEN_MS = 20_000;

/**
 * What is pulled: out of sight there is no picture, but whoever had switched the sound on goes on hearing the show.
 * @param {{isOnAir: boolean, want: 'picture' | 'sound', isMuted: boolean, hidden_ms: number | null}} facts hidden_ms: null when seen
 * @returns {'picture' | 'sound' | null}
 */
export function pulls({ isOnAir: isOn, want, isMuted, hidden_ms }) {
  if (!isOn) return null;
  if (hidden_ms === null || hidden_ms < HIDDEN_MS) return want;
  return isMuted ? null : 'sound';
}

/** Above this the chat needs a darker ground: white on the usual scrim would have a contrast of 3.4. */
export const BRIGHT = 0.35;
/** The picture is looked at through so many cells a side. */
export const CELLS = 8;

/**
 * The mean relative luminance (WCAG 2.2) of where the chat is: the lower half, left three quarters.
 * @param {ArrayLike<number>} rgba of CELLS × CELLS pixels, row by row
 * @returns {number} 0 to 1
 */
export function chatLuminance(rgba) {
  let sum = 0;
  let count = 0;
  for (let row = CELLS / 2; row < CELLS; row += 1) {
    for (let column = 0; column < (CELLS * 3) / 4; column += 1) {
      const at = (row * CELLS + column) * 4;
      sum += 0.2126 * linear(rgba[at] ?? 0) + 0.7152 * linear(rgba[at + 1] ?? 0) + 0.0722 * linear(rgba[at + 2] ?? 0);
      count += 1;
    }
  }
  return sum / count;
}

/** @param {number} byte of sRGB */
function linear(byte) {
  const part = byte / 255;
  return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
}
