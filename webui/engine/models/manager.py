"""Components in memory: leased, kept while there is room, evicted by plan.

A component is a checkpoint's text encoder, denoiser or decoder; its key is what it is made of
(content, role, dtype), so two checkpoints of the same content hold it once. Three tiers: the
device, the host's memory (where the device has its own), and the file, which is memory-mapped.
The weights that LoRAs change are components too, beside the part they are changes of.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import TypeVar, cast

import torch

from webui.core.errors import OutOfMemory
from webui.core.models import ModelRef
from webui.core.registry import Registry
from webui.engine.adapters import NONE, AdaptedDenoiser, AdapterSet, Patches, Plan
from webui.engine.adapters.keys import Target
from webui.engine.devices import Machine, host_memory
from webui.engine.families import FAMILIES
from webui.engine.families.base import (
    Checkpoint,
    Component,
    Decoder,
    Family,
    LoadedDenoiser,
    Patchable,
    Role,
    SeamlessDenoiser,
    SizedDecodes,
    TextEncoder,
)
from webui.engine.models import budget

C = TypeVar("C", bound=Component)

_OPENED = 16
_NO_ADAPTERS: Mapping[Role, AdapterSet] = {}
_BYTES_PER_SECOND_FROM_HOST = 8e9


class NoRoom(OutOfMemory):
    """The models in use leave no room for this one."""


@dataclass(frozen=True, slots=True)
class Key:
    """What a component is made of: of changed weights, also the LoRAs that changed them."""

    digest: str
    role: Role
    dtype: torch.dtype
    adapters: AdapterSet = NONE


@dataclass(frozen=True, slots=True)
class Leased:
    """A checkpoint's parts while they are leased; asking for one that was not raises KeyError."""

    checkpoint: Checkpoint
    parts: Mapping[Role, Component]
    patches: Mapping[Key, Patches] = field(default_factory=dict[Key, Patches])

    @contextmanager
    def text_with_loras(self) -> Iterator[TextEncoder]:
        """The text encoder, within the block with the LoRAs it was leased with."""
        with ExitStack() as worn:
            for key, patches in self.patches.items():
                if key.role == "text":
                    worn.enter_context(patches.worn(self.text.network))
            yield self.text

    @property
    def drawing(self) -> SeamlessDenoiser:
        """The denoiser with the LoRAs it was leased with."""
        for key, patches in self.patches.items():
            if key.role == "denoiser":
                slots = patches.slots(self.denoiser.network)
                return AdaptedDenoiser(self.denoiser, key.adapters, slots)
        return self.denoiser

    @property
    def text(self) -> TextEncoder:
        """The text encoder."""
        return cast(TextEncoder, self.parts["text"])

    @property
    def denoiser(self) -> LoadedDenoiser:
        """The denoiser."""
        return cast(LoadedDenoiser, self.parts["denoiser"])

    @property
    def decoder(self) -> Decoder:
        """The decoder."""
        return cast(Decoder, self.parts["decoder"])

    @property
    def sketcher(self) -> SizedDecodes:
        """What draws previews: the checkpoint's own small decoder, or the decoder."""
        return cast(SizedDecodes, self.parts.get("preview", self.parts["decoder"]))


@dataclass(slots=True, eq=False)
class _Held:
    """A component in memory."""

    key: Key
    name: str
    component: Component
    seconds: float
    device: torch.device
    leases: int = 0
    last_used: float = field(default_factory=time.monotonic)

    @property
    def size(self) -> int:
        """Bytes now: a component may change its precision."""
        return self.component.nbytes

    def as_resident(self) -> budget.Resident:
        return budget.Resident(self.key, self.size, self.seconds, self.last_used)


class ModelManager:
    """The single owner of model weights in a worker. Used by one thread.

    ``limit`` is the most bytes models may take on the device, None what is free there. ``hits``
    counts how often a leased part lay on the device already, ``loads`` how often it did not.
    """

    def __init__(
        self,
        machine: Machine,
        families: Registry[Family] = FAMILIES,
        *,
        limit: int | None = None,
    ) -> None:
        self.machine = machine
        self._families = families
        self._limit = limit
        self._insists = False
        self._held: dict[Key, _Held] = {}
        self._opened: OrderedDict[str, Checkpoint] = OrderedDict()
        self.hits = 0
        self.loads = 0

    def open(self, ref: ModelRef) -> Checkpoint:
        """The checkpoint with its headers read; ``ModelError`` if it cannot be used."""
        ref = ref.bare
        checkpoint = self._opened.pop(ref.digest, None)
        if checkpoint is None or checkpoint.ref != ref:
            checkpoint = self._families.get(ref.family).open(ref)
        self._opened[ref.digest] = checkpoint
        if len(self._opened) > _OPENED:
            self._opened.popitem(last=False)
        return checkpoint

    @contextmanager
    def lease(
        self,
        ref: ModelRef,
        *roles: Role,
        soon: Collection[Key] = (),
        adapters: Mapping[Role, AdapterSet] = _NO_ADAPTERS,
    ) -> Iterator[Leased]:
        """Hold these parts of a checkpoint on the device for as long as the block lasts.

        ``soon`` names what will be needed next, evicted last; ``adapters`` are the LoRAs to change
        leased parts with, whose changed weights are held as well. Raises ``ModelError`` for a file
        that cannot be used, :class:`NoRoom` when everything but what others lease was given up and
        it still does not fit.
        """
        checkpoint = self.open(ref)
        held: list[_Held] = []
        try:
            for role in roles:
                held.append(self._taken(self._resident(checkpoint, role, _keys(held), soon)))
            parts: dict[Role, Component] = {one.key.role: one.component for one in held}
            patches: dict[Key, Patches] = {}
            for role, wanted in adapters.items():
                if wanted:
                    key = replace(self.key(checkpoint, role), adapters=wanted)
                    part = cast(Patchable, parts[role])
                    one = self._taken(self._patched(checkpoint, part, key, _keys(held), soon))
                    held.append(one)
                    patches[key] = cast(Patches, one.component)
            yield Leased(checkpoint, parts, patches)
        finally:
            for one in held:
                one.leases -= 1
                one.last_used = time.monotonic()

    def key(self, checkpoint: Checkpoint, role: Role) -> Key:
        """The key of a checkpoint's part on this machine."""
        return Key(checkpoint.ref.digest, role, self._dtype(checkpoint, role))

    def is_loaded(self, ref: ModelRef, role: Role, adapters: AdapterSet = NONE) -> bool:
        """Whether that part lies on the device; with ``adapters``, its weights changed by them."""
        key = self.key(self.open(ref), role)
        one = self._held.get(replace(key, adapters=adapters))
        return one is not None and one.device == self.machine.device

    @contextmanager
    def insisting(self) -> Iterator[None]:
        """Within the block nothing waits for room that nobody gives back: what is leased is loaded
        beside everything else, which fails only where memory really ends."""
        self._insists = True
        try:
            yield
        finally:
            self._insists = False

    def release_unused(self) -> bool:
        """Drop everything that is not leased; whether there was anything."""
        unused = [key for key, one in self._held.items() if not one.leases]
        for key in unused:
            del self._held[key]
        self.machine.empty_cache()
        return bool(unused)

    @property
    def held_bytes(self) -> int:
        """Bytes of all components in memory."""
        return sum(one.size for one in self._held.values())

    @property
    def loaded(self) -> tuple[str, ...]:
        """Names of the checkpoints that have components in memory."""
        return tuple(dict.fromkeys(one.name for one in self._held.values()))

    def _dtype(self, checkpoint: Checkpoint, role: Role) -> torch.dtype:
        choose = {
            "text": self.machine.text_dtype,
            "denoiser": self.machine.compute_dtype,
            "decoder": self.machine.decode_dtype,
            "preview": self.machine.decode_dtype,
            "clip": self.machine.text_dtype,
            "upscaler": self.machine.pixel_dtype,
        }
        return choose[role](checkpoint.weights(role))

    def _resident(
        self, checkpoint: Checkpoint, role: Role, mine: Collection[Key], soon: Collection[Key]
    ) -> _Held:
        """The component on the device, loaded or moved there if need be; ``mine`` stay leased."""
        key = self.key(checkpoint, role)
        one = self._found(key, mine, soon)
        if one is None:
            self._make_room(checkpoint.weights(role) * key.dtype.itemsize, mine, soon)
            one = self._held[key] = self._load(checkpoint, key)
        return one

    def _patched(
        self,
        checkpoint: Checkpoint,
        part: Patchable,
        key: Key,
        mine: Collection[Key],
        soon: Collection[Key],
    ) -> _Held:
        """The weights of ``part``, which is leased, as ``key.adapters`` change them."""
        one = self._found(key, mine, soon)
        if one is None:
            begun = time.monotonic()
            plan = Plan(part.network, key.adapters, cast(Target, key.role))
            self._make_room(plan.nbytes, mine, soon)
            patches = plan.build()
            seconds = time.monotonic() - begun
            one = _Held(key, checkpoint.ref.name, patches, seconds, self.machine.device)
            self._held[key] = one
        return one

    def _found(self, key: Key, mine: Collection[Key], soon: Collection[Key]) -> _Held | None:
        """What is held under that key, moved to the device if it is not there."""
        one = self._held.get(key)
        if one is not None and one.device == self.machine.device:
            self.hits += 1
        else:
            self.loads += 1
        if one is not None and one.device != self.machine.device:
            self._make_room(one.size, mine, soon)
            one.component.to(self.machine.device)
            one.device = self.machine.device
        if one is not None:
            one.last_used = time.monotonic()
        return one

    @staticmethod
    def _taken(one: _Held) -> _Held:
        one.leases += 1
        return one

    def _load(self, checkpoint: Checkpoint, key: Key) -> _Held:
        begun = time.monotonic()
        device = self.machine.device
        component = checkpoint.load(key.role, key.dtype, device, self.machine.memory_format)
        seconds = time.monotonic() - begun
        return _Held(key, checkpoint.ref.name, component, seconds, device)

    def _make_room(self, wanted: int, mine: Collection[Key], soon: Collection[Key]) -> None:
        here = [one for one in self._held.values() if one.device == self.machine.device]
        leased = {one.key for one in here if one.leases}
        free = self.machine.free_memory()
        if self._limit is not None:
            free = min(free, self._limit - sum(one.size for one in here))
        plan = budget.plan([one.as_resident() for one in here], leased, wanted, free, soon)
        for key in plan.evict:
            self._evict(self._held[cast(Key, key)])
        if plan.evict:
            self.machine.empty_cache()
        if plan.short and leased.difference(mine) and not self._insists:
            raise NoRoom
        # When nobody else is in the way it is tried all the same: free memory is an estimate.

    def _evict(self, one: _Held) -> None:
        """From the device to the host if it fits there, else back to the file."""
        if self.machine.has_own_memory and one.size <= host_memory():
            one.component.to(torch.device("cpu"))
            one.device = torch.device("cpu")
            one.seconds = one.size / _BYTES_PER_SECOND_FROM_HOST
        else:
            del self._held[one.key]


def _keys(held: Sequence[_Held]) -> set[Key]:
    return {one.key for one in held}
