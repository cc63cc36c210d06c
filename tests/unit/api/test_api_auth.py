from __future__ import annotations

from pathlib import Path

import pytest

from tests.fakes.services import site_settings
from webui.api.auth import Accounts, Sessions, Throttle, address_key, credentials, parse_basic
from webui.core.errors import SetupError


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    "server", [{"share": True}, {"host": "0.0.0.0"}, {"host": "192.168.1.7"}, {"host": "::"}]
)
def test_a_server_others_can_reach_gets_a_strong_password(tmp_path: Path, server: dict) -> None:
    settings = site_settings(tmp_path, **server)
    first, second = credentials(settings), credentials(settings)
    assert first.generated
    assert first.auth[0][0] == "easel"
    assert len(first.auth[0][1]) >= 20
    assert first.auth != second.auth


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.3.2.1"])
def test_a_server_for_this_machine_needs_no_password(tmp_path: Path, host: str) -> None:
    assert credentials(site_settings(tmp_path, host=host)) == ((), False)


def test_configured_users_are_taken_as_they_are(tmp_path: Path) -> None:
    settings = site_settings(tmp_path, share=True, auth=[("ann", "x:y")])
    assert credentials(settings) == ((("ann", "x:y"),), False)


def test_accounts_compare_both_user_and_password() -> None:
    accounts = Accounts([("ann", "right"), ("bob", "other")])
    assert accounts.check("ann", "right")
    for user, password in [("ann", "other"), ("ann", ""), ("", "right"), ("eve", "right")]:
        assert not accounts.check(user, password)
    assert accounts.check("bob", "other")
    assert not Accounts([]).check("", "")


def test_accounts_take_any_text_and_refuse_impossible_users() -> None:
    accounts = Accounts(iter([("安", "密码")]))
    assert accounts
    assert accounts.check("安", "密码")
    assert not accounts.check("\ud800", "\ud800" * 5000)
    with pytest.raises(SetupError, match="colon"):
        Accounts([("a:b", "x")])


@pytest.mark.parametrize(
    ("header", "pair"),
    [
        ("Basic YW5uOnJpOmdodA==", ("ann", "ri:ght")),
        ("basic YW5uOng=", ("ann", "x")),
        ("Basic !!!", ("", "")),
        ("Basic /////w==", ("", "")),
        ("Bearer abc", None),
        ("", None),
    ],
)
def test_basic_headers(header: str, pair: tuple[str, str] | None) -> None:
    assert parse_basic(header) == pair


def test_sessions_end() -> None:
    clock = Clock()
    sessions = Sessions(seconds=60, clock=clock)
    token, other = sessions.open("ann"), sessions.open("ann")
    assert token != other
    assert sessions.user(token) == "ann"
    assert sessions.user(token[:-1]) is None
    sessions.close(other)
    assert sessions.user(other) is None
    clock.now += 61
    assert sessions.user(token) is None


def test_sessions_are_bounded() -> None:
    sessions = Sessions()
    first = sessions.open("ann")
    for _ in range(2000):
        last = sessions.open("ann")
    assert sessions.user(first) is None
    assert sessions.user(last) == "ann"


def test_guessing_becomes_slower_and_slower() -> None:
    clock = Clock()
    throttle = Throttle(free=3, clock=clock)
    waits = []
    for _ in range(14):
        throttle.failed(["a"])
        waits.append(throttle.wait(["a"]))
    assert waits[:3] == [0.0, 0.0, 1.0]
    assert waits[3:6] == [2.0, 4.0, 8.0]
    assert waits[-1] == 300.0
    assert throttle.wait(["b"]) == 0.0
    clock.now += 2000
    assert throttle.wait(["a"]) == 0.0


def test_many_addresses_together_are_slowed_down_too() -> None:
    throttle = Throttle(everyone_free=10, clock=Clock())
    for i in range(40):
        throttle.failed([f"10.0.0.{i}", Throttle.EVERYONE])
    assert throttle.wait(["10.9.9.9", Throttle.EVERYONE]) == 30.0
    assert throttle.wait(["this machine"]) == 0.0


def test_a_right_password_clears_its_address_only() -> None:
    throttle = Throttle(free=1, everyone_free=1, clock=Clock())
    throttle.failed(["a", Throttle.EVERYONE])
    throttle.succeeded(["a", Throttle.EVERYONE])
    assert throttle.wait(["a"]) == 0.0
    assert throttle.wait([Throttle.EVERYONE]) > 0.0


def test_addresses_of_one_ipv6_network_count_together() -> None:
    assert address_key("2001:db8::1") == address_key("2001:db8::ffff")
    assert address_key("2001:db8:0:1::1") != address_key("2001:db8::1")
    assert address_key("10.0.0.1") != address_key("10.0.0.2")
    assert len(address_key("x" * 5000)) == 100
