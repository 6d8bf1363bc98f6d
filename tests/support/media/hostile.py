"""Have a recorder write what a hostile publisher sends, and say what it cost.

`python -m tests.support.media.hostile SEED CASES FOLDER` prints one JSON object; a process of its
own, since what is looked for would end it: `{"cases", "parts", "grown_mb", "peak_mb", "ended"}`.
"""

from __future__ import annotations

import random
import resource
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec

from realtime.video.bitstreams import START_CODE
from realtime.video.frames import FrameAssembler
from realtime.video.media import MediaPacket
from realtime.video.ports import EncodedFrame
from realtime.video.recording.recorder import Limits
from tests.support.filming import RTP_VIDEO, WALL_MS, Studio, frames, make_folder

PIECE_BYTES = 1_100
FRAMES_OF_CASE = 12


class Bits:
    """Bits of a parameter set, with the codes of ITU-T H.264, 9.1."""

    def __init__(self) -> None:
        self._bits = ""

    def fixed(self, value: int, width: int) -> Bits:
        """Append a number of fixed width."""
        self._bits += format(value, f"0{width}b")
        return self

    def golomb(self, value: int) -> Bits:
        """Append an unsigned Exp-Golomb code."""
        code = format(value + 1, "b")
        self._bits += "0" * (len(code) - 1) + code
        return self

    def unit(self, header: int) -> bytes:
        """Return a NAL unit with its trailing bits and emulation prevention."""
        bits = self._bits + "1"
        bits += "0" * (-len(bits) % 8)
        body = int(bits, 2).to_bytes(len(bits) // 8, "big")
        escaped = bytearray()
        for byte in body:
            if byte <= 3 and escaped[-2:] == b"\x00\x00":
                escaped.append(3)
            escaped.append(byte)
        return bytes([header]) + bytes(escaped)


def parameters(width_mbs: int, height_mbs: int, *, refs: int = 1) -> bytes:
    """Return parameter sets that promise a picture of so many macroblocks."""
    sps = Bits().fixed(66, 8).fixed(0xC0, 8).fixed(31, 8).golomb(0).golomb(0).golomb(2)
    sps.golomb(refs).fixed(0, 1).golomb(width_mbs - 1).golomb(height_mbs - 1)
    sps.fixed(1, 1).fixed(1, 1).fixed(0, 1).fixed(0, 1)
    pps = Bits().golomb(0).golomb(0).fixed(0, 2).golomb(0).golomb(0).golomb(0).fixed(0, 3)
    pps.golomb(0).golomb(0).golomb(0).fixed(0, 3)
    return START_CODE + sps.unit(0x67) + START_CODE + pps.unit(0x68)


def flipped(data: bytes, chance: random.Random) -> bytes:
    """Return bytes of which some are others."""
    changed = bytearray(data)
    for _ in range(chance.choice((1, 4, 30, 300))):
        at = chance.randrange(min(len(changed), chance.choice((40, len(changed)))))
        changed[at] = chance.randrange(256)
    return bytes(changed)


def hostile_h264(data: bytes, chance: random.Random) -> bytes:
    """Return a picture that no encoder makes."""
    slice_ = START_CODE + data.rpartition(START_CODE)[2]
    sizes = (1, 2, 120, 4_000, 65_536, 1 << 20, (1 << 31) - 1)
    makers: list[Callable[[], bytes]] = [
        lambda: flipped(data, chance),
        lambda: data[: chance.randrange(1, len(data))],
        lambda: parameters(chance.choice(sizes), chance.choice(sizes)) + slice_,
        lambda: parameters(8, 8, refs=chance.choice((16, 1_000, 1 << 30))) + slice_,
        lambda: parameters(1_024, 1_024) + flipped(slice_, chance),
        lambda: b"".join(parameters(number + 1, 4) for number in range(500)) + slice_,
        lambda: data + (START_CODE + bytes([chance.choice((6, 7, 8, 9, 13, 15, 20))])) * 2_000,
        lambda: START_CODE * 5_000 + data,
        lambda: data + START_CODE + b"\x65",
        lambda: parameters(10, 8) + START_CODE + b"\x65" + chance.randbytes(3_000),
        lambda: chance.randbytes(2_000),
    ]
    return chance.choice(makers)()


def hostile_vp8(data: bytes, chance: random.Random) -> bytes:
    """Return a picture that no encoder makes."""
    makers: list[Callable[[], bytes]] = [
        lambda: flipped(data, chance),
        lambda: data[: chance.randrange(12)],
        lambda: data[:6] + chance.randbytes(4) + data[10:],
        lambda: data[:6] + b"\xff\xff\xff\xff" + data[10:],
        lambda: data[:6] + bytes(4) + data[10:],
        lambda: chance.randbytes(chance.randrange(1, 4_000)),
    ]
    return chance.choice(makers)()


def arrived(codec: str, pictures: list[tuple[bytes, int]], chance: random.Random) -> list[bytes]:
    """Return the frames that an assembler makes of pictures, cut into packets of all kinds."""
    assembler = FrameAssembler("video", codec)
    found, index = [], 0
    for data, stamp in pictures:
        pieces = [data[at : at + PIECE_BYTES] for at in range(0, len(data), PIECE_BYTES)] or [b""]
        for place, piece in enumerate(pieces):
            head = bytes([chance.choice((0x10, 0x00, 0x90, 0x7C, 0x78, 0x65, 0x67, 0x1C, 0xFF))])
            payload = head + (chance.randbytes(3) if chance.random() < 0.3 else b"\x85") + piece
            marker = place == len(pieces) - 1 and chance.random() < 0.9
            packet = MediaPacket(index, stamp, marker, payload)
            index += chance.choice((1, 1, 1, 1, 1, 1, 2, 40))
            found += [frame.data for frame in assembler.push(packet)]
    return found


def case(chance: random.Random) -> list[EncodedFrame]:
    """Return what one hostile publisher sends."""
    codec = chance.choice(("H264", "VP8"))
    good = [one for one in frames(0.4, codec=codec, gop=4) if one.kind == "video"]
    spoil = hostile_h264 if codec == "H264" else hostile_vp8
    datas = [
        spoil(one.data, chance) if chance.random() < 0.6 else one.data
        for one in good[:FRAMES_OF_CASE]
    ]
    if chance.random() < 0.3:
        stamps = [number * 3_000 for number in range(len(datas))]
        datas = arrived(codec, list(zip(datas, stamps, strict=True)), chance)
    step, step_ms = chance.choice((3_000, 3_000, 1, 0, 90_000)), chance.choice((33, 33, 0, 900))
    sounds = [one for one in frames(0.4, gop=4) if one.kind == "audio"][: chance.choice((0, 3))]
    return sounds + [
        EncodedFrame(            "video", codec, data, RTP_VIDEO + number * step, 90_000,
            WALL_MS + number * step_ms, number == 0 or chance.random() < 0.5,
        )
        for number, data in enumerate(datas)
    ]  # fmt: skip


def memory_mb() -> float:
    """Return the most that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main(seed: int, cases: int, root: Path) -> dict[str, object]:
    """Write so many hostile streams, one recorder each."""
    chance = random.Random(seed)
    written = parts = 0
    ended: dict[str, int] = {}
    warm_mb = memory_mb()
    for number in range(cases):
        if number == cases // 4:
            warm_mb = memory_mb()
        folder = make_folder(root)
        studio = Studio(folder, limits=Limits(bytes_max=10**9, free_bytes_min=0))
        for frame in case(chance):
            studio.recorder(frame)
            written += 1
        assert studio.recorder.close(30.0)
        parts += len(folder.numbers())
        if studio.recorder.ended is not None:
            ended[studio.recorder.ended] = ended.get(studio.recorder.ended, 0) + 1
        folder.remove()
    return {
        "cases": cases,
        "frames": written,
        "parts": parts,
        "grown_mb": round(memory_mb() - warm_mb, 1),
        "peak_mb": round(memory_mb(), 1),
        "ended": ended,
    }


if __name__ == "__main__":
    seed, cases, root = sys.argv[1:]
    print(msgspec.json.encode(main(int(seed), int(cases), Path(root))).decode())
