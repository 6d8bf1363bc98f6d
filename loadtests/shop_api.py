"""Call Hubbub over HTTP as its clients do; every call may be watched for statistics."""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode, urlsplit

import msgspec

TIMEOUT_S = 20.0
# A call whose outcome is unknown is made again this often, under the same key.
ATTEMPTS_MAX = 4
RETRY_PAUSE_S = 0.5
DEMO_HOST = ("host", "demo-host")
DEMO_OPERATOR = ("operator", "demo-operator")

# (name, duration in ms, what went wrong)
Watch = Callable[[str, float, Exception | None], None]


class Reply(msgspec.Struct, frozen=True):
    """An HTTP answer; `body` is its JSON, None when it is something else."""

    status: int
    body: Any
    location: str | None = None

    @property
    def code(self) -> str | None:
        """Return the error's code; None for a success."""
        if isinstance(self.body, dict) and isinstance(self.body.get("error"), dict):
            return str(self.body["error"].get("code"))
        return None


class _Request(msgspec.Struct, frozen=True):
    """One call as it is sent, perhaps more than once; `name` is for statistics."""

    name: str
    method: str
    path: str
    data: bytes | None
    headers: dict[str, str]

    @property
    def may_be_repeated(self) -> bool:
        """Say whether sending it twice does what sending it once does."""
        return self.method == "GET" or "Idempotency-Key" in self.headers


class UnexpectedReplyError(Exception):
    """A call was answered with what this client has no use for."""


class ShopApi:
    """One person's HTTP side; a call opens a connection of its own, so calls spread over gateways.

    `watch` is told of each call under its name.
    """

    def __init__(
        self, base_url: str, *, token: str | None = None, watch: Watch | None = None
    ) -> None:
        self._address = urlsplit(base_url).netloc
        self._watch = watch
        self.token = token
        self.user_id = ""

    def enter_as_guest(self, name: str) -> None:
        """Become a guest."""
        self._welcome(self.expect(201, "POST /api/guests", {"name": name}))

    def log_in(self, login: str, password: str) -> None:
        """Become a member of the staff."""
        body = {"login": login, "password": password}
        self._welcome(self.expect(200, "POST /api/login", body))

    def expect(
        self,
        status: int,
        route: str,
        body: object = None,
        *,
        key: str | None = None,
        name: str | None = None,
    ) -> Any:
        """Make a call and return its JSON; raise UnexpectedReplyError for any other status."""
        reply = self.call(route, body, key=key, name=name, expected={status})
        if reply.status != status:
            raise UnexpectedReplyError(f"{route}: {reply.status} {reply.body}")
        return reply.body

    def call(
        self,
        route: str,
        body: object = None,
        *,
        key: str | None = None,
        name: str | None = None,
        expected: set[int] | None = None,
    ) -> Reply:
        """Make a call such as `POST /api/orders`; repeat it while its outcome is unknown.

        It is repeated under the same key, and never without one unless it only reads.
        `expected` are the statuses that count as a success in the statistics, besides 2xx.
        """
        method, _, path = route.partition(" ")
        headers = {"Accept": "application/json"}
        if key is not None:
            headers["Idempotency-Key"] = key
        data = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            data = msgspec.json.encode(body)
        name = name or route
        started_s = time.perf_counter()
        reply = self._send(_Request(name, method, path, data, headers))
        failure = None
        if reply.status >= 300 and reply.status not in (expected or ()):
            failure = UnexpectedReplyError(f"{reply.status} {reply.code}")
        self._note(name, started_s, failure)
        return reply

    def send_form(self, url: str, fields: dict[str, str], *, name: str) -> Reply:
        """Open a page and submit the form on it, as a browser does."""
        path = urlsplit(url).path
        started_s = time.perf_counter()
        page = self._send(_Request(name, "GET", path, None, {"Accept": "text/html"}))
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "text/html"}
        reply = self._send(_Request(name, "POST", path, urlencode(fields).encode(), headers))
        failure = None
        if page.status != 200 or reply.status != 303:
            failure = UnexpectedReplyError(f"page {page.status}, form {reply.status}")
        self._note(name, started_s, failure)
        return reply

    def _send(self, request: _Request) -> Reply:
        for attempt in range(1, ATTEMPTS_MAX + 1):
            started_s = time.perf_counter()
            try:
                reply = self._send_once(request)
            except (OSError, http.client.HTTPException) as error:
                reply = Reply(0, {"error": {"code": type(error).__name__}})
            is_decided = reply.status not in {0, 503}
            if is_decided or attempt == ATTEMPTS_MAX or not request.may_be_repeated:
                return reply
            # A row of its own: what had to be sent again must not hide in a slow success.
            self._note(f"{request.name}, again: {reply.code}", started_s, None)
            time.sleep(RETRY_PAUSE_S * attempt)
        raise AssertionError("the last attempt returns")

    def _send_once(self, request: _Request) -> Reply:
        connection = http.client.HTTPConnection(self._address, timeout=TIMEOUT_S)
        try:
            token = {"Authorization": f"Bearer {self.token}"} if self.token else {}
            headers = request.headers | token
            connection.request(request.method, request.path, body=request.data, headers=headers)
            response = connection.getresponse()
            text = response.read()
            is_json = (response.getheader("Content-Type") or "").startswith("application/json")
            body = msgspec.json.decode(text) if is_json else None
            return Reply(response.status, body, response.getheader("Location"))
        finally:
            connection.close()

    def _note(self, name: str, started_s: float, failure: Exception | None) -> None:
        if self._watch is not None:
            self._watch(name, (time.perf_counter() - started_s) * 1000, failure)

    def _welcome(self, body: Any) -> None:
        self.token, self.user_id = body["token"], body["user"]["id"]
