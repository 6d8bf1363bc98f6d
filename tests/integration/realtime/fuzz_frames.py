"""Make what broken and hostile clients send, and say what each piece deserves.

One seed is one script: the whole of what a connection sends. Nothing here knows the server.
"""

from __future__ import annotations

import random
from collections.abc import Callable

import msgspec
from websockets.frames import Frame, Opcode

FRAMES_MAX = 25
FRAME_BYTES_MAX = 4096
RESERVED_OPCODES = (0x3, 0x7, 0xB, 0xF)
NASTY_NUMBERS = ("1e999", "-1", "9" * 400, "0.1", "9007199254740993", "1e-400", "-0")
NASTY_VALUES = ("null", "true", '""', "[]", "{}", '"\\u0000"', '"\\ud800"', *NASTY_NUMBERS)

Id = int | str


class Piece(msgspec.Struct, frozen=True):
    """Some bytes of the script."""

    data: bytes
    must_answer: Id | None = None
    """A whole message with this id, which deserves exactly one answer."""
    may_answer: Id | None = None
    """A damaged message: one answer at most, if the id can still be read."""
    is_fatal: bool = False
    """After this the connection must be closed."""
    may_be_fatal: bool = False
    """After this the connection may be closed."""


class Scribe:
    """Writes one script."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)
        self._next_id = 0

    def script(self) -> list[Piece]:
        """Return the pieces, up to the first that must end the connection."""
        makers: list[tuple[int, Callable[[], list[Piece]]]] = [
            (8, self._whole),
            (3, self._in_pieces),
            (6, self._damaged),
            (2, self._binary),
            (1, self._control),
            (1, self._fatal),
        ]
        weights = [weight for weight, _ in makers]
        pieces: list[Piece] = []
        for _ in range(self._chance.randint(1, FRAMES_MAX)):
            (make,) = self._chance.choices([maker for _, maker in makers], weights)
            pieces += make()
            if pieces[-1].is_fatal:
                break
        return pieces

    def _id(self) -> Id:
        self._next_id += 1
        return self._chance.choice([self._next_id, f"i{self._next_id}"])

    def _message(self) -> tuple[str, Id | None]:
        """Return a well-formed message and its id, if it deserves an answer."""
        id = self._id()
        text = msgspec.json.encode(id).decode()
        return self._chance.choice(
            [
                (f'["c",{text},"hello {self._next_id}"]', id),
                (f'["q",{text},"echo",{{"qty":1}},"key"]', id),
                (f'["q",{text},"time",{{}}]', id),
                (f'["q",{text},"sold_out",{{"a":[1,{{"b":null}}]}},null]', id),
                (f'["q",{text},"no such thing",{{}}]', id),
                ('["k",3]', None),
                ('["sync","epoch-1",0]', None),
                ('["sync","another",7]', None),
                ('["a",0,12]', None),
                ('["v",true]', None),
                ('["p"]', None),
            ]
        )

    def _whole(self) -> list[Piece]:
        text, id = self._message()
        return [Piece(self._frame(Opcode.TEXT, text.encode()), must_answer=id)]

    def _in_pieces(self) -> list[Piece]:
        """Cut a message into frames, with pings and pongs in between, some frames empty."""
        text, id = self._message()
        data = text.encode()
        cuts = sorted(self._chance.choices(range(len(data) + 1), k=self._chance.randint(1, 3)))
        parts = [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]
        sent = b""
        for index, part in enumerate(parts):
            opcode = Opcode.TEXT if index == 0 else Opcode.CONT
            sent += self._frame(opcode, part, fin=index == len(parts) - 1)
            if index < len(parts) - 1 and self._chance.random() < 0.5:
                sent += self._frame(self._chance.choice([Opcode.PING, Opcode.PONG]), b"x" * 125)
        return [Piece(sent, must_answer=id)]

    def _damaged(self) -> list[Piece]:
        text, id = self._message()
        damage = self._chance.choice(
            [self._cut, self._swap_a_value, self._nest, self._scramble, self._append]
        )
        data = damage(text.encode())[: FRAME_BYTES_MAX - 1]
        # Bad UTF-8 in a text frame may end a connection by the rules of WebSockets.
        return [Piece(self._frame(Opcode.TEXT, data), may_answer=id, may_be_fatal=True)]

    def _cut(self, data: bytes) -> bytes:
        return data[: self._chance.randrange(len(data))]

    def _swap_a_value(self, data: bytes) -> bytes:
        values = msgspec.json.decode(data, type=list[msgspec.Raw])
        at = self._chance.randrange(len(values))
        values[at] = msgspec.Raw(self._chance.choice(NASTY_VALUES).encode())
        return b"[" + b",".join(map(bytes, values)) + b"]"

    def _nest(self, data: bytes) -> bytes:
        depth = self._chance.choice([7, 50, 1900])
        brackets = self._chance.choice([(b"[", b"]"), (b'{"a":', b"}")])
        deep = brackets[0] * depth + b"1" + brackets[1] * depth
        return data[:-1] + b"," + deep + b"]"

    def _scramble(self, data: bytes) -> bytes:
        mutated = bytearray(data)
        for _ in range(self._chance.randint(1, 4)):
            mutated[self._chance.randrange(len(mutated))] = self._chance.randrange(256)
        return bytes(mutated)

    def _append(self, data: bytes) -> bytes:
        return data + self._chance.choice([b"]", b"\xff\xfe", b"\x00", b" ", data, b"9" * 3000])

    def _binary(self) -> list[Piece]:
        text, id = self._message()
        return [Piece(self._frame(Opcode.BINARY, text.encode()), may_answer=id)]

    def _control(self) -> list[Piece]:
        opcode = self._chance.choice([Opcode.PING, Opcode.PONG])
        return [Piece(self._frame(opcode, self._chance.randbytes(self._chance.randrange(126))))]

    def _fatal(self) -> list[Piece]:
        """Break the rules of WebSockets themselves, or say goodbye."""
        text = b'["p"]'
        choices = [
            self._raw(0x80 | 0x40 | Opcode.TEXT, text),
            self._raw(0x80 | 0x20 | Opcode.TEXT, text),
            Frame(Opcode.TEXT, text).serialize(mask=False),
            self._frame(Opcode.TEXT, b"x" * (FRAME_BYTES_MAX + 1)),
            b"\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff" + b"\0" * 4,
            self._frame(Opcode.TEXT, b"[", fin=False) + self._frame(Opcode.TEXT, text),
            self._frame(Opcode.CONT, text),
            self._raw(0x80 | self._chance.choice(RESERVED_OPCODES), text),
            self._raw(0x80 | 0x9, b"x" * 126),
            self._raw(0x9, b"in pieces"),
            self._raw(0x88, b"\x03"),
            self._raw(0x88, (1005).to_bytes(2, "big")),
            self._raw(0x88, (1000).to_bytes(2, "big") + b"bye"),
            self._raw(0x88, b""),
        ]
        return [Piece(self._chance.choice(choices), is_fatal=True)]

    def _frame(self, opcode: Opcode, data: bytes, *, fin: bool = True) -> bytes:
        return self._raw(0x80 * fin | opcode, data)

    def _raw(self, head: int, data: bytes) -> bytes:
        """Make a masked frame: the library refuses some, and masks by chance that has no seed."""
        size = len(data)
        length = bytes([0x80 | size]) if size < 126 else b"\xfe" + size.to_bytes(2, "big")
        key = self._chance.randbytes(4)
        return bytes([head]) + length + key + bytes(b ^ key[i % 4] for i, b in enumerate(data))
