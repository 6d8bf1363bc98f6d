"""Refuse offers that the library would serve by halves, with its own parser."""

from __future__ import annotations

import logging
from typing import Any

from aiortc.sdp import SessionDescription

from realtime.video.offers import OFFER_CHARS_MAX, check_size
from realtime.video.ports import VideoError

PAYLOAD_TYPE_MAX = 127  # The library reads up to 255, which would run over into other fields.

log = logging.getLogger(__name__)


def check_offer(text: str) -> str:
    """Refuse what the library would half accept; return the ICE user. Raises VideoError."""
    check_size(text, OFFER_CHARS_MAX)
    try:
        offer = SessionDescription.parse(text)
    except Exception as error:  # Its parser raises whatever a stranger's text leads it to.
        log.debug("an offer is not read: %s", error)
        raise VideoError("bad_offer", "The offer cannot be read.") from None
    media = offer.media
    if not media:
        raise VideoError("bad_offer", "The offer has no media.")
    if sorted(part.kind for part in media) not in (["audio"], ["video"], ["audio", "video"]):
        raise VideoError("offer_unsupported", "At most one audio and one video are served.")
    for part in media:
        _check_part(part)
    mids = sorted(part.rtp.muxId for part in media)
    bundles = (group.items for group in offer.group if group.semantic == "BUNDLE")
    bundled = [sorted(str(mid) for mid in items) for items in bundles]
    if len(set(mids)) != len(mids) or (len(mids) > 1 and mids not in bundled):
        raise VideoError("offer_unsupported", "The offer's media must be bundled.")
    assert media[0].ice is not None, "checked above"
    return str(media[0].ice.usernameFragment)


def _check_part(part: Any) -> None:
    """Refuse one m-section that cannot be served. Raises VideoError."""
    if part.ice is None or not part.ice.usernameFragment or not part.ice.password:
        raise VideoError("bad_offer", "The offer has no ICE user and password.")
    if part.dtls is None or not part.dtls.fingerprints:
        raise VideoError("bad_offer", "The offer has no fingerprint.")
    if not part.rtcp_mux or not part.rtp.muxId:
        raise VideoError("bad_offer", "The offer must have rtcp-mux and a mid.")
    if any(int(number) > PAYLOAD_TYPE_MAX for number in part.fmt):
        raise VideoError("bad_offer", "A payload type has seven bits.")
    if part.port == 0:
        raise VideoError("offer_unsupported", "The offer rejects its own media.")
