"""aiortc as its own examples use it: decode once, encode for each viewer (`MediaRelay`).

It stands in where a test needs any answerer, and it is what the forwarder is measured against.
"""

from __future__ import annotations

import secrets

from aiortc import (
    RTCBundlePolicy,
    RTCConfiguration,
    RTCPeerConnection,
    RTCRtpSender,
    RTCSessionDescription,
)
from aiortc.contrib.media import MediaRelay

from realtime.video.ports import Session, VideoError


class StockForwarder:
    """The part of `realtime.video.ports.Forwarder` that a picture needs, without forwarding."""

    def __init__(self) -> None:
        self._relays: dict[str, MediaRelay] = {}
        self._publishers: dict[str, RTCPeerConnection] = {}
        self._sessions: dict[str, RTCPeerConnection] = {}

    async def publish(self, room_id: str, offer: str, *, take_over: bool) -> Session:
        """Answer a publisher."""
        if room_id in self._publishers and not take_over:
            raise VideoError("publisher_present", "Somebody publishes here.")
        if room_id in self._publishers:
            await self._publishers.pop(room_id).close()
        connection = _connection()
        await connection.setRemoteDescription(RTCSessionDescription(offer, "offer"))
        self._publishers[room_id] = connection
        self._relays[room_id] = MediaRelay()
        return await self._answer(connection)

    async def play(self, room_id: str, offer: str) -> Session:
        """Answer a viewer."""
        publisher = self._publishers.get(room_id)
        if publisher is None:
            raise VideoError("not_live", "Nobody publishes here.", retry_after_s=1)
        connection = _connection()
        await connection.setRemoteDescription(RTCSessionDescription(offer, "offer"))
        for source in publisher.getTransceivers():
            for target in connection.getTransceivers():
                if target.kind != source.kind:
                    continue
                target.sender.replaceTrack(
                    self._relays[room_id].subscribe(source.receiver.track, buffered=False)
                )
                target.direction = "sendonly"
                names = {codec.name for codec in source._codecs} | {"rtx"}
                target.setCodecPreferences(
                    [
                        codec
                        for codec in RTCRtpSender.getCapabilities(target.kind).codecs
                        if codec.name in names
                    ]
                )
        return await self._answer(connection)

    async def end(self, session_id: str) -> None:
        """Close a session."""
        connection = self._sessions.pop(session_id, None)
        if connection is None:
            raise VideoError("session_unknown", "There is no such session.")
        for room_id, publisher in list(self._publishers.items()):
            if publisher is connection:
                del self._publishers[room_id]
        await connection.close()

    async def close(self) -> None:
        """Close all sessions."""
        for session_id in list(self._sessions):
            await self.end(session_id)

    async def _answer(self, connection: RTCPeerConnection) -> Session:
        await connection.setLocalDescription(await connection.createAnswer())
        session = Session(secrets.token_urlsafe(16), connection.localDescription.sdp)
        self._sessions[session.id] = connection
        return session


def _connection() -> RTCPeerConnection:
    return RTCPeerConnection(
        RTCConfiguration(iceServers=[], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE)
    )
