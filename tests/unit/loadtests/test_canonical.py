"""The settings of a run, and the refusal to load anybody else's machine."""

from __future__ import annotations

import pytest

from loadtests.canonical import (
    MIXES,
    LoadSettingError,
    read_load_settings,
    require_loopback,
    to_environment,
)


def test_without_settings_the_small_mix_runs_on_its_own_server() -> None:
    settings = read_load_settings({"PATH": "/bin", "HUBBUB_LOG": "info"})
    assert (settings.mix_name, settings.mix, settings.host) == ("small", MIXES["small"], None)


def test_a_changed_number_is_part_of_the_name() -> None:
    settings = read_load_settings({"HUBBUB_LOAD_UNITS": "7", "HUBBUB_LOAD_MIX": "canonical"})
    assert settings.mix_name == "canonical, changed"
    assert settings.mix.units == 7


@pytest.mark.parametrize("name", sorted(MIXES))
def test_the_locust_process_reads_the_same_settings(name: str) -> None:
    given = {"HUBBUB_LOAD_MIX": name, "HUBBUB_LOAD_HOST": "http://127.0.0.1:8000"}
    settings = read_load_settings(given)
    assert read_load_settings(to_environment(settings)) == settings


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MIX", "huge"),
        ("UNITS", "many"),
        ("UNITS", "0"),
        ("BUYERS", "-1"),
        ("PAY_SHARE", "1.5"),
        ("UNIT", "3"),
        ("HOST", "http://example.org"),
    ],
)
def test_a_wrong_setting_is_one_clear_line(name: str, value: str) -> None:
    with pytest.raises(LoadSettingError) as caught:
        read_load_settings({f"HUBBUB_LOAD_{name}": value})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:8000/", "127.0.0.1:8000", "http://localhost:8000", "http://[::1]:8000"],
)
def test_this_machine_is_accepted(url: str) -> None:
    assert require_loopback(url).startswith("http://")


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org",
        "http://192.168.1.2:8000",
        "http://0.0.0.0:8000",
        "https://127.0.0.1",
        "http://127.0.0.1.example.org",
        "http://127.0.0.1@example.org",
        "http://example.org@127.0.0.1",
        "http://127.0.0.1:99999",
        "http://127.0.0.1:8000/r/demo",
        "",
    ],
)
def test_another_machine_is_refused(url: str) -> None:
    with pytest.raises(LoadSettingError, match="only talk to this machine"):
        require_loopback(url)
