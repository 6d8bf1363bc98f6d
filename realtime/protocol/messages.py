"""Parse what clients send and build what they receive, exactly as `docs/protocol.md` says.

Parsing is strict: a frame is accepted whole and typed, or refused with a stable code.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from realtime.protocol.errors import CommandError, refuse

# The largest integer that JavaScript holds exactly; nothing a client sends means more.
INTEGER_MAX = 2**53 - 1
# Room for a UUID with prefix; ids are only echoed or compared.
ID_CHARS_MAX = 64
# As over HTTP, so that a press can be asked again on the other way with the same key.
KEY_CHARS_MAX = 200
COMMAND_CHARS_MAX = 32
EPOCH_CHARS_MAX = 64
# A person's thumb; more taps in one frame are counted as this many.
LIKES_MAX = 50
# Arguments are flat records; nesting deeper than this is an attack on a parser.
ARGUMENT_DEPTH_MAX = 6

ClientId = str | int | None


class LogEntry(msgspec.Struct, frozen=True):
    """One event of a room's log; `payload` is raw JSON, `at_ms` is database time."""

    offset: int
    type: str
    payload: bytes
    at_ms: int


class ChatLine(msgspec.Struct, frozen=True):
    """One line of chat; `flags` are `host`, `mod`, `order`, and `x12` for twelve alike."""

    id: str
    user: str
    name: str
    text: str
    flags: tuple[str, ...]
    at_ms: int

    @property
    def stands_for(self) -> int:
        """How many lines that were said this one is."""
        counts = [int(flag[1:]) for flag in self.flags if flag[0] == "x" and flag[1:].isdecimal()]
        return counts[0] if counts else 1


class Say(msgspec.Struct, frozen=True):
    """The client says `text` in the room's chat."""

    id: ClientId
    text: str


class Like(msgspec.Struct, frozen=True):
    """The client's likes since its last frame, 1 to `LIKES_MAX`."""

    count: int


class Command(msgspec.Struct, frozen=True):
    """The client asks for `command`; `args` is a raw JSON object, `key` its idempotency key."""

    id: ClientId
    command: str
    args: bytes
    key: str | None


class Sync(msgspec.Struct, frozen=True):
    """The client has the log up to `offset` of `epoch` and asks for the rest."""

    epoch: str
    offset: int


class Beat(msgspec.Struct, frozen=True):
    """The client is alive."""


class Drawn(msgspec.Struct, frozen=True):
    """The client drew the sale event at `offset`, `ms` after its `at_ms` by its synced clock."""

    offset: int
    ms: int | None


class Visible(msgspec.Struct, frozen=True):
    """The client's page is shown or hidden from now on; a hidden one draws nothing."""

    is_shown: bool


Inbound = Say | Like | Command | Sync | Beat | Drawn | Visible

_ARRAY = msgspec.json.Decoder(list[msgspec.Raw])
_TEXT = msgspec.json.Decoder(str)
_INTEGER = msgspec.json.Decoder(int)
_DURATION = msgspec.json.Decoder(int | None)
_CLAIM = msgspec.json.Decoder(bool)
_CLIENT_ID = msgspec.json.Decoder(str | int | None)
_KEY = msgspec.json.Decoder(str | None)
_OBJECT = msgspec.json.Decoder(dict[str, Any])
_encode = msgspec.json.encode
_ANSWERED = frozenset({"c", "q"})
"""The frames that carry an id."""


class BadFrameError(Exception):
    """A frame that cannot be accepted: the refusal to answer, and the id to answer it to."""

    def __init__(self, refusal: CommandError, client_id: ClientId = None) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal
        self.client_id = client_id


def parse_inbound(data: bytes) -> Inbound:
    """Parse one text frame; raise `BadFrameError` with its code for anything else."""
    try:
        parts = _ARRAY.decode(data)
        kind = _TEXT.decode(parts[0]) if parts else ""
    except (ValueError, RecursionError):
        raise BadFrameError(refuse("bad_frame")) from None
    parser = _PARSERS.get(kind)
    if parser is None:
        raise BadFrameError(refuse("unknown_type"))
    try:
        return parser(parts)
    except (ValueError, RecursionError, IndexError):
        # Elsewhere the second element is a count or an epoch, and some command's id by accident.
        client_id = _readable_id(parts) if kind in _ANSWERED else None
        raise BadFrameError(refuse("bad_frame"), client_id) from None


def _readable_id(parts: Sequence[msgspec.Raw]) -> ClientId:
    """Return the id of a refused frame when it is readable, so that the client can match it."""
    try:
        return _client_id(parts[1])
    except (ValueError, RecursionError, IndexError):
        return None


def _client_id(raw: msgspec.Raw) -> ClientId:
    value = _CLIENT_ID.decode(raw)
    if isinstance(value, int):
        return _integer_in(value, 0, INTEGER_MAX)
    return None if value is None else _short_text(value, ID_CHARS_MAX)


def _integer_in(value: int, low: int, high: int) -> int:
    if not low <= value <= high:
        raise ValueError(f"{value} is outside {low}…{high}")
    return value


def _short_text(value: str, chars_max: int) -> str:
    if not 0 < len(value) <= chars_max or not value.isprintable():
        raise ValueError("text is empty, too long or not printable")
    return value


def _expect(parts: Sequence[msgspec.Raw], count: int) -> None:
    if len(parts) != count:
        raise ValueError(f"expected {count} elements")


def _parse_say(parts: Sequence[msgspec.Raw]) -> Say:
    _expect(parts, 3)
    return Say(_client_id(parts[1]), _TEXT.decode(parts[2]))


def _parse_like(parts: Sequence[msgspec.Raw]) -> Like:
    _expect(parts, 2)
    return Like(min(_integer_in(_INTEGER.decode(parts[1]), 1, INTEGER_MAX), LIKES_MAX))


def _parse_command(parts: Sequence[msgspec.Raw]) -> Command:
    if len(parts) not in {4, 5}:
        raise ValueError("expected an id, a command, its arguments and perhaps a key")
    key = _KEY.decode(parts[4]) if len(parts) == 5 else None
    _check_argument(_OBJECT.decode(parts[3]), ARGUMENT_DEPTH_MAX)
    return Command(
        id=_client_id(parts[1]),
        command=_short_text(_TEXT.decode(parts[2]), COMMAND_CHARS_MAX),
        args=bytes(parts[3]),
        key=None if key is None else _short_text(key, KEY_CHARS_MAX),
    )


def _check_argument(value: Any, depth: int) -> None:
    """Refuse what no command means and a database cannot hold: NUL, huge numbers, deep nests."""
    if depth == 0:
        raise ValueError("arguments are nested too deeply")
    if isinstance(value, str):
        if "\x00" in value:
            raise ValueError("arguments hold a NUL character")
    elif isinstance(value, int | float):
        if abs(value) > INTEGER_MAX:
            raise ValueError("arguments hold a number beyond 2^53")
    elif isinstance(value, dict):
        for name, item in value.items():
            _check_argument(name, depth)
            _check_argument(item, depth - 1)
    elif isinstance(value, list):
        for item in value:
            _check_argument(item, depth - 1)


def _parse_sync(parts: Sequence[msgspec.Raw]) -> Sync:
    _expect(parts, 3)
    epoch = _short_text(_TEXT.decode(parts[1]), EPOCH_CHARS_MAX)
    return Sync(epoch, _integer_in(_INTEGER.decode(parts[2]), 0, INTEGER_MAX))


def _parse_beat(parts: Sequence[msgspec.Raw]) -> Beat:
    _expect(parts, 1)
    return Beat()


def _parse_drawn(parts: Sequence[msgspec.Raw]) -> Drawn:
    _expect(parts, 3)
    offset = _integer_in(_INTEGER.decode(parts[1]), 1, INTEGER_MAX)
    ms = _DURATION.decode(parts[2])
    return Drawn(offset, None if ms is None else _integer_in(ms, 0, INTEGER_MAX))


def _parse_visible(parts: Sequence[msgspec.Raw]) -> Visible:
    _expect(parts, 2)
    return Visible(_CLAIM.decode(parts[1]))


_PARSERS: dict[str, Callable[[Sequence[msgspec.Raw]], Inbound]] = {
    "c": _parse_say,
    "k": _parse_like,
    "q": _parse_command,
    "sync": _parse_sync,
    "p": _parse_beat,
    "a": _parse_drawn,
    "v": _parse_visible,
}


def build_hello(fields: dict[str, Any]) -> bytes:
    """Build `["h",{conn,user,hb_s,epoch,offset,now_ms,rec,ack,limits}]`."""
    return _encode(("h", fields))


def build_snapshot(epoch: str, offset: int, state: bytes) -> bytes:
    """Build `["Z",epoch,offset,state]`; `state` is raw JSON."""
    return _encode(("Z", epoch, offset, msgspec.Raw(state)))


def build_sale_event(entry: LogEntry) -> bytes:
    """Build one `[type,payload,at_ms]` element of an `S` frame."""
    return _encode((entry.type, msgspec.Raw(entry.payload), entry.at_ms))


def build_sale(first: int, events: Sequence[bytes]) -> bytes:
    """Build `["S",first,[…]]` from elements that `build_sale_event` made."""
    return b'["S",%d,[%b]]' % (first, b",".join(events))


def build_state(sale_offset: int, values: dict[str, tuple[int, Any]]) -> bytes:
    """Build `["K",so,{key:[version,value],…}]`."""
    return _encode(("K", sale_offset, values))


def build_chat(sale_offset: int, lines: Sequence[ChatLine], dropped: int) -> bytes:
    """Build `["L",so,[[id,user,name,text,flags,at_ms],…],dropped]`."""
    rows = [(x.id, x.user, x.name, x.text, x.flags, x.at_ms) for x in lines]
    return _encode(("L", sale_offset, rows, dropped))


def build_direct(kind: str, payload: bytes) -> bytes:
    """Build `["D",type,payload]`; `payload` is raw JSON."""
    return _encode(("D", kind, msgspec.Raw(payload)))


def build_result(client_id: ClientId, result: bytes) -> bytes:
    """Build `["r",id,result]`; `result` is raw JSON."""
    return _encode(("r", client_id, msgspec.Raw(result)))


def build_error(client_id: ClientId, error: CommandError) -> bytes:
    """Build `["e",id,{code,message,retryable,retry_ms?,detail?}]`."""
    if error.encoded is None:
        error.encoded = _encode_error(error)
    return _encode(("e", client_id, msgspec.Raw(error.encoded)))


def _encode_error(error: CommandError) -> bytes:
    body: dict[str, Any] = {
        "code": error.code,
        "message": error.message,
        "retryable": error.retryable,
    }
    if error.retry_ms is not None:
        body["retry_ms"] = error.retry_ms
    if error.detail is not None:
        body["detail"] = error.detail
    return _encode(body)


def build_ask(is_asked: bool) -> bytes:
    """Build `["a",is_asked]`: whether to acknowledge sale events from the next one on."""
    return _encode(("a", is_asked))


def build_heartbeat(sale_offset: int) -> bytes:
    """Build `["p",so]`."""
    return b'["p",%d]' % sale_offset


def build_goodbye(code: int, retry_ms: int) -> bytes:
    """Build `["b",code,retry_ms]`; the close frame with the same code follows."""
    return b'["b",%d,%d]' % (code, retry_ms)
