"""What a shared link says of a team to whoever runs no script, in every state it can be in."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from commerce.sales.group_buys.model import TeamView
from server.routes.pages import STATIC
from server.routes.previews import preview_team

FORMING = TeamView(
    id="t",
    sale="s",
    room="demo",
    sku="cup",
    title='Cup "No. 1" <b>',
    title_zh=None,
    picture="",
    price_minor=124_950,
    normal_price_minor=130_000,
    currency="CNY",
    need=3,
    joined=2,
    paid=1,
    state="forming",
    leader="L***",
    deadline_ms=1,
    ends_in_ms=1,
    is_open=True,
    can_open=True,
)
NEEDS = {"en": "Needs 1 more: 2 of 3 have joined", "zh": "还差 1 人：3 人团已有 2 人"}
NO_MORE = {
    "en": "Nobody can join it or open a new team now.",
    "zh": "现在不能参团，也不能开新团。",
}


def describe(language: str, **changes: Any) -> str:
    """Return the description of a team."""
    texts = json.loads((STATIC / "i18n" / f"{language}.json").read_text("utf-8"))
    team = msgspec.structs.replace(FORMING, **changes)
    return preview_team(team, texts, language=language, base_url="https://shop").description


def test_a_team_that_can_be_joined_says_its_price() -> None:
    assert describe("en") == f"{NEEDS['en']}. ¥1,249.50 as a team, ¥1,300 alone."
    assert describe("zh") == f"{NEEDS['zh']}。拼团价 ¥1,249.50，单买 ¥1,300。"


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_price_that_nobody_gets_is_not_shown(language: str) -> None:
    """A chat shows the preview for hours after a host has stopped a wrong price."""
    halted = describe(language, is_open=False, can_open=False)
    assert halted.startswith(NEEDS[language])
    assert halted.endswith(NO_MORE[language])
    full = describe(language, is_open=False, joined=3)
    formed = describe(language, is_open=False, joined=3, paid=3, state="formed")
    completed = describe(language, is_open=False, state="formed", is_completed=True)
    failed = describe(language, is_open=False, can_open=False, state="failed", reason="cancelled")
    for said in (halted, full, formed, completed, failed):
        assert "¥" not in said
    assert len({halted, full, formed, completed, failed}) == 5
