"""What the server knows of a model file without loading it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

Prediction = Literal["epsilon", "v_prediction"]
Layout = Literal["folder", "file"]
AdapterKind = Literal["lora", "embedding"]
MOST_VECTORS = 75
"""Vectors of an embedding: it is never parted between two chunks of the text encoder."""


@dataclass(frozen=True, slots=True)
class AdapterRef:
    """A file that a prompt calls by name: a LoRA, or a textual inversion's embedding.

    ``name`` is what the prompt writes, for an embedding its file's name; ``path`` the absolute
    place; ``digest`` a content key known at once (path, size, mtime and header digest); ``vectors``
    how many tokens an embedding takes.
    """

    kind: AdapterKind
    name: str
    path: str
    digest: str
    vectors: int = 0


@dataclass(frozen=True, slots=True)
class ModelRef:
    """A checkpoint, identified from its header alone.

    ``name`` is what users see and requests carry (path below ``models/checkpoints`` without
    ``.safetensors``); ``path`` the absolute place; ``family`` the engine's family ("sd15");
    ``digest`` a content key known at once (path, size, mtime and header digest);
    ``native_size`` the side in pixels it was trained at. ``judge`` is the CLIP model that scores
    what is drawn with this one, where the request asks for that; ``adapters`` are the files that
    the job's prompts call and that are there; ``upscalers`` what enlarges between two passes, where
    that is no interpolation of latents, each with its ``tiles``: the side in pixels of the squares
    it sees at once (0: all) and by how much they overlap. ``context`` is the width of the token
    embeddings it reads (0: not known). A CLIP model is described the same way: its family is
    "clip", what it "predicts" means nothing.
    """

    name: str
    path: str
    layout: Layout
    family: str
    prediction: Prediction
    native_size: int
    digest: str
    judge: ModelRef | None = None
    adapters: tuple[AdapterRef, ...] = ()
    context: int = 0
    upscalers: tuple[ModelRef, ...] = ()
    tiles: tuple[int, int] | None = None

    @property
    def bare(self) -> ModelRef:
        """The checkpoint alone, without what one job draws with besides."""
        return replace(self, judge=None, adapters=(), upscalers=(), tiles=None)

    def adapter(self, kind: AdapterKind, name: str) -> AdapterRef | None:
        """The file that prompts call so; None if there was none."""
        return next((a for a in self.adapters if a.kind == kind and a.name == name), None)

    def upscaler(self, name: str) -> ModelRef | None:
        """What enlarges between two passes under that name; None if it is none of these."""
        return next((one for one in self.upscalers if one.name == name), None)

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> ModelRef:
        """A reference from what ``dataclasses.asdict`` made of one."""
        plain = dict(values)
        judge = plain.pop("judge", None)
        adapters = tuple(AdapterRef(**one) for one in plain.pop("adapters", ()))
        upscalers = tuple(cls.from_mapping(one) for one in plain.pop("upscalers", ()))
        judge = cls.from_mapping(judge) if judge else None
        side, overlap = plain.pop("tiles", None) or (None, 0)
        tiles = None if side is None else (side, overlap)
        return cls(**plain, judge=judge, adapters=adapters, upscalers=upscalers, tiles=tiles)
