"""Which payment providers answer, and where buyers pay, by the settings."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import pytest

from server.settings import read_settings
from server.wiring.commerce import build_till
from server.wiring.gateway import _provider_routes

ROOT = Path(__file__).parents[4]
KEYS = {
    "HUBBUB_STRIPE_SECRET_KEY": "sk_test_12345678",
    "HUBBUB_STRIPE_PUBLISHABLE_KEY": "pk_test_12345678",
    "HUBBUB_STRIPE_WEBHOOK_SECRET": "whsec_12345678",
}
STRIPE_PAGE, SANDBOX_PAGE = "/pay/stripe/{payment}", "/sandbox-pay"


@pytest.mark.parametrize(
    ("payments", "keys", "providers", "pages"),
    [
        ("sandbox", {}, ["sandbox"], [SANDBOX_PAGE]),
        ("sandbox", KEYS, ["sandbox", "stripe"], [SANDBOX_PAGE, STRIPE_PAGE]),
        ("stripe", KEYS, ["stripe", "sandbox"], [STRIPE_PAGE]),
    ],
)
async def test_a_provider_with_keys_answers_for_the_past(
    tmp_path: Path, payments: str, keys: dict[str, str], providers: list[str], pages: list[str]
) -> None:
    """New payments go where HUBBUB_PAYMENTS says; nobody pays with pretend money beside Stripe."""
    settings = read_settings(
        {"HUBBUB_PAYMENTS": payments, "HUBBUB_SECRET": "s" * 32, **keys}, data=tmp_path
    )
    till = build_till(settings, cast("Any", None))
    assert list(till.payments._providers) == providers
    assert [cast("Any", route).path for route in _provider_routes(settings, till)] == pages
    await till.close()


def test_stripes_library_is_loaded_where_its_keys_are_set_alone() -> None:
    """It costs each process time and memory."""
    for keys, is_loaded in (({}, "False"), (KEYS, "True")):
        program = (
            "import sys; from server.settings import read_settings;"
            " import server.wiring.gateway, server.wiring.worker;"
            " from server.wiring.commerce import build_stripe;"
            f" build_stripe(read_settings({keys!r}), None); print('stripe' in sys.modules)"
        )
        done = subprocess.run(
            [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
        )
        assert done.stdout.strip() == is_loaded
