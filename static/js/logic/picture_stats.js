// @ts-check
/**
 * What a browser's own statistics (W3C webrtc-stats) say of a picture: stalls, delay, loss, rates.
 *
 * Invariant: figures are differences of two readings; one reading alone claims nothing.
 */

/** @typedef {{at_ms: number, frames: number, frozen_ms: number, freezes: number, buffered_ms: number, emitted: number, pictures: number,
 *   sounds: number, lost: number, bytes: number, rtt_ms: number | null}} Inbound pictures, sounds: packets of either; the rest is of the picture, where there is one */
/** @typedef {{at_ms: number, frames: number, bytes: number, sent: number, lost: number, rtt_ms: number | null, height: number, codec: string}} Outbound */
/** @typedef {{played_ms: number, stalled_ms: number, stalls: number, gap_ms: number}} Playing gap_ms: of the stall that is on, so far */
/** @typedef {{first_frame_ms: number | null, played_ms: number, stalled_ms: number, stalls: number, behind_ms: number | null}} Beat */

/** Statistics that a browser does not have count as nothing. @param {unknown} value */
const figure = (value) => (typeof value === 'number' && Number.isFinite(value) ? value : 0);

/** @param {Iterable<any>} report */
function pathOf(report) {
  const all = [...report];
  const transport = all.find((one) => one.type === 'transport' && one.selectedCandidatePairId);
  const pair = all.find((one) => one.type === 'candidate-pair' && (transport ? one.id === transport.selectedCandidatePairId : one.nominated));
  return typeof pair?.currentRoundTripTime === 'number' ? pair.currentRoundTripTime * 1000 : null;
}

/**
 * @param {Iterable<any>} report values of an RTCStatsReport
 * @param {number} now_ms monotonic
 * @returns {Inbound}
 */
export function readInbound(report, now_ms) {
  const all = [...report];
  const video = all.find((one) => one.type === 'inbound-rtp' && one.kind === 'video');
  const sound = all.find((one) => one.type === 'inbound-rtp' && one.kind === 'audio');
  const some = video ?? sound;
  return {
    at_ms: now_ms, frames: figure(video?.framesDecoded), frozen_ms: figure(video?.totalFreezesDuration) * 1000, freezes: figure(video?.freezeCount),
    buffered_ms: figure(some?.jitterBufferDelay) * 1000, emitted: figure(some?.jitterBufferEmittedCount), pictures: figure(video?.packetsReceived),
    sounds: figure(sound?.packetsReceived), lost: figure(some?.packetsLost), bytes: figure(some?.bytesReceived), rtt_ms: pathOf(all),
  };
}

/**
 * @param {Iterable<any>} report
 * @param {number} now_ms monotonic
 * @returns {Outbound}
 */
export function readOutbound(report, now_ms) {
  const all = [...report];
  const video = all.find((one) => one.type === 'outbound-rtp' && one.kind === 'video');
  const remote = all.find((one) => one.type === 'remote-inbound-rtp' && one.kind === 'video');
  const codec = all.find((one) => one.id === video?.codecId)?.mimeType ?? '';
  const rtt = typeof remote?.roundTripTime === 'number' ? remote.roundTripTime * 1000 : pathOf(all);
  return {
    at_ms: now_ms, frames: figure(video?.framesEncoded), bytes: figure(video?.bytesSent), sent: figure(video?.packetsSent), lost: figure(remote?.packetsLost),
    rtt_ms: rtt, height: figure(video?.frameHeight), codec: String(codec).replace('video/', ''),
  };
}

/**
 * What was sent between two readings.
 * @param {Outbound} before
 * @param {Outbound} after
 * @returns {{bits_per_s: number, fps: number, loss: number, rtt_ms: number | null, height: number, codec: string}} loss: share, 0 to 1
 */
export function sendingBetween(before, after) {
  const seconds = Math.max(0.001, (after.at_ms - before.at_ms) / 1000);
  const sent = after.sent - before.sent;
  return {
    bits_per_s: Math.max(0, Math.round(((after.bytes - before.bytes) * 8) / seconds)), fps: Math.max(0, Math.round((after.frames - before.frames) / seconds)),
    loss: sent > 0 ? Math.min(1, Math.max(0, (after.lost - before.lost) / sent)) : 0, rtt_ms: after.rtt_ms, height: after.height, codec: after.codec,
  };
}

/** @returns {Playing} */
export const startPlaying = () => ({ played_ms: 0, stalled_ms: 0, stalls: 0, gap_ms: 0 });

/**
 * Count the time between two readings as played, and what of it the picture stood still.
 *
 * Browsers tell of a freeze only once it is over; the gap that was counted meanwhile is not counted again.
 * @param {Playing} playing
 * @param {Inbound} before
 * @param {Inbound} after
 * @returns {Playing}
 */
export function countPlaying(playing, before, after) {
  const past_ms = Math.max(0, after.at_ms - before.at_ms);
  const played_ms = playing.played_ms + past_ms;
  if (after.frames <= before.frames) {
    const stalls = playing.stalls + (playing.gap_ms === 0 ? 1 : 0);
    return { played_ms, stalled_ms: playing.stalled_ms + past_ms, stalls, gap_ms: playing.gap_ms + past_ms };
  }
  const told_ms = Math.max(0, after.frozen_ms - before.frozen_ms - playing.gap_ms);
  const told = Math.max(0, after.freezes - before.freezes - (playing.gap_ms > 0 ? 1 : 0));
  return { played_ms, stalled_ms: playing.stalled_ms + Math.min(past_ms, told_ms), stalls: playing.stalls + told, gap_ms: 0 };
}

/**
 * How far behind the picture is, on the way and in this browser: half a round trip and the jitter buffer.
 * @param {Inbound} before
 * @param {Inbound} after
 * @returns {number | null} null when nothing was shown in between
 */
export function behindBetween(before, after) {
  const emitted = after.emitted - before.emitted;
  if (emitted <= 0) return null;
  return Math.max(0, Math.round((after.buffered_ms - before.buffered_ms) / emitted + (after.rtt_ms ?? 0) / 2));
}

/**
 * Does the host send sound and no picture? Then the line is a good one, and a new session would bring no more.
 * @param {Inbound} before
 * @param {Inbound} after
 */
export const isSoundAlone = (before, after) => after.sounds > before.sounds && after.pictures === before.pictures;

/** The network is judged over this many readings, one a second. */
export const JUDGED = 10;
/** It is weak when the picture stood still for this share of them. */
const WEAK_SHARE = 0.3;

/**
 * @param {number[]} stalled_ms of each of the last seconds
 * @returns {boolean}
 */
export function isWeakNetwork(stalled_ms) {
  if (stalled_ms.length < JUDGED) return false;
  return stalled_ms.slice(-JUDGED).reduce((sum, one) => sum + one, 0) >= JUDGED * 1000 * WEAK_SHARE;
}

/** So many viewers' figures tell how it is for all of a room to within a few points. */
const TELLING = 300;
/** @type {Readonly<Record<'first_frame_ms' | 'behind_ms' | 'played_ms', number>>} what the server believes at most */
const BEAT_MAX = { first_frame_ms: 120_000, behind_ms: 60_000, played_ms: 60_000 };

/**
 * Does this page tell what it measured? In a big room a part of the pages does.
 * @param {number} luck drawn once a page, in [0, 1)
 * @param {number} viewers of the room
 * @returns {boolean}
 */
export const isTelling = (luck, viewers) => luck * viewers < TELLING;

/**
 * What is told of the time since the last beat.
 * @param {{playing: Playing, first_frame_ms: number | null, behind_ms: number | null}} measured first_frame_ms: null once it was told
 * @returns {Beat | null} null when nothing was played
 */
export function makeBeat({ playing, first_frame_ms, behind_ms }) {
  const played_ms = Math.min(BEAT_MAX.played_ms, Math.round(playing.played_ms));
  if (played_ms === 0) return null;
  return {
    first_frame_ms: first_frame_ms === null ? null : Math.min(BEAT_MAX.first_frame_ms, first_frame_ms),
    played_ms, stalled_ms: Math.min(played_ms, Math.round(playing.stalled_ms)), stalls: playing.stalls,
    behind_ms: behind_ms === null ? null : Math.min(BEAT_MAX.behind_ms, behind_ms),
  };
}
