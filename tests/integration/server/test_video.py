"""Tickets, stream keys and pictures: who may begin what, and what everybody is told."""

from __future__ import annotations

import msgspec
import pytest

from realtime.video.ports import VideoState
from server.jobs.video import end_video_of_ended_shows
from server.media.desk import SESSIONS_PER_HOLDER_MAX, STALLED_MS_MAX, MediaDesk
from server.settings import Settings
from server.video.engine import Offer
from server.video.picture import Picture, read_picture
from server.video.tickets import PLAY_LIFETIME_MS, PUBLISH_LIFETIME_MS, VideoTickets
from server.wiring.gateway import build_gateway
from tests.integration.server.test_edge import NOBODY
from tests.integration.server.video_stage import SDP, VideoStage, open_stage
from tests.support.forwarding import OFFER, RecordingForwarder

VIDEO = "/api/rooms/demo/video"
SENT = Offer(OFFER, "127.0.0.1")


async def test_a_ticket_says_where_and_how_long(stage: VideoStage) -> None:
    status, ticket = await stage.host.call("POST", f"{VIDEO}/publish")
    assert status == 201
    assert {name: ticket[name] for name in ("protocol", "url", "ice_servers")} == {
        "protocol": "whip",
        "url": "/whip/demo",
        "ice_servers": [],
    }
    assert ticket["expires_ms"] > stage.video.now_ms()
    guest = await stage.guest()
    assert (await guest.call("POST", f"{VIDEO}/play"))[1]["url"] == "/whep/demo"


async def test_only_who_keeps_order_publishes(stage: VideoStage) -> None:
    guest = await stage.guest()
    assert await guest.call("POST", f"{VIDEO}/publish") == (403, "forbidden")
    assert (await stage.http.post(f"{VIDEO}/publish")).status_code == 401
    moderator = await stage.moderator()
    assert (await moderator.call("POST", f"{VIDEO}/publish"))[0] == 201
    token = await stage.ticket("play", guest)
    assert (await stage.offer("publish", token)).json()["code"] == "forbidden"


async def test_an_ended_show_ends_its_sessions_and_its_tickets(stage: VideoStage) -> None:
    publish, play = await stage.ticket("publish"), await stage.ticket("play")
    begun = await stage.offer("publish", publish)
    assert (await stage.offer("play", play)).status_code == 201
    await stage.host.call("POST", "/api/rooms/demo/end")
    assert stage.forwarder.asked[-1] == ("end_room", stage.room_id)
    assert (await stage.offer("play", play)).json()["code"] == "no_show"
    assert await stage.host.call("POST", f"{VIDEO}/publish") == (409, "no_show")
    assert await stage.host.call("POST", f"{VIDEO}/play") == (409, "no_show")
    await stage.host.call("POST", "/api/rooms/demo/start")
    assert (await stage.offer("publish", publish)).json()["code"] == "invalid_token"
    headers = {"Authorization": f"Bearer {publish}"}
    answer = await stage.http.delete(begun.headers["location"], headers=headers)
    assert answer.json()["code"] == "session_unknown"


async def test_before_the_show_only_staff_watches(stage: VideoStage) -> None:
    await stage.host.call("POST", "/api/rooms/demo/end")
    plan = {"title": "Next", "starts_at_ms": stage.video.now_ms() + 60_000}
    assert (await stage.host.call("POST", "/api/rooms/demo/shows", plan))[0] == 201
    assert (await stage.offer("publish")).status_code == 201
    assert (await stage.http.post(f"{VIDEO}/play")).json()["error"]["code"] == "show_not_live"
    guest = await stage.guest()
    assert await guest.call("POST", f"{VIDEO}/play") == (409, "show_not_live")
    assert (await stage.offer("play", await stage.ticket("play", stage.host))).status_code == 201


async def test_an_expired_ticket_begins_nothing_and_still_hangs_up(stage: VideoStage) -> None:
    token = await stage.ticket("publish")
    begun = await stage.offer("publish", token)
    later = stage.video.now_ms() + PUBLISH_LIFETIME_MS + 1
    settings: Settings = stage.gateway.app.state.services.settings
    from server.auth.secret import load_secret

    secret = load_secret(settings.data, settings.secret)
    stage.replace(tickets=VideoTickets(secret, lambda: later))
    assert (await stage.offer("publish", token)).json()["code"] == "invalid_token"
    headers = {"Authorization": f"Bearer {token}"}
    assert (await stage.http.delete(begun.headers["location"], headers=headers)).is_success


def test_no_other_token_is_a_ticket() -> None:
    ours = VideoTickets(b"k" * 32, lambda: 1_000)
    token, ticket = ours.issue(act="play", room_id="r", holder="user:1", show="s")
    assert ours.read(token) == ticket
    assert ticket.expires_ms == 1_000 + PLAY_LIFETIME_MS
    assert VideoTickets(b"x" * 32, lambda: 1_000).read(token) is None
    assert ours.read("") is ours.read("x.y.z") is ours.read(token[:-2]) is None
    assert ours.read("x" * 5_000) is ours.unseal("x" * 5_000) is ours.unseal("ä") is None


async def test_a_stream_key_is_shown_once_publishes_and_is_revoked(stage: VideoStage) -> None:
    status, made = await stage.host.call("POST", f"{VIDEO}/keys", {"label": " OBS "})
    assert status == 201
    assert made["url"].endswith("/whip/demo")
    assert made["key"]["label"] == "OBS"
    _, listed = await stage.host.call("GET", f"{VIDEO}/keys")
    assert listed == {"keys": [made["key"]]}
    async with stage.gateway.app.state.services.database.reading() as connection:
        kept = await connection.fetchval("SELECT stream_keys::text FROM stream_keys")
    assert made["token"] not in kept
    assert (await stage.offer("publish", made["token"])).status_code == 201
    _, listed = await stage.host.call("GET", f"{VIDEO}/keys")
    assert listed["keys"][0]["last_used_at_ms"] is not None
    key = made["key"]["id"]
    assert await stage.host.call("DELETE", f"{VIDEO}/keys/{key}") == (200, {})
    assert stage.forwarder.publishers == {}
    assert (await stage.offer("publish", made["token"])).json()["code"] == "invalid_token"
    assert await stage.host.call("DELETE", f"{VIDEO}/keys/{key}") == (404, "not_found")


async def test_a_stream_key_is_good_for_video_alone(stage: VideoStage) -> None:
    _, made = await stage.host.call("POST", f"{VIDEO}/keys", {"label": "OBS"})
    await stage.offer("publish")
    answer = await stage.offer("publish", made["token"], params={"take_over": "1"})
    assert answer.json()["code"] == "forbidden"
    assert (await stage.offer("publish", made["token"])).json()["code"] == "publisher_present"
    # Another shop before ours passes many viewers' offers on with it.
    stage.forwarder.viewers_max = 100
    for _ in range(SESSIONS_PER_HOLDER_MAX + 2):
        assert (await stage.offer("play", made["token"])).status_code == 201
    assert len(stage.forwarder.viewers[stage.room_id]) == SESSIONS_PER_HOLDER_MAX + 2
    answer = await stage.http.get("/api/me", headers={"Authorization": f"Bearer {made['token']}"})
    assert answer.status_code == 401


@pytest.mark.parametrize("label", ["", " ", "x" * 61, "a\nb"])
async def test_a_label_is_a_short_line(stage: VideoStage, label: str) -> None:
    answer = await stage.host.call("POST", f"{VIDEO}/keys", {"label": label})
    assert answer == (400, "invalid_request")


async def test_a_room_has_ten_keys(stage: VideoStage) -> None:
    for number in range(10):
        await stage.host.call("POST", f"{VIDEO}/keys", {"label": str(number)})
    assert await stage.host.call("POST", f"{VIDEO}/keys", {"label": "x"}) == (409, "keys_full")


async def test_keys_and_pictures_are_not_for_guests(stage: VideoStage) -> None:
    guest, moderator = await stage.guest(), await stage.moderator()
    for method, path, body in [
        ("GET", VIDEO, None),
        ("POST", f"{VIDEO}/stop", None),
        ("GET", f"{VIDEO}/keys", None),
        ("POST", f"{VIDEO}/keys", {"label": "x"}),
        ("DELETE", f"{VIDEO}/keys/{NOBODY}", None),
    ]:
        assert await guest.call(method, path, body) == (403, "forbidden"), path
        if "keys" in path:
            assert await moderator.call(method, path, body) == (403, "forbidden"), path


async def test_a_shop_without_video_says_so(settings: Settings) -> None:
    from server.video.engine import NoEngine

    async with open_stage(settings, engine=NoEngine()) as stage:
        token = await stage.ticket("publish")
        assert (await stage.offer("publish", token)).json()["code"] == "video_off"
        stage.replace(backend="none")
        assert await stage.host.call("POST", f"{VIDEO}/publish") == (409, "video_off")
        assert (await stage.host.call("POST", "/api/rooms/demo/end"))[0] == 200


async def test_the_media_process_answers_only_to_the_key(stage: VideoStage) -> None:
    import httpx

    transport = httpx.ASGITransport(stage.media.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://media") as nobody:
        for method, path in [
            ("GET", "/media/rooms"),
            ("POST", f"/media/rooms/{stage.room_id}/sessions"),
            ("POST", f"/media/rooms/{stage.room_id}/end"),
            ("PATCH", "/media/sessions/x"),
            ("DELETE", "/media/sessions/x"),
        ]:
            assert (await nobody.request(method, path)).status_code == 401, path
        assert (await nobody.get("/healthz")).status_code == 200
        assert "hubbub_media_viewers" in (await nobody.get("/metrics")).text


async def test_the_room_is_told_of_its_picture(stage: VideoStage) -> None:
    room, desk = stage.room_id, stage.media._desk
    assert (await stage.http.get("/api/rooms/demo")).json()["video"] is None
    begun = await stage.offer("publish", token := await stage.ticket("publish"))
    stage.forwarder.show(room, live=True)
    await desk.tell()
    shown = {"live": True, "since_ms": 1_000, "viewers": 0, "codec": "H264"}
    assert (await stage.http.get("/api/rooms/demo")).json()["video"] == shown
    await stage.offer("play")
    await desk.tell()
    _, console = await stage.host.call("GET", VIDEO)
    assert console["backend"] == "builtin"
    figures = {"viewers": 1, "bits_per_s": 1_500_000, "stalls": 0, "gives_way": False}
    assert console["picture"] == shown | figures
    headers = {"Authorization": f"Bearer {token}"}
    await stage.http.delete(begun.headers["location"], headers=headers)
    await desk.tell()
    assert (await stage.http.get("/api/rooms/demo")).json()["video"] is None


async def test_the_board_sets_the_state_key(stage: VideoStage) -> None:
    from server.video.picture import PictureBoard

    told: list[tuple[str, str, object]] = []

    class Hub:
        active_rooms = (stage.room_id,)

        def set_state(self, room_id: str, key: str, value: object) -> None:
            told.append((room_id, key, value))

    board = PictureBoard(stage.video.broker, Hub())  # type: ignore[arg-type]
    stage.forwarder.show(stage.room_id, live=True)
    await stage.media._desk.tell()
    board.hint(stage.room_id, {"stock:1"})
    board.hint(stage.room_id, {"video"})
    await board.read()
    assert [(key, value["live"]) for _, key, value in told] == [("video", True)]  # type: ignore[index]


async def test_a_picture_that_stands_is_stalled_and_then_over(stage: VideoStage) -> None:
    now_ms = 0
    forwarder, broker = RecordingForwarder(), stage.video.broker
    desk = MediaDesk(forwarder, broker, monotonic_ms=lambda: now_ms)

    async def told() -> Picture | None:
        await desk.tell()
        return await read_picture(broker, "r1")

    forwarder.show("r1", live=True)
    picture = await told()
    assert picture is not None
    assert picture.live
    forwarder.show("r1", live=False)
    picture = await told()
    assert picture is not None
    assert (picture.live, picture.stalls, picture.since_ms) == (False, 1, 1_000)
    forwarder.show("r1", live=True)
    picture = await told()
    assert picture is not None
    assert (picture.live, picture.stalls) == (True, 1)
    forwarder.show("r1", live=False)
    await told()
    now_ms = STALLED_MS_MAX + 1
    assert await told() is None
    assert desk.counters.stalls == 2


async def test_a_room_is_told_that_its_picture_gives_way(stage: VideoStage) -> None:
    """A camera that was lost has not been replaced by it."""
    forwarder = RecordingForwarder()
    desk = MediaDesk(forwarder, stage.video.broker, monotonic_ms=lambda: 0)

    async def begin(*, gives_way: bool) -> str:
        offer = Offer(OFFER, "192.0.2.1")
        begun = await desk.begin("r1", "publish", offer, holder="user:h", gives_way=gives_way)
        forwarder.show("r1", live=True)
        return begun.ref

    async def is_giving_way() -> bool:
        await desk.tell()
        picture = await read_picture(stage.video.broker, "r1")
        assert picture is not None
        return picture.gives_way

    await begin(gives_way=True)
    assert await is_giving_way()
    camera = await begin(gives_way=False)
    assert not await is_giving_way()
    await desk.end(camera)
    await begin(gives_way=True)
    assert await is_giving_way()


async def test_a_crowd_of_viewers_does_not_hide_a_publisher_from_the_end_of_its_key(
    stage: VideoStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sessions that are known are bounded; of a key that is revoked the publisher must end."""
    monkeypatch.setattr("server.media.desk.SESSIONS_KNOWN_MAX", 3)
    forwarder = RecordingForwarder(viewers_max=9)
    desk = MediaDesk(forwarder, stage.video.broker, monotonic_ms=lambda: 0)
    begun = await desk.begin("r1", "publish", SENT, holder="key:1", take_over=False)
    for number in range(5):
        await desk.begin("r1", "play", SENT, holder=f"visitor:{number}", take_over=False)
    assert len(desk._sessions) == 3
    await desk.end_room("r1", "key:1")
    assert forwarder.asked[-1] == ("end", begun.ref)


async def test_a_media_process_that_ends_leaves_no_room_live(stage: VideoStage) -> None:
    import asyncio

    stage.forwarder.show(stage.room_id, live=True)
    running = asyncio.create_task(stage.media.run())
    async with asyncio.timeout(30):
        while await read_picture(stage.video.broker, stage.room_id) is None:
            await asyncio.sleep(0.01)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert await read_picture(stage.video.broker, stage.room_id) is None


async def test_a_holder_has_a_few_sessions_and_the_oldest_makes_room(settings: Settings) -> None:
    async with open_stage(settings, forwarder=RecordingForwarder(viewers_max=100)) as stage:
        await stage.offer("publish")
        desk = stage.media._desk
        begun = [
            await desk.begin(stage.room_id, "play", SENT, holder="user:1", take_over=False)
            for _ in range(SESSIONS_PER_HOLDER_MAX + 1)
        ]
        here = stage.forwarder.viewers[stage.room_id]
        assert here == [one.ref for one in begun[1:]]


async def test_the_worker_ends_what_an_ended_show_left(stage: VideoStage) -> None:
    database = stage.gateway.app.state.services.database
    stage.forwarder.show(stage.room_id, live=True)
    assert await end_video_of_ended_shows(database, stage.video.engine) == 0
    async with database.transaction() as transaction:
        await transaction.execute("UPDATE shows SET status = 'ended', ended_at_ms = clock_ms()")
    assert await end_video_of_ended_shows(database, stage.video.engine) == 1
    assert stage.forwarder.asked[-1] == ("end_room", stage.room_id)
    assert await end_video_of_ended_shows(database, stage.video.engine) == 0


async def test_a_log_line_names_no_session(
    stage: VideoStage, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    token = await stage.ticket("publish")
    begun = await stage.offer("publish", token)
    location = begun.headers["location"]
    await stage.http.delete(f"{location}?access_token={token}")
    paths = [getattr(record, "path", "") for record in caplog.records]
    assert "/whip/demo/***" in paths
    assert not any(location in path or token in path for path in paths)


def test_a_picture_shows_no_more_than_documented() -> None:
    told = {"live", "since_ms", "viewers", "codec"}
    assert set(Picture(True).shown()) == told
    assert set(Picture(True, gives_way=True).shown()) == {*told, "gives_way"}
    assert msgspec.json.decode(msgspec.json.encode(Picture(True)), type=Picture) == Picture(True)
    assert VideoState() == VideoState(live=False)
    assert SDP["Content-Type"] == "application/sdp"


async def test_a_page_may_call_the_engine_that_it_is_sent_to(settings: Settings) -> None:
    address = "https://engine.example/{room}?t={token}"
    sent_on = msgspec.structs.replace(
        settings, media_backend="whip", whip_publish_url=address, whip_play_url=address
    )
    import httpx

    for chosen, expected in ((settings, "'self'"), (sent_on, "'self' https://engine.example")):
        parts = await build_gateway(chosen, "g1")
        transport = httpx.ASGITransport(parts.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
            policy = (await http.get("/r/demo")).headers["content-security-policy"]
        await parts.shutdown()
        assert f"connect-src {expected};" in policy


async def test_a_viewer_is_one_of_its_address_and_a_keys_viewers_are_the_keys(
    stage: VideoStage,
) -> None:
    """So the places of who never connects are shared; a key stands for a shop's viewers."""
    await stage.offer("publish")
    assert (await stage.offer("play")).status_code == 201
    _, made = await stage.host.call("POST", f"{VIDEO}/keys", {"label": "Shop"})
    assert (await stage.offer("play", made["token"])).status_code == 201
    assert stage.forwarder.crowds == ["127.0.0.1", f"key:{made['key']['id']}"]
    stage.forwarder.refuse = "video_busy"
    answer = await stage.offer("play")
    assert (answer.status_code, answer.json()["code"]) == (503, "video_busy")
