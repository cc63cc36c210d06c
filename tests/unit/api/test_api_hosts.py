from __future__ import annotations

import pytest

from webui.api.hosts import Names, is_loopback, origin_matches, split_host


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("localhost", True),
        ("easel.localhost", True),
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("[::1]", True),
        ("::ffff:127.0.0.1", True),
        ("0.0.0.0", False),
        ("192.168.0.1", False),
        ("localhost.evil.example", False),
        ("", False),
    ],
)
def test_loopback(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("LocalHost:7860", ("localhost", 7860)),
        ("localhost.", ("localhost", None)),
        ("[::1]:80", ("::1", 80)),
        ("a.example:99999", None),
        ("a.example:", None),
        ("a b", None),
        ("a.example/x", None),
        ("user@a.example", None),
        ("::1", None),
        ("", None),
    ],
)
def test_host_headers(header: str, expected: tuple[str, int | None] | None) -> None:
    assert split_host(header) == expected


@pytest.mark.parametrize("host", ["evil.example", "evil.example:7860", "127.0.0.1.evil.example"])
@pytest.mark.parametrize("bound", ["127.0.0.1", "0.0.0.0", "192.168.0.7", "::"])
def test_foreign_names_are_refused_wherever_the_server_listens(bound: str, host: str) -> None:
    assert not Names(bound).answers(host)


def test_names_of_this_server() -> None:
    assert Names("127.0.0.1").answers("localhost:7860")
    assert not Names("127.0.0.1").answers("192.168.0.7")
    assert Names("192.168.0.7").answers("192.168.0.7:7860")
    assert not Names("192.168.0.7").answers("192.168.0.8")
    assert Names("0.0.0.0").answers("192.168.0.7:7860")
    assert Names("::").answers("[2001:db8::1]:7860")
    assert Names("127.0.0.1", configured=("art.example",)).answers("Art.Example")


def test_the_share_link_is_added_while_running() -> None:
    names = Names("127.0.0.1")
    assert not names.answers("abc.gradio.live")
    assert not names.trusts("https://abc.gradio.live")
    names.share("https://abc.gradio.live")
    assert names.answers("abc.gradio.live")
    assert names.trusts("https://abc.gradio.live")
    assert not names.trusts("https://xabc.gradio.live")
    assert not names.trusts("http://abc.gradio.live")


@pytest.mark.parametrize(
    ("origin", "host", "expected"),
    [
        ("http://127.0.0.1:7860", "127.0.0.1:7860", True),
        ("https://a.example", "a.example", True),
        ("http://a.example", "a.example:80", True),
        ("http://127.0.0.1:7861", "127.0.0.1:7860", False),
        ("http://localhost:7860", "127.0.0.1:7860", False),
        ("http://evil.example", "127.0.0.1:7860", False),
        ("null", "null", False),
        ("", "", False),
        ("file://", "127.0.0.1", False),
        ("http://127.0.0.1:7860/x", "127.0.0.1:7860", False),
        ("http://[::1", "127.0.0.1", False),
    ],
)
def test_same_origin(origin: str, host: str, expected: bool) -> None:
    assert origin_matches(origin, host) is expected


def test_configured_origins() -> None:
    names = Names("127.0.0.1", origins=("https://good.example", "http://tool.example:5000"))
    assert names.allows("https://good.example", "127.0.0.1:7860")
    assert names.allows("http://tool.example:5000", "127.0.0.1:7860")
    assert not names.allows("http://good.example", "127.0.0.1:7860")
    assert not names.allows("https://good.example.evil.example", "127.0.0.1:7860")
