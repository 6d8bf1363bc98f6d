"""What a shared link shows of a team to whoever runs no script: a chat, a feed, a slow phone.

Invariant: it says what the page says, in the language of the page; of people it has numbers alone.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from commerce.sales.group_buys.model import TeamView
from server.amounts import format_amount


class Preview(msgspec.Struct, frozen=True):
    """Texts and addresses of a preview; both addresses are absolute, as whoever reads it needs."""

    name: str
    price: str
    state: str
    description: str
    image: str
    url: str


def preview_team(
    team: TeamView, texts: Mapping[str, str], *, language: str, base_url: str
) -> Preview:
    """Return the preview of a team."""
    words = {
        "{need}": str(team.need),
        "{joined}": str(team.joined),
        "{paid}": str(team.paid),
        "{missing}": str(team.need - team.joined),
        "{price}": _short(team.price_minor, team.currency),
        "{normal}": _short(team.normal_price_minor, team.currency),
    }
    formed = "group.completed" if team.is_completed else "group.formed"
    seats = "group.needs" if team.joined < team.need else "group.full"
    key = {"formed": formed, "failed": "group.failed"}.get(team.state, seats)
    price, state = _fill(texts["group.price"], words), _fill(texts[key], words)
    picture = team.picture or "/static/img/mark.svg"
    full_stop, space = ("。", "") if language == "zh" else (".", " ")
    description = state
    # A price at which nobody can join says nothing; it may be the one that its host has stopped.
    if team.is_open:
        description = f"{state}{full_stop}{space}{price}{full_stop}"
    elif team.state == "forming" and not team.can_open:
        description = f"{state}{full_stop}{space}{texts['group.no_more']}"
    return Preview(
        name=(team.title_zh or team.title) if language == "zh" else team.title,
        price=price,
        state=state,
        description=description,
        image=f"{base_url}{picture}",
        url=f"{base_url}/g/{team.id}",
    )


def _fill(text: str, words: Mapping[str, str]) -> str:
    for name, value in words.items():
        text = text.replace(name, value)
    return text


def _short(minor: int, currency: str) -> str:
    """Return a price without digits that say nothing, as the page does: ¥249."""
    return format_amount(minor, currency).removesuffix(".00")
