// @ts-check
/** The stage's states, what is pulled, the scrim, and the arithmetic of a browser's statistics. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { behindBetween, countPlaying, isSoundAlone, isTelling, isWeakNetwork, makeBeat, readInbound, readOutbound, sendingBetween, startPlaying } from '../../static/js/logic/picture_stats.js';
import { CELLS, chatLuminance, HIDDEN_MS, pulls, stageView } from '../../static/js/logic/stage.js';

/** @typedef {import('../../static/js/logic/stage.js').StageFacts} StageFacts */

/** @param {Partial<StageFacts>} change @returns {StageFacts} */
const makeFacts = (change) => ({
  show: 'live', video: { live: true }, want: 'picture', phase: 'connected', code: '', attempt: 0, isFlowing: true, isSoundAlone: false, isLate: false, isSlow: true, isStarting: false, hasFrame: true, isWeak: false,
  isRefused: false, press: 'none', isAsked: false, isMuted: true, wasTapped: false, ...change,
});

/** @type {[string, Partial<StageFacts>, string, string | null][]} */
const CASES = [
  ['a picture that flows says nothing', {}, 'playing', null],
  ['before the first frame it loads', { isFlowing: false, hasFrame: false, isSlow: false, phase: 'connecting' }, 'loading', null],
  ['what takes longer is said', { isFlowing: false, hasFrame: false, phase: 'connecting' }, 'loading', 'stage.connecting'],
  ['a host whose packets have not come is waited for', { isFlowing: false, hasFrame: false, phase: 'waiting', code: 'not_live', attempt: 9 }, 'loading', 'stage.not_yet'],
  ['a network that lets nothing through is named', { isFlowing: false, hasFrame: false, phase: 'waiting', code: 'timeout', attempt: 1 }, 'loading', 'stage.network'],
  ['also when there was a picture', { isFlowing: false, phase: 'waiting', code: 'network', attempt: 1 }, 'lost', 'stage.network'],
  ['an engine that is away is tried again, and that is said', { isFlowing: false, hasFrame: false, phase: 'waiting', code: 'media_unavailable', attempt: 1 }, 'loading', 'stage.trying'],
  ['after three failures loading is no longer true', { isFlowing: false, hasFrame: false, phase: 'waiting', attempt: 3 }, 'lost', 'stage.lost'],
  ['frames that stop are a lost picture', { isFlowing: false }, 'lost', 'stage.lost'],
  ['a picture that comes back is not lost yet', { isFlowing: false, isStarting: true, isSlow: false, phase: 'connecting' }, 'loading', null],
  ['a full house says so', { isFlowing: false, hasFrame: false, phase: 'waiting', code: 'video_full' }, 'full', 'stage.full'],
  ['the recording that is played instead says how late it is', { isLate: true, phase: 'waiting', code: 'video_full' }, 'playing', 'stage.late'],
  ['it goes on over the next attempt, and over one that fails', { isLate: true, phase: 'waiting', code: 'timeout' }, 'playing', 'stage.late'],
  ['until it plays the house is full', { isLate: true, isFlowing: false, phase: 'waiting', code: 'video_full' }, 'full', 'stage.full'],
  ['late sound is refused as any other', { isLate: true, isFlowing: false, isRefused: true, phase: 'waiting', code: 'video_full' }, 'playing', null],
  ['what cannot be played says so', { isFlowing: false, phase: 'refused' }, 'unable', 'stage.unable'],
  ['a host who stopped the camera is off', { video: null, isFlowing: false }, 'off', 'stage.off'],
  ['a show without video is its poster', { video: null, isFlowing: false, hasFrame: false }, 'poster', null],
  ['a show that has not begun is its poster', { show: 'scheduled', isFlowing: false }, 'poster', null],
  ['an ended show says so when there was a picture', { show: 'ended', video: null }, 'ended', 'room.ended'],
  ['an ended show without one is as it was', { show: 'ended', video: null, hasFrame: false }, 'poster', null],
  ['sound alone says so', { want: 'sound', isFlowing: false }, 'sound', 'stage.sound_only'],
  ['sound alone that is lost says so', { want: 'sound', isFlowing: false, phase: 'waiting' }, 'sound', 'stage.sound_lost'],
  ['a host whose camera was unplugged is heard, and that is said', { isFlowing: false, isSoundAlone: true }, 'lost', 'stage.no_picture'],
  ['also for whoever has seen nothing of it yet', { isFlowing: false, hasFrame: false, isSoundAlone: true }, 'lost', 'stage.no_picture'],
  ['a weak network is named', { isWeak: true }, 'playing', 'stage.weak'],
];

for (const [name, change, state, word] of CASES) {
  test(name, () => {
    const view = stageView(makeFacts(change));
    assert.deepEqual([view.state, view.word], [state, word]);
  });
}

test('only what works is offered', () => {
  assert.equal(stageView(makeFacts({ isWeak: true })).offer, 'sound_only');
  assert.equal(stageView(makeFacts({ want: 'sound' })).offer, 'picture');
  assert.equal(stageView(makeFacts({})).offer, null);
  assert.equal(stageView(makeFacts({ isWeak: true, video: null, isFlowing: false, hasFrame: false })).offer, null);
  assert.deepEqual([stageView(makeFacts({})).sound, stageView(makeFacts({ wasTapped: true })).sound], ['chip', 'button']);
  assert.equal(stageView(makeFacts({ video: null, hasFrame: false, isFlowing: false })).sound, null);
  const refused = stageView(makeFacts({ isRefused: true }));
  assert.deepEqual([refused.isPlayOffered, refused.sound], [true, null]);
  const before = stageView(makeFacts({ isRefused: true, isFlowing: false, hasFrame: false }));
  assert.deepEqual([before.state, before.word, before.isPlayOffered], ['loading', null, true]);
  assert.equal(stageView(makeFacts({ isRefused: true, isFlowing: false })).word, null);
  assert.equal(stageView(makeFacts({ code: 'video_full', phase: 'waiting' })).offer, 'again');
  assert.equal(stageView(makeFacts({ code: 'video_full', phase: 'connecting' })).offer, 'again');
  assert.equal(stageView(makeFacts({ code: 'video_full', phase: 'connecting' })).word, 'stage.full');
  assert.equal(stageView(makeFacts({ code: 'video_full', phase: 'connecting', isAsked: true })).word, 'stage.connecting');
  assert.equal(stageView(makeFacts({ phase: 'refused' })).offer, 'again');
  assert.equal(stageView(makeFacts({ code: 'video_full', phase: 'waiting', isLate: true })).offer, null);
});

test('a press on play is answered: what is waited for, or that the browser refuses', () => {
  const facts = makeFacts({ isRefused: true, isFlowing: false, hasFrame: false, isSlow: false, phase: 'connecting' });
  const asked = stageView({ ...facts, press: 'asked' });
  assert.deepEqual([asked.isPlayOffered, asked.word], [false, 'stage.connecting']);
  assert.equal(stageView({ ...facts, press: 'asked', phase: 'waiting', code: 'not_live' }).word, 'stage.not_yet');
  const refused = stageView({ ...facts, press: 'refused' });
  assert.deepEqual([refused.isPlayOffered, refused.word], [true, 'stage.play_refused']);
});

test('out of sight the picture is let go after a while, the sound that was switched on is not', () => {
  const facts = { isOnAir: true, want: /** @type {const} */ ('picture'), isMuted: true, hidden_ms: null };
  assert.equal(pulls(facts), 'picture');
  assert.equal(pulls({ ...facts, hidden_ms: HIDDEN_MS - 1 }), 'picture');
  assert.equal(pulls({ ...facts, hidden_ms: HIDDEN_MS }), null);
  assert.equal(pulls({ ...facts, hidden_ms: HIDDEN_MS, isMuted: false }), 'sound');
  assert.equal(pulls({ ...facts, isOnAir: false }), null);
});

test('luminance is that of the chat and of nothing else', () => {
  const cells = Array.from({ length: CELLS * CELLS }, (_, index) => index);
  /** @param {(row: number, column: number) => number} of */
  const paint = (of) => cells.flatMap((index) => {
    const value = of(Math.floor(index / CELLS), index % CELLS);
    return [value, value, value, 255];
  });
  assert.equal(chatLuminance(paint(() => 0)), 0);
  assert.ok(Math.abs(chatLuminance(paint(() => 255)) - 1) < 1e-9);
  assert.equal(chatLuminance(paint((row, column) => (row < CELLS / 2 || column >= 6 ? 255 : 0))), 0);
  const grey = chatLuminance(paint(() => 128));
  assert.ok(grey > 0.21 && grey < 0.22);
});

/** @param {Partial<import('../../static/js/logic/picture_stats.js').Inbound>} change */
const reading = (change) => ({ at_ms: 0, frames: 0, frozen_ms: 0, freezes: 0, buffered_ms: 0, emitted: 0, pictures: 0, sounds: 0, lost: 0, bytes: 0, rtt_ms: null, ...change });

test('a stall is counted once, by our own clock while it lasts and not again when the browser tells of it', () => {
  let playing = startPlaying();
  let before = reading({ frames: 30 });
  const steps = [{ at_ms: 1000, frames: 60 }, { at_ms: 2000, frames: 60 }, { at_ms: 3000, frames: 60 }, { at_ms: 4000, frames: 75, frozen_ms: 2500, freezes: 1 }, { at_ms: 5000, frames: 90, frozen_ms: 2800, freezes: 2 }];
  for (const step of steps) {
    const after = reading(step);
    playing = countPlaying(playing, before, after);
    before = after;
  }
  assert.deepEqual(playing, { played_ms: 5000, stalled_ms: 2800, stalls: 2, gap_ms: 0 });
});

test('behind is the buffer and half the way; without frames nothing is claimed', () => {
  assert.equal(behindBetween(reading({}), reading({ buffered_ms: 3000, emitted: 30, rtt_ms: 40 })), 120);
  assert.equal(behindBetween(reading({}), reading({ rtt_ms: 40 })), null);
});

test('a network is weak after ten seconds of which three stood still', () => {
  assert.equal(isWeakNetwork([1000, 1000, 1000]), false);
  assert.equal(isWeakNetwork([0, 0, 0, 0, 0, 0, 0, 1000, 1000, 1000]), true);
  assert.equal(isWeakNetwork([1000, 1000, 1000, 0, 0, 0, 0, 0, 0, 0, 0]), false);
});

test('sound alone is packets of sound and none of a picture', () => {
  const before = reading({ sounds: 50, pictures: 100 });
  assert.equal(isSoundAlone(before, reading({ sounds: 100, pictures: 100 })), true);
  assert.equal(isSoundAlone(before, reading({ sounds: 100, pictures: 101 })), false);
  assert.equal(isSoundAlone(before, reading({ sounds: 50, pictures: 100 })), false);
});

test('statistics are read by kind, and what is missing is nothing', () => {
  const report = [
    { type: 'inbound-rtp', kind: 'audio', packetsReceived: 9 }, { type: 'inbound-rtp', kind: 'video', packetsReceived: 40, framesDecoded: 50, totalFreezesDuration: 0.5, freezeCount: 1, jitterBufferDelay: 2, jitterBufferEmittedCount: 48, bytesReceived: 10 },
    { type: 'candidate-pair', nominated: true, currentRoundTripTime: 0.03 },
  ];
  assert.deepEqual(readInbound(report, 7), { at_ms: 7, frames: 50, frozen_ms: 500, freezes: 1, buffered_ms: 2000, emitted: 48, pictures: 40, sounds: 9, lost: 0, bytes: 10, rtt_ms: 30 });
  assert.equal(readInbound([], 7).rtt_ms, null);
});

test('sending is what went out between two readings', () => {
  const base = [{ type: 'outbound-rtp', kind: 'video', framesEncoded: 10, bytesSent: 1_000, packetsSent: 100, frameHeight: 720, codecId: 'c' }, { id: 'c', type: 'codec', mimeType: 'video/H264' }];
  const later = [{ type: 'outbound-rtp', kind: 'video', framesEncoded: 70, bytesSent: 376_000, packetsSent: 300, frameHeight: 720, codecId: 'c' }, { id: 'c', type: 'codec', mimeType: 'video/H264' }, { type: 'remote-inbound-rtp', kind: 'video', packetsLost: 4, roundTripTime: 0.02 }];
  assert.deepEqual(sendingBetween(readOutbound(base, 0), readOutbound(later, 2000)), { bits_per_s: 1_500_000, fps: 30, loss: 0.02, rtt_ms: 20, height: 720, codec: 'H264' });
});

test('a beat is what was played, within what a server believes; of a big room a part tells', () => {
  const playing = { played_ms: 10_000.4, stalled_ms: 30.2, stalls: 1, gap_ms: 0 };
  assert.deepEqual(makeBeat({ playing, first_frame_ms: 800, behind_ms: 120 }), { first_frame_ms: 800, played_ms: 10_000, stalled_ms: 30, stalls: 1, behind_ms: 120 });
  assert.equal(makeBeat({ playing: startPlaying(), first_frame_ms: 800, behind_ms: null }), null);
  const asleep = makeBeat({ playing: { played_ms: 3_600_000, stalled_ms: 3_600_000, stalls: 1, gap_ms: 0 }, first_frame_ms: 999_999, behind_ms: 999_999 });
  assert.deepEqual(asleep, { first_frame_ms: 120_000, played_ms: 60_000, stalled_ms: 60_000, stalls: 1, behind_ms: 60_000 });
  assert.equal(isTelling(0.999, 300), true);
  assert.equal(isTelling(0.5, 1_000), false);
  assert.equal(isTelling(0.2, 1_000), true);
});
