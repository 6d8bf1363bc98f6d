"""Compute the contrast of every pair of colours that meets on a page, from `tokens.css` itself.

Invariant: text 4.5 to 1 or better, graphics and control borders 3 to 1 (WCAG 2.2), dark and light.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TOKENS = (Path(__file__).parents[2] / "static" / "css" / "tokens.css").read_text("utf-8")
TEXT, GRAPHICS = 4.5, 3.0
Colour = tuple[float, float, float, float]

GROUNDS = ("ink-0", "ink-1", "ink-2", "ink-3")
TEXTS = ("text-1", "text-2", "text-3", "lime-text", "amber-text", "coral-text", "sky-text", "focus")
WHITE: Colour = (255.0, 255.0, 255.0, 1.0)


def parse_colour(text: str) -> Colour:
    text = text.strip()
    if text.startswith("#"):
        red, green, blue = (float(int(text[i : i + 2], 16)) for i in (1, 3, 5))
        return red, green, blue, 1.0
    numbers = [float(part) for part in re.findall(r"[\d.]+", text)]
    return numbers[0], numbers[1], numbers[2], numbers[3] if len(numbers) > 3 else 1.0


def token(name: str, theme: str) -> Colour:
    found = re.search(rf"^\s*--{name}:\s*(.+);$", TOKENS, flags=re.MULTILINE)
    assert found, f"tokens.css has no --{name}"
    value = found[1]
    both = re.fullmatch(r"light-dark\((#\w+|rgb\([^)]*\)),\s*(#\w+|rgb\([^)]*\))\)", value)
    return parse_colour(both[1 if theme == "light" else 2] if both else value)


def lay(above: Colour, below: Colour) -> Colour:
    """Return a colour seen through another."""
    share = above[3]
    mixed = [share * a + (1 - share) * b for a, b in zip(above[:3], below[:3], strict=True)]
    return mixed[0], mixed[1], mixed[2], 1.0


def luminance(colour: Colour) -> float:
    parts = [channel / 255 for channel in colour[:3]]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: Colour, other: Colour) -> float:
    brighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (brighter + 0.05) / (darker + 0.05)


def on_card(theme: str) -> Colour:
    """Return the card over a white frame of video, its worst case."""
    return lay(token("card", theme), WHITE)


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("ground", GROUNDS)
@pytest.mark.parametrize("name", TEXTS)
def test_text_is_readable(name: str, ground: str, theme: str) -> None:
    assert contrast(token(name, theme), token(ground, theme)) >= TEXT


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize(
    ("name", "ground"),
    [
        ("on-lime", "lime"),
        ("on-lime", "lime-press"),
        ("on-lime", "asking"),
        ("on-white", "white"),
        ("on-white", "tag-mod"),
        *(("on-avatar", f"avatar-{index}") for index in range(6)),
    ],
)
def test_text_on_a_fill_is_readable(name: str, ground: str, theme: str) -> None:
    assert contrast(token(name, theme), token(ground, theme)) >= TEXT


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize(
    "name", ["lime-edge", "amber", "coral", "sky", "jade", "grey-fill", "edge", "focus"]
)
def test_graphics_are_seen(name: str, theme: str) -> None:
    assert contrast(token(name, theme), token("ink-1", theme)) >= GRAPHICS


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize(
    ("text", "tint", "ground"),
    [
        ("coral-text", "tint-coral", "ink-0"),
        ("coral-text", "tint-coral", "ink-1"),
        ("text-1", "tint-lime", "ink-1"),
        ("text-2", "tint-lime-row", "ink-1"),
        ("text-1", "ghost", "ink-1"),
        ("text-2", "tint-lime", "ink-0"),
    ],
)
def test_text_on_a_tint_is_readable(text: str, tint: str, ground: str, theme: str) -> None:
    assert contrast(token(text, theme), lay(token(tint, theme), token(ground, theme))) >= TEXT


@pytest.mark.parametrize("name", ["text-1", "text-2", "lime-text", "amber-text"])
def test_card_is_readable_over_a_white_frame(name: str) -> None:
    assert contrast(token(name, "dark"), on_card("dark")) >= TEXT


@pytest.mark.parametrize(
    ("text", "ground"),
    [
        ("white", "glass"),
        ("glass-text", "glass"),
        ("lime-text", "glass"),
        ("text-1", "banner"),
        ("lime", "banner"),
        ("banner-amber", "banner"),
        ("on-banner-coral", "banner-coral"),
        ("white", "banner-coral"),
        ("glass-text", "composer"),
    ],
)
def test_text_over_a_white_frame_is_readable(text: str, ground: str) -> None:
    # The composer lies on the bottom scrim at its darkest, never on the bare picture.
    frame = lay((8.0, 9.0, 7.0, 0.96), WHITE) if ground == "composer" else WHITE
    assert contrast(token(text, "dark"), lay(token(ground, "dark"), frame)) >= TEXT


def test_armed_button_is_readable() -> None:
    filled = lay(token("armed-fill", "dark"), token("ink-3", "dark"))
    assert contrast(token("text-1", "dark"), filled) >= TEXT


def test_ghost_button_on_the_card_is_readable() -> None:
    ground = lay(token("ghost", "dark"), on_card("dark"))
    assert contrast(token("text-1", "dark"), ground) >= TEXT


def test_checking_button_is_readable() -> None:
    ground = lay(token("tint-amber", "dark"), on_card("dark"))
    assert contrast(token("on-tint-amber", "dark"), ground) >= TEXT


def test_black_on_white_is_21() -> None:
    assert round(contrast((0.0, 0.0, 0.0, 1.0), WHITE), 2) == 21.0
