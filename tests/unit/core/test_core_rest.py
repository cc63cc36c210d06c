"""Registry, seeds, errors and the frames between processes."""

from __future__ import annotations

import io
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webui.core import errors, messages, wire
from webui.core.errors import EaselError, ErrorInfo, InvalidRequest
from webui.core.models import ModelRef
from webui.core.registry import Registry
from webui.core.requests import Txt2Img
from webui.core.results import Pixels
from webui.core.seeds import MAX_SEED, image_seed, resolve_seed


def test_a_registry_finds_names_and_aliases_in_any_case() -> None:
    registry: Registry[int] = Registry("animal")
    registry.add("Cat", 1, aliases=("kitty",))
    registry.add("Dog", 2)
    assert registry.get(" KITTY ") == 1
    assert registry.canonical("dog") == "Dog"
    assert "cat" in registry
    assert "cow" not in registry
    assert 3 not in registry
    assert (registry.names(), list(registry), len(registry)) == (("Cat", "Dog"), [1, 2], 2)


def test_a_registry_refuses_names_taken_and_says_what_is_near() -> None:
    registry: Registry[int] = Registry("animal")
    registry.add("Cat", 1, aliases=("kitty",))
    for name, aliases in (("Cat", ()), ("cat", ()), ("KITTY", ()), ("Dog", ("kitty",))):
        with pytest.raises(ValueError, match="animal"):
            registry.add(name, 2, aliases=aliases)
    assert registry.names() == ("Cat",)
    with pytest.raises(InvalidRequest, match="no animal 'cta'; did you mean 'Cat'") as error:
        registry.get("cta", field="pet")
    assert error.value.field == "pet"
    with pytest.raises(InvalidRequest, match="known are Cat"):
        registry.get("zebra")


@given(st.integers(0, MAX_SEED), st.integers(0, 1000))
def test_seeds_follow_one_another_within_32_bits(seed: int, index: int) -> None:
    assert resolve_seed(seed) == seed
    assert image_seed(seed, 0) == seed
    assert 0 <= image_seed(seed, index) <= MAX_SEED
    assert (image_seed(seed, index + 1) - image_seed(seed, index)) % 2**32 == 1


def test_a_random_seed_is_another_one_each_time() -> None:
    seeds = {resolve_seed(-1) for _ in range(20)}
    assert len(seeds) > 15
    assert all(0 <= seed <= MAX_SEED for seed in seeds)


def _all(base: type[EaselError]) -> list[type[EaselError]]:
    """The classes of ``core.errors``; other packages refine them under the same codes."""
    ours = [c for c in base.__subclasses__() if c.__module__ == base.__module__]
    return [base, *(c for child in ours for c in _all(child))]


@pytest.mark.parametrize("kind", _all(EaselError))
def test_every_error_has_a_sentence_and_comes_back_from_its_value(kind: type[EaselError]) -> None:
    assert kind().message.endswith(".")
    back = kind("Something is wrong.", field="steps").info().to_exception()
    assert type(back) is kind
    assert (back.message, back.field) == ("Something is wrong.", "steps")


def test_codes_tell_the_classes_apart() -> None:
    kinds = _all(EaselError)
    assert len({k.code for k in kinds}) == len(kinds)
    assert type(ErrorInfo("unheard_of", "x").to_exception()) is EaselError


def test_a_refined_error_comes_back_as_what_it_refines() -> None:
    class NoRoomHere(errors.OutOfMemory):
        """There is no room here."""

    assert type(NoRoomHere().info().to_exception()) is errors.OutOfMemory


def test_an_unexpected_error_is_named_and_bounded() -> None:
    info = errors.describe(ValueError("a\n b" * 1000))
    assert info.code == "error"
    assert info.message.startswith("Unexpected ValueError: a b")
    assert len(info.message) < 600
    assert "\n" not in info.message
    assert errors.describe(errors.NotFound("x.")) == ErrorInfo("not_found", "x.")


REF = ModelRef("m", "/m", "folder", "sd15", "epsilon", 64, "d")
MESSAGES = [
    messages.RunJob(messages.JobSpec("j", 1, Txt2Img(prompt="ä\n"), REF, 3)),
    messages.StopJob("j", "skip"),
    messages.Quit(),
    messages.WorkerReady(1, "CPU", "float32", "2.0"),
    messages.JobPreview("j", 0, b"\xff\xd8"),
    messages.JobImage("j", 0, 1, Pixels(2, 1, bytes(6)), 0.5),
    messages.JobFinished("j", 1, ErrorInfo("model", "x.")),
    messages.WorkerStats(1, 2, 3, ("a",)),
]


def test_messages_cross_a_pipe_as_they_are() -> None:
    pipe = io.BytesIO()
    for message in MESSAGES:
        wire.write(pipe, message)
    pipe.seek(0)
    assert [wire.read(pipe) for _ in MESSAGES] == MESSAGES
    with pytest.raises(EOFError):
        wire.read(pipe)


class _Text(str):
    """A text as libraries have them: torch's version is one."""

    __slots__ = ()


def test_no_message_brings_a_library_of_the_worker_into_the_server() -> None:
    pipe = io.BytesIO()
    wire.write(pipe, messages.WorkerReady(1, "CPU", "float32", _Text("2.0")))
    pipe.seek(0)
    with pytest.raises(pickle.UnpicklingError, match="_Text is not part of a message"):
        wire.read(pipe)


@given(st.binary(max_size=300), st.integers(1, 7))
def test_frames_survive_short_reads_and_end_cleanly(payload: bytes, size: int) -> None:
    class Trickle(io.BytesIO):
        def read(self, count: int | None = -1, /) -> bytes:
            return super().read(min(size, count or 0))

    whole = io.BytesIO()
    wire.write(whole, payload)
    data = whole.getvalue()
    assert wire.read(Trickle(data)) == payload
    for cut in {0, 1, 7, 8, len(data) - 1}:
        with pytest.raises(EOFError):
            wire.read(Trickle(data[:cut]))


def test_pixels_must_fill_their_size() -> None:
    with pytest.raises(ValueError, match="are not a 2×2 RGB picture"):
        Pixels(2, 2, bytes(11))
    assert pickle.loads(pickle.dumps(Pixels(2, 2, bytes(12)))) == Pixels(2, 2, bytes(12))
