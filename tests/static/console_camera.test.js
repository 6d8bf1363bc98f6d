// @ts-check
/** The console's camera and picture lights in words: never green for a picture that does not go out, or that nobody measured. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { cameraLight, cameraTrouble, constraintsFor, publishTrouble, recordingTrouble, voiceTrouble } from '../../static/js/logic/console_camera.js';
import { pictureLight } from '../../static/js/logic/console_picture.js';

/** @param {Partial<import('../../static/js/net/whip_link.js').LinkState>} change @returns {import('../../static/js/net/whip_link.js').LinkState} */
const makeLink = (change) => ({ phase: 'connected', code: '', status: 0, attempt: 0, retry_at_ms: null, ...change });
const good = { bits_per_s: 1_500_000, fps: 30, loss: 0, rtt_ms: 20, height: 720, codec: 'H264' };
const facts = { link: makeLink({}), sending: good, live_ms: 60_000, isOther: true };

test('the camera light is green only while a whole picture goes out', () => {
  assert.deepEqual(cameraLight(facts), { state: 'fine', word: 'camera.live_figures', isSending: true });
  assert.equal(cameraLight({ ...facts, sending: { ...good, fps: 9 } }).state, 'late');
  assert.equal(cameraLight({ ...facts, sending: { ...good, loss: 0.05 } }).state, 'late');
  assert.equal(cameraLight({ ...facts, sending: { ...good, fps: 9 }, live_ms: 2_000 }).state, 'fine');
  assert.equal(cameraLight({ ...facts, link: makeLink({ phase: 'waiting' }) }).state, 'bad');
  assert.equal(cameraLight({ ...facts, link: makeLink({ phase: 'connecting' }) }).state, 'late');
});

test('a camera that is off is off, unless somebody else is on the air', () => {
  const link = makeLink({ phase: 'idle' });
  assert.deepEqual(cameraLight({ ...facts, link, isOther: false }), { state: 'none', word: 'camera.off', isSending: false });
  assert.equal(cameraLight({ ...facts, link }).word, 'camera.elsewhere');
});

test('every trouble has words of its own', () => {
  const names = ['NotAllowedError', 'NotFoundError', 'NotReadableError', 'TypeError'];
  assert.equal(new Set([...names.map((name) => cameraTrouble({ name })), cameraTrouble(null)]).size, 5);
  assert.equal(publishTrouble(makeLink({})), null);
  const codes = ['no_show', 'video_off', 'publisher_present', 'forbidden'].map((code) => publishTrouble(makeLink({ phase: 'refused', code })));
  assert.equal(new Set(codes).size, 4);
  assert.equal(publishTrouble(makeLink({ phase: 'waiting', code: 'publisher_too_fast' })), 'camera.trouble_too_fast');
});

test('a show that is not recorded says why', () => {
  assert.equal(recordingTrouble(null), null);
  assert.equal(recordingTrouble({ state: 'recording', reason: null }), null);
  assert.equal(recordingTrouble({ state: 'cut', reason: 'total_limit' }), 'camera.trouble_no_room');
  assert.equal(recordingTrouble({ state: 'cut', reason: 'fault' }), 'camera.trouble_not_recorded');
});

test('a picture without a voice is said, and nothing without a picture', () => {
  const stream = (/** @type {string[]} */ ...kinds) => /** @type {any} */ ({ getTracks: () => kinds.map((kind) => ({ kind })) });
  assert.equal(voiceTrouble(stream('video')), 'camera.trouble_voice');
  assert.equal(voiceTrouble(stream('audio', 'video')), null);
  assert.equal(voiceTrouble(stream('audio')), null);
  assert.equal(voiceTrouble(null), null);
});

test('a chosen device is asked for by its id, any other by none', () => {
  assert.deepEqual(/** @type {any} */ (constraintsFor({ camera: 'c', microphone: null }).video).deviceId, { exact: 'c' });
  assert.equal('deviceId' in /** @type {any} */ (constraintsFor({ camera: null, microphone: null }).audio), false);
});

const figures = { window_s: 120, beats: 40, stalls: 3, stalled_share: 0.003, first_frames: 9, first_frame_ms_p50: 1_200, first_frame_ms_p95: 2_000, behind_ms_p50: 400, behind_ms_p95: 700 };

test('the picture light says the medians and is as good as the worst of them', () => {
  const { state, parts } = pictureLight(figures);
  assert.equal(state, 'fine');
  assert.deepEqual(parts.map(({ value }) => value), ['1.2', '0.3', '0.4']);
  assert.equal(pictureLight({ ...figures, stalled_share: 0.02 }).state, 'late');
  assert.equal(pictureLight({ ...figures, behind_ms_p50: 3_000 }).state, 'bad');
  assert.equal(pictureLight({ ...figures, first_frame_ms_p50: 2_600 }).state, 'late');
});

test('too few reports claim nothing', () => {
  assert.deepEqual(pictureLight({ ...figures, beats: 4 }), { state: 'none', parts: [] });
  assert.deepEqual(pictureLight(null), { state: 'none', parts: [] });
  assert.equal(pictureLight({ ...figures, first_frame_ms_p50: null }).parts.length, 2);
});
