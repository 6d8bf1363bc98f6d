// @ts-check
/**
 * The console's camera in words: what the light says, why there is no picture, how much is sent.
 *
 * Invariant: the light is never green for a picture that does not go out.
 */

/** @typedef {import('../net/whip_link.js').LinkState} LinkState */
/** @typedef {ReturnType<typeof import('./picture_stats.js').sendingBetween>} Sending */
/** @typedef {import('./room_state.js').Picture} Picture */
/** @typedef {{began_ms: number, own_ms: number | null, gone_at_ms: number | null}} Airing began_ms: when the offer went out; own_ms: since when the
 *   room has this page's picture, by its own word; gone_at_ms: when it said first that it has none any more */
/** @typedef {'unknown' | 'seen' | 'unseen' | 'gone' | 'replaced'} Finding */
/** @typedef {{state: 'none' | 'fine' | 'late' | 'bad', word: string, isSending: boolean}} CameraLight word: key of a text */

/** What a host may choose to send at most, in bits a second; the middle one is the one to start with. */
export const BITRATES = /** @type {const} */ ([800_000, 1_500_000, 2_500_000]);
export const BITRATE_USUAL = BITRATES[1];
/** More loss than this is seen; fewer frames than this are. */
const LOSS_LATE = 0.03;
const FPS_LATE = 15;
/** A sender needs so long to find its rate. */
const SETTLED_MS = 4_000;
/** A room that has no picture for so long has lost it; one that was told anew meanwhile (Redis came back) has not. */
const GONE_MS = 2_000;

/** @param {number} now_ms the server's clock, as an offer goes out @returns {Airing} */
export const startAiring = (now_ms) => ({ began_ms: now_ms, own_ms: null, gone_at_ms: null });

/**
 * What the room says of the picture that this page sends. A browser itself notices only after ten seconds, or more, that nobody takes it.
 * @param {Airing} airing
 * @param {Picture | null} video the room's state
 * @param {number} now_ms the server's clock
 * @returns {{airing: Airing, finding: Finding}}
 */
export function followAiring(airing, video, now_ms) {
  const { began_ms, own_ms } = airing;
  const since_ms = video?.since_ms ?? null;
  if (own_ms === null) {
    // An older one is that of whoever was here before.
    if (since_ms === null || since_ms < began_ms) return { airing, finding: 'unknown' };
    return { airing: { ...airing, own_ms: since_ms }, finding: video?.live ? 'seen' : 'unseen' };
  }
  if (since_ms === null) {
    const gone_at_ms = airing.gone_at_ms ?? now_ms;
    return { airing: { ...airing, gone_at_ms }, finding: now_ms - gone_at_ms >= GONE_MS ? 'gone' : 'unseen' };
  }
  // What gives way has not taken the place: it came when this picture was lost, and goes when it is back.
  const newer = video?.gives_way ? 'gone' : 'replaced';
  return { airing: { ...airing, gone_at_ms: null }, finding: since_ms > own_ms ? newer : video?.live ? 'seen' : 'unseen' };
}

/**
 * @param {{link: LinkState, sending: Sending | null, live_ms: number, isOther: boolean, finding: Finding}} facts live_ms: since it connected; isOther: somebody else publishes
 * @returns {CameraLight}
 */
export function cameraLight({ link, sending, live_ms, isOther, finding }) {
  const { phase } = link;
  if (phase === 'connected' && (finding === 'unseen' || finding === 'gone')) return { state: 'bad', word: 'camera.lost', isSending: true };
  if (phase === 'connected') {
    const isPoor = sending !== null && live_ms > SETTLED_MS && (sending.loss > LOSS_LATE || sending.fps < FPS_LATE);
    return { state: isPoor ? 'late' : 'fine', word: sending === null ? 'camera.live' : 'camera.live_figures', isSending: true };
  }
  if (phase === 'connecting') return { state: 'late', word: 'camera.connecting', isSending: true };
  if (phase === 'waiting') return { state: 'bad', word: 'camera.lost', isSending: true };
  if (isOther) return { state: 'fine', word: 'camera.elsewhere', isSending: false };
  return { state: 'none', word: 'camera.off', isSending: false };
}

/**
 * Why there is no camera, as the key of a text that says the way out.
 * @param {{name: string} | null} error of getUserMedia or getDisplayMedia; null: the browser has neither
 * @param {'camera' | 'screen'} source
 * @returns {string}
 */
export function cameraTrouble(error, source) {
  if (error === null) return 'camera.trouble_insecure';
  // Whoever closes the browser's list of windows has refused nothing for good.
  if (source === 'screen') return 'camera.trouble_no_screen';
  if (error.name === 'NotAllowedError' || error.name === 'SecurityError') return 'camera.trouble_refused';
  if (error.name === 'NotFoundError' || error.name === 'OverconstrainedError') return 'camera.trouble_none';
  if (error.name === 'NotReadableError' || error.name === 'AbortError') return 'camera.trouble_busy';
  return 'camera.trouble_other';
}

/**
 * Is a device of this kind in use?
 * @param {Pick<MediaStream, 'getTracks'> | null} stream
 * @param {'audio' | 'video'} kind
 */
export const has = (stream, kind) => Boolean(stream?.getTracks().some((track) => track.kind === kind));

/**
 * Why nobody would hear the host, as the key of a text.
 * @param {Pick<MediaStream, 'getTracks'> | null} stream
 * @returns {string | null} null while there is a voice, or no picture either
 */
export const voiceTrouble = (stream) => (has(stream, 'video') && !has(stream, 'audio') ? 'camera.trouble_voice' : null);

/**
 * Why an offer was refused, as the key of a text.
 * @param {LinkState} link
 * @returns {string | null} null when nothing was refused
 */
export function publishTrouble({ phase, code }) {
  if (code === 'publisher_too_fast') return 'camera.trouble_too_fast';
  if (phase !== 'refused') return null;
  if (code === 'no_show') return 'camera.trouble_no_show';
  if (code === 'video_off') return 'camera.trouble_off';
  return code === 'publisher_present' ? 'camera.trouble_present' : 'camera.trouble_publish';
}

/**
 * Why a show that runs is not recorded, as the key of a text.
 * @param {{state: string, reason: string | null} | null | undefined} recording
 * @returns {string | null} null while it is recorded, or nobody wants it to be
 */
export function recordingTrouble(recording) {
  if (recording?.state !== 'cut') return null;
  return recording.reason === 'total_limit' || recording.reason === 'disk_full' ? 'camera.trouble_no_room' : 'camera.trouble_not_recorded';
}

/**
 * What is asked of the browser: 720p at 30 frames, upright on a phone by the phone's own hand.
 * @param {{camera: string | null, microphone: string | null}} chosen device ids; null: whichever
 * @returns {MediaStreamConstraints}
 */
export function constraintsFor({ camera, microphone }) {
  return {
    video: { width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 30, max: 30 }, ...(camera ? { deviceId: { exact: camera } } : {}) },
    audio: { echoCancellation: true, noiseSuppression: true, ...(microphone ? { deviceId: { exact: microphone } } : {}) },
  };
}
