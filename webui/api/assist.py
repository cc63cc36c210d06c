"""Help with filling in the form, ``/api/v1``: styles, tags, tokens, parameters of old pictures."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from webui import metadata
from webui.api.assist_files import Counters, StyleFile, TagFiles
from webui.api.called import called_files
from webui.api.guard import caller_of
from webui.api.native import PREFIX, answer, own_picture, read_bytes, read_json
from webui.api.styles import infer_styles
from webui.api.told import view
from webui.core.errors import EaselError, Forbidden, InvalidRequest
from webui.core.picture_fields import MAX_PROMPT_CHARS
from webui.core.requests import Txt2Img
from webui.metadata.parsing import MAX_CHARS as MAX_INFOTEXT_CHARS
from webui.prompt.problems import problems
from webui.prompt.styles import Style
from webui.prompt.tags import Match
from webui.settings.sections import InfotextStyles

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
        self._wildcards = services.wildcards
        self._library = services.library
        self._infer: InfotextStyles = services.settings.prompts.infotext_styles
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
            ("POST", "/tokens", self.tokens, _json(text="", checkpoint="", steps=20,
                                                   emphasis="Original", negative=False)),
            ("POST", "/infotext/parse", self.parse, _json(text="")),
            ("POST", "/infotext/picture", self.picture, _PICTURE),
            ("GET", "/infotext/images/{image_id}", self.kept, None),
        ):  # fmt: skip
            router.add_api_route(path, function, methods=[method], openapi_extra=extra)
        return router

    def names(self) -> Response:
        """Names that a prompt may call upon, by kind, and how many tags can be searched.

        Kinds are style, wildcard, embedding and lora; the last two are files that are there.
        """
        kinds = {
            "style": [style.name for style in self._styles.styles()],
            "wildcard": self._wildcards.wildcards().names if self._wildcards else (),
            "embedding": [found.name for found in self._catalog.networks("embeddings")],
            "lora": [found.name for found in self._catalog.networks("lora")],
        }
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
        """How many tokens a prompt has for a checkpoint, how many its chunks hold, each chunk's.

        steps counts for schedules: the largest text they give is counted. problems says what in the
        prompt does not mean what it seems to, and which files it calls that cannot be used.
        """
        values = await read_json(request)
        text = text_of(values, "text", MAX_COUNTED_CHARS)
        name = text_of(values, "checkpoint", 500)
        how = PromptReading.of(values)
        return answer(await run_in_threadpool(self._count, text, name, how))

    async def parse(self, request: Request) -> Response:
        """What an infotext says, as request fields; problems says what cannot be used here."""
        text = text_of(await read_json(request), "text", MAX_INFOTEXT_CHARS)
        return answer(await run_in_threadpool(self._read, text))

    async def picture(
        self,
        request: Request,
        whole: Annotated[
            bool, Query(description="Answer for a picture without parameters, too.")
        ] = False,
    ) -> Response:
        """The same from a picture's file, sent as the body (at most 32 MiB); it is not kept."""
        data = await read_bytes(request, MAX_PICTURE_BYTES)
        return answer(await run_in_threadpool(self._read_picture, data, whole))

    def kept(self, request: Request, image_id: str) -> Response:
        """The same of a picture in the library: from its file, or what the index knows of one whose
        file says nothing."""
        picture = own_picture(self._library, image_id, caller_of(request))
        told = None
        with contextlib.suppress(OSError, EaselError):
            path = self._library.file(picture.id)
            if path.stat().st_size <= MAX_PICTURE_BYTES:
                told = metadata.read_picture(path.read_bytes())
        if told is None or not told.infotext:
            told = metadata.read_text(picture.infotext)
        return answer(self._with_styles(view(told, self._catalog)))

    def _count(self, text: str, checkpoint: str, how: PromptReading) -> dict[str, Any]:
        model = self._catalog.resolve(checkpoint) if checkpoint else self._catalog.default()
        context = model.context if model else 0
        vectors, files = called_files(self._catalog, text, context=context, **asdict(how))
        count = self._counters.of(model).count(text, vectors=vectors, **asdict(how))
        said = problems(text, negative=how.negative, files=files)
        return {
            "tokens": count.tokens, "room": count.room, "chunks": count.chunks, "problems": said,
        }  # fmt: skip

    def _read(self, text: str) -> dict[str, Any]:
        return self._with_styles(view(metadata.read_text(text), self._catalog))

    def _read_picture(self, data: bytes, whole: bool) -> dict[str, Any]:
        told = metadata.read_picture(data)
        if told is None:
            raise InvalidRequest(
                "This file is no picture that can be read: PNG, JPEG, WebP or AVIF."
            )
        if not told.infotext and not whole:
            raise InvalidRequest("This picture does not say how it was made.")
        return self._with_styles(view(told, self._catalog))

    def _with_styles(self, found: dict[str, Any]) -> dict[str, Any]:
        """What was read with the styles in its prompts taken out, as the settings say."""
        return infer_styles(found, self._styles.styles(), self._infer)

    @staticmethod
    def _check_admin(request: Request) -> None:
        if not caller_of(request).is_admin:
            raise Forbidden("Only an administrator may change the styles.")


@dataclass(frozen=True, slots=True)
class PromptReading:
    """What changes how a prompt's tokens are counted."""

    steps: int = 20
    emphasis: str = "Original"
    negative: bool = False

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> PromptReading:
        """From a JSON object, checked; what it leaves out is as by default."""
        checked = Txt2Img.from_mapping(
            {name: values[name] for name in ("steps", "emphasis") if name in values}
        )
        negative = values.get("negative", False)
        if not isinstance(negative, bool):
            raise InvalidRequest("negative is neither true nor false.", field="negative")
        return cls(checked.steps, checked.emphasis, negative)


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


def _json(**defaults: str | float | bool) -> dict[str, Any]:
    """An OpenAPI description of a JSON body made of values like these."""
    kinds = {str: "string", bool: "boolean", int: "integer", float: "number"}
    properties = {
        name: {"type": kinds[type(default)], "default": default}
        for name, default in defaults.items()
    }
    schema = {"type": "object", "properties": properties}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


_PICTURE = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}
