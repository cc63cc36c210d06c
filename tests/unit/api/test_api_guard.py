from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount
from starlette.testclient import WebSocketDenialResponse
from starlette.websockets import WebSocket

from tests.fakes.services import Site, client, open_site
from webui.api.gate import A1111_PATHS, API_PATHS

ANN = ("ann", "right")
HTML = {"accept": "text/html,*/*"}
PUBLIC = {"/login", "/healthz"}


def mount_page(app: FastAPI) -> None:
    """Something behind our routes, as the page is."""
    page = FastAPI(openapi_url=None, docs_url=None)

    @page.get("/")
    async def home(request: Request) -> PlainTextResponse:
        return PlainTextResponse(f"page of {request.state.caller.user}")

    @page.get("/gradio_api/file/{path:path}")
    async def file(path: str) -> Response:
        return PlainTextResponse("secret", headers={"Access-Control-Allow-Origin": "*"})

    @page.post("/gradio_api/upload")
    @page.post("/echo")
    async def echo(request: Request) -> JSONResponse:
        return JSONResponse(len(await request.body()))

    @page.get("/boom")
    async def boom() -> None:
        raise RuntimeError("secret detail")

    @page.websocket("/socket")
    async def socket(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_text("in")
        await socket.close()

    app.mount("/", page)


@pytest.fixture
def shielded(guarded: Site) -> Site:
    mount_page(guarded.app)
    return guarded


@pytest.fixture
def open_page(site: Site) -> Site:
    mount_page(site.app)
    return site


def every_path(app: Any, prefix: str = "") -> Iterator[tuple[str, set[str]]]:
    for route in app.routes:
        if isinstance(route, Mount):
            yield from every_path(route.app, prefix + route.path)
        elif hasattr(route, "original_router"):
            yield from every_path(route.original_router, prefix)
        elif hasattr(route, "methods"):
            path = re.sub(r"\{[^}]*\}", "x", route.path)
            yield prefix + path, set(route.methods or {"GET"})


# ---- login


def says_log_in(path: str, told: Any) -> bool:
    """Whether a refusal has the shape of the API that the path belongs to."""
    if path.startswith(A1111_PATHS):
        return told["error"] == "HTTPException" and told["detail"].startswith("Log in")
    code = "invalid_api_key" if path.startswith("/v1/") else "unauthorized"
    return told["error"]["code"] == code


def test_no_route_answers_without_login(shielded: Site) -> None:
    paths = [(p, m) for p, ms in every_path(shielded.app) for m in ms if p not in PUBLIC]
    names = {p for p, _ in paths}
    assert {"/api/v1/txt2img", "/openapi.json", "/docs", "/logout", "/", "/boom"} <= names
    for asking in (shielded.local, shielded.away()):
        for path, method in paths:
            answer = asking.request(method, path)
            assert answer.status_code == 401, (method, path)
            assert method == "HEAD" or says_log_in(path, answer.json()), path
            if method == "GET" and not path.startswith(API_PATHS):
                assert asking.get(path, headers=HTML).status_code == 303, path


@pytest.mark.parametrize("path", ["/api/v1/ws", "/socket"])
def test_no_socket_opens_without_login(shielded: Site, path: str) -> None:
    with pytest.raises(WebSocketDenialResponse) as refused, shielded.socket(path):
        pass
    assert refused.value.status_code == 401


def test_public_paths_say_nothing_else(guarded: Site) -> None:
    assert guarded.away().get("/healthz").text == "ok"
    for path in ("/login/", "/login/x", "/healthz/", "//login", "/Login"):
        assert guarded.away().get(path).status_code == 401, path


def test_a_person_is_sent_to_the_login_page_and_back(guarded: Site) -> None:
    answer = guarded.local.get("/docs?a=1&b=2", headers=HTML)
    assert answer.headers["location"] == "/login?next=/docs%3Fa%3D1%26b%3D2"
    answer = guarded.local.post(
        answer.headers["location"], data={"user": "ann", "password": "right"}
    )
    assert (answer.status_code, answer.headers["location"]) == (303, "/docs?a=1&b=2")
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "samesite=lax" in cookie.lower()
    assert "Secure" not in cookie
    assert guarded.local.get("/docs").status_code == 200
    assert guarded.local.get("/login").headers["location"] == "/"
    assert guarded.local.post("/logout").status_code == 204
    assert guarded.local.get("/docs").status_code == 401


def test_a_script_is_not_redirected_and_sees_no_password_box(guarded: Site) -> None:
    script = {**HTML, "sec-fetch-mode": "cors"}
    answer = guarded.local.get("/docs", headers=script)
    assert answer.status_code == 401
    assert "www-authenticate" not in answer.headers
    assert "Basic" in guarded.local.get("/docs").headers["www-authenticate"]


def test_basic_login_serves_programs(guarded: Site) -> None:
    assert guarded.away().get("/api/v1/status", auth=ANN).status_code == 200
    assert guarded.away().get("/api/v1/status", auth=("ann", "other")).status_code == 401
    assert guarded.away().get("/api/v1/status", auth=("", "")).status_code == 401


def test_wrong_passwords_are_told_from_none(guarded: Site) -> None:
    none = guarded.local.get("/api/v1/status").json()["error"]["message"]
    wrong = guarded.local.get("/api/v1/status", auth=("ann", "wrong")).json()["error"]["message"]
    assert "HTTP Basic" in none
    assert "not known here" in wrong


def test_a_made_up_cookie_does_not_help(guarded: Site) -> None:
    cookie = {"cookie": f"{guarded.app.state.gate.cookie}=AAAA"}
    assert guarded.local.get("/api/v1/status", headers=cookie).status_code == 401


def test_a_cookie_is_secure_behind_https(guarded: Site) -> None:
    form = {"user": "ann", "password": "right"}
    away = guarded.away("http://10.0.0.1:7860")
    answer = away.post("/login", data=form, headers={"x-forwarded-proto": "https"})
    assert "Secure" in answer.headers["set-cookie"]


@pytest.mark.parametrize(
    "target", ["//evil.example", "https://evil.example", "/\\evil.example", "/a\nb", "x"]
)
def test_login_never_leads_elsewhere(guarded: Site, target: str) -> None:
    form = {"user": "ann", "password": "right"}
    answer = guarded.local.post("/login", params={"next": target}, data=form)
    assert answer.headers["location"] == "/"


def test_guessing_passwords_is_stopped(guarded: Site) -> None:
    away = guarded.away()
    codes = [
        away.post("/login", json={"user": "ann", "password": str(i)}).status_code for i in range(12)
    ]
    assert codes[0] == 401
    assert codes[-1] == 429
    blocked = away.post("/login", json={"user": "ann", "password": "right"})
    assert blocked.status_code == 429
    assert int(blocked.headers["retry-after"]) >= 1
    assert away.get("/api/v1/status", auth=ANN).status_code == 429
    page = away.post("/login", data={"user": "ann", "password": "x"})
    assert page.headers["retry-after"] in page.text
    elsewhere = guarded.away(address="10.0.0.6")
    assert elsewhere.get("/api/v1/status", auth=ANN).status_code == 200


def test_guessing_by_basic_counts_too(guarded: Site) -> None:
    away = guarded.away()
    codes = [away.get("/docs", auth=("ann", str(i))).status_code for i in range(12)]
    assert codes[-1] == 429


def test_login_survives_any_body(guarded: Site) -> None:
    for body in (b"", b"\xff\xfe", b"[" * 9000, b"&".join([b"a=1"] * 100), b'{"user": 1}'):
        for kind in ("application/json", "application/x-www-form-urlencoded"):
            away = guarded.away(address=f"10.1.{len(body) % 200}.{len(kind)}")
            answer = away.post("/login", content=body, headers={"content-type": kind})
            assert answer.status_code == 401
    long = {"user": "ann", "password": "x" * 20_000}
    assert guarded.away().post("/login", json=long).status_code == 413


def test_login_page_speaks_the_browsers_language_and_escapes(guarded: Site) -> None:
    chinese = guarded.local.get("/login", headers={"accept-language": "zh-CN,zh;q=0.9,en;q=0.8"})
    assert "密码" in chinese.text
    english = guarded.local.get("/login", headers={"accept-language": "en-GB,zh;q=0.5"})
    assert "Password" in english.text
    assert "http" not in re.sub(r"<!doctype[^>]*>", "", english.text)
    nasty = guarded.local.get("/login", params={"next": '/"><img/onerror=x>'})
    assert "<img" not in nasty.text
    assert "default-src 'none'" in nasty.headers["content-security-policy"]


# ---- host and origin


@pytest.mark.parametrize("host", ["evil.example", "evil.example:7860", "10.0.0.9", ""])
def test_a_foreign_name_is_not_answered(open_page: Site, host: str) -> None:
    for path in ("/", "/api/v1/status", "/healthz", "/login", "/gradio_api/file/x"):
        answer = open_page.local.get(path, headers={"host": host})
        assert answer.status_code == 403, path
        assert "secret" not in answer.text
    with pytest.raises(WebSocketDenialResponse) as refused, open_page.socket(host=host):
        pass
    assert refused.value.status_code == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:7861"},
        {"origin": "http://localhost:7860"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
def test_other_sites_change_nothing(open_page: Site, headers: dict[str, str]) -> None:
    for path in ("/api/v1/txt2img", "/echo", "/login", "/logout"):
        answer = open_page.local.post(path, json={}, headers=headers)
        assert answer.status_code == 403, path
    assert open_page.queue.jobs() == []
    refusing = pytest.raises(WebSocketDenialResponse)
    with refusing as refused, open_page.socket("/socket", **headers):
        pass
    assert refused.value.status_code == 403


def test_our_own_pages_and_programs_may(open_page: Site) -> None:
    own = {"origin": "http://127.0.0.1:7860", "sec-fetch-site": "same-origin"}
    assert open_page.local.post("/echo", json={}, headers=own).status_code == 200
    assert open_page.local.post("/echo", json={}).status_code == 200
    with open_page.socket("/socket", **own) as socket:
        assert socket.receive_text() == "in"


def test_no_answer_may_be_read_by_other_sites(open_page: Site) -> None:
    headers = {"origin": "https://evil.example"}
    answer = open_page.local.get("/gradio_api/file/x", headers=headers)
    assert not [n for n in answer.headers if n.startswith("access-control")]
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"
    asked = {**headers, "access-control-request-method": "POST"}
    answer = open_page.local.options("/api/v1/txt2img", headers=asked)
    assert not [n for n in answer.headers if n.startswith("access-control")]


def test_an_allowed_site_may(tmp_path: Path) -> None:
    origin = "https://good.example"
    with open_site(tmp_path, allowed_origins=[origin], auth=[ANN]) as site:
        asked = {"origin": origin, "access-control-request-method": "POST"}
        answer = site.local.options("/api/v1/txt2img", headers=asked)
        assert answer.status_code == 204
        assert answer.headers["access-control-allow-origin"] == origin
        answer = site.local.get("/api/v1/status", headers={"origin": origin}, auth=ANN)
        assert answer.headers["access-control-allow-origin"] == origin
        assert site.local.post("/api/v1/txt2img", headers={"origin": origin}).status_code == 401
        assert site.submit(auth=ANN)


# ---- who is an administrator


@pytest.mark.parametrize(
    ("address", "base", "headers", "admin"),
    [
        ("127.0.0.1", "http://127.0.0.1:7860", {}, True),
        ("127.0.0.1", "http://localhost:7860", {}, True),
        ("::1", "http://[::1]:7860", {}, True),
        ("10.0.0.5", "http://127.0.0.1:7860", {}, False),
        ("127.0.0.1", "http://192.168.0.7:7860", {}, False),
        ("127.0.0.1", "http://127.0.0.1:7860", {"x-forwarded-for": "10.0.0.5"}, False),
        ("127.0.0.1", "http://127.0.0.1:7860", {"forwarded": "for=10.0.0.5"}, False),
        ("127.0.0.1", "http://127.0.0.1:7860", {"x-real-ip": "127.0.0.1"}, False),
    ],
)
def test_only_this_machine_itself_is_administrator(
    guarded: Site, address: str, base: str, headers: dict[str, str], admin: bool
) -> None:
    asking = client(guarded.app, base, address)
    answer = asking.get("/api/v1/status", headers=headers, auth=ANN)
    assert answer.json()["caller"] == {"user": "ann", "is_admin": admin}


def test_a_named_administrator_is_one_from_anywhere(tmp_path: Path) -> None:
    users = [ANN, ("bob", "other")]
    with open_site(tmp_path, auth=users, host="0.0.0.0", admins=["bob"]) as site:
        away = site.away()
        assert away.get("/api/v1/status", auth=users[1]).json()["caller"]["is_admin"]
        assert not away.get("/api/v1/status", auth=ANN).json()["caller"]["is_admin"]


def test_what_comes_through_the_tunnel_is_never_local(guarded: Site) -> None:
    gate = guarded.app.state.gate
    gate.tunnel_port = 4711
    gate.names.share("https://abc.gradio.live")
    for base in ("http://127.0.0.1:4711", "http://localhost:4711"):
        answer = client(guarded.app, base).get("/api/v1/status", auth=ANN)
        assert answer.json()["caller"]["is_admin"] is False
    through = client(guarded.app, "http://127.0.0.1:4711")
    page = {"host": "abc.gradio.live", "origin": "https://abc.gradio.live"}
    form = {"user": "ann", "password": "right"}
    answer = through.post("/login", data=form, headers=page)
    assert answer.status_code == 303
    assert "Secure" in answer.headers["set-cookie"]


def test_without_accounts_a_proxys_clients_are_guests(site: Site) -> None:
    answer = site.local.get("/api/v1/status", headers={"x-forwarded-for": "10.0.0.5"})
    assert answer.json()["caller"] == {"user": "guest", "is_admin": False}
    assert site.local.get("/api/v1/status").json()["caller"] == {"user": "local", "is_admin": True}


def test_the_page_behind_learns_who_asks(shielded: Site) -> None:
    assert shielded.away().get("/", auth=ANN).text == "page of ann"


# ---- sizes


def test_long_bodies_are_refused_announced_or_not(open_page: Site) -> None:
    big = b"x" * (4 * 1024 * 1024 + 1)
    pieces = [b"x" * 1024 * 1024] * 5
    for path in ("/api/v1/txt2img", "/echo"):
        for body in (big, iter(pieces)):
            answer = open_page.local.post(path, content=body)
            assert answer.status_code == 413, path
            assert answer.json()["error"]["message"] == "The request is larger than 4 MiB."
    assert open_page.local.post("/echo", content=iter(pieces[:4])).json() == 4 * 1024 * 1024
    assert open_page.local.post("/echo", headers={"content-length": "-1"}).status_code == 413


def test_uploads_may_be_longer_but_not_endless(open_page: Site) -> None:
    piece = b"x" * (8 * 1024 * 1024)
    post = open_page.local.post
    assert post("/gradio_api/upload", content=iter([piece])).json() == len(piece)
    assert post("/gradio_api/upload", content=iter([piece] * 9)).status_code == 413


def test_absurd_addresses_and_headers_are_refused(open_page: Site) -> None:
    get = open_page.local.get
    assert get("/" + "a" * 9000).status_code == 414
    assert get("/?" + "a" * 9000).status_code == 414
    assert get("/", headers={"x-a": "b" * 40_000}).status_code == 431
    assert get("/", headers=[(f"x-{i}", "b") for i in range(200)]).status_code == 431
    assert get("/gradio_api/file/a%00b").status_code == 400


# ---- answers


def test_every_answer_has_the_security_headers(open_page: Site) -> None:
    for path in ("/", "/api/v1/status", "/login", "/nothing", "/boom"):
        headers = open_page.local.get(path).headers
        assert headers["x-content-type-options"] == "nosniff", path
        assert headers["referrer-policy"] == "same-origin"
    policy = open_page.local.get("/").headers["content-security-policy"]
    assert "connect-src 'self' data: blob: ws://127.0.0.1:7860 wss://127.0.0.1:7860;" in policy
    assert "frame-ancestors 'self'" in policy
    assert "https:" not in policy
    assert "*" not in policy
    refused = open_page.local.get("/", headers={"host": "a.example; script-src *"})
    assert "script-src *" not in refused.headers["content-security-policy"]


def test_an_unexpected_error_tells_the_log_and_not_the_client(
    open_page: Site, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(open_page.services.catalog, "default", fail)
    answers = [open_page.local.get(path) for path in ("/boom", "/api/v1/options")]
    for answer in answers:
        assert answer.status_code == 500
        assert "secret detail" not in answer.text
    assert answers[1].json()["error"]["message"].startswith("Something went wrong")
    assert caplog.text.count("RuntimeError: secret detail") == 2


def test_large_answers_are_compressed(site: Site) -> None:
    answer = site.local.get("/openapi.json", headers={"accept-encoding": "gzip"})
    assert answer.headers["content-encoding"] == "gzip"
