"""Which adapters a request's prompts call, for text encoder and denoiser."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from webui.core.models import AdapterRef, ModelRef
from webui.core.requests import DrawRequest
from webui.prompt.loras import LoraCall, lora_calls
from webui.prompt.plan import split_prompt


@dataclass(frozen=True, slots=True, order=True)
class Applied:
    """A LoRA at a weight; of a low-rank one only the first ``dyn`` ranks count (0: all).

    Equal where the files' content, weight and ranks are, whatever they are called.
    """

    digest: str
    weight: float
    dyn: int
    ref: AdapterRef = field(compare=False)


AdapterSet = tuple[Applied, ...]
"""LoRAs that are applied together, in an order of their own: equal sets are equal values."""

NONE: AdapterSet = ()


@dataclass(frozen=True, slots=True)
class Called:
    """What a request's prompts call: the LoRAs of each network, and the embeddings."""

    text: AdapterSet = NONE
    denoiser: AdapterSet = NONE
    embeddings: tuple[AdapterRef, ...] = ()

    @classmethod
    def of(cls, request: DrawRequest, model: ModelRef) -> Called:
        """Those of ``model.adapters`` that the prompts of ``request`` call."""
        _, networks = split_prompt(request.prompt) if model.adapters else ("", ())
        calls = lora_calls(networks)
        return cls(
            text=_set(((call, call.te) for call in calls), model),
            denoiser=_set(((call, call.unet) for call in calls), model),
            embeddings=tuple(one for one in model.adapters if one.kind == "embedding"),
        )


def _set(calls: Iterable[tuple[LoraCall, float]], model: ModelRef) -> AdapterSet:
    """What is called twice counts twice; what weighs nothing is left out."""
    sums: dict[tuple[str, int], tuple[float, AdapterRef]] = {}
    for call, weight in calls:
        ref = model.adapter("lora", call.name)
        if ref is not None:
            key = (ref.digest, call.dyn or 0)
            before, _ = sums.get(key, (0.0, ref))
            sums[key] = (before + weight, ref)
    found = (Applied(key[0], weight, key[1], ref) for key, (weight, ref) in sums.items() if weight)
    return tuple(sorted(found))
