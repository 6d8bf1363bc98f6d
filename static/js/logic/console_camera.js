// @ts-check
/**
 * The console's camera in words: what the light says, why there is no picture, how much is sent.
 *
 * Invariant: the light is never green for a picture that does not go out.
 */

/** @typedef {import('../net/whip_link.js').LinkState} LinkState */
/** @typedef {ReturnType<typeof import('./picture_stats.js').sendingBetween>} Sending */
/** @typedef {{state: 'none' | 'fine' | 'late' | 'bad', word: string, isSending: boolean}} CameraLight word: key of a text */

/** What a host may choose to send at most, in bits a second; the middle one is the one to start with. */
export const BITRATES = /** @type {const} */ ([800_000, 1_500_000, 2_500_000]);
export const BITRATE_USUAL = BITRATES[1];
/** More loss than this is seen; fewer frames than this are. */
const LOSS_LATE = 0.03;
const FPS_LATE = 15;
/** A sender needs so long to find its rate. */
const SETTLED_MS = 4_000;

/**
 * @param {{link: LinkState, sending: Sending | null, live_ms: number, isOther: boolean}} facts live_ms: since it connected; isOther: somebody else publishes
 * @returns {CameraLight}
 */
export function cameraLight({ link, sending, live_ms, isOther }) {
  const { phase } = link;
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
 * @returns {string}
 */
export function cameraTrouble(error) {
  if (error === null) return 'camera.trouble_insecure';
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
