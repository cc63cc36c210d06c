"""Help with filling in the form, ``/api/v1``: styles, tags, tokens, parameters of old pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from webui import metadata
from webui.api.assist_files import Counters, StyleFile, TagFiles
from webui.api.guard import caller_of
from webui.api.native import PREFIX, answer, read_json
from webui.core.errors import EaselError, Forbidden, InvalidRequest, TooLarge
from webui.core.requests import MAX_PROMPT_CHARS
from webui.metadata.parsing import MAX_CHARS as MAX_INFOTEXT_CHARS
from webui.prompt.styles import Style
from webui.prompt.tags import Match

if TYPE_CHECKING:
    from webui.services import Services

MAX_PICTURE_BYTES = 32 * 1024 * 1024
MAX_NAME_CHARS = 200
MAX_COUNTED_CHARS = 4 * MAX_PROMPT_CHARS
_STYLE_LIMITS = {"name": MAX_NAME_CHARS, "prompt": MAX_PROMPT_CHARS,
                 "negative_prompt": MAX_PROMPT_CHARS}  # fmt: skip


class Assist:
    """The routes' functions; nothing here draws or stores a picture."""

    def __init__(self, services: Services) -> None:
        data = services.settings.paths.data
        self._catalog = services.catalog
        self._styles = StyleFile(data / "styles.csv")
        self._tags = TagFiles(data / "tags")
        self._counters = Counters()

    def router(self) -> APIRouter:
        """The routes."""
        router = APIRouter(prefix=PREFIX)
        for method, path, function, extra in (
            ("GET", "/names", self.names, None),
            ("GET", "/tags", self.tags, None),
            ("GET", "/styles", self.styles, None),
            ("PUT", "/styles", self.put_style, _json(name="", prompt="", negative_prompt="",
                                                    replaces="")),
            ("DELETE", "/styles", self.delete_style, None),
            ("POST", "/tokens", self.tokens, _json(text="", checkpoint="")),
            ("POST", "/infotext/parse", self.parse, _json(text="")),
            ("POST", "/infotext/picture", self.picture, _PICTURE),
        ):  # fmt: skip
            router.add_api_route(path, function, methods=[method], openapi_extra=extra)
        return router

    def names(self) -> Response:
        """Names that a prompt may call upon, by kind, and how many tags can be searched."""
        kinds = {"style": [style.name for style in self._styles.styles()]}
        found = [{"kind": kind, "name": name} for kind, names in kinds.items() for name in names]
        return answer({"names": found, "tags": len(self._tags.index())})

    def tags(
        self,
        q: Annotated[str, Query(max_length=200, description="How the tag begins.")] = "",
        limit: Annotated[int, Query(ge=1, le=200)] = 20,
    ) -> Response:
        """Tags that begin so, the most used first, from the files in the data folder's tags."""
        found = self._tags.index().search(q, limit)
        return answer({"tags": [_tag_view(match) for match in found]})

    def styles(self) -> Response:
        """All styles, in their order."""
        return answer({"styles": [asdict(style) for style in self._styles.styles()]})

    async def put_style(self, request: Request) -> Response:
        """Add or change a style; replaces names the one it takes the place of. Administrators."""
        self._check_admin(request)
        values = dict(await read_json(request))
        replaces = text_of(values, "replaces", MAX_NAME_CHARS)
        values.pop("replaces", None)
        styles = await run_in_threadpool(self._styles.put, _style(values), replaces=replaces)
        return answer({"styles": [asdict(style) for style in styles]})

    def delete_style(self, request: Request, name: Annotated[str, Query()] = "") -> Response:
        """Delete the style of that name; for administrators."""
        self._check_admin(request)
        return answer({"styles": [asdict(style) for style in self._styles.remove(name)]})

    async def tokens(self, request: Request) -> Response:
        """How many tokens a text has for a checkpoint, and how many the chunks it fills hold."""
        values = await read_json(request)
        text = text_of(values, "text", MAX_COUNTED_CHARS)
        name = text_of(values, "checkpoint", 500)
        return answer(await run_in_threadpool(self._count, text, name))

    async def parse(self, request: Request) -> Response:
        """What an infotext says, as request fields; problems says what cannot be used here."""
        text = text_of(await read_json(request), "text", MAX_INFOTEXT_CHARS)
        return answer(await run_in_threadpool(self._read, text))

    async def picture(self, request: Request) -> Response:
        """The same from a picture's file, sent as the body (at most 32 MiB); it is not kept."""
        data = bytearray()
        async for part in request.stream():
            data += part
            if len(data) > MAX_PICTURE_BYTES:
                raise TooLarge("A picture may have 32 MiB at most.")
        return answer(await run_in_threadpool(self._read_picture, bytes(data)))

    def _count(self, text: str, checkpoint: str) -> dict[str, int]:
        model = self._catalog.resolve(checkpoint) if checkpoint else self._catalog.default()
        count = self._counters.of(model).count(text)
        return {"tokens": count.tokens, "room": count.room}

    def _read_picture(self, data: bytes) -> dict[str, Any]:
        text = metadata.read_infotext(data)
        if text is not None:
            return self._read(text)
        if metadata.image_size(data) is None:
            raise InvalidRequest("This file is no picture that can be read: PNG, JPEG or WebP.")
        raise InvalidRequest("This picture does not say how it was made.")

    def _read(self, text: str) -> dict[str, Any]:
        parsed = metadata.parse(text)
        usable = metadata.usable(parsed)
        values, problems = dict(usable.values), list(usable.problems)
        if "checkpoint" in values:
            try:
                wanted = parsed.get("Model hash", "")
                values["checkpoint"] = self._named(values["checkpoint"], wanted)
            except EaselError as error:
                del values["checkpoint"]
                problems.append(error.message)
        return {
            "values": values,
            "problems": problems,
            "has_parameters": "Steps" in parsed,
            "text": text[:MAX_INFOTEXT_CHARS],
        }

    def _named(self, name: str, short_hash: str) -> str:
        """The checkpoint by its name, else by its hash."""
        try:
            return self._catalog.resolve(name).name
        except EaselError:
            if not short_hash:
                raise
            try:
                return self._catalog.resolve(short_hash).name
            except EaselError:
                pass
            raise

    @staticmethod
    def _check_admin(request: Request) -> None:
        if not caller_of(request).is_admin:
            raise Forbidden("Only an administrator may change the styles.")


def text_of(values: Mapping[str, Any], name: str, most: int) -> str:
    """The text ``name`` of a JSON object, "" when it is left out; checked."""
    value = values.get(name, "")
    if not isinstance(value, str):
        raise InvalidRequest(f"{name} is not text.", field=name)
    if len(value) > most:
        raise InvalidRequest(f"{name} has {len(value)} characters; the most is {most}.", field=name)
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise InvalidRequest(
            f"{name} holds half a character, which is no text.", field=name
        ) from None
    return value


def _style(values: Mapping[str, Any]) -> Style:
    known = [field.name for field in fields(Style)]
    for name in values:
        if name not in known:
            raise InvalidRequest(
                f"A style has {', '.join(known)}, not {name[:60]!r}.", field=name[:60]
            )
    texts = {name: text_of(values, name, _STYLE_LIMITS[name]) for name in known}
    texts["name"] = " ".join(texts["name"].split())
    if not texts["name"]:
        raise InvalidRequest("A style needs a name.", field="name")
    if any("\0" in text for text in texts.values()):
        raise InvalidRequest("A style cannot hold the character NUL.")
    return Style(**texts)


def _tag_view(match: Match) -> dict[str, Any]:
    tag = match.tag
    return {
        "name": tag.name,
        "text": tag.text,
        "category": tag.category,
        "count": tag.count,
        "alias": match.alias,
    }


def _json(**texts: str) -> dict[str, Any]:
    """An OpenAPI description of a JSON body made of texts."""
    properties = {name: {"type": "string", "default": text} for name, text in texts.items()}
    schema = {"type": "object", "properties": properties}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


_PICTURE = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}
