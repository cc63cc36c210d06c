"""The whole request as JSON, beside A1111's text: lossless where the text cannot be.

A prompt may hold "Steps: 20, …" or "Negative prompt:", and how many pictures were asked for has no
key. So a file carries ``{"easel": 1, "txt2img": {every field}}`` too, with the picture's own seeds.
(Of pictures that were drawn over it says that they were there, not which.)
Programs that edit pictures know A1111's text and not this; where the two disagree, the text is the
newer one and wins.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from webui.core.errors import InvalidRequest
from webui.core.params import fields_of
from webui.core.requests import DrawRequest, Img2Img, Txt2Img
from webui.metadata.infotext import compose, parameters
from webui.metadata.json_text import as_object, load_object
from webui.metadata.parsing import keys, parse

KEY = "easel"
"""The keyword of the chunk in a PNG; the prefix of the property in XMP."""

_VERSION = 1
_PICTURES = frozenset(f.name for f in fields_of(Img2Img) if f.param.control == "picture")
_KINDS: Mapping[type[DrawRequest], str] = {Txt2Img: "txt2img", Img2Img: "img2img"}
# XML has no place for these even where they are escaped; JSON has another way to write them.
_NOT_IN_XML = re.compile("[\x7f-\x9f\ufffe\uffff]")


def exact_text(request: DrawRequest) -> str:
    """The JSON text of a request; every field is in it, so that later defaults change nothing."""
    fields = {name: _told(name, value) for name, value in dataclasses.asdict(request).items()}
    values = {KEY: _VERSION, _name(request): fields}
    text = json.dumps(values, ensure_ascii=False, separators=(",", ":"))
    return _NOT_IN_XML.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _told(name: str, value: Any) -> Any:
    """A field's value as others may see it: whoever knows the id of a picture that was drawn over
    can have that picture, so its id is not told, only that there was one."""
    if name in _PICTURES and value:
        return hashlib.sha256(f"{KEY}:{value}".encode()).hexdigest()
    return value


def exact_request(text: object) -> DrawRequest | None:
    """The request of such a text; None for anything else. Fields not known here are left out."""
    whole = load_object(text)
    for kind in _KINDS:
        said = as_object(whole.get(_KINDS[kind]))
        if whole.get(KEY) != _VERSION or not said:
            continue
        names = {field.name for field in fields_of(kind)}
        try:
            return kind.from_mapping({name: said[name] for name in said if name in names})
        except InvalidRequest:
            return None
    return None


def agrees(infotext: str, request: DrawRequest) -> bool:
    """Whether A1111's text is what is written for that request, but for keys of no field.

    Model hash, version and keys that others have added do not count.
    """
    pairs = parameters(request, seed=request.seed, model_hash=None, version="")
    ours = compose(request.prompt, request.negative_prompt, pairs)
    head, _, last = infotext.strip().rpartition("\n")
    our_head, _, our_last = ours.rpartition("\n")
    return head == our_head and _said(last) == _said(our_last)


def _name(request: DrawRequest) -> str:
    return _KINDS[type(request)]


def _said(last: str) -> Mapping[str, str]:
    """What a last line says about a request's fields."""
    known = {*keys().values(), "Eta DDIM"}
    return {key: value for key, value in parse(f"\n{last}").items() if key in known}
