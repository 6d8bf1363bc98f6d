// @ts-check
/** The console's camera and picture lights in words: never green for a picture that does not go out, or that nobody measured. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { cameraLight, cameraTrouble, constraintsFor, followAiring, publishTrouble, recordingTrouble, startAiring, voiceTrouble } from '../../static/js/logic/console_camera.js';
import { pictureLight } from '../../static/js/logic/console_picture.js';

/** @param {Partial<import('../../static/js/net/whip_link.js').LinkState>} change @returns {import('../../static/js/net/whip_link.js').LinkState} */
const makeLink = (change) => ({ phase: 'connected', code: '', status: 0, attempt: 0, retry_at_ms: null, ...change });
const good = { bits_per_s: 1_500_000, fps: 30, loss: 0, rtt_ms: 20, height: 720, codec: 'H264' };
const facts = { link: makeLink({}), sending: good, live_ms: 60_000, isOther: true, finding: /** @type {const} */ ('seen') };

test('the camera light is green only while a whole picture goes out', () => {
  assert.deepEqual(cameraLight(facts), { state: 'fine', word: 'camera.live_figures', isSending: true });
  assert.equal(cameraLight({ ...facts, sending: { ...good, fps: 9 } }).state, 'late');
  assert.equal(cameraLight({ ...facts, sending: { ...good, loss: 0.05 } }).state, 'late');
  assert.equal(cameraLight({ ...facts, sending: { ...good, fps: 9 }, live_ms: 2_000 }).state, 'fine');
  assert.equal(cameraLight({ ...facts, link: makeLink({ phase: 'waiting' }) }).state, 'bad');
  assert.equal(cameraLight({ ...facts, link: makeLink({ phase: 'connecting' }) }).state, 'late');
  assert.deepEqual(cameraLight({ ...facts, finding: 'unseen' }), { state: 'bad', word: 'camera.lost', isSending: true });
  assert.equal(cameraLight({ ...facts, finding: 'unknown' }).state, 'fine');
});

/** @param {number} since_ms */
const shown = (since_ms, live = true) => ({ live, since_ms, viewers: 0, codec: 'H264' });

test('the room has this picture from the first that is younger than its offer', () => {
  const fresh = startAiring(1_000);
  assert.equal(followAiring(fresh, null, 1_100).finding, 'unknown');
  const before = followAiring(fresh, shown(900), 1_200);
  assert.deepEqual([before.finding, before.airing.own_ms], ['unknown', null]);
  const own = followAiring(fresh, shown(1_300), 1_400);
  assert.deepEqual([own.finding, own.airing.own_ms], ['seen', 1_300]);
  assert.equal(followAiring(own.airing, shown(1_300, false), 1_500).finding, 'unseen');
  assert.equal(followAiring(own.airing, shown(5_000), 5_100).finding, 'replaced');
  assert.equal(followAiring(own.airing, { ...shown(5_000), gives_way: true }, 5_100).finding, 'gone');
});

test('a picture is gone when the room has had none for two seconds', () => {
  const { airing } = followAiring(startAiring(1_000), shown(1_300), 1_400);
  const first = followAiring(airing, null, 9_000);
  assert.equal(first.finding, 'unseen');
  assert.equal(followAiring(first.airing, null, 10_999).finding, 'unseen');
  assert.equal(followAiring(first.airing, null, 11_000).finding, 'gone');
  const back = followAiring(first.airing, shown(1_300), 10_000);
  assert.equal(back.finding, 'seen');
  assert.equal(followAiring(back.airing, null, 11_000).finding, 'unseen');
});

test('a camera that is off is off, unless somebody else is on the air', () => {
  const link = makeLink({ phase: 'idle' });
  assert.deepEqual(cameraLight({ ...facts, link, isOther: false }), { state: 'none', word: 'camera.off', isSending: false });
  assert.equal(cameraLight({ ...facts, link }).word, 'camera.elsewhere');
});

test('every trouble has words of its own', () => {
  const names = ['NotAllowedError', 'NotFoundError', 'NotReadableError', 'TypeError'];
  assert.equal(new Set([...names.map((name) => cameraTrouble({ name }, 'camera')), cameraTrouble(null, 'camera')]).size, 5);
  assert.equal(cameraTrouble({ name: 'NotAllowedError' }, 'screen'), 'camera.trouble_no_screen');
  assert.equal(cameraTrouble(null, 'screen'), 'camera.trouble_insecure');
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
