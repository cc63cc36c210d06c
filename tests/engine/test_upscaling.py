"""Upscaling models: read, tiled, budgeted, and what is said of files that are none."""

from __future__ import annotations

import pickle
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from tests.fakes import upscalers as fakes
from webui.cli import main
from webui.core.errors import ModelError, OutOfMemory
from webui.core.models import ModelRef
from webui.core.upscalers import built_in
from webui.engine.devices import Machine
from webui.engine.families.upscaler import UpscalerFile, UpscalingModel
from webui.engine.models.manager import ModelManager, NoRoom
from webui.engine.upscalers import Bench, upscaled


@pytest.fixture
def manager() -> ModelManager:
    return ModelManager(Machine.choose("cpu"))


def picture(height: int, width: int, seed: int = 0) -> Tensor:
    """Smooth colours, as pictures have."""
    torch.manual_seed(seed)
    coarse = torch.rand(1, 3, max(height // 8, 2), max(width // 8, 2))
    smooth = nn.functional.interpolate(coarse, (height, width), mode="bicubic").clamp(0, 1)
    return (smooth[0].permute(1, 2, 0) * 255).to(torch.uint8).contiguous()


def run(
    manager: ModelManager, pixels: Tensor, ref: ModelRef, width: int, height: int, **bench: Any
) -> Tensor:
    """What comes of it; nothing waits for room."""
    with ExitStack() as leases:
        script = upscaled(pixels, ref, width, height, Bench(manager, leases, **bench))
        while True:
            try:
                assert next(script) == "turn"
            except StopIteration as end:
                return end.value


def repeated(pixels: Tensor, times: int) -> Tensor:
    return pixels.repeat_interleave(times, 0).repeat_interleave(times, 1)


@pytest.mark.parametrize(
    "module",
    [fakes.compact(4), fakes.esrgan(), fakes.swinir()],
    ids=lambda module: type(module).__name__,
)
def test_a_file_gives_what_its_network_gives(
    tmp_path: Path, manager: ModelManager, module: nn.Module
) -> None:
    ref = fakes.write(tmp_path / "model.safetensors", module)
    pixels = picture(24, 40)
    with torch.inference_mode():
        plain = module.eval()(pixels.permute(2, 0, 1)[None].float() / 255)
    expected = plain[0].permute(1, 2, 0).clamp(0, 1).mul(255).round().to(torch.uint8)
    high, wide, _ = expected.shape
    made = run(manager, pixels, ref, wide, high)
    assert (made.int() - expected.int()).abs().max() <= 1  # its layout in memory rounds otherwise


def test_tiles_differ_from_the_whole_at_their_seams_only(
    tmp_path: Path, manager: ModelManager
) -> None:
    """Three convolutions see three pixels far: what is further from each tile's edge is exact.

    Nearer to one, zeros stand for the neighbours, but there the other tile counts more. What is
    left is bounded by what one tile alone would be off, halved where the two count the same.
    """
    ref = fakes.write(tmp_path / "m.safetensors", fakes.compact(2, convolutions=1, size=0.2))
    pixels = picture(64, 90)
    whole = run(manager, pixels, ref, 180, 128, tile=0).int()
    told: list[tuple[int, int]] = []
    tiled = run(
        manager, pixels, ref, 180, 128, tile=40, overlap=8, on_tile=lambda *n: told.append(n)
    ).int()
    assert told == [(n, 6) for n in range(1, 7)]
    off = (tiled - whole).abs().amax(2)
    inside = torch.ones_like(off, dtype=torch.bool)
    for start, end in ((25, 40), (50, 65)):  # the columns that two tiles share
        inside[:, 2 * start : 2 * end] = False
    inside[2 * 24 : 2 * 40] = False  # and the rows
    assert off[inside].max() == 0
    alone = run(manager, pixels[:, :40], ref, 80, 128, tile=0).int()
    worst = (alone - whole[:, :80]).abs().max()
    assert 0 < off.max() < worst / 2


def test_a_size_that_the_model_does_not_make_is_made_by_passes_and_lanczos(
    tmp_path: Path, manager: ModelManager
) -> None:
    ref = fakes.write_nearest(tmp_path / "2x.safetensors", 2)
    pixels = picture(10, 12)
    assert torch.equal(run(manager, pixels, ref, 96, 80), repeated(pixels, 8)), "three passes"
    nearly = run(manager, pixels, ref, 30, 25).float()
    lanczos = built_in("lanczos")
    assert lanczos is not None
    assert torch.equal(nearly, run(manager, repeated(pixels, 4), lanczos, 30, 25).float())
    told: list[tuple[int, int]] = []
    large = run(manager, pixels, ref, 300, 250, on_tile=lambda *n: told.append(n))
    assert large.shape == (250, 300, 3)
    assert told == [(1, 3), (2, 3), (3, 3)], "never more than three"


def test_a_model_that_only_cleans_does_so_once(tmp_path: Path, manager: ModelManager) -> None:
    ref = fakes.write_nearest(tmp_path / "1x.safetensors", 1, brighter=0.2)
    pixels = picture(16, 16) // 2
    assert torch.equal(run(manager, pixels, ref, 16, 16), pixels + 51)
    assert run(manager, pixels, ref, 32, 32).shape == (32, 32, 3)


def test_the_model_is_counted_leased_and_given_back(tmp_path: Path, manager: ModelManager) -> None:
    ref = fakes.write_nearest(tmp_path / "2x.safetensors", 2)
    with ExitStack() as leases:
        loading: list[str] = []
        bench = Bench(manager, leases, on_loading=lambda: loading.append("said"))
        script = upscaled(picture(8, 8), ref, 16, 16, bench)
        assert [next(script), next(script)] == ["turn", "turn"]
        assert loading == ["said"]
        assert manager.held_bytes == sum(t.nbytes for t in load_file(ref.path).values())
        assert not manager.release_unused(), "it is in use"
        script.close()
    assert manager.release_unused()
    assert manager.held_bytes == 0


def test_a_script_waits_while_others_leave_no_room(tmp_path: Path) -> None:
    manager = ModelManager(Machine.choose("cpu"), limit=10_000)
    first = fakes.write_nearest(tmp_path / "a.safetensors", 4)
    second = fakes.write_nearest(tmp_path / "b.safetensors", 4, brighter=0.1)
    with ExitStack() as leases:
        with manager.lease(first, "upscaler"):
            with pytest.raises(NoRoom), manager.lease(second, "upscaler"):
                pass
            script = upscaled(picture(8, 8), second, 32, 32, Bench(manager, leases))
            assert [next(script) for _ in range(3)] == ["turn", "room", "room"]
        assert next(script) == "turn"
        script.close()


class Cramped(UpscalingModel):
    """A model for whose pictures of more than so many pixels there is no memory."""

    most = 0

    def __call__(self, pixels: Tensor) -> Tensor:
        if pixels.shape[0] * pixels.shape[1] > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return super().__call__(pixels)


@pytest.mark.parametrize(("most", "tiles"), [(60 * 60, 4), (33 * 33, 16)])
def test_where_memory_is_short_tiles_become_smaller(
    tmp_path: Path, manager: ModelManager, most: int, tiles: int
) -> None:
    ref = fakes.write_nearest(tmp_path / "2x.safetensors", 2)
    pixels = picture(100, 100)
    with cramped(manager, ref, most):
        told: list[tuple[int, int]] = []
        out = run(manager, pixels, ref, 200, 200, tile=0, on_tile=lambda *n: told.append(n))
    assert torch.equal(out, repeated(pixels, 2))
    assert told[-1][0] == told[-1][1] >= tiles


def test_where_not_even_small_tiles_fit_it_says_so(tmp_path: Path, manager: ModelManager) -> None:
    ref = fakes.write_nearest(tmp_path / "2x.safetensors", 2)
    with cramped(manager, ref, 100), pytest.raises(OutOfMemory, match="enlarge less"):
        run(manager, picture(100, 100), ref, 200, 200)
    with pytest.raises(OutOfMemory, match="20000×20000"):
        run(manager, torch.zeros(10_000, 10_000, 1).expand(-1, -1, 3), ref, 80_000, 80_000)


def cramped(manager: ModelManager, ref: ModelRef, most: int) -> ExitStack:
    """The model stays in memory, as one that seldom has room to compute."""
    stack = ExitStack()
    leased = stack.enter_context(manager.lease(ref, "upscaler"))
    model: Any = leased.parts["upscaler"]
    model.__class__ = type("Cramped", (Cramped,), {"most": most})
    return stack


# ---- files that are no upscalers


def test_files_that_are_no_upscalers_are_told(tmp_path: Path, manager: ModelManager) -> None:
    good = fakes.write(tmp_path / "good.safetensors", fakes.esrgan())
    tensors = load_file(good.path)
    cut = dict(list(tensors.items())[:-1])
    cases = {
        "a lora": ({"lora_unet.lora_down.weight": torch.zeros(4, 4)}, "of no kind that is known"),
        "nothing": ({"x": torch.zeros(1)}, "of no kind that is known"),
        "incomplete": (cut, "damaged, or of another kind"),
        "grey": (grey(), "does not enlarge colour pictures"),
    }
    for name, (state, words) in cases.items():
        path = tmp_path / f"{name}.safetensors"
        save_file({k: v.contiguous() for k, v in state.items()}, path)
        with pytest.raises(ModelError, match=words) as error:
            run(manager, picture(8, 8), fakes.ref_of(path), 16, 16)
        assert repr(name) in error.value.message
        assert "\n" not in error.value.message
        assert len(error.value.message) < 300
    short = tmp_path / "short.safetensors"
    short.write_bytes(Path(good.path).read_bytes()[:-1000])
    with pytest.raises(ModelError, match="1000 bytes shorter"):
        run(manager, picture(8, 8), fakes.ref_of(short), 16, 16)
    Path(good.path).unlink()
    with pytest.raises(ModelError, match="not there any more"):
        run(manager, picture(8, 8), good, 16, 16)
    assert manager.held_bytes == 0


def grey() -> dict[str, Tensor]:
    """The compact network for one channel."""
    from spandrel.architectures.Compact import Compact

    return dict(Compact(num_in_ch=1, num_out_ch=1, num_feat=8, num_conv=1, upscale=2).state_dict())


def test_an_upscaler_does_not_draw(tmp_path: Path, manager: ModelManager) -> None:
    ref = fakes.write_nearest(tmp_path / "2x.safetensors", 2)
    with pytest.raises(ModelError, match="does not draw"), manager.lease(ref, "denoiser"):
        pass
    with pytest.raises(ModelError, match="does not draw"):
        UpscalerFile(ref).latent_shape(8, 8)


# ---- pickles


def test_a_pickle_becomes_a_safetensors_file_that_gives_the_same(
    tmp_path: Path, manager: ModelManager, capsys: pytest.CaptureFixture[str]
) -> None:
    module = fakes.esrgan()
    for name, whole in (("plain", False), ("trainer", True)):
        state = module.state_dict()
        torch.save({"params_ema": state, "epoch": 3} if whole else state, tmp_path / f"{name}.pth")
        assert main(["convert-upscaler", str(tmp_path / f"{name}.pth")]) == 0
        assert f"{name}.safetensors" in capsys.readouterr().out
        made = load_file(tmp_path / f"{name}.safetensors")
        assert all(torch.equal(made[key], value) for key, value in state.items())
    made_ref = fakes.ref_of(tmp_path / "trainer.safetensors")
    assert run(manager, picture(8, 8), made_ref, 32, 32).shape == (32, 32, 3)
    assert main(["convert-upscaler", str(tmp_path / "plain.pth")]) == 1
    assert "there already" in capsys.readouterr().err


def test_a_pickle_that_would_run_code_is_refused_unread(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mark = tmp_path / "ran"
    with (tmp_path / "bad.pth").open("wb") as file:
        pickle.dump(Bad(mark), file)
    torch.save({"body": Bad(mark)}, tmp_path / "zipped.pth")
    (tmp_path / "text.pth").write_text("hello")
    torch.save({"x": torch.zeros(3)}, tmp_path / "other.pth")
    for name, words in (
        ("bad", "is refused"),
        ("zipped", "is refused"),
        ("text", "no PyTorch file"),
        ("other", "of no kind that is known"),
        ("missing", "cannot be read"),
    ):
        assert main(["convert-upscaler", str(tmp_path / f"{name}.pth")]) == 1
        assert words in capsys.readouterr().err
        assert not (tmp_path / f"{name}.safetensors").exists()
    assert not mark.exists()


class Bad:
    """Something that writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.write_text, (self._path, "ran")
