// @ts-check
// Publishes or watches in a test page, and tells what the browser's own statistics say.
// A time code of white and black squares in the picture tells the viewer when it was drawn.

const BITS = 24;
const SQUARE = 48;
const PER_ROW = 12;
const WINDOW = 2 ** BITS;
// A viewer asks so often, and with such a pause, while nothing comes of the publisher.
const NOT_LIVE_TRIES = 50;
const NOT_LIVE_MS = 100;

/** @type {RTCPeerConnection | undefined} */
let connection;
let session = '';
/** @type {MediaStream | undefined} */
let stream;

/** Milliseconds of the machine's clock, finer than Date gives. */
function wallMs(at = performance.now()) {
  return performance.timeOrigin + at;
}

/** @param {string} url @param {RTCPeerConnection} peer */
async function signal(url, peer) {
  await peer.setLocalDescription(await peer.createOffer());
  // As our own pages do: nothing is waited for. The checks that the browser sends say where it is.
  const post = () => fetch(url, {
    method: 'POST', headers: { 'Content-Type': 'application/sdp' }, body: peer.localDescription?.sdp,
  });
  let answer = await post();
  // A publisher that was answered has not sent anything yet.
  for (let left = NOT_LIVE_TRIES; answer.status === 409 && left > 0; left -= 1) {
    const text = await answer.text();
    if (!text.includes('not_live')) throw new Error(`${url} says 409: ${text}`);
    await new Promise((resolve) => { setTimeout(resolve, NOT_LIVE_MS); });
    answer = await post();
  }
  if (answer.status !== 201) throw new Error(`${url} says ${answer.status}: ${await answer.text()}`);
  session = answer.headers.get('Location') ?? '';
  await peer.setRemoteDescription({ type: 'answer', sdp: await answer.text() });
}

/** @param {RTCRtpTransceiver} transceiver @param {string} codec */
function prefer(transceiver, codec) {
  const codecs = RTCRtpSender.getCapabilities('video')?.codecs ?? [];
  const wanted = codecs.filter(({ mimeType, sdpFmtpLine = '' }) => mimeType === `video/${codec}`
    && (codec !== 'H264' || (sdpFmtpLine.includes('42e01f') && sdpFmtpLine.includes('packetization-mode=1'))));
  if (!wanted.length) throw new Error(`this browser does not encode ${codec}`);
  transceiver.setCodecPreferences([...wanted, ...codecs.filter(({ mimeType }) => mimeType === 'video/rtx')]);
}

/** Draw the time as squares, each bit beside its opposite, over a picture that moves. */
function drawTimeCode() {
  const canvas = document.createElement('canvas');
  canvas.width = 1280;
  canvas.height = 720;
  const pen = /** @type {CanvasRenderingContext2D} */ (canvas.getContext('2d', { alpha: false }));
  setInterval(() => {
    const now = wallMs();
    pen.fillStyle = `hsl(${(now / 20) % 360} 40% 45%)`;
    pen.fillRect(0, 0, canvas.width, canvas.height);
    pen.fillStyle = '#789';
    pen.fillRect((now / 4) % canvas.width, 420, 160, 160);
    const code = Math.round(now) % WINDOW;
    for (let bit = 0; bit < BITS * 2; bit += 1) {
      const set = Math.floor(code / 2 ** (bit >> 1)) % 2 === (bit % 2 ? 0 : 1);
      pen.fillStyle = set ? '#fff' : '#000';
      pen.fillRect((bit % (2 * PER_ROW)) * SQUARE, Math.floor(bit / (2 * PER_ROW)) * SQUARE, SQUARE, SQUARE);
    }
  }, 1000 / 30);
  return canvas.captureStream(30);
}

/** The time code of the picture, or null where a square is not clear. @param {CanvasRenderingContext2D} pen */
function readTimeCode(pen) {
  const width = 2 * PER_ROW;
  const pixels = pen.getImageData(0, 0, width * SQUARE, (2 * BITS / width) * SQUARE).data;
  /** @param {number} square */
  const light = (square) => {
    const [x, y] = [(square % width) * SQUARE + SQUARE / 2, Math.floor(square / width) * SQUARE + SQUARE / 2];
    return pixels[(y * width * SQUARE + x) * 4];
  };
  let code = 0;
  for (let bit = 0; bit < BITS; bit += 1) {
    const difference = light(2 * bit) - light(2 * bit + 1);
    if (Math.abs(difference) < 80) return null;
    if (difference > 0) code += 2 ** bit;
  }
  return code;
}

/** @param {{url: string, codec: string, source: 'camera' | 'code'}} options */
async function publish({ url, codec, source }) {
  stream ??= source === 'code' ? drawTimeCode()
    : await navigator.mediaDevices.getUserMedia({ video: { width: 1280, height: 720 }, audio: true });
  connection = new RTCPeerConnection();
  for (const track of stream.getTracks()) {
    const transceiver = connection.addTransceiver(track, {
      direction: 'sendonly', streams: [stream],
      sendEncodings: track.kind === 'video' ? [{ maxBitrate: 1_500_000 }] : [{}],
    });
    if (track.kind === 'video') prefer(transceiver, codec);
  }
  await signal(url, connection);
}

/** Play, and return the milliseconds until the first picture was shown. @param {{url: string}} options */
async function watch({ url }) {
  const began = performance.now();
  const video = /** @type {HTMLVideoElement} */ (document.querySelector('video'));
  connection = new RTCPeerConnection();
  const incoming = new MediaStream();
  connection.addTransceiver('video', { direction: 'recvonly' });
  connection.addTransceiver('audio', { direction: 'recvonly' });
  connection.addEventListener('track', ({ track }) => incoming.addTrack(track));
  video.srcObject = incoming;
  const shown = new Promise((resolve) => {
    video.requestVideoFrameCallback((now) => resolve(now - began));
  });
  await signal(url, connection);
  return shown;
}

/** Milliseconds from drawing to showing, of each of `count` pictures. @param {{count: number}} options */
async function glassToGlass({ count }) {
  const video = /** @type {HTMLVideoElement} */ (document.querySelector('video'));
  const canvas = document.createElement('canvas');
  canvas.width = 2 * PER_ROW * SQUARE;
  canvas.height = (BITS / PER_ROW) * SQUARE;
  const pen = /** @type {CanvasRenderingContext2D} */ (canvas.getContext('2d', { willReadFrequently: true }));
  /** @type {number[]} */
  const delays = [];
  let unread = 0;
  await new Promise((resolve) => {
    /** @param {number} _now @param {VideoFrameCallbackMetadata} meta */
    const look = (_now, meta) => {
      const scale = 1280 / video.videoWidth;
      pen.drawImage(video, 0, 0, video.videoWidth * scale, video.videoHeight * scale);
      const code = readTimeCode(pen);
      if (code === null) unread += 1;
      else delays.push((((wallMs(meta.expectedDisplayTime) - code) % WINDOW) + WINDOW) % WINDOW);
      if (delays.length >= count || unread > count) resolve(null);
      else video.requestVideoFrameCallback(look);
    };
    video.requestVideoFrameCallback(look);
  });
  return { delays, unread };
}

/** The browser's own figures of the first stream of each kind. */
async function figures() {
  /** @type {Record<string, any>} */
  const found = { state: connection?.connectionState };
  for (const report of (await connection?.getStats())?.values() ?? []) {
    if (report.type === 'inbound-rtp' || report.type === 'outbound-rtp') {
      found[report.kind] = { ...report, mime: undefined };
    }
    if (report.type === 'codec' && report.mimeType.startsWith('video/')) found.codec = report.mimeType;
  }
  return found;
}

/** Leave politely. */
async function leave() {
  connection?.close();
  if (session) await fetch(session, { method: 'DELETE' });
}

/** Cut the connection as a lost network does: nobody is told. */
function cut() {
  connection?.close();
}

Object.assign(globalThis, { publish, watch, glassToGlass, figures, leave, cut });
