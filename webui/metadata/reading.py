"""What a picture, or a text, says about how it was made, whichever program wrote it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from webui.core.requests import DrawRequest
from webui.metadata import comfy, fooocus, invokeai, novelai
from webui.metadata.chunks import KEY, read_hidden, read_texts
from webui.metadata.dialects import A1111_LIKE, program
from webui.metadata.exact import agrees, exact_request
from webui.metadata.json_text import as_object, as_text, load, load_object
from webui.metadata.parsing import parse

HIDDEN = "stealth"
"""The name a text hidden in a picture's transparency has among its texts."""

_PLAIN = (KEY, "UserComment", HIDDEN, "ImageDescription")
"""Where A1111's text may stand, the likeliest first."""


@dataclass(frozen=True, slots=True)
class Told:
    """What a picture says.

    ``infotext`` is in A1111's form, "" when nothing was found; ``program`` who wrote it, as far as
    that can be seen; ``place`` the name of the text it was found in, and ``texts`` all the file's
    texts by name, as they are. ``exact`` is the whole request, where a picture of ours carries it
    and its text still says the same. ``width`` and ``height`` are the picture's (0: no picture).
    """

    infotext: str
    program: str = ""
    place: str = ""
    texts: Mapping[str, str] | None = None
    exact: DrawRequest | None = None
    width: int = 0
    height: int = 0
    format: str = ""


@dataclass(frozen=True, slots=True)
class _Reader:
    """One program's way to write: ``read`` gives A1111's text, or None for others' texts."""

    program: str
    read: Callable[[Mapping[str, str]], str | None]
    places: tuple[str, ...]


_READERS = (
    _Reader("Fooocus", fooocus.read, (KEY, "UserComment")),
    _Reader("InvokeAI", invokeai.read, ("invokeai_metadata", "sd-metadata", "Dream")),
    _Reader("NovelAI", novelai.read, ("Comment", "UserComment")),
    _Reader("ComfyUI", comfy.read, ("prompt", "workflow", "UserComment")),
)


def read_picture(source: Path | bytes) -> Told | None:
    """What a PNG, JPEG, WebP or AVIF file says; None when it is none of these.

    A picture without any such text is looked at for one hidden in its transparency. Never raises
    on what a file holds.
    """
    found = read_texts(source)
    if found is None:
        return None
    told = read_mapping(found.texts)
    if not told.infotext and found.transparent:
        hidden = read_hidden(source)
        if hidden is not None:
            told = _of_hidden(found.texts, hidden)
    request = exact_request(found.exact)
    trusted = request if request is not None and agrees(told.infotext, request) else None
    return Told(
        infotext=told.infotext,
        program=told.program,
        place=told.place,
        texts=told.texts,
        exact=trusted,
        width=found.width,
        height=found.height,
        format=found.format,
    )


def read_text(text: str) -> Told:
    """What a text says that somebody pasted: A1111's, or the JSON that another program keeps."""
    return read_mapping({KEY: text})


def read_mapping(texts: Mapping[str, str]) -> Told:
    """What a file's texts say; A1111's text counts before a graph that stands beside it."""
    for place in _PLAIN:
        text = texts.get(place, "").strip()
        said = parse(text) if load(text) is None else {}
        if "Steps" in said:
            return Told(text, program(said), place, texts)
    for reader in _READERS:
        text = reader.read(_with_graph(texts))
        if text is not None:
            wrote = program(parse(text))
            name = wrote if wrote not in ("", A1111_LIKE) else reader.program
            place = next((place for place in reader.places if place in texts), KEY)
            return Told(text, name, place, texts)
    place = next((place for place in _PLAIN[:3] if _is_prose(texts.get(place))), "")
    return Told(texts.get(place, "").strip(), "", place, texts)


def _of_hidden(texts: Mapping[str, str], hidden: str) -> Told:
    """A hidden text is A1111's, or NovelAI's chunks as one JSON object."""
    chunks = load_object(hidden)
    inner = {str(key): as_text(value) for key, value in chunks.items()}
    told = read_mapping({**inner, HIDDEN: hidden} if inner else {HIDDEN: hidden})
    place = HIDDEN if told.infotext else ""
    return Told(told.infotext, told.program, place, {**texts, HIDDEN: hidden})


def _with_graph(texts: Mapping[str, str]) -> Mapping[str, str]:
    """A graph on its own, pasted or in "parameters", is found where ComfyUI has it."""
    text = texts.get(KEY)
    whole = load_object(text)
    if text is None or not whole or {"prompt", "workflow"} & set(texts):
        return texts
    if "nodes" in whole:
        return {**texts, "workflow": text}
    is_graph = any("class_type" in as_object(node) for node in whole.values())
    return {**texts, "prompt": text} if is_graph else texts


def _is_prose(text: str | None) -> bool:
    """Whether a text without parameters may be shown as a prompt: words, no JSON."""
    return text is not None and bool(text.strip()) and load(text) is None
