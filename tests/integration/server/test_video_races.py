"""Who begins to publish while the right to it goes, and two who begin at once: in a forced order.

An answer is held back in the forwarder, the other thing happens, and the answer goes on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from commerce.kernel.errors import CommerceError
from server.jobs.video import end_video_of_ended_shows
from server.media.desk import MediaDesk
from server.video.engine import Begun, Offer
from tests.integration.server.video_stage import VideoStage
from tests.support.forwarding import OFFER, RecordingForwarder

VIDEO = "/api/rooms/demo/video"
SENT = Offer(OFFER, "127.0.0.1")


async def until_held(forwarder: RecordingForwarder, count: int = 1) -> asyncio.Event:
    """Wait until so many answers are held back; return what lets the last go on."""
    assert forwarder.answering is not None
    async with asyncio.timeout(30):
        while len(forwarder.answering) < count:
            await asyncio.sleep(0)
    return forwarder.answering[count - 1]


async def meanwhile(
    stage: VideoStage, token: str, happen: Callable[[], Awaitable[object]]
) -> tuple[int, str | None]:
    """Publish, have something happen before the answer is made, and return what comes of it."""
    stage.forwarder.answering = []
    publishing = asyncio.create_task(stage.offer("publish", token))
    go = await until_held(stage.forwarder)
    await happen()
    go.set()
    answer = await publishing
    stage.forwarder.answering = None
    return answer.status_code, None if answer.is_success else answer.json()["code"]


async def test_nothing_happens_meanwhile_and_it_is_published(stage: VideoStage) -> None:
    """The control: what is held back and goes on is answered."""
    token = await stage.ticket("publish")
    assert await meanwhile(stage, token, lambda: asyncio.sleep(0)) == (201, None)
    assert stage.room_id in stage.forwarder.publishers


async def test_a_show_that_ends_meanwhile_has_no_publisher(stage: VideoStage) -> None:
    token = await stage.ticket("publish")
    end = lambda: stage.host.call("POST", "/api/rooms/demo/end")  # noqa: E731 - One line.
    assert await meanwhile(stage, token, end) == (409, "no_show")
    assert not stage.forwarder.publishers


async def test_a_key_that_is_revoked_meanwhile_publishes_nothing(stage: VideoStage) -> None:
    _, made = await stage.host.call("POST", f"{VIDEO}/keys", {"label": "OBS"})
    revoke = lambda: stage.host.call("DELETE", f"{VIDEO}/keys/{made['key']['id']}")  # noqa: E731
    assert await meanwhile(stage, made["token"], revoke) == (401, "invalid_token")
    assert not stage.forwarder.publishers


async def demote(stage: VideoStage) -> None:
    """Take the room's moderators away, as an operator does in the database."""
    database = stage.gateway.app.state.services.database
    async with database.transaction() as transaction:
        await transaction.execute("DELETE FROM room_moderators")


async def test_who_is_demoted_meanwhile_publishes_nothing(stage: VideoStage) -> None:
    token = await stage.ticket("publish", await stage.moderator())
    assert await meanwhile(stage, token, lambda: demote(stage)) == (401, "invalid_token")
    assert not stage.forwarder.publishers


async def test_who_is_demoted_ends_and_does_not_come_back(stage: VideoStage) -> None:
    """The ticket is good for an hour, and the session for as long as it likes; not this time."""
    token = await stage.ticket("publish", await stage.moderator())
    assert (await stage.offer("publish", token)).status_code == 201
    database = stage.gateway.app.state.services.database
    assert await end_video_of_ended_shows(database, stage.video.engine) == 0
    await demote(stage)
    assert await end_video_of_ended_shows(database, stage.video.engine) == 1
    assert not stage.forwarder.publishers
    assert (await stage.offer("publish", token)).json()["code"] == "invalid_token"
    assert await end_video_of_ended_shows(database, stage.video.engine) == 0


async def test_a_host_whose_role_is_taken_ends_too(stage: VideoStage) -> None:
    assert (await stage.offer("publish")).status_code == 201
    database = stage.gateway.app.state.services.database
    async with database.transaction() as transaction:
        await transaction.execute("UPDATE users SET role = 'guest' WHERE role = 'host'")
    assert await end_video_of_ended_shows(database, stage.video.engine) == 1
    assert not stage.forwarder.publishers


async def test_a_key_whose_end_was_not_heard_ends_with_the_next_round(stage: VideoStage) -> None:
    """The media process was away when it was revoked."""
    _, made = await stage.host.call("POST", f"{VIDEO}/keys", {"label": "OBS"})
    assert (await stage.offer("publish", made["token"])).status_code == 201
    database = stage.gateway.app.state.services.database
    async with database.transaction() as transaction:
        await transaction.execute("UPDATE stream_keys SET revoked_at_ms = clock_ms()")
    assert await end_video_of_ended_shows(database, stage.video.engine) == 1
    assert not stage.forwarder.publishers


@pytest.fixture
def desk(stage: VideoStage) -> MediaDesk:
    """A desk over a forwarder that holds answers back."""
    return MediaDesk(RecordingForwarder(), stage.video.broker, monotonic_ms=lambda: 0)


def publishing(desk: MediaDesk, holder: str, *, take_over: bool = False) -> asyncio.Task[Begun]:
    """Begin to publish into a room."""
    begun = desk.begin("r1", "publish", SENT, holder=holder, take_over=take_over)
    return asyncio.create_task(begun)


def forwarder_of(desk: MediaDesk) -> RecordingForwarder:
    """Return the desk's forwarder."""
    assert isinstance(desk._forwarder, RecordingForwarder)
    return desk._forwarder


async def test_of_two_take_overs_at_once_the_loser_cannot_end_the_winners_picture(
    desk: MediaDesk,
) -> None:
    forwarder = forwarder_of(desk)
    forwarder.answering = []
    first = publishing(desk, "user:a", take_over=True)
    go = await until_held(forwarder)
    second = publishing(desk, "user:b", take_over=True)
    await asyncio.sleep(0)
    go.set()
    loser = await first
    (await until_held(forwarder, 2)).set()
    winner = await second
    assert forwarder.publishers["r1"] == winner.ref
    forwarder.show("r1", live=True)
    with pytest.raises(CommerceError) as gone:
        await desk.end(loser.ref)
    assert gone.value.code == "session_unknown"
    assert desk.picture("r1") is not None
    assert desk.publishers() == [("r1", "user:b")]
    assert len(desk._turns) == 0


async def test_who_comes_back_does_not_take_the_place_of_who_took_over(desk: MediaDesk) -> None:
    """A line is lost, the host takes over, and the one before comes back at the same moment."""
    forwarder = forwarder_of(desk)
    await publishing(desk, "user:before")
    forwarder.answering = []
    host = publishing(desk, "user:host", take_over=True)
    go = await until_held(forwarder)
    back = publishing(desk, "user:before")
    await asyncio.sleep(0)
    assert len(forwarder.answering) == 1
    go.set()
    begun = await host
    with pytest.raises(CommerceError) as refused:
        await back
    assert refused.value.code == "publisher_present"
    assert forwarder.publishers["r1"] == begun.ref


async def test_one_room_does_not_wait_for_another(desk: MediaDesk) -> None:
    forwarder = forwarder_of(desk)
    forwarder.answering = []
    first = publishing(desk, "user:a")
    go = await until_held(forwarder)
    other = desk.begin("r2", "publish", SENT, holder="user:b")
    second = asyncio.create_task(other)
    (await until_held(forwarder, 2)).set()
    await second
    assert not first.done()
    go.set()
    await first


async def test_an_answer_that_fails_leaves_the_turn_to_the_next(desk: MediaDesk) -> None:
    forwarder = forwarder_of(desk)
    forwarder.refuse = "bad_offer"
    with pytest.raises(CommerceError):
        await publishing(desk, "user:a")
    forwarder.refuse = None
    await publishing(desk, "user:b")
