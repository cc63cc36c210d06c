"""Logging in and out: one small page of our own, and the two routes behind it."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping
from string import Template
from urllib.parse import parse_qs, urlencode

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from webui.api.auth import SESSION_SECONDS
from webui.api.errors import error_response
from webui.api.gate import Gate, Refusal
from webui.core.errors import ErrorInfo

_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {"cache-control": "no-store", "content-security-policy": _POLICY}

_TEXTS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "title": "Log in to Easel",
        "user": "User",
        "password": "Password",
        "button": "Log in",
        "wrong": "The user or password is not right.",
        "busy": "Too many wrong passwords; try again in {seconds} seconds.",
    },
    "zh": {
        "title": "登录 Easel",
        "user": "用户名",
        "password": "密码",
        "button": "登录",
        "wrong": "用户名或密码不正确。",
        "busy": "密码错误次数过多，请在 {seconds} 秒后重试。",
    },
}

_PAGE = Template("""<!doctype html>
<html lang="$lang">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style>
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; }
main { width: min(22rem, 90vw); }
h1 { font-size: 1.4rem; }
label { display: block; margin-top: 1rem; }
input, button { box-sizing: border-box; width: 100%; padding: .6rem; font: inherit; }
input { border: 1px solid #808080; border-radius: .4rem; }
button { margin-top: 1.5rem; border: 0; border-radius: .4rem; color: #fff; background: #12806f; }
:focus-visible { outline: 3px solid #43bda5; outline-offset: 2px; }
.error { padding: .5rem .7rem; border-left: 4px solid #c62f2f; }
</style>
</head>
<body>
<main>
<h1>$title</h1>
$error
<form method="post" action="$action">
<label for="user">$user</label>
<input id="user" name="user" autocomplete="username" maxlength="200" required autofocus>
<label for="password">$password</label>
<input id="password" name="password" type="password" autocomplete="current-password"
 maxlength="1000" required>
<button>$button</button>
</form>
</main>
</body>
</html>
""")


def page(language: str, target: str, problem: str = "") -> str:
    """The login page as HTML; everything given is escaped."""
    texts = _TEXTS[language]
    action = "/login" if target == "/" else "/login?" + urlencode({"next": target})
    error = f'<p class="error" role="alert">{html.escape(problem)}</p>' if problem else ""
    shown = {k: html.escape(v) for k, v in texts.items()}
    return _PAGE.substitute(shown, lang=language, action=html.escape(action), error=error)


def choose_language(accept: str) -> str:
    """ "zh" where the browser prefers Chinese to English, else "en"."""
    weights = {"en": 0.0, "zh": 0.0}
    for place, part in enumerate(accept[:500].split(",")):
        tag, _, quality = part.strip().partition(";q=")
        language = tag.partition("-")[0].casefold()
        try:
            weight = float(quality or 1) - place / 1000
        except ValueError:
            continue
        if language in weights:
            weights[language] = max(weights[language], weight)
    return "zh" if weights["zh"] > weights["en"] else "en"


def safe_target(target: str) -> str:
    """Where to go after logging in: a path of this server, "/" for anything else."""
    plain = target.startswith("/") and not target.startswith(("//", "/\\"))
    if plain and len(target) <= 2000 and not any(ord(c) < 33 or c == "\\" for c in target):
        return target
    return "/"


def login_router(gate: Gate) -> APIRouter:
    """The routes ``/login`` and ``/logout``."""
    router = APIRouter(include_in_schema=False)

    @router.get("/login")
    async def show_login(request: Request) -> Response:
        target = safe_target(request.query_params.get("next", "/"))
        if request.state.caller is not None:
            return RedirectResponse(target, 303)
        return HTMLResponse(page(_language(request), target), headers=_HEADERS)

    @router.post("/login")
    async def log_in(request: Request) -> Response:
        user, password = await _given(request)
        outcome = gate.log_in(request.scope, request.headers, user, password)
        if not isinstance(outcome, str):
            return _refused(request, outcome)
        return _welcome(request, gate, outcome)

    @router.post("/logout")
    async def log_out(request: Request) -> Response:
        gate.sessions.close(gate.token(request.headers))
        response = RedirectResponse("/login", 303) if _is_form(request) else Response(None, 204)
        response.delete_cookie(gate.cookie, httponly=True, samesite="lax")
        return response

    return router


def _welcome(request: Request, gate: Gate, user: str) -> Response:
    response: Response
    if _is_json(request):
        response = JSONResponse({"user": user})
    else:
        response = RedirectResponse(safe_target(request.query_params.get("next", "/")), 303)
    gate.sessions.close(gate.token(request.headers))
    response.set_cookie(
        gate.cookie,
        gate.sessions.open(user),
        max_age=SESSION_SECONDS,
        httponly=True,
        samesite="lax",
        secure=gate.is_secure(request.scope, request.headers),
    )
    response.headers["cache-control"] = "no-store"
    return response


def _refused(request: Request, refusal: Refusal | None) -> Response:
    texts = _TEXTS[_language(request)]
    status, code, headers, problem = 401, "unauthorized", dict[str, str](), texts["wrong"]
    if refusal is not None:
        status, code, headers = refusal.status, refusal.code, refusal.headers
        problem = texts["busy"].format(seconds=headers.get("retry-after", ""))
    if _is_json(request):
        return error_response(status, ErrorInfo(code, problem), headers)
    target = safe_target(request.query_params.get("next", "/"))
    return HTMLResponse(
        page(_language(request), target, problem), status, headers={**_HEADERS, **headers}
    )


async def _given(request: Request) -> tuple[str, str]:
    """User and password from a form or JSON body; empty texts where they are missing."""
    body = (await request.body()).decode("utf-8", "replace")
    if _is_json(request):
        try:
            values = json.loads(body)
        except (ValueError, RecursionError):
            values = {}
        given = values if isinstance(values, dict) else {}
    else:
        try:
            given = {n: v[0] for n, v in parse_qs(body, max_num_fields=20).items()}
        except ValueError:
            given = {}
    user, password = given.get("user"), given.get("password")
    return user if isinstance(user, str) else "", password if isinstance(password, str) else ""


def _language(request: Request) -> str:
    return choose_language(request.headers.get("accept-language", ""))


def _is_json(request: Request) -> bool:
    return request.headers.get("content-type", "").startswith("application/json")


def _is_form(request: Request) -> bool:
    return request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded")
