"""A benchmark of the core that oversold, or whose journal disagrees, does not end well."""

from __future__ import annotations

from typing import Any

import pytest

from tests.bench.reserve import __main__ as bench
from tests.bench.reserve.__main__ import is_unsafe


@pytest.mark.parametrize(
    ("figures", "wanted"),
    [
        ({"oversold": 0, "violations": 0}, False),
        ({"oversold": 1, "violations": 0}, True),
        ({"oversold": 0, "violations": 1}, True),
        # Slow is a miss that is printed, and no harm.
        ({"oversold": 0, "violations": 0, "decisions_per_s": 1}, False),
    ],
)
def test_harm_and_slowness_are_two_things(figures: dict[str, Any], wanted: bool) -> None:
    assert is_unsafe(figures) == wanted


@pytest.mark.parametrize(("violations", "code"), [(0, None), (2, 1)])
def test_the_exit_code_says_so(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    violations: int,
    code: int | None,
) -> None:
    """The last line is the figures all the same."""

    class NoServers:
        """Stands where PostgreSQL and Valkey would run."""

        def __enter__(self) -> None:
            """Start nothing."""

        def __exit__(self, *_: object) -> None:
            """Stop nothing."""

    monkeypatch.setattr(bench, "own_servers", NoServers)
    monkeypatch.setattr(bench, "measure_sockets", lambda _: {"violations": violations})
    monkeypatch.setattr("sys.argv", ["bench", "--only", "sockets"])
    if code is None:
        bench.main()
    else:
        with pytest.raises(SystemExit) as ended:
            bench.main()
        assert ended.value.code == code
    assert f'"violations":{violations}' in capsys.readouterr().out.splitlines()[-1]
