"""Leases and eviction, on components that weigh nothing."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
import torch

from webui.core.models import ModelRef
from webui.core.registry import Registry
from webui.engine.devices import Machine
from webui.engine.families.base import Family, Role
from webui.engine.levels import NoiseLevels
from webui.engine.models.manager import ModelManager, NoRoom

SIZES: dict[Role, int] = {"text": 30, "denoiser": 100, "decoder": 10}


@dataclass(eq=False)
class FakeComponent:
    nbytes: int

    def to(self, device: torch.device) -> None: ...


@dataclass
class FakeCheckpoint:
    ref: ModelRef
    log: list[tuple[str, Role]]
    levels: NoiseLevels = field(default_factory=lambda: NoiseLevels(torch.ones(2)))

    def weights(self, role: Role) -> int:
        return SIZES[role] // 4

    def latent_shape(self, width: int, height: int) -> tuple[int, int, int]:
        return 4, height // 8, width // 8

    def load(self, role: Role, dtype, device, layout) -> FakeComponent:
        self.log.append((self.ref.name, role))
        return FakeComponent(SIZES[role])


class FakeFamily:
    name = "fake"

    def __init__(self) -> None:
        self.log: list[tuple[str, Role]] = []
        self.opened: list[str] = []

    def open(self, ref: ModelRef) -> FakeCheckpoint:
        self.opened.append(ref.name)
        return FakeCheckpoint(ref, self.log)


@pytest.fixture
def family() -> FakeFamily:
    return FakeFamily()


def make(family: FakeFamily, limit: int | None) -> ModelManager:
    families: Registry[Family] = Registry("family")
    families.add("fake", family)
    machine = Machine(torch.device("cpu"), torch.float32)
    return ModelManager(machine, families, limit=limit)


def ref(name: str, digest: str = "") -> ModelRef:
    return ModelRef(name, f"/{name}", "file", "fake", "epsilon", 64, digest or name)


def test_what_is_loaded_is_loaded_once(family: FakeFamily) -> None:
    manager = make(family, None)
    with (
        manager.lease(ref("a"), "denoiser", "decoder") as first,
        manager.lease(ref("a"), "denoiser") as second,
    ):
        assert second.denoiser is first.denoiser
    with manager.lease(ref("a"), "denoiser"):
        pass
    assert family.log == [("a", "denoiser"), ("a", "decoder")]
    assert family.opened == ["a"]
    assert (manager.held_bytes, manager.loaded) == (110, ("a",))


def test_checkpoints_of_the_same_content_share_their_parts(family: FakeFamily) -> None:
    manager = make(family, None)
    with (
        manager.lease(ref("a", "same"), "denoiser") as one,
        manager.lease(ref("copy", "same"), "denoiser") as other,
    ):
        assert one.denoiser is other.denoiser


def test_room_is_made_by_evicting_what_is_not_leased(family: FakeFamily) -> None:
    manager = make(family, 140)
    with manager.lease(ref("a"), "denoiser"):
        pass
    with manager.lease(ref("b"), "denoiser", "text"):
        assert not manager.is_loaded(ref("a"), "denoiser")
        assert manager.held_bytes == 130


def test_what_is_leased_is_never_evicted(family: FakeFamily) -> None:
    manager = make(family, 140)
    with manager.lease(ref("a"), "denoiser"):
        with pytest.raises(NoRoom), manager.lease(ref("b"), "text", "denoiser"):
            pass
        assert manager.is_loaded(ref("a"), "denoiser")
    with manager.lease(ref("b"), "text", "denoiser"):  # the failed lease held nothing back
        assert manager.held_bytes == 130


def test_a_model_larger_than_the_limit_is_tried_when_it_is_alone(family: FakeFamily) -> None:
    manager = make(family, 50)
    with manager.lease(ref("a"), "text", "denoiser") as leased:
        assert leased.denoiser.nbytes == 100


def test_release_unused_keeps_what_is_leased(family: FakeFamily) -> None:
    manager = make(family, None)
    with manager.lease(ref("a"), "denoiser"), manager.lease(ref("b"), "decoder"):
        pass
    with manager.lease(ref("b"), "decoder"):
        assert manager.release_unused()
        assert manager.loaded == ("b",)
        assert not manager.release_unused()
    assert manager.release_unused()
    assert manager.held_bytes == 0


def test_held_bytes_are_what_is_held_now(family: FakeFamily) -> None:
    manager = make(family, None)
    with manager.lease(ref("a"), "decoder") as leased:
        component = leased.parts["decoder"]
        assert isinstance(component, FakeComponent)
        component.nbytes *= 2  # as a VAE's that went on in float32
        assert manager.held_bytes == 20


def test_a_lease_ends_when_its_block_fails(family: FakeFamily) -> None:
    manager = make(family, None)
    with pytest.raises(RuntimeError), manager.lease(ref("a"), "denoiser"):
        raise RuntimeError
    assert manager.release_unused()
    assert manager.held_bytes == 0
