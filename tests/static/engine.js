// @ts-check
/**
 * A WHIP/WHEP engine inside the page under test: it answers offers with a peer that sends, or takes, a real picture.
 *
 * `window.engine`: `play(offer)` and `publish(offer)` → answer; `freeze()` stops the frames, `paint(colour)`, `cut()` closes the peers.
 */
(() => {
  /** @type {RTCPeerConnection[]} */
  const peers = [];
  let colour = '#204060';
  let isFrozen = false;
  /** @type {[width: number, height: number]} */
  let size = [360, 640];
  const canvas = document.createElement('canvas');
  let count = 0;

  const draw = () => {
    const context = canvas.getContext('2d');
    if (!context || isFrozen) return;
    // Setting the size also wipes it.
    [canvas.width, canvas.height] = size;
    context.fillStyle = colour;
    context.fillRect(0, 0, canvas.width, canvas.height);
    count += 1;
    context.fillStyle = '#ff8040';
    context.fillRect((count * 4) % 200, 20, 40, 40);
  };

  /** @type {MediaStream | null} */
  let stream = null;
  const source = () => {
    if (stream) return stream;
    draw();
    setInterval(draw, 50);
    stream = canvas.captureStream(20);
    const audio = new AudioContext();
    const tone = audio.createOscillator();
    const out = audio.createMediaStreamDestination();
    tone.connect(out);
    tone.start();
    for (const track of out.stream.getAudioTracks()) stream.addTrack(track);
    return stream;
  };

  /** @param {string} sdp @param {(peer: RTCPeerConnection) => void} prepare */
  const answer = async (sdp, prepare) => {
    const peer = new RTCPeerConnection();
    peers.push(peer);
    await peer.setRemoteDescription({ type: 'offer', sdp });
    prepare(peer);
    await peer.setLocalDescription();
    await new Promise((resolve) => {
      const look = () => peer.iceGatheringState === 'complete' && resolve(null);
      peer.addEventListener('icegatheringstatechange', look);
      look();
    });
    return peer.localDescription?.sdp;
  };

  /** @param {string} sdp */
  const play = (sdp) => answer(sdp, (peer) => {
    const tracks = source().getTracks();
    for (const transceiver of peer.getTransceivers()) {
      const track = tracks.find((one) => one.kind === transceiver.receiver.track.kind);
      transceiver.direction = 'sendonly';
      void transceiver.sender.replaceTrack(track ?? null);
    }
  });
  /** @param {string} sdp */
  const publish = (sdp) => answer(sdp, () => {});
  const engine = {
    peers, play, publish,
    freeze: (/** @type {boolean} */ on) => { isFrozen = on; },
    paint: (/** @type {string} */ one) => { colour = one; },
    resize: (/** @type {[number, number]} */ one) => { size = one; },
    cut: () => { for (const peer of peers.splice(0)) peer.close(); },
  };
  Object.assign(window, { engine });
})();
