// @ts-check
/**
 * The console's picture light: how the live picture arrives at viewers.
 *
 * Invariant: with fewer reports than it takes to say anything, nothing is claimed.
 */

/** What `GET /api/rooms/{room}/console` says of the last minutes; null percentiles: nobody told, or later than 10 s.
 * @typedef {{window_s: number, beats: number, stalls: number, stalled_share: number | null, first_frames: number,
 *   first_frame_ms_p50: number | null, first_frame_ms_p95: number | null, behind_ms_p50: number | null, behind_ms_p95: number | null}} PictureFigures */
/** @typedef {{state: 'none' | 'fine' | 'late' | 'bad', parts: {word: string, value: string}[]}} PictureLight */

const BEATS_MIN = 5;
/** Of the time that was played: more than one part in a hundred is noticed, more than five drives people away. */
const STALLED = { late: 0.01, bad: 0.05 };
const BEHIND_MS = { late: 1_000, bad: 3_000 };
const FIRST_FRAME_MS = { late: 2_500, bad: 6_000 };

/** @param {number} ms @returns {string} seconds with one digit */
export const seconds = (ms) => (ms / 1000).toFixed(1);

/** @param {number | null} value @param {{late: number, bad: number}} limits */
const grade = (value, { late, bad }) => (value === null || value < late ? 0 : value < bad ? 1 : 2);

/**
 * @param {PictureFigures | null} figures
 * @returns {PictureLight}
 */
export function pictureLight(figures) {
  if (!figures || figures.beats < BEATS_MIN || figures.stalled_share === null) return { state: 'none', parts: [] };
  const { stalled_share, first_frame_ms_p50, behind_ms_p50 } = figures;
  const worst = Math.max(grade(stalled_share, STALLED), grade(behind_ms_p50, BEHIND_MS), grade(first_frame_ms_p50, FIRST_FRAME_MS));
  const parts = [];
  if (first_frame_ms_p50 !== null) parts.push({ word: 'picture.first', value: seconds(first_frame_ms_p50) });
  parts.push({ word: 'picture.stalled', value: (stalled_share * 100).toFixed(1) });
  if (behind_ms_p50 !== null) parts.push({ word: 'picture.behind', value: seconds(behind_ms_p50) });
  return { state: /** @type {const} */ (['fine', 'late', 'bad'])[worst] ?? 'bad', parts };
}
