"""Ids, quantities and keys as people send them."""

from __future__ import annotations

import pytest

from commerce.goods.inventory.model import QTY_MAX
from commerce.kernel.errors import CommerceError
from commerce.kernel.ids import KEY_CHARS_MAX
from realtime.protocol import messages
from server.arguments import check_id, check_key, check_qty, parse_id

ID = "018f3c5e-7b1a-7c00-8000-0000000000ab"


def test_an_id_is_canonical_text() -> None:
    assert [parse_id(text) for text in (ID, ID.upper(), ID.replace("-", ""))] == [ID, ID, ID]


@pytest.mark.parametrize("text", ["", "0", "no-uuid", f"{{{ID}}}", f"urn:uuid:{ID}", ID + "\x00"])
def test_anything_else_names_nothing(text: str) -> None:
    assert parse_id(text) is None
    with pytest.raises(CommerceError, match="not_found: There is no such sale"):
        check_id(text, "sale")


def test_a_quantity_is_at_least_one_and_at_most_a_press() -> None:
    assert [check_qty(qty) for qty in (1, QTY_MAX)] == [1, QTY_MAX]
    for qty in (-1, 0, QTY_MAX + 1):
        with pytest.raises(CommerceError) as caught:
            check_qty(qty)
        assert (caught.value.code, caught.value.detail) == ("invalid_request", {"field": "qty"})


def test_a_key_is_needed_short_and_plain() -> None:
    for good in ("k" * KEY_CHARS_MAX, "!~", ID):
        assert check_key(good) == good
    for none in (None, ""):
        with pytest.raises(CommerceError, match="idempotency_key_required"):
            check_key(none)
    for bad in ("k" * (KEY_CHARS_MAX + 1), "a b", "a\x7f", "käse", "a\n", " a"):
        with pytest.raises(CommerceError) as caught:
            check_key(bad)
        assert caught.value.code == "invalid_request"
        assert caught.value.detail == {"field": "Idempotency-Key"}


def test_the_socket_lets_through_what_http_does() -> None:
    assert messages.KEY_CHARS_MAX == KEY_CHARS_MAX
