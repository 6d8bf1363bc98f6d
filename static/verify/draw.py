#!/usr/bin/env python3
"""Check a draw: fetch its public data, draw again, and compare.

    python draw.py URL SALE

URL is the shop's address, SALE the id of the sale. Needs Python 3.9 and nothing else; trusts
nothing that the shop says of the order. Exit code 0: the draw is what its seed and entries give.
1: it is not, or could not be checked; the last line says why.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import urllib.parse
import urllib.request
import uuid

ALGORITHM = "hubbub-draw-1"
TIMEOUT_S = 30
# Ten million entries; a shop that never says "that is all" is not followed for ever.
PAGES_MAX = 1_000
# What must be the same on every page.
HEAD = ("algorithm", "commit", "seed", "digest", "units", "entry_count", "winner_count")


class MismatchError(Exception):
    """What was promised is not what is there."""


def fetch(url, sale):
    """Return the head of a draw's public data, all (id, quantity) entries, and the ids that won."""
    base = "{}/api/sales/{}/draw".format(url.rstrip("/"), urllib.parse.quote(sale, safe=""))
    head, entries, winners, after = None, [], [], ""
    for _ in range(PAGES_MAX):
        url = base + after
        with urllib.request.urlopen(url, timeout=TIMEOUT_S) as answer:  # noqa: S310 - the caller's.
            page = json.load(answer)
        if head is None:
            head = page
        changed = [name for name in HEAD if page[name] != head[name]]
        if changed:
            raise MismatchError("the pages differ in {}".format(", ".join(changed)))
        entries += [(str(uuid.UUID(id)), int(qty)) for id, qty in page["entries"]]
        winners += [str(uuid.UUID(id)) for id in page["winners"]]
        if page["is_end"]:
            return head, entries, winners
        after = "?after=" + urllib.parse.quote(entries[-1][0])
    raise MismatchError(f"more than {PAGES_MAX} pages")


def draw(seed, entries, units):
    """Return the digest, the ids in the order of the draw, and those that win `units`."""
    digest = hashlib.sha256(
        b"".join(uuid.UUID(id).bytes + qty.to_bytes(4, "big") for id, qty in sorted(entries))
    ).digest()

    def key(entry):
        return hashlib.sha256(seed + digest + uuid.UUID(entry[0]).bytes).digest()

    ranking, winners, free = sorted(entries, key=key), [], units
    for id, qty in ranking:
        if qty <= free:
            free -= qty
            winners.append(id)
    return digest.hex(), [id for id, _ in ranking], winners


def check(head, entries, winners, say):
    """Say each thing that holds; raise MismatchError at the first that does not."""
    if head["algorithm"] != ALGORITHM:
        raise MismatchError("this script knows {}, not {}".format(ALGORITHM, head["algorithm"]))
    if head["seed"] is None:
        raise MismatchError("the draw has not been done yet")
    seed = bytes.fromhex(head["seed"])
    if len(seed) != 32 or hashlib.sha256(seed).hexdigest() != head["commit"]:
        raise MismatchError("the seed is not the one that was committed to before")
    say("the seed is the one that was committed to: {}".format(head["commit"]))
    if len(entries) != head["entry_count"] or len(dict(entries)) != len(entries):
        raise MismatchError("there are not {} different entries".format(head["entry_count"]))
    if any(qty < 1 for _, qty in entries):
        raise MismatchError("an entry asks for less than one unit")
    digest, _, expected = draw(seed, entries, head["units"])
    if digest != head["digest"]:
        raise MismatchError("the entries are not those that were drawn from: their digest differs")
    say(f"the {len(entries)} entries have the digest {digest}")
    if len(set(winners)) != len(winners) or set(winners) != set(expected):
        off = sorted(set(winners) ^ set(expected))
        raise MismatchError("the winners are not those of the draw: {}".format(", ".join(off[:5])))
    if len(winners) != head["winner_count"]:
        raise MismatchError("the room was told of {} winners".format(head["winner_count"]))
    say("the {} winners of {} units are those of the draw".format(len(winners), head["units"]))


def main():
    """Run the check that the command line names; return the exit code."""
    parser = argparse.ArgumentParser(description="Check a draw from its public data.")
    parser.add_argument("url", help="the shop's address, such as https://shop.example")
    parser.add_argument("sale", help="the id of the sale")
    parser.add_argument("--entry", help="also say the rank of this entry")
    asked = parser.parse_args()
    try:
        head, entries, winners = fetch(asked.url, asked.sale)
        check(head, entries, winners, print)
    except (MismatchError, OSError, ValueError, KeyError, TypeError) as error:
        print(f"NOT OK: {error}")
        return 1
    if asked.entry:
        ranking = draw(bytes.fromhex(head["seed"]), entries, head["units"])[1]
        if asked.entry not in ranking:
            print("NOT OK: this entry was not drawn from")
            return 1
        rank = ranking.index(asked.entry) + 1
        won = "won" if asked.entry in winners else "did not win"
        print(f"your entry has place {rank} of {len(ranking)} and {won}")
    print("OK")
    return 0


if __name__ == "__main__":
    sys.exit(main())
