"""The upscaling models there are, and what is said of files that are none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from webui.catalog import Catalog
from webui.catalog.upscalers import scale_of
from webui.core.errors import ModelError, NotFound, UnsafeFile
from webui.core.upscalers import is_model

Maker = Callable[..., Path]
CONV = (4, 3, 3, 3)


def esrgan(doublings: int, colours: int = 3) -> dict[str, tuple[int, ...]]:
    """The names of an old ESRGAN file."""
    last = 3 * doublings + 4
    return {
        "model.0.weight": (8, colours, 3, 3),
        "model.1.sub.0.RDB1.conv1.0.weight": (8, 8, 3, 3),
        f"model.{last}.weight": (3, 8, 3, 3),
    }


def late(doublings: int, colours: int = 3) -> dict[str, tuple[int, ...]]:
    """The names of a Real-ESRGAN file."""
    ups = {f"conv_up{n + 1}.weight": (8, 8, 3, 3) for n in range(doublings)}
    first = (8, colours, 3, 3)
    return {"conv_first.weight": first, "conv_body.weight": (8, 8, 3, 3), **ups}


def compact(values: int) -> dict[str, tuple[int, ...]]:
    return {"body.0.weight": (8, 3, 3, 3), "body.1.weight": (8,), "body.4.bias": (values,)}


@pytest.mark.parametrize(
    ("shapes", "name", "expected"),
    [
        (esrgan(2), "x", 4),
        (esrgan(0), "x", 1),
        (esrgan(3), "4x_wrong", 8),
        (late(2), "x", 4),
        (late(2, colours=12), "RealESRGAN_x2plus", 2),
        (late(2, colours=48), "x", 1),
        ({"conv_first.weight": CONV, "trunk_conv.weight": CONV, "upconv1.weight": CONV}, "x", 2),
        (compact(48), "x", 4),
        (compact(3), "x", 1),
        (compact(12), "x", 2),
        ({"upsample.0.weight": (256, 64, 3, 3), "upsample.2.weight": (256, 64, 3, 3)}, "x", 4),
        ({"upsample.0.weight": (576, 64, 3, 3)}, "x", 3),
        ({"upsample.0.weight": (48, 60, 3, 3)}, "light", 4),
        ({"something": (1,)}, "8x_Faces", 8),
        ({"something": (1,)}, "DAT_x2", 2),
        ({"something": (1,)}, "16x9", 4),
    ],
)
def test_the_scale_is_told_from_the_weights_or_the_name(
    shapes: dict[str, tuple[int, ...]], name: str, expected: int
) -> None:
    assert scale_of(shapes, name) == expected


def test_files_are_found_by_name_and_the_built_in_ones_come_first(
    tmp_path: Path, safetensors: Maker
) -> None:
    models, other = tmp_path / "models", tmp_path / "a1111"
    assert Catalog(models).upscalers().names == ("None", "Lanczos", "Nearest")
    safetensors(models / "upscalers" / "sub" / "Sharp.safetensors", late(2))
    safetensors(other / "models" / "ESRGAN" / "2x_soft.safetensors", esrgan(1))
    found = Catalog(models, installation=str(other)).upscalers()
    assert found.names == ("None", "Lanczos", "Nearest", "2x_soft", "Sharp")
    assert [(f.ref.name, f.scale, f.ref.family) for f in found.files] == [
        ("2x_soft", 2, "upscaler"),
        ("Sharp", 4, "upscaler"),
    ]
    for spelling in ("sharp", "Sharp.safetensors", " SHARP "):
        assert found.find(spelling).name == "Sharp"
    assert [is_model(found.find(n)) for n in ("", "lanczos", "NEAREST", "2x_soft")] == [
        False,
        False,
        False,
        True,
    ]
    with pytest.raises(NotFound, match="upscaler named ldsr; there are: None, Lanczos") as error:
        found.find("ldsr", field="upscaler_1")
    assert error.value.field == "upscaler_1"


def test_a_file_that_changes_is_another(tmp_path: Path, safetensors: Maker) -> None:
    catalog = Catalog(tmp_path)
    path = safetensors(tmp_path / "upscalers" / "a.safetensors", late(2))
    before = catalog.upscalers().find("a")
    assert catalog.upscalers().find("a") == before
    safetensors(path, {**late(1), "more": (5,)})
    (after,) = catalog.upscalers().files
    assert after.scale == 2
    assert after.ref.digest != before.digest


def test_files_that_are_no_upscalers_are_left_out_with_a_sentence(
    tmp_path: Path, safetensors: Maker, sd1: dict[str, tuple[int, ...]]
) -> None:
    folder = tmp_path / "upscalers"
    safetensors(folder / "ink.safetensors", {"lora_unet_x.lora_down.weight": (4, 4)})
    safetensors(folder / "whole.safetensors", sd1)
    safetensors(folder / "lanczos.safetensors", late(2))
    cut = safetensors(folder / "cut.safetensors", late(2))
    cut.write_bytes(cut.read_bytes()[:-10])
    for name in ("old.pth", "both.pth"):
        (folder / name).write_bytes(b"PK\x03\x04")
    safetensors(folder / "both.safetensors", late(2))
    found = Catalog(tmp_path).upscalers()
    assert [f.ref.name for f in found.files] == ["both"]
    told = {name: info.message for name, info in found.problems}
    assert told.keys() == {
        "ink.safetensors",
        "whole.safetensors",
        "lanczos.safetensors",
        "cut.safetensors",
        "old.pth",
    }
    assert "is a LoRA, not an upscaler; move it to models/lora." in told["ink.safetensors"]
    assert "is a checkpoint, not an upscaler" in told["whole.safetensors"]
    assert "rename it" in told["lanczos.safetensors"]
    assert "10 of" in told["cut.safetensors"]
    with pytest.raises(UnsafeFile, match=r"convert-upscaler old\.pth"):
        found.find("old")
    with pytest.raises(ModelError, match="a LoRA"):
        found.find("ink")
