"""What machines and operators ask."""

from __future__ import annotations

import re

from loadtests.conformance.http import Reply, expect_error, expect_shape
from loadtests.conformance.model import NotApplicableError, check, require
from loadtests.conformance.stage import Stage

SAMPLE = re.compile(r"[a-zA-Z_:][\w:]*(\{[^}]*\})? [-+]?(\d+(\.\d+)?(e[-+]?\d+)?|Inf|NaN)", re.I)


@check("operation.healthz", "Operation", "`/healthz` is 200 while the process is alive.")
async def healthz(stage: Stage) -> None:
    reply = await _public(stage, "/healthz")
    require(reply.status == 200, "200", str(reply))


@check("operation.readyz", "Operation", "`/readyz` says what is lost: 200 or 503, and its parts.")
async def readyz(stage: Stage) -> None:
    reply = await _public(stage, "/readyz")
    shape = {"ready": bool, "postgresql": bool, "redis": bool}
    came = expect_shape(reply.json, shape, "GET /readyz")
    require(reply.status == (200 if came["ready"] else 503), "200 when ready, else 503", str(reply))


@check("operation.metrics", "Operation", "`/metrics` is Prometheus text, labelled by process.")
async def metrics(stage: Stage) -> None:
    reply = await _public(stage, "/metrics")
    require(reply.status == 200, "200", str(reply))
    kind = reply.headers.get("content-type", "")
    require(kind.startswith("text/plain"), "text/plain", kind)
    lines = [line for line in reply.data.decode().splitlines() if line and line[0] != "#"]
    wrong = [line for line in lines if SAMPLE.fullmatch(line) is None]
    require(not wrong, "samples in the text format", wrong[:3])
    ours = [line for line in lines if line.startswith("hubbub_connections_open{process=")]
    require(len(ours) == 1, "hubbub_connections_open with its process", ours)


@check("operation.audit", "Operation", "The audit is the operator's; a guest is `forbidden`.")
async def audit(stage: Stage) -> None:
    expect_error(await (await stage.guest()).call("GET /api/audit"), 403, "forbidden")
    expect_error(await stage.visitor.call("GET /api/audit"), 401, "unauthenticated")


async def _public(stage: Stage, path: str) -> Reply:
    reply = await stage.visitor.call(f"GET {path}")
    if reply.status in {401, 403, 404}:
        raise NotApplicableError(f"{path} is kept from the public here ({reply.status})")
    return reply


CHECKS = (healthz, readyz, metrics, audit)
