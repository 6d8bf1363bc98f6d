"""Set every limit of a gateway process, each with its reason."""

from __future__ import annotations

import msgspec

from realtime.chat.rules import ChatLimits
from realtime.delivery.rules import DeliveryLimits
from realtime.rooms.limits import RoomLimits


class GatewayLimits(msgspec.Struct, frozen=True):
    """Limits of one gateway process; sizes are bytes, durations carry their unit."""

    allowed_origins: tuple[str, ...] = ()
    """Origins accepted besides the request's own host, such as `https://shop.example`."""
    is_packing_offered: bool = False
    """Whether clients may have large frames compressed, once for all of them."""
    connections_max: int = 20_000
    """Sockets of one process; at 8 KB each this is 160 MB."""
    frame_bytes_max: int = 4096
    """The largest inbound frame: a command with all its arguments needs a tenth of it."""
    frames_per_s: float = 20.0
    """A quick thumb with batched likes sends two or three frames a second."""
    frames_burst: int = 60
    """A page that wakes up may send what it has saved."""
    bad_frames_max: int = 10
    """A client that does not learn from this many refusals is not a client of ours."""
    commands_in_flight_max: int = 8
    """Commands of one connection that may wait for an answer."""
    commands_in_process_max: int = 20_000
    """Commands of all connections that may wait: a flash sale's whole crowd, once."""
    syncs_per_minute: int = 12
    """A sync may cost a snapshot; an honest client needs one after a loss."""
    likes_per_s: float = 20.0
    """Two thumbs; taps beyond it are not counted."""
    likes_burst: int = 60
    """Taps that a page has gathered while it was offline."""
    heartbeat_s: int = 20
    """Shorter than the 30-60 s after which proxies and phones drop a silent connection."""
    idle_s: int = 65
    """Three heartbeats without any sign of life."""
    join_timeout_s: int = 10
    """A joiner who has not seen the room by then is told to back off."""
    skip_tick_bytes: int = 32 * 1024
    """More waiting than this: no chat, and state is sent afresh on resume."""
    resume_bytes: int = 8 * 1024
    """Less waiting than this: the client caught up."""
    stop_sale_bytes: int = 256 * 1024
    """More waiting than this: sale events stop too, and are replayed on resume."""
    close_bytes: int = 512 * 1024
    """More waiting than this: the connection is closed; memory is bounded."""
    paused_s_max: int = 20
    """A client that does not catch up for this long is closed."""
    close_linger_s: int = 3
    """How long a close waits for the client's answer before the socket is cut."""
    discard_bytes_max: int = 4 * 1024 * 1024
    """What is read and thrown away after a refusal, so that the client can read the close code."""
    presence_every_s: float = 2.0
    """How often a process reports its viewers and reads the others'; two Redis calls a room."""
    rooms: RoomLimits = RoomLimits()
    """Limits of rooms."""
    chat: ChatLimits = ChatLimits()
    """Limits of chat."""
    delivery: DeliveryLimits = DeliveryLimits()
    """Limits of the measurement of delivery."""
