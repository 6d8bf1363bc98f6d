"""The payment page says what it is, in two languages, and escapes what it shows."""

from __future__ import annotations

import re

import msgspec
import pytest

from server.amounts import format_amount
from server.sandbox.model import CARDS, REMOTE_PAYMENT, SandboxPayment
from server.sandbox.page import TEXTS, PaymentPage, choose_lang

PAYMENT = SandboxPayment(
    id="sp_1",
    page_key="key",
    reference="p",
    order_reference="<script>",
    amount_minor=123_456,
    currency="CNY",
    return_path="/orders/o",
    state="created",
    created_at_ms=0,
    refunded_minor=0,
)


def test_the_page_has_the_amount_the_order_and_two_buttons() -> None:
    """And the honest sentence."""
    html = PaymentPage().render(PAYMENT, "en")
    assert "No real money moves" in html
    assert "¥1,234.56" in html
    assert 'value="pay"' in html
    assert 'value="decline"' in html
    assert 'href="/orders/o"' in html
    assert "<script>" not in html
    assert "style=" not in html


def test_the_page_offers_test_cards_and_one_of_its_own_first() -> None:
    """Several payments share a test card, to try a limit for each card."""
    html = PaymentPage().render(PAYMENT, "en")
    values = re.findall(r'<option value="([^"]*)">', html)
    assert values == ["", *CARDS]


def test_the_page_is_in_chinese_too() -> None:
    """Every text exists in both languages."""
    assert 'lang="zh-Hans"' in PaymentPage().render(PAYMENT, "zh")
    assert set(TEXTS["en"]) == set(TEXTS["zh"])


def test_a_decided_payment_has_no_buttons() -> None:
    """For every state that the table knows, and for no payment at all."""
    page = PaymentPage()
    for state in REMOTE_PAYMENT.states - {"created"}:
        html = page.render(msgspec.structs.replace(PAYMENT, state=state), "en")
        assert "<button" not in html
        assert TEXTS["en"][state] in html
    assert TEXTS["zh"]["gone"] in page.render(None, "zh")


@pytest.mark.parametrize(
    ("asked", "accepted", "lang"),
    [
        ("zh", "en", "zh"),
        ("en", "zh", "en"),
        (None, "zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        (None, "fr, en;q=0.5", "en"),
        ("fr", "zh", "zh"),
        (None, "", "en"),
    ],
)
def test_the_language_is_asked_for_or_accepted(asked: str | None, accepted: str, lang: str) -> None:
    """By `?lang`, else by Accept-Language, else English."""
    assert choose_lang(asked, accepted) == lang


@pytest.mark.parametrize(
    ("minor", "currency", "text"),
    [(0, "CNY", "¥0.00"), (5, "USD", "$0.05"), (1_000, "JPY", "¥1,000"), (100, "CHF", "CHF 1.00")],
)
def test_amounts_are_printed_by_their_currency(minor: int, currency: str, text: str) -> None:
    """With as many places as it has."""
    assert format_amount(minor, currency) == text
