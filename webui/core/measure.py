"""The request that draws nothing: how well pictures and texts fit, as CLIP sees it."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, cast

from webui.core.errors import InvalidRequest

MAX_PICTURES = 64
MAX_LABELS = 256
MAX_TEXT_CHARS = 2000
TEMPLATE = "a picture of {}"

Task = Literal["rank", "labels"]


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture to look at: a small PNG as base64 (empty once the job has ended).

    ``name`` is what whoever asked calls it: a library id, a file name, or its number from 1.
    """

    name: str
    png: str = ""

    @classmethod
    def of(cls, name: str, png: bytes) -> Picture:
        """From a file's bytes."""
        return cls(name, base64.b64encode(png).decode("ascii"))

    @property
    def data(self) -> bytes:
        """The PNG file's bytes; ``InvalidRequest`` when they are no base64."""
        try:
            return base64.b64decode(self.png, validate=True)
        except (ValueError, binascii.Error):
            raise InvalidRequest(f"Picture {self.name} is not valid base64.") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """Score pictures against texts.

    ``task`` "rank" orders ``pictures`` by how well they fit ``prompt``; "labels" says which of
    ``labels`` fits the one picture, each put into ``template``. ``model`` names the CLIP model, ""
    means the default one. Checked on construction; a bad value raises ``InvalidRequest``.
    """

    task: Task = "rank"
    prompt: str = ""
    labels: tuple[str, ...] = ()
    template: str = TEMPLATE
    pictures: tuple[Picture, ...] = ()
    model: str = ""

    def __post_init__(self) -> None:
        _text(self.prompt, "prompt", "The prompt")
        _text(self.template, "template", "The template")
        _text(self.model, "model", "The model's name")
        if self.task == "rank":
            _check_rank(self)
        elif self.task == "labels":
            _check_labels(self)
        else:
            raise InvalidRequest("A measurement is 'rank' or 'labels'.", field="task")

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Measure:
        """A request from what ``dataclasses.asdict`` made of one, as the journal keeps it."""
        plain = dict(values)
        plain["labels"] = tuple(plain.get("labels", ()))
        plain["pictures"] = tuple(Picture(**one) for one in plain.get("pictures", ()))
        return cls(**plain)

    @property
    def texts(self) -> tuple[str, ...]:
        """What the pictures are compared with."""
        if self.task == "rank":
            return (self.prompt,)
        return tuple(self.template.replace("{}", label) for label in self.labels)

    @property
    def summary(self) -> str:
        """What is measured, as lists of jobs show it."""
        return self.prompt if self.task == "rank" else ", ".join(self.labels)

    @property
    def inputs(self) -> tuple[str, ...]:
        """Its pictures come with it."""
        return ()

    @property
    def count(self) -> int:
        """How much of it the progress counts: it is one piece of work."""
        return 1

    @property
    def batch_size(self) -> int:
        """The same, for those who ask as they ask a drawing."""
        return 1

    def spent(self) -> Measure:
        """The request without its pictures' bytes: what is worth keeping once it has ended."""
        return replace(self, pictures=tuple(Picture(p.name) for p in self.pictures))


def label_list(value: object) -> tuple[str, ...]:
    """``value`` as labels: a list of texts, without the spaces around them."""
    if not isinstance(value, (list, tuple)):
        raise InvalidRequest("labels is a list of texts.", field="labels")
    labels = cast("Sequence[object]", value)
    if not all(isinstance(label, str) for label in labels):
        raise InvalidRequest("labels is a list of texts.", field="labels")
    return tuple(str(label).strip() for label in labels)


def _check_rank(request: Measure) -> None:
    if not request.prompt.strip():
        raise InvalidRequest("Ranking needs a prompt to compare with.", field="prompt")
    if not 1 <= len(request.pictures) <= MAX_PICTURES:
        raise InvalidRequest(
            f"There are {len(request.pictures)} pictures; give 1 to {MAX_PICTURES}.",
            field="images",
        )


def _check_labels(request: Measure) -> None:
    if not 1 <= len(request.labels) <= MAX_LABELS:
        raise InvalidRequest(
            f"There are {len(request.labels)} labels; give 1 to {MAX_LABELS}.", field="labels"
        )
    for label in request.labels:
        _text(label, "labels", "A label")
        if not label.strip():
            raise InvalidRequest("A label is empty.", field="labels")
    if "{}" not in request.template:
        raise InvalidRequest("The template has no {} where the label goes.", field="template")
    if len(request.pictures) != 1:
        raise InvalidRequest(
            f"Labels are found for one picture, not {len(request.pictures)}.", field="image"
        )


def _text(value: object, field: str, what: str) -> None:
    if not isinstance(value, str):
        raise InvalidRequest(f"{what} is no text.", field=field)
    if len(value) > MAX_TEXT_CHARS:
        raise InvalidRequest(
            f"{what} has {len(value)} characters; the most is {MAX_TEXT_CHARS}.", field=field
        )
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise InvalidRequest(f"{what} holds half a character.", field=field) from None
