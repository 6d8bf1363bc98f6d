"""Choose the codecs of an answer from those of an offer.

Parameters named `codec` are the library's `RTCRtpCodecParameters`; only public fields are read.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from realtime.video.media import CodecTypes, Kind
from realtime.video.outlets import FIRST_SEQUENCE_MAX, OutletStart

# Recordings and phones' hardware decoders want constrained baseline; every browser must take VP8.
H264_PROFILE = "42e01f"


def kind_of(transceiver: Any) -> Kind:
    """Return a transceiver's kind."""
    return "audio" if transceiver.kind == "audio" else "video"


def codec_order(kind: Kind, first: str | None) -> list[str]:
    """Return the names of the codecs served, best first."""
    if kind == "audio":
        return ["opus"]
    return sorted(("H264", "VP8"), key=lambda name: name != first)


def choose_codecs(offered: Sequence[Any], names: Sequence[str]) -> list[Any]:
    """Return one offered codec of each name, in the order of the names."""
    chosen: list[Any] = []
    for name in names:
        same = [codec for codec in offered if codec.name.lower() == name.lower()]
        same.sort(key=lambda codec: codec.parameters.get("profile-level-id") != H264_PROFILE)
        chosen += same[:1]
    return chosen


def rtx_of(offered: Sequence[Any], codec: Any) -> Any:
    """Return the repair format that an offer pairs with a codec."""
    paired = (
        c
        for c in offered
        if c.name.lower() == "rtx" and c.parameters.get("apt") == codec.payloadType
    )
    return next(paired, None)


def types_of(codec: Any, rtx: Any) -> CodecTypes:
    """Return the payload types of a codec."""
    return CodecTypes(
        media=int(codec.payloadType or 0),
        rtx=None if rtx is None or rtx.payloadType is None else int(rtx.payloadType),
    )


def random_start() -> OutletStart:
    """Draw what a viewer's track begins with (RFC 3550 §5.1; no secret)."""
    return OutletStart(
        ssrc=random.randrange(1, 1 << 32),  # noqa: S311 - Told in the answer.
        rtx_ssrc=random.randrange(1, 1 << 32),  # noqa: S311 - As above.
        sequence=random.randrange(FIRST_SEQUENCE_MAX + 1),  # noqa: S311 - As above.
        timestamp=random.randrange(1 << 32),  # noqa: S311 - As above.
    )
