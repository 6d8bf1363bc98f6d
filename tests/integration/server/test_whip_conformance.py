"""WHIP (RFC 9725) and WHEP (draft-ietf-wish-whep-03), line by line: one test a line."""

from __future__ import annotations

import re

import httpx
import pytest

from commerce.goods.press_rules.buckets import Buckets
from server.routes.whip import SDP_BYTES_MAX
from server.video.service import Paces
from tests.integration.server.video_stage import SDP, VideoStage
from tests.support.forwarding import ANSWER, FRAGMENT

BOTH = pytest.mark.parametrize("act", ["publish", "play"])
TRICKLE = "application/trickle-ice-sdpfrag"


def way(act: str) -> str:
    return "whip" if act == "publish" else "whep"


def bearer(token: str, **more: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}", **{k.replace("_", "-"): v for k, v in more.items()}}


async def begin(stage: VideoStage, act: str) -> tuple[str, httpx.Response]:
    """Begin a session of this act, with a publisher there; return its ticket and the answer."""
    if act == "play":
        assert (await stage.offer("publish")).status_code == 201
    token = await stage.ticket(act)
    answer = await stage.offer(act, token)
    assert answer.status_code == 201, answer.text
    return token, answer


def check_problem(answer: httpx.Response, status: int, code: str) -> None:
    """See a refusal as RFC 9457 has it, readable by a page of any origin."""
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == status
    assert answer.headers["access-control-allow-origin"] == "*"


@BOTH
async def test_an_offer_is_answered_with_201_and_sdp(stage: VideoStage, act: str) -> None:
    _, answer = await begin(stage, act)
    assert answer.headers["content-type"] == "application/sdp"
    assert answer.text == ANSWER


@BOTH
async def test_location_is_relative_unguessable_and_spelled_with_a_capital(
    stage: VideoStage, act: str
) -> None:
    _, answer = await begin(stage, act)
    assert b"Location" in [name for name, _ in answer.headers.raw]
    location = answer.headers["location"]
    assert re.fullmatch(rf"/{way(act)}/demo/[\w-]{{100,}}", location)
    _, other = await begin(stage, "play")
    assert other.headers["location"] != location


@BOTH
async def test_a_session_has_one_strong_etag(stage: VideoStage, act: str) -> None:
    _, answer = await begin(stage, act)
    assert re.fullmatch(r'"[0-9a-f]{24}"', answer.headers["etag"])


@BOTH
async def test_a_room_is_named_by_its_id_as_well(stage: VideoStage, act: str) -> None:
    await begin(stage, "play")
    token = await stage.ticket(act)
    address = f"/{way(act)}/{stage.room_id}?take_over=1"
    if act == "play":
        address = f"/whep/{stage.room_id}"
    answer = await stage.http.post(address, content="v=0\r\n", headers={**bearer(token), **SDP})
    assert answer.status_code == 201


@BOTH
@pytest.mark.parametrize("sent", ["application/json", "text/plain", ""])
async def test_another_type_is_415_and_says_which_is_taken(
    stage: VideoStage, act: str, sent: str
) -> None:
    answer = await stage.offer(act, headers={"Content-Type": sent})
    check_problem(answer, 415, "unsupported_media_type")
    assert answer.headers["accept-post"] == "application/sdp"


@BOTH
@pytest.mark.parametrize("body", ["", "hello", "{}"])
async def test_a_body_that_is_no_sdp_is_400(stage: VideoStage, act: str, body: str) -> None:
    check_problem(await stage.offer(act, body=body), 400, "bad_offer")
    assert stage.forwarder.asked == []


@BOTH
async def test_what_the_forwarder_cannot_serve_is_422_as_a_whole(
    stage: VideoStage, act: str
) -> None:
    stage.forwarder.refuse = "offer_unsupported"
    check_problem(await stage.offer(act), 422, "offer_unsupported")
    stage.forwarder.refuse = "bad_offer"
    check_problem(await stage.offer(act), 400, "bad_offer")


@BOTH
async def test_a_long_body_is_413(stage: VideoStage, act: str) -> None:
    for size in (SDP_BYTES_MAX + 1, 70_000):
        answer = await stage.offer(act, body="v=0" + "x" * size)
        check_problem(answer, 413, "body_too_large")
    assert stage.forwarder.asked == []


@BOTH
async def test_trickled_candidates_are_204_without_body_and_etag(
    stage: VideoStage, act: str
) -> None:
    token, begun = await begin(stage, act)
    headers = bearer(token, Content_Type=TRICKLE, If_Match=begun.headers["etag"])
    answer = await stage.http.patch(begun.headers["location"], content=FRAGMENT, headers=headers)
    assert (answer.status_code, answer.content) == (204, b"")
    assert "etag" not in answer.headers
    assert stage.forwarder.asked[-1][2] == FRAGMENT


@BOTH
async def test_trickling_without_if_match_is_428_and_with_another_412(
    stage: VideoStage, act: str
) -> None:
    token, begun = await begin(stage, act)
    location, plain = begun.headers["location"], bearer(token, Content_Type=TRICKLE)
    answer = await stage.http.patch(location, content=FRAGMENT, headers=plain)
    check_problem(answer, 428, "precondition_required")
    wrong = {**plain, "If-Match": '"0123"'}
    answer = await stage.http.patch(location, content=FRAGMENT, headers=wrong)
    check_problem(answer, 412, "precondition_failed")
    assert stage.forwarder.asked[-1][0] == act


@BOTH
async def test_an_ice_restart_is_422_and_the_session_stays(stage: VideoStage, act: str) -> None:
    token, begun = await begin(stage, act)
    headers = bearer(token, Content_Type=TRICKLE, If_Match="*")
    anew = FRAGMENT.replace("offerer", "restarted")
    answer = await stage.http.patch(begun.headers["location"], content=anew, headers=headers)
    check_problem(answer, 422, "restart_unsupported")
    again = await stage.http.patch(begun.headers["location"], content=FRAGMENT, headers=headers)
    assert again.status_code == 204


@BOTH
async def test_a_patch_of_another_type_is_415(stage: VideoStage, act: str) -> None:
    token, begun = await begin(stage, act)
    headers = bearer(token, Content_Type="application/sdp", If_Match=begun.headers["etag"])
    answer = await stage.http.patch(begun.headers["location"], content=FRAGMENT, headers=headers)
    check_problem(answer, 415, "unsupported_media_type")
    assert answer.headers["accept-patch"] == TRICKLE


@BOTH
async def test_delete_is_200_ignores_etags_and_ends_the_session(
    stage: VideoStage, act: str
) -> None:
    token, begun = await begin(stage, act)
    location, headers = begun.headers["location"], bearer(token, If_Match='"0123"')
    assert (await stage.http.delete(location, headers=headers)).status_code == 200
    assert stage.forwarder.asked[-1][0] == "end"
    check_problem(await stage.http.delete(location, headers=headers), 404, "session_unknown")


@BOTH
async def test_get_and_head_are_empty_and_well(stage: VideoStage, act: str) -> None:
    token, begun = await begin(stage, act)
    for address in (f"/{way(act)}/demo", begun.headers["location"]):
        for method in ("GET", "HEAD"):
            answer = await stage.http.request(method, address, headers=bearer(token))
            assert (answer.status_code, answer.content) == (200, b"")


async def test_head_of_a_player_says_what_it_takes(stage: VideoStage) -> None:
    token = await stage.ticket("play")
    answer = await stage.http.head("/whep/demo", headers=bearer(token))
    assert answer.headers["content-type"] == "application/sdp"


@BOTH
async def test_a_preflight_needs_no_token_and_names_methods_and_types(
    stage: VideoStage, act: str
) -> None:
    origin = {"Origin": "https://elsewhere.example", "Access-Control-Request-Method": "POST"}
    answer = await stage.http.options(f"/{way(act)}/demo", headers=origin)
    assert answer.status_code == 204
    assert answer.headers["accept-post"] == "application/sdp"
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "POST" in answer.headers["access-control-allow-methods"]
    assert "Authorization" in answer.headers["access-control-allow-headers"]
    assert "link" not in answer.headers
    answer = await stage.http.options(f"/{way(act)}/demo/x", headers=origin)
    assert {"PATCH", "DELETE"} <= set(answer.headers["allow"].split(", "))
    assert answer.headers["accept-patch"] == TRICKLE


@BOTH
async def test_a_page_of_any_origin_reads_location_etag_and_link(
    stage: VideoStage, act: str
) -> None:
    _, answer = await begin(stage, act)
    exposed = set(answer.headers["access-control-expose-headers"].split(", "))
    assert {"Location", "ETag", "Link", "Retry-After"} <= exposed
    assert "access-control-allow-credentials" not in answer.headers


@BOTH
async def test_every_request_but_preflight_needs_a_token(stage: VideoStage, act: str) -> None:
    _, begun = await begin(stage, act)
    for method, address in [
        ("POST", f"/{way(act)}/demo"),
        ("GET", f"/{way(act)}/demo"),
        ("GET", begun.headers["location"]),
        ("PATCH", begun.headers["location"]),
        ("DELETE", begun.headers["location"]),
    ]:
        answer = await stage.http.request(method, address, headers=SDP)
        check_problem(answer, 401, "unauthenticated")
        assert answer.headers["www-authenticate"].startswith("Bearer")
        answer = await stage.http.request(method, address, headers={**bearer("forged"), **SDP})
        check_problem(answer, 401, "invalid_token")


@BOTH
async def test_a_token_in_the_address_does_as_well(stage: VideoStage, act: str) -> None:
    token, begun = await begin(stage, act)
    address = f"{begun.headers['location']}?access_token={token}"
    assert (await stage.http.delete(address)).status_code == 200


@BOTH
async def test_a_session_is_nobody_elses(stage: VideoStage, act: str) -> None:
    _, begun = await begin(stage, act)
    other = await stage.ticket("play", await stage.guest())
    answer = await stage.http.delete(begun.headers["location"], headers=bearer(other))
    check_problem(answer, 403, "forbidden")
    made_up = f"/{way(act)}/demo/{'x' * 140}"
    token = await stage.ticket(act)
    answer = await stage.http.delete(made_up, headers=bearer(token))
    check_problem(answer, 404, "session_unknown")


async def test_a_room_that_is_not_live_is_409_with_retry_after(stage: VideoStage) -> None:
    answer = await stage.offer("play")
    check_problem(answer, 409, "not_live")
    assert answer.headers["retry-after"] == "2"


async def test_a_full_room_is_503_with_retry_after(stage: VideoStage) -> None:
    await stage.offer("publish")
    answers = [await stage.offer("play") for _ in range(4)]
    assert [one.status_code for one in answers] == [201, 201, 201, 503]
    check_problem(answers[-1], 503, "video_full")
    assert int(answers[-1].headers["retry-after"]) > 0


async def test_a_second_publisher_is_409_unless_the_host_takes_over(stage: VideoStage) -> None:
    moderator = await stage.moderator()
    assert (await stage.offer("publish", await stage.ticket("publish", moderator))).is_success
    check_problem(await stage.offer("publish"), 409, "publisher_present")
    answer = await stage.offer("publish", params={"take_over": "1"})
    assert answer.status_code == 201
    token = await stage.ticket("publish", moderator)
    answer = await stage.offer("publish", token, params={"take_over": "1"})
    check_problem(answer, 403, "forbidden")


async def test_what_gives_way_is_replaced_by_anybody_and_replaces_nobody(
    stage: VideoStage,
) -> None:
    moderator = await stage.moderator()
    film = await stage.ticket("publish", moderator, gives_way="1")
    assert (await stage.offer("publish", film)).status_code == 201
    _, key = await stage.host.call("POST", "/api/rooms/demo/video/keys", {"label": "OBS"})
    assert (await stage.offer("publish", key["token"])).status_code == 201
    check_problem(await stage.offer("publish", film), 409, "publisher_present")
    # Two who do not give way meet: nothing has changed for them.
    check_problem(await stage.offer("publish"), 409, "publisher_present")


async def test_what_gives_way_comes_back_after_a_lost_line(stage: VideoStage) -> None:
    film = await stage.ticket("publish", await stage.moderator(), gives_way="1")
    assert (await stage.offer("publish", film)).status_code == 201
    assert (await stage.offer("publish", film)).status_code == 201


async def test_what_gives_way_spares_the_camera_of_the_same_person(stage: VideoStage) -> None:
    moderator = await stage.moderator()
    camera = await stage.ticket("publish", moderator)
    assert (await stage.offer("publish", camera)).status_code == 201
    film = await stage.ticket("publish", moderator, gives_way="1")
    check_problem(await stage.offer("publish", film), 409, "publisher_present")


async def test_who_gives_way_takes_over_from_nobody_and_guests_get_no_ticket(
    stage: VideoStage,
) -> None:
    await stage.offer("publish", await stage.ticket("publish", await stage.moderator()))
    film = await stage.ticket("publish", stage.host, gives_way="1")
    check_problem(await stage.offer("publish", film, params={"take_over": "1"}), 403, "forbidden")
    # The wish of an address is nothing: what a ticket says is signed.
    answer = await stage.offer("publish", params={"gives_way": "1"})
    check_problem(answer, 409, "publisher_present")
    guest = await stage.guest()
    answer = await stage.http.post(
        "/api/rooms/demo/video/publish?gives_way=1", headers=guest.headers
    )
    assert answer.status_code == 403


async def test_the_same_holder_comes_back_without_taking_over(stage: VideoStage) -> None:
    assert (await stage.offer("publish")).status_code == 201
    assert (await stage.offer("publish")).status_code == 201
    assert stage.forwarder.asked[-1] == ("publish", stage.room_id, "True")


async def test_whoever_asks_too_fast_is_429_with_retry_after(stage: VideoStage) -> None:
    token = await stage.ticket("play")
    # A clock that stands: five offers are of one second, however slow the machine is.
    stage.replace(paces=Paces(Buckets(lambda: 0), Buckets(lambda: 0)))
    answers = [await stage.offer("play", token) for _ in range(5)]
    check_problem(answers[-1], 429, "slow_down")
    assert answers[-1].headers["retry-after"] == "1"


@BOTH
async def test_an_unknown_room_is_404(stage: VideoStage, act: str) -> None:
    token = await stage.ticket(act)
    for room in ("nowhere", "../demo", "%00", "x" * 80, stage.room_id[:-1] + "x"):
        answer = await stage.http.post(
            f"/{way(act)}/{room}", content="v=0", headers={**bearer(token), **SDP}
        )
        assert answer.status_code == 404, room


@BOTH
async def test_ice_servers_are_told_in_links_with_the_answer(stage: VideoStage, act: str) -> None:
    from server.video.ice import IceServers

    urls = ["stun:turn.example:3478", "turn:turn.example:3478?transport=udp"]
    stage.replace(ice=IceServers(urls, "shared secret"))
    _, answer = await begin(stage, act)
    stun, turn = answer.headers.get_list("link")
    assert stun == '<stun:turn.example:3478>; rel="ice-server"'
    assert turn.startswith('<turn:turn.example:3478?transport=udp>; rel="ice-server"; username="')
    assert 'credential-type="password"' in turn
    assert "shared secret" not in turn


async def test_a_forwarder_that_is_away_is_503_with_retry_after(stage: VideoStage) -> None:
    from server.video.builtin import BuiltinEngine, open_media_client

    stage.replace(engine=BuiltinEngine(open_media_client("http://127.0.0.1:1", "key")))
    answer = await stage.offer("publish")
    check_problem(answer, 503, "media_unavailable")
    assert int(answer.headers["retry-after"]) > 0
    await stage.video.engine.close()
