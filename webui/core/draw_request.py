"""What all requests that draw have in common: prompt, sampler, guidance, and their checks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from webui.core import params
from webui.core.errors import InvalidRequest
from webui.core.guidance_fields import GuidanceFields
from webui.core.registry import Registry
from webui.core.samplers import (
    EMPHASIS_MODES,
    NOISE_SCHEDULES,
    NOISE_SOURCES,
    SAMPLERS,
    SCHEDULES,
    UNIPC_SKIPS,
    UNIPC_VARIANTS,
    split_schedule,
)

MAX_PIXELS = 2048 * 4096
MAX_IMAGES = 1000
CANDIDATES_AT_ONCE = 8
"""Candidates for pictures that are drawn together, unless the batch itself is larger."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawRequest(GuidanceFields):
    """A request for pictures.

    Values are checked on construction; a bad one raises ``InvalidRequest`` naming the field.
    ``width`` and ``height`` of None mean the checkpoint's native size, ``checkpoint`` of "" the
    default checkpoint and ``seed`` of -1 a random one: the queue fills these in, on submission.
    """

    def __post_init__(self) -> None:
        params.check_all(self)
        _set_sampler(self)
        set_names(self, _NAMED)
        _check_counts(self)
        check_size(self.width or 0, self.height or 0, "width")

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Self:
        """A request from names and values; unknown names and bad values raise."""
        return params.from_mapping(cls, values)

    @property
    def count(self) -> int:
        """How many pictures the request asks for."""
        return self.batch_count * self.batch_size

    @property
    def at_once(self) -> int:
        """How many pictures are drawn together at most."""
        most = max(self.batch_size, CANDIDATES_AT_ONCE) if self.best_of > 1 else self.batch_size
        return min(most, self.count * self.best_of)

    @property
    def judged(self) -> bool:
        """Whether a CLIP model looks at what is drawn."""
        return self.best_of > 1 or self.clip_score

    @property
    def final_size(self) -> tuple[int, int]:
        """Width and height that are drawn at last, in pixels; (0, 0) while they are left open."""
        return self.width or 0, self.height or 0

    @property
    def inputs(self) -> tuple[str, ...]:
        """The ids of the pictures it starts from."""
        return ()


def set_names(request: DrawRequest, named: Mapping[str, Registry[Any]]) -> None:
    """Put the entries' own names where fields have another spelling; unknown ones raise."""
    for name, known in named.items():
        object.__setattr__(request, name, known.canonical(getattr(request, name), field=name))


def check_size(width: int, height: int, field: str) -> None:
    """Refuse pictures of more pixels than can be drawn."""
    if width * height > MAX_PIXELS:
        raise InvalidRequest(
            f"A picture of {width}×{height} is larger than "
            f"{MAX_PIXELS // 1_000_000} million pixels; choose a smaller size.",
            field=field,
        )


def sampler_of(name: str, scheduler: str, field: str) -> tuple[str, str]:
    """A sampler's and a schedule's own names; a schedule behind the sampler's name counts where
    the other leaves it open."""
    sampler, behind = split_schedule(name)
    schedule = SCHEDULES.canonical(scheduler, field=field.replace("sampler", "scheduler"))
    if behind is not None and schedule == "Automatic":
        schedule = behind
    return SAMPLERS.canonical(sampler, field=field), schedule


def _set_sampler(request: DrawRequest) -> None:
    sampler, scheduler = sampler_of(request.sampler, request.scheduler, "sampler")
    object.__setattr__(request, "sampler", sampler)
    object.__setattr__(request, "scheduler", scheduler)


def _check_counts(request: DrawRequest) -> None:
    if request.count > MAX_IMAGES:
        raise InvalidRequest(
            f"Batch count × batch size is {request.count}; the most is {MAX_IMAGES}.",
            field="batch_count",
        )
    if request.count * request.best_of > MAX_IMAGES:
        raise InvalidRequest(
            f"Best of {request.best_of} for {request.count} pictures draws "
            f"{request.count * request.best_of}; the most is {MAX_IMAGES}.",
            field="best_of",
        )
    if request.sigma_max and request.sigma_min >= request.sigma_max:
        raise InvalidRequest(
            f"Sigma min {request.sigma_min:g} is not below sigma max {request.sigma_max:g}.",
            field="sigma_min",
        )


_NAMED: Mapping[str, Registry[Any]] = {
    "noise_source": NOISE_SOURCES,
    "emphasis": EMPHASIS_MODES,
    "noise_schedule": NOISE_SCHEDULES,
    "unipc_variant": UNIPC_VARIANTS,
    "unipc_skip": UNIPC_SKIPS,
}
"""Fields whose values are names, beside the sampler and its schedule."""
