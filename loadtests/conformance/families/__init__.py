"""The checks, a file for each part of the contract; `EVERY` is their table of contents."""

from __future__ import annotations

from loadtests.conformance.families import (
    carts,
    chat,
    commands,
    coupons,
    draws,
    evidence,
    frames,
    handshake,
    http_edge,
    limits,
    liveness,
    moderation,
    operation,
    people,
    pressing,
    recovery,
    refunds,
    rooms,
    sale_lane,
    selling,
    state_lane,
    video,
    waiting,
    witness,
)
from loadtests.conformance.model import Check

MODULES = (
    http_edge,
    people,
    rooms,
    handshake,
    frames,
    commands,
    limits,
    liveness,
    sale_lane,
    recovery,
    state_lane,
    chat,
    moderation,
    selling,
    carts,
    waiting,
    draws,
    coupons,
    refunds,
    pressing,
    evidence,
    video,
    operation,
    witness,
)
EVERY: tuple[Check, ...] = tuple(check for module in MODULES for check in module.CHECKS)
