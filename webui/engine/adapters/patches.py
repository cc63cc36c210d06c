"""Changed copies of a network's weights, and how they take the originals' place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from webui.core.errors import ModelError, listed
from webui.engine.adapters.files import LoraFile, read_lora
from webui.engine.adapters.keys import Target, layers_of
from webui.engine.adapters.kinds import Misfit, Parts, bias_change, change, changes_weight
from webui.engine.adapters.sets import AdapterSet, Applied

Place = tuple[str, str]
"""A layer's path in the network, and "weight" or "bias"."""


class Patches:
    """The weights that a set of LoRAs gives a network; a ``families.base.Component``."""

    def __init__(self, tensors: dict[Place, Tensor]) -> None:
        self._tensors = tensors

    @property
    def nbytes(self) -> int:
        """Measured size of the copies."""
        return sum(t.numel() * t.element_size() for t in self._tensors.values())

    def to(self, device: torch.device) -> None:
        """Move the copies."""
        self._tensors = {place: t.to(device) for place, t in self._tensors.items()}

    @contextmanager
    def worn(self, network: nn.Module) -> Iterator[None]:
        """Within the block ``network`` computes with the copies; then it has its own again."""
        with self.slots(network).worn():
            yield

    def slots(self, network: nn.Module) -> Slots:
        """Where the copies go in ``network``, looked up once for many passes."""
        modules = dict(network.named_modules())
        return Slots(
            [(modules[path]._parameters, name, t) for (path, name), t in self._tensors.items()]
        )


class Slots:
    """Places in a network's modules, and what is to be put there."""

    def __init__(self, places: list[tuple[dict[str, nn.Parameter | None], str, Tensor]]) -> None:
        self._places = places

    @contextmanager
    def worn(self) -> Iterator[None]:
        """Within the block the places hold what is to be put there, afterwards what they held."""
        originals = [parameters[name] for parameters, name, _ in self._places]
        try:
            for parameters, name, tensor in self._places:
                # A tensor where a module keeps a parameter: it computes with it all the same.
                parameters[name] = tensor  # pyright: ignore[reportArgumentType]
            yield
        finally:
            for (parameters, name, _), original in zip(self._places, originals, strict=True):
                parameters[name] = original


@dataclass(frozen=True, slots=True)
class _Change:
    """What one LoRA does to one layer."""

    applied: Applied
    parts: Parts
    key: str


class Plan:
    """Which layers of a network a set of LoRAs changes: known from the files' names alone.

    ``ModelError`` if a file cannot be read, or has weights for layers that ``network`` lacks.
    """

    def __init__(self, network: nn.Module, adapters: AdapterSet, target: Target) -> None:
        self._modules = dict(network.named_modules())
        self._changes: dict[str, list[_Change]] = {}
        layers = layers_of(network, target)
        for applied in adapters:
            self._add(applied, read_lora(applied.ref), layers, target)

    @property
    def nbytes(self) -> int:
        """Bytes that the changed copies will take."""
        sizes = [
            own.numel() * own.element_size()
            for path in self._changes
            for own in self._modules[path].parameters(recurse=False)
        ]
        return sum(sizes)

    @torch.inference_mode()
    def build(self) -> Patches:
        """The changed copies, W + Σ weight·ΔW, on the network's device and in its precision.

        Sums are made in float32. ``ModelError`` if shapes do not fit, or numbers are invalid.
        """
        tensors: dict[Place, Tensor] = {}
        for path, changes in self._changes.items():
            module = self._modules[path]
            own, bias = module.weight, getattr(module, "bias", None)
            assert isinstance(own, Tensor)
            with_weight = [c for c in changes if changes_weight(c.parts)]
            if with_weight:
                tensors[path, "weight"] = _changed(own, with_weight)
            if any("diff_b" in c.parts for c in changes):
                tensors[path, "bias"] = _changed_bias(own, bias, changes)
        finite = [torch.isfinite(tensor).all() for tensor in tensors.values()]
        if finite and not torch.stack(finite).all():
            changes = (one for some in self._changes.values() for one in some)
            names = sorted({repr(one.applied.ref.name) for one in changes})
            raise ModelError(
                f"Applying the LoRA {listed(names)} gives invalid numbers: the file is damaged, "
                "or its weight in the prompt is far too large."
            )
        return Patches(tensors)

    def _add(
        self, applied: Applied, file: LoraFile, layers: Mapping[str, str], target: Target
    ) -> None:
        unknown: list[str] = []
        for layer, parts in file.layers[target].items():
            key = file.keys[target, layer]
            if layer in layers:
                found = _Change(applied, parts, key)
                self._changes.setdefault(layers[layer], []).append(found)
            else:
                unknown.append(key[:100])
        if unknown:
            raise ModelError(
                f"The LoRA {file.name!r} is made for another kind of model: this checkpoint has "
                f"no layers for {listed(unknown)}."
            )


def _changed(own: Tensor, changes: list[_Change]) -> Tensor:
    original = own.float()
    total = original.clone()
    for one in changes:
        total += one.applied.weight * _fitting(one, own.device, original)
    # clone() keeps the layout of a convolution's weight, on which its results' last bits depend.
    return own.detach().clone().copy_(total)


def _changed_bias(own: Tensor, bias: Tensor | None, changes: list[_Change]) -> Tensor:
    rows = own.shape[0]
    total = torch.zeros(rows, device=own.device) if bias is None else bias.float().clone()
    for one in changes:
        try:
            added = bias_change(_moved(one.parts, own.device), bias, rows)
        except Misfit as why:
            raise _refused(one, why) from None
        if added is not None:
            total += one.applied.weight * added
    return total.to(own.dtype)


def _fitting(one: _Change, device: torch.device, original: Tensor) -> Tensor:
    try:
        return change(_moved(one.parts, device), original, one.applied.dyn)
    except Misfit as why:
        raise _refused(one, why) from None
    except (RuntimeError, IndexError, ValueError) as error:
        if isinstance(error, torch.OutOfMemoryError):
            raise
        raise _refused(one, Misfit(" ".join(str(error).split())[:100])) from error


def _moved(parts: Parts, device: torch.device) -> Parts:
    return {name: tensor.to(device, torch.float32) for name, tensor in parts.items()}


def _refused(one: _Change, why: Misfit) -> ModelError:
    return ModelError(
        f"The LoRA {one.applied.ref.name!r} does not fit this checkpoint at {one.key[:100]}: {why}."
    )
