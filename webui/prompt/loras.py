"""``<lora:name:te:unet:dyn>`` as A1111 1.5 and later read it: which LoRAs, and how strongly."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from webui.prompt.networks import ExtraNetwork

KINDS = frozenset({"lora", "lyco"})


@dataclass(frozen=True, slots=True)
class LoraCall:
    """A LoRA by the name the prompt gives it, its weights for text encoder and UNet, and how many
    of its ranks count (None: all)."""

    name: str
    te: float = 1.0
    unet: float = 1.0
    dyn: int | None = None


def is_lora(network: ExtraNetwork) -> bool:
    """Whether an extra network calls a LoRA; LyCORIS files are called in the same way."""
    return network.kind.casefold() in KINDS


def lora_calls(networks: Iterable[ExtraNetwork]) -> tuple[LoraCall, ...]:
    """The LoRAs that a prompt's extra networks call, in order; one that cannot be read is none."""
    return tuple(_readable(networks))


def read_call(network: ExtraNetwork) -> LoraCall | None:
    """``<lora:name:te:unet:dyn>`` or ``<lora:name:te=…:unet=…:dyn=…>``; None without a name, or
    with a number that is none.

    The text encoder's weight is 1 if none is written, the UNet's the text encoder's.
    """
    given = [argument.strip() for argument in network.arguments]
    if not given or not given[0]:
        return None
    places = dict(zip(("te", "unet", "dyn"), given[1:], strict=False))
    written = {name: network.option(name, places.get(name, "")) for name in ("te", "unet", "dyn")}
    try:
        te = _number(written["te"], 1.0)
        unet = _number(written["unet"], te)
        dyn = int(written["dyn"]) if written["dyn"].strip() else None
    except ValueError:
        return None
    if dyn is not None and dyn < 1:
        return None
    return LoraCall(given[0], te, unet, dyn)


def _readable(networks: Iterable[ExtraNetwork]) -> Iterator[LoraCall]:
    for network in networks:
        call = read_call(network) if is_lora(network) else None
        if call is not None:
            yield call


def _number(text: str, default: float) -> float:
    number = float(text) if text.strip() else default
    if not math.isfinite(number):
        raise ValueError(text)
    return number
