"""What the server knows of a model file without loading it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Prediction = Literal["epsilon", "v_prediction"]
Layout = Literal["folder", "file"]


@dataclass(frozen=True, slots=True)
class ModelRef:
    """A checkpoint, identified from its header alone.

    ``name`` is what users see and requests carry (path below ``models/checkpoints`` without
    ``.safetensors``); ``path`` the absolute place; ``family`` the engine's family ("sd15");
    ``digest`` a content key known at once (path, size, mtime and header digest);
    ``native_size`` the side in pixels it was trained at. ``judge`` is the CLIP model that scores
    what is drawn with this one, where the request asks for that. A CLIP model is described the same
    way: its family is "clip", what it "predicts" means nothing.
    """

    name: str
    path: str
    layout: Layout
    family: str
    prediction: Prediction
    native_size: int
    digest: str
    judge: ModelRef | None = None

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> ModelRef:
        """A reference from what ``dataclasses.asdict`` made of one."""
        plain = dict(values)
        judge = plain.pop("judge", None)
        return cls(**plain, judge=cls.from_mapping(judge) if judge else None)
