"""In which folders models of another program are found."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.journeys.serving import write_checkpoint
from webui.catalog import Catalog
from webui.catalog.places import KINDS, places


def make(root: Path, *names: str) -> None:
    for name in names:
        (root / name).mkdir(parents=True, exist_ok=True)


@pytest.mark.parametrize(
    ("kind", "folder"),
    [
        ("checkpoints", "models/Stable-diffusion"),
        ("checkpoints", "models/checkpoints"),
        ("vae", "models/VAE"),
        ("vae", "models/vae"),
        ("lora", "models/Lora"),
        ("lora", "models/loras"),
        ("controlnet", "models/ControlNet"),
        ("controlnet", "models/controlnet"),
        ("embeddings", "embeddings"),
        ("embeddings", "models/embeddings"),
        ("upscalers", "models/ESRGAN"),
        ("upscalers", "models/upscale_models"),
    ],
)
def test_folders_of_a1111_and_comfyui(tmp_path: Path, kind: str, folder: str) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    make(theirs, folder)
    make(ours, KINDS[kind][0])
    assert places(ours, str(theirs), kind) == (ours / KINDS[kind][0], theirs / folder)
    assert places(ours, "", kind) == (ours / KINDS[kind][0],)


def test_extra_model_paths_of_comfyui(tmp_path: Path) -> None:
    make(tmp_path, "comfy/models", "elsewhere/SD", "elsewhere/b", "more")
    (tmp_path / "comfy" / "extra_model_paths.yaml").write_text(
        f"a111:\n  base_path: {tmp_path}/elsewhere\n  checkpoints: SD\n"
        "  loras: |\n    b\n    gone\n"
        f"other:\n  checkpoints: {tmp_path}/more\nbad: 5\n",
        encoding="utf-8",
    )
    found = places(tmp_path / "ours", str(tmp_path / "comfy"), "checkpoints")
    assert found == (tmp_path / "elsewhere" / "SD", tmp_path / "more")
    assert places(tmp_path / "ours", str(tmp_path / "comfy"), "lora") == (
        tmp_path / "elsewhere" / "b",
    )


@pytest.mark.parametrize("text", ["{", "- a", "a: !!python/object/apply:os.getcwd []", "\0"])
def test_a_damaged_list_of_paths_has_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "extra_model_paths.yaml").write_text(text, encoding="utf-8")
    assert places(tmp_path / "ours", str(tmp_path), "checkpoints") == ()


def test_the_catalogue_finds_them_without_copying(tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "ours" / "checkpoints" / "own", 64)
    write_checkpoint(tmp_path / "a1111" / "models" / "Stable-diffusion" / "theirs", 64)
    catalog = Catalog(tmp_path / "ours", installation=str(tmp_path / "a1111"))
    assert [ref.name for ref in catalog.checkpoints()] == ["own", "theirs"]
    assert catalog.resolve("theirs").path.startswith(str(tmp_path / "a1111"))
    catalog.installation = str(tmp_path / "unplugged")
    assert [ref.name for ref in catalog.checkpoints()] == ["own"]
