"""Amounts as they are printed where no browser does it."""

from __future__ import annotations

# Currencies whose minor unit is not a hundredth (ISO 4217).
NO_MINOR_UNIT = frozenset({"JPY", "KRW", "VND", "CLP", "ISK", "XAF", "XOF", "PYG", "UGX"})
SIGNS = {"CNY": "¥", "JPY": "¥", "USD": "$", "EUR": "€", "GBP": "£"}


def format_amount(minor: int, currency: str) -> str:
    """Return an amount as it is printed: ¥189.00."""
    sign = SIGNS.get(currency, f"{currency} ")
    if currency in NO_MINOR_UNIT:
        return f"{sign}{minor:,}"
    return f"{sign}{minor // 100:,}.{minor % 100:02}"
