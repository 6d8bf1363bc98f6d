"""Make the clip again: `python -m tests.clip`, about three minutes on one core.

Chromium draws the stage's own picture (`static/img/scene`) with the goods of the demo shop, frame
by frame; x264 and libopus encode it so that browsers play it as it is: constrained baseline, no
B-frames, a keyframe a second, 20 ms of sound a packet.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
from collections.abc import AsyncIterator
from fractions import Fraction
from pathlib import Path

import av

from tests.clip import music
from tests.support.browser import FLAGS, find_chromium

ROOT = Path(__file__).resolve().parents[2]
OUTPUT = ROOT / "realtime" / "video" / "clip.mp4"
SCENE = ROOT / "static" / "img" / "scene" / "kiln.svg"
GOODS = ROOT / "static" / "img" / "goods"
SCRIPT = Path(__file__).with_name("scene.js")
WIDTH, HEIGHT, FRAMES_PER_S, SECONDS = 720, 1280, 30, 15
VIDEO_BITS_PER_S = 1_130_000
AUDIO_BITS_PER_S = 48_000
SAMPLES_PER_PACKET = music.SAMPLE_RATE // 50
X264 = {
    "profile": "baseline",
    "level": "3.1",
    "preset": "slow",
    "tune": "animation",
    # Browsers take one slice a frame and no scene cuts between the keyframes.
    "x264-params": "keyint=30:min-keyint=30:scenecut=0:bframes=0:slices=1:sliced-threads=0",
    "maxrate": "1500k",
    "bufsize": "750k",
}


async def draw(frames: int) -> AsyncIterator[bytes]:
    """Yield each frame as a JPEG."""
    from playwright.async_api import async_playwright

    executable = find_chromium()
    pictures = [
        "data:image/svg+xml;base64," + base64.b64encode(path.read_bytes()).decode()
        for path in sorted(GOODS.glob("*.svg"))
    ]
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=executable, args=list(FLAGS))
        page = await browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        await page.set_content(
            "<style>*{margin:0}svg{width:100vw;height:100vh;display:block}</style>"
            + SCENE.read_text(encoding="utf-8")
        )
        await page.add_script_tag(content=SCRIPT.read_text(encoding="utf-8"))
        await page.evaluate("pictures => start(pictures)", pictures)
        for number in range(frames):
            await page.evaluate("t => moveTo(t)", number / (SECONDS * FRAMES_PER_S))
            yield await page.screenshot(type="jpeg", quality=95)
        await browser.close()


def decode_picture(jpeg: bytes) -> av.VideoFrame:
    """Return one JPEG as a frame that x264 takes."""
    decoder = av.CodecContext.create("mjpeg", "r")
    frame = (decoder.decode(av.Packet(jpeg)) + decoder.decode(None))[0]
    return frame.reformat(format="yuv420p", dst_color_range="MPEG")


def encode_music(container: av.container.OutputContainer, seconds: int) -> list[av.Packet]:
    """Return the loop's packets, encoded after one round of itself, so that it joins up."""
    stream = container.add_stream("libopus", rate=music.SAMPLE_RATE, layout="mono")
    stream.bit_rate = AUDIO_BITS_PER_S
    samples = music.compose(seconds) * 2
    size = SAMPLES_PER_PACKET * 2
    packets: list[av.Packet] = []
    for number in range(len(samples) // size):
        frame = av.AudioFrame(format="s16", layout="mono", samples=SAMPLES_PER_PACKET)
        frame.planes[0].update(samples[number * size : (number + 1) * size])
        frame.sample_rate = music.SAMPLE_RATE
        frame.pts = number * SAMPLES_PER_PACKET
        packets += stream.encode(frame)
    count = len(samples) // size // 2
    loop = packets[count : 2 * count]
    for number, packet in enumerate(loop):
        packet.pts = packet.dts = number * SAMPLES_PER_PACKET
    return loop


async def make_clip(output: Path, seconds: int) -> None:
    """Draw and encode; `seconds` below the loop's length is a look at its beginning."""
    frames = seconds * FRAMES_PER_S
    with av.open(str(output), "w", options={"movflags": "+faststart"}) as container:
        video = container.add_stream("libx264", rate=FRAMES_PER_S, options=X264)
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        video.bit_rate = VIDEO_BITS_PER_S
        video.time_base = video.codec_context.time_base = Fraction(1, FRAMES_PER_S)
        sound = encode_music(container, seconds)
        number = 0
        async for jpeg in draw(frames):
            frame = decode_picture(jpeg)
            frame.pts, frame.time_base = number, Fraction(1, FRAMES_PER_S)
            # Every JPEG is a whole picture; the encoder shall decide for itself.
            frame.pict_type = av.video.frame.PictureType.NONE
            number += 1
            container.mux(video.encode(frame))
            if number % (5 * FRAMES_PER_S) == 0:
                print(f"{number} of {frames} frames", flush=True)
        container.mux(video.encode(None))
        container.mux(sound)


def main() -> None:
    """Read the flags, make the clip."""
    parser = argparse.ArgumentParser(prog="python -m tests.clip", description=__doc__)
    parser.add_argument("--output", type=Path, default=OUTPUT)
    parser.add_argument("--seconds", type=int, default=SECONDS)
    flags = parser.parse_args()
    asyncio.run(make_clip(flags.output, flags.seconds))
    print(f"{flags.output}: {flags.output.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
