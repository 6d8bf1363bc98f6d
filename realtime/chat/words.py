"""Look at the words of a line: clean them, see what is alike, find emoji and links.

Pure. Nothing here decides; `rules` does.
"""

from __future__ import annotations

import re
import unicodedata

# Some single signs fold to eighteen; a line of those is as alike by its first part.
FOLDED_CHARS_MAX = 800
# Unicode 17: Extended_Pictographic and Emoji_Presentation from U+0100 on, places kept for emoji
# to come included, because phones are newer than this Python. ASCII signs and ©® count only with
# what makes an emoji of them.
_PICTOGRAPH_RANGES = """
    203C 2049 2122 2139 2194-2199 21A9-21AA 231A-231B 2328 23CF 23E9-23F3 23F8-23FA 24C2 25AA-25AB
    25B6 25C0 25FB-25FE 2600-2604 260E 2611 2614-2615 2618 261D 2620 2622-2623 2626 262A 262E-262F
    2638-263A 2640 2642 2648-2653 265F-2660 2663 2665-2666 2668 267B 267E-267F 2692-2697 2699
    269B-269C 26A0-26A1 26A7 26AA-26AB 26B0-26B1 26BD-26BE 26C4-26C5 26C8 26CE-26CF 26D1 26D3-26D4
    26E9-26EA 26F0-26F5 26F7-26FA 26FD 2702 2705 2708-270D 270F 2712 2714 2716 271D 2721 2728
    2733-2734 2744 2747 274C 274E 2753-2755 2757 2763-2764 2795-2797 27A1 27B0 27BF 2934-2935
    2B05-2B07 2B1B-2B1C 2B50 2B55 3030 303D 3297 3299 1F004 1F02C-1F02F 1F094-1F09F 1F0AF-1F0B0
    1F0C0 1F0CF-1F0D0 1F0F6-1F0FF 1F170-1F171 1F17E-1F17F 1F18E 1F191-1F19A 1F1AE-1F1E5 1F201-1F20F
    1F21A 1F22F 1F232-1F23A 1F23C-1F23F 1F249-1F25F 1F266-1F321 1F324-1F393 1F396-1F397 1F399-1F39B
    1F39E-1F3F0 1F3F3-1F3F5 1F3F7-1F4FD 1F4FF-1F53D 1F549-1F54E 1F550-1F567 1F56F-1F570 1F573-1F57A
    1F587 1F58A-1F58D 1F590 1F595-1F596 1F5A4-1F5A5 1F5A8 1F5B1-1F5B2 1F5BC 1F5C2-1F5C4 1F5D1-1F5D3
    1F5DC-1F5DE 1F5E1 1F5E3 1F5E8 1F5EF 1F5F3 1F5FA-1F64F 1F680-1F6C5 1F6CB-1F6D2 1F6D5-1F6E5 1F6E9
    1F6EB-1F6F0 1F6F3-1F6FF 1F7DA-1F7FF 1F80C-1F80F 1F848-1F84F 1F85A-1F85F 1F888-1F88F 1F8AE-1F8AF
    1F8BC-1F8BF 1F8C2-1F8CF 1F8D9-1F8FF 1F90C-1F93A 1F93C-1F945 1F947-1F9FF 1FA58-1FA5F 1FA6E-1FAFF
    1FC00-1FFFD
"""


def _character_class(ranges: str) -> str:
    """Return the inside of a regular expression's brackets for hexadecimal ranges."""
    ends = [part.partition("-") for part in ranges.split()]
    return "".join(
        chr(int(first, 16)) + dash + chr(int(last or first, 16)) if dash else chr(int(first, 16))
        for first, dash, last in ends
    )


_PICTOGRAPHS = _character_class(_PICTOGRAPH_RANGES)
_PICTOGRAPH = re.compile(f"[{_PICTOGRAPHS}]")
# A black flag with the letters of a region, ended by a sign of its own: Scotland, Wales, Texas.
_REGION_FLAG = "\U0001f3f4[\U000e0030-\U000e0039\U000e0061-\U000e007a]{3,6}\U000e007f"
_REGION_FLAGS = re.compile(f"({_REGION_FLAG})")
# One emoji as UTS #51 builds it: a flag of two letters or of a region, a keycap, or a picture
# with its skin tone or style, joined to others by U+200D.
_PICTURE = (
    f"(?:{_REGION_FLAG}|[\U0001f1e6-\U0001f1ff]{{2}}|[{_PICTOGRAPHS}]"
    "(?:[\U0001f3fb-\U0001f3ff]|\ufe0f\u20e3?|\ufe0e)?+|[\u00a9\u00ae]\ufe0f)"
)
# Possessive throughout: a skin tone is a picture too, and a line of forty of them with one letter
# behind would otherwise be tried in two ways each, for hours.
_EMOJI_ONLY = re.compile(f"(?:\\s|[0-9#*]\ufe0f?\u20e3|{_PICTURE}(?:\u200d{_PICTURE})*+)++")

# Signs that take no room and mean nothing by themselves, which categories do not tell: fillers and
# variation marks. Two of these marks choose how an emoji looks, and stay behind one.
_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\uffa0\ufe00-\ufe0d\U000e0100-\U000e01ef]"
)
_LOOSE_STYLE = re.compile(
    f"(?<![{_PICTOGRAPHS}\u00a9\u00ae0-9#*])[\ufe0e\ufe0f]|(?<=[0-9#*])[\ufe0e\ufe0f](?!\u20e3)"
)
_LOOSE_JOINER = re.compile("(?<![^\x00-\x7f])\u200d|\u200d(?![^\x00-\x7f])")
_UNSEEN = re.compile("[\u200d\ufe0e\ufe0f]")

# Endings that people's links have, beside the two letters of a country.
_ENDINGS = (
    "[a-z]{2}|com|net|org|info|biz|xyz|top|shop|store|site|online|club|vip|link|live|app|dev|icu"
    "|page|work|ltd|fun|mobi|asia|space|website|cloud|tech|wang|ren|xin|pub|art|xn--[a-z0-9-]+"
)
_LINK = re.compile(
    r"(?<=[a-z0-9+.-])://|(?<![a-z0-9])www\."
    rf"|(?<=[\w-])\.(?:{_ENDINGS}|中国|公司|网络|网址|商城)(?![a-z0-9])"
    r"|(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?!\d|\.\d)"
)
# A full stop that some keyboards put where a name has its dot; it ends sentences as well, so it
# counts only between two ASCII letters or digits.
_WIDE_DOT = re.compile(r"(?<=[a-z0-9])[。｡](?=[a-z0-9])")

# The same sign, or the same two to four, again and again; twice says as much.
_SIGN_AGAIN = re.compile(r"([^\d\s])\1+")
_GROUP_AGAIN = re.compile(r"([^\d\s]{2,4}?)\1+")
# Three or more of one digit and nothing else is a cheer (666, 888); 66 may be an item or a price.
_CHEER = re.compile(r"(\d)\1{2,}")


def clean_text(text: str) -> str:
    """Drop control and invisible characters and squeeze white space; emoji stay whole."""
    kept: list[str] = []
    for index, piece in enumerate(_REGION_FLAGS.split(text)):
        # Every second piece is a flag, whose letters are invisible anywhere else.
        kept.extend([piece] if index % 2 else filter(None, map(_kept_sign, piece)))
    shown = _LOOSE_STYLE.sub("", _INVISIBLE.sub("", "".join(kept)))
    return " ".join(_LOOSE_JOINER.sub("", shown).split()).strip("\u200d")


def _kept_sign(char: str) -> str:
    if char.isspace():
        return " "
    if char == "\u200d" or unicodedata.category(char) not in {"Cc", "Cf", "Cs", "Co", "Cn"}:
        return char
    return char if _PICTOGRAPH.match(char) else ""


def fold(line: str) -> str:
    """Return a line for comparing: without case, width, and marks that nobody sees."""
    return _UNSEEN.sub("", unicodedata.normalize("NFKC", line).casefold())[:FOLDED_CHARS_MAX]


def is_emoji_only(line: str) -> bool:
    """Say whether a cleaned line is emoji and white space and nothing else."""
    return _EMOJI_ONLY.fullmatch(line) is not None


def has_link(line: str) -> bool:
    """Say whether a cleaned line has an address in it: a URL, a domain name, an IP address.

    A word, a dot and a known ending right behind it are a name; `thanks.ok` is refused with the
    rest, which costs its author a space. Width and the dots of Chinese keyboards make no
    difference; spelled-out dots are beyond a rule this simple.
    """
    return _LINK.search(_WIDE_DOT.sub(".", fold(line))) is not None


def likeness(line: str) -> str:
    """Return what is left of a line without case, width, punctuation and repetition.

    Lines with the same likeness say the same. Digits keep their number and whatever stands
    between two of them: 1, 11, 1.1 and 100 are different links, sizes and prices.
    """
    folded = fold(line)
    bare = _drop_marks(folded) or "".join(folded.split())
    if _CHEER.fullmatch(bare):
        return bare[0] * 3
    return _GROUP_AGAIN.sub(r"\1\1", _SIGN_AGAIN.sub(r"\1\1", bare))


def _drop_marks(text: str) -> str:
    kept: list[str] = []
    for index, char in enumerate(text):
        if char.isspace() or unicodedata.category(char)[0] in "PZ":
            neighbours = text[index - 1 : index] + text[index + 1 : index + 2]
            if not (len(neighbours) == 2 and neighbours.isdecimal()):
                continue
        kept.append(char)
    return "".join(kept)
