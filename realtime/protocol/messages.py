"""Parse what clients send and build what they receive, exactly as `docs/protocol.md` says.

Parsing is strict: a frame is accepted whole and typed, or refused with a stable code.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, get_args

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


def _check_printable(text: str) -> None:
    if not text.isprintable():
        raise ValueError("text is not printable")


Natural = Annotated[int, msgspec.Meta(ge=0, le=INTEGER_MAX)]
Positive = Annotated[int, msgspec.Meta(ge=1, le=INTEGER_MAX)]
ShortId = Annotated[str, msgspec.Meta(min_length=1, max_length=ID_CHARS_MAX)]
ClientId = Natural | ShortId | None


class Inward(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What a client sends: an array of the type's tag and its fields, as they are written here."""


class Say(Inward, frozen=True, tag="c"):
    """The client says `text` in the room's chat."""

    id: ClientId
    text: str

    def __post_init__(self) -> None:
        """Refuse an id that cannot be shown; raises ValueError."""
        if type(self.id) is str:
            _check_printable(self.id)


class Like(Inward, frozen=True, tag="k"):
    """The client's likes since its last frame; more than `LIKES_MAX` count as so many."""

    count: Positive


class Command(Inward, frozen=True, tag="q"):
    """The client asks for `command`; `args` is a raw JSON object, `key` its idempotency key."""

    id: ClientId
    command: Annotated[str, msgspec.Meta(min_length=1, max_length=COMMAND_CHARS_MAX)]
    args: msgspec.Raw
    key: Annotated[str, msgspec.Meta(min_length=1, max_length=KEY_CHARS_MAX)] | None = None

    def __post_init__(self) -> None:
        """Refuse what no command means and a database cannot hold; raises ValueError."""
        if type(self.id) is str:
            _check_printable(self.id)
        _check_printable(self.command)
        if self.key is not None:
            _check_printable(self.key)
        _check_argument(_OBJECT.decode(self.args), ARGUMENT_DEPTH_MAX)


class Sync(Inward, frozen=True, tag="sync"):
    """The client has the log up to `offset` of `epoch` and asks for the rest."""

    epoch: Annotated[str, msgspec.Meta(min_length=1, max_length=EPOCH_CHARS_MAX)]
    offset: Natural

    def __post_init__(self) -> None:
        """Refuse what is no epoch; raises ValueError."""
        _check_printable(self.epoch)


class Beat(Inward, frozen=True, tag="p"):
    """The client is alive."""


class Drawn(Inward, frozen=True, tag="a"):
    """The client drew the sale event at `offset`, `ms` after its `at_ms` by its synced clock."""

    offset: Positive
    ms: Natural | None


class Visible(Inward, frozen=True, tag="v"):
    """The client's page is shown or hidden from now on; a hidden one draws nothing."""

    is_shown: bool


Inbound = Say | Like | Command | Sync | Beat | Drawn | Visible

_INBOUND: msgspec.json.Decoder[Inbound] = msgspec.json.Decoder(Inbound)
_KINDS = frozenset(str(type.__struct_config__.tag) for type in get_args(Inbound))
_ARRAY = msgspec.json.Decoder(list[msgspec.Raw])
_TEXT = msgspec.json.Decoder(str)
_CLIENT_ID: msgspec.json.Decoder[ClientId] = msgspec.json.Decoder(ClientId)
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
        return _INBOUND.decode(data)
    except (ValueError, RecursionError):
        raise _name_fault(data) from None


def _name_fault(data: bytes) -> BadFrameError:
    """Return the refusal of a frame that could not be parsed."""
    try:
        parts = _ARRAY.decode(data)
        kind = _TEXT.decode(parts[0]) if parts else ""
    except (ValueError, RecursionError):
        return BadFrameError(refuse("bad_frame"))
    if kind not in _KINDS:
        return BadFrameError(refuse("unknown_type"))
    # Elsewhere the second element is a count or an epoch, and some command's id by accident.
    return BadFrameError(refuse("bad_frame"), _readable_id(parts) if kind in _ANSWERED else None)


def _readable_id(parts: Sequence[msgspec.Raw]) -> ClientId:
    """Return the id of a refused frame when it is readable, so that the client can match it."""
    try:
        id = _CLIENT_ID.decode(parts[1])
        if isinstance(id, str):
            _check_printable(id)
    except (ValueError, RecursionError, IndexError):
        return None
    return id


def _check_argument(value: Any, depth: int) -> None:
    """Refuse what no command means and a database cannot hold: NUL, huge numbers, deep nests."""
    if depth == 0:
        raise ValueError("arguments are nested too deeply")
    kind = type(value)  # Cheaper than isinstance and, of what a decoder made, as good.
    if kind is str:
        if "\x00" in value:
            raise ValueError("arguments hold a NUL character")
    elif kind is int or kind is float:
        if abs(value) > INTEGER_MAX:
            raise ValueError("arguments hold a number beyond 2^53")
    elif kind is dict:
        for name, item in value.items():
            _check_argument(name, depth)
            _check_argument(item, depth - 1)
    elif kind is list:
        for item in value:
            _check_argument(item, depth - 1)


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
