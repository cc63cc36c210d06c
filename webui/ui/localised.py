"""The page in the language of whoever asks for it: chosen before the first byte is sent.

A cookie of the page's own language switch decides, else what the browser accepts. Only that
language is sent, so nothing is shown in another one first.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any

from webui.ui.languages import ENGLISH, Language
from webui.ui.languages.files import Languages

COOKIE = "easel_language"
_CONFIG = "window.gradio_config = "
_SPOKEN = ("label", "info", "placeholder")

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Head = Callable[[Language, Mapping[str, Language]], str]


class Localised:
    """Writes our part of ``<head>`` into the page and puts the form into the reader's language.

    Gradio's own ``head`` argument is put in by its scripts at the end: the page would be shown
    without its style first, and our scripts would start after Gradio's instead of beside them.
    """

    def __init__(self, app: App, languages: Languages, head: Head) -> None:
        self.app = app
        self.languages = languages
        self.head = head

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "GET" and scope["path"] == "/":
            language = self.languages.choose(*_wishes(scope))
            extra = self.head(language, self.languages.all())
            send = _PageSender(send, language, extra).send
        await self.app(scope, receive, send)


class _PageSender:
    def __init__(self, send: Send, language: Language, extra: str) -> None:
        self._send = send
        self._language = language
        self._extra = extra
        self._start: Message = {}
        self._body = bytearray()

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._start = message
            return
        if message["type"] != "http.response.body":
            await self._send(message)
            return
        self._body += message.get("body", b"")
        if message.get("more_body"):
            return
        body = self._page(bytes(self._body))
        kept = [(k, v) for k, v in self._start["headers"] if k.lower() != b"content-length"]
        extra = [
            (b"content-length", str(len(body)).encode()),
            (b"content-language", self._language.code.encode()),
            (b"vary", b"Cookie, Accept-Language"),
        ]
        await self._send({**self._start, "headers": [*kept, *extra]})
        await self._send({"type": "http.response.body", "body": body})

    def _page(self, body: bytes) -> bytes:
        page = body.decode("utf-8")
        if self._language.code != ENGLISH:
            page = page.replace('lang="en"', f'lang="{self._language.code}"', 1)
            page = translate_page(page, self._language.spoken(), self._language.phrases)
        return page.replace("</head>", self._extra + "</head>", 1).encode("utf-8")


def translate_page(page: str, spoken: Mapping[str, str], names: Mapping[str, str]) -> str:
    """The page with the words of its form, which Gradio keeps in a script, in another language.

    ``spoken`` has whatever stands in it by its English words, ``names`` what fields are chosen
    from: a choice is shown by its name in the language, and its value stays.
    """
    before, found, rest = page.partition(_CONFIG)
    if not found:
        return page
    config, end = json.JSONDecoder().raw_decode(rest)
    for component in config.get("components", ()):
        _translate(component, spoken, names)
    text = json.dumps(config, ensure_ascii=False, separators=(",", ":"))
    for character in "<>&'":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return before + found + text + rest[end:]


def _translate(
    component: MutableMapping[str, Any], spoken: Mapping[str, str], names: Mapping[str, str]
) -> None:
    props = component.get("props", {})
    choices = props.get("choices")
    if isinstance(choices, list):
        props["choices"] = [[names.get(label, label), value] for label, value in choices]
    said = (*_SPOKEN, "value") if component.get("type") == "button" else _SPOKEN
    for name in said:
        word = props.get(name)
        if isinstance(word, str) and word in spoken:
            props[name] = spoken[word]


def _wishes(scope: Scope) -> tuple[str, str]:
    """The language of the cookie ("" without one), and the header of accepted ones."""
    headers: dict[bytes, bytes] = dict(scope["headers"])
    cookies: SimpleCookie = SimpleCookie()
    try:
        cookies.load(headers.get(b"cookie", b"").decode("latin-1"))
    except CookieError:
        cookies.clear()
    chosen = cookies[COOKIE].value if COOKIE in cookies else ""
    return chosen[:60], headers.get(b"accept-language", b"").decode("latin-1")
