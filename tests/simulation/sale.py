"""One simulated sale: up to 20 units, 60 presses, and everything that follows."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import msgspec

from tests.simulation.buyers import Buyer, Shop
from tests.simulation.checks import check_all
from tests.simulation.core import Core, ProviderDesk
from tests.simulation.model_core import ModelCore
from tests.simulation.processes import Gateway, Worker
from tests.simulation.provider import Provider
from tests.simulation.world import END_MS, HEAL_MS, Event, World

# A crowd for each: three presses a unit, by fewer buyers than presses. Small sales meet their ends
# more often, large ones have longer lines and batches.
UNITS_OF_SALES = (5, 10, 20)
PRESSES_A_UNIT = 3
BUYERS_A_UNIT = 9 / 4
ADJUSTMENTS = 4
MakeCore = Callable[[ProviderDesk, int, int, int], Core]
MakeGateway = Callable[[World, str], Gateway]


class Verdict(msgspec.Struct, frozen=True):
    """What a seed showed; `trace` are its last events."""

    seed: int
    problems: list[str]
    trace: list[Event]
    faults: int
    sold: int
    late: int
    """Reservations that money came too late for."""
    offers: int
    refunds: int
    """Payments whose money was taken and went back."""


def simulate(
    seed: int,
    make_core: MakeCore = ModelCore,
    make_gateway: MakeGateway = Gateway,
    workers: int = 2,
) -> Verdict:
    """Play a seed to its end and check everything."""
    world = World(seed)
    provider = Provider(world)
    units = world.pick(UNITS_OF_SALES)
    world.core = make_core(provider, world.start_ms, int(units * BUYERS_A_UNIT), units)
    try:
        return _play(world, provider, make_gateway, seed, workers)
    finally:
        world.core.close()
        world.end()
        provider.gateways = []


def _play(
    world: World, provider: Provider, make_gateway: MakeGateway, seed: int, workers: int
) -> Verdict:
    gateways = [make_gateway(world, f"gateway {n}") for n in (1, 2)]
    provider.gateways = gateways
    # Two workers at once during a handover; with none, a batch frees what is due itself.
    hands = [Worker(world, f"worker {n + 1}") for n in range(workers)]
    shop = Shop(world, gateways, provider)
    _open_doors(world, shop)
    _plan_faults(world, gateways, hands)
    world.run_until(HEAL_MS)
    _heal(world, gateways)
    world.run_until(END_MS)
    books = world.core.read()
    states = [one.state for one in books.reservations.values()]
    return Verdict(
        seed=seed,
        problems=check_all(books, shop),
        trace=world.trace,
        faults=world.faults,
        sold=states.count("sold"),
        late=states.count("refused_late"),
        offers=sum(one.offered_version is not None for one in books.entries),
        refunds=sum(one.state == "refunded" for one in provider.accounts.values()),
    )


def _open_doors(world: World, shop: Shop) -> None:
    """Plan the presses: most in the first second, some when holds have ended."""
    buyers = [Buyer(shop, user_id) for user_id in world.core.users]
    units, _, _ = world.core.figures()
    for n in range(units * PRESSES_A_UNIT):
        # A second press comes in the crowd as well, or when the first holds have ended.
        is_first = n < len(buyers)
        buyer = buyers[n] if is_first else world.pick(buyers)
        is_early = is_first or world.roll() < 0.4
        world.after(world.between(0, 1_000 if is_early else 800_000), buyer.press)
    operator = buyers[0]
    for n in range(ADJUSTMENTS):
        delta = world.pick([-6, -2, -1, 1, 2])
        change = partial(world.core.adjust, delta, f"change {n}")
        ask = partial(operator.request, f"change {n}", change)
        world.after(world.between(0, 800_000), ask)


def _plan_faults(world: World, gateways: list[Gateway], workers: list[Worker]) -> None:
    """Plan the faults that strike by themselves: kills in idle moments, and clocks that jump."""
    for process in (*gateways, *workers):
        for _ in range(world.pick([0, 1, 3])):
            world.after(world.between(0, HEAL_MS), process.die)
    for gateway in gateways:
        if world.roll() < 0.5:
            skew_ms = world.pick([-3_600_000, -60_000, 60_000, 3_600_000])
            jump = partial(_jump, world, gateway, skew_ms)
            world.after(world.between(0, HEAL_MS), jump)


def _jump(world: World, gateway: Gateway, skew_ms: int) -> None:
    world.note(f"the clock of {gateway.name} jumps by {skew_ms} ms")
    world.faults += 1
    gateway.skew_ms = skew_ms
    world.core.jump_node_clock(skew_ms)


def _heal(world: World, gateways: list[Gateway]) -> None:
    """Stop the faults; clocks are right again, and whoever is down comes back by itself."""
    world.note("the world is whole again")
    world.heal()
    world.core.jump_node_clock(0)
    for gateway in gateways:
        gateway.skew_ms = 0
