"""The CLIP loader against transformers itself, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import CLIPImageProcessor, CLIPModel, CLIPTokenizer

from tests.fakes.tiny_clip import CROPPED, PLAIN, write_clip
from webui.catalog import find_clip
from webui.core.errors import EaselError, ModelError, NotFound, UnsafeFile
from webui.engine.clip.judge import ClipJudge
from webui.engine.clip.preprocess import Preprocessing, prepare
from webui.engine.clip.scoring import cosines, ranking
from webui.engine.devices import Machine
from webui.engine.families.clip_folder import ClipFolder
from webui.engine.models.manager import ModelManager

TEXTS = ["a picture of a red circle", "star", "", "word " * 200]
FRAMES = [(64, 64), (100, 40), (33, 90), (20, 20), (32, 32)]


def pictures() -> list[np.ndarray]:
    """Noise with something coarse in it, in several sizes [h, w, 3]."""
    rng = np.random.default_rng(3)
    found = []
    for width, height in FRAMES:
        coarse = Image.fromarray(rng.integers(0, 256, (5, 5, 3), np.uint8))
        found.append(np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC)))
    return found


def tensors() -> list[torch.Tensor]:
    return [torch.from_numpy(p.copy()).permute(2, 0, 1) for p in pictures()]


def load(ref: Any) -> ClipJudge:
    judge = ClipFolder(ref).load(
        "clip", torch.float32, torch.device("cpu"), torch.contiguous_format
    )
    assert isinstance(judge, ClipJudge)
    return judge


@pytest.mark.parametrize("preprocessing", [PLAIN, CROPPED], ids=["plain", "cropped"])
def test_logits_are_those_of_transformers(tmp_path: Path, preprocessing: dict[str, Any]) -> None:
    judge = load(write_clip(tmp_path / "m", **preprocessing))
    model = CLIPModel.from_pretrained(tmp_path / "m")
    processor = CLIPImageProcessor.from_pretrained(tmp_path / "m")
    tokenizer = CLIPTokenizer.from_pretrained(tmp_path / "m")
    pixels = processor(images=[Image.fromarray(p) for p in pictures()], return_tensors="pt")
    words = tokenizer(
        TEXTS, padding="max_length", truncation=True, max_length=77, return_tensors="pt"
    )
    with torch.no_grad():
        theirs = model(pixel_values=pixels.pixel_values, **words).logits_per_image
    ours = judge.scale * judge.similarity(tensors(), TEXTS)
    assert theirs.std() > 0.3, "the model tells the pictures apart"
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    "settings",
    [
        PLAIN,
        CROPPED,
        {"size": {"shortest_edge": 24}, "crop_size": {"height": 32, "width": 32}},
        {"size": {"height": 32, "width": 32}, "do_center_crop": False, "resample": 2},
        {"do_resize": False, "crop_size": {"height": 32, "width": 32}},
        {**PLAIN, "do_normalize": False},
        {**PLAIN, "image_mean": [0.5] * 3, "image_std": [0.25] * 3, "rescale_factor": 1 / 128},
    ],
    ids=["plain", "cropped", "padded", "bilinear", "crop only", "raw", "other numbers"],
)
def test_preprocessing_is_that_of_transformers(settings: dict[str, Any]) -> None:
    processor = CLIPImageProcessor(**settings)
    theirs = processor(images=[Image.fromarray(p) for p in pictures()], return_tensors="pt")
    ours = prepare(tensors(), Preprocessing.from_config(processor.to_dict()))
    torch.testing.assert_close(ours, theirs.pixel_values, atol=1e-4, rtol=0)


def test_a_long_thin_picture_takes_no_more_memory_than_its_middle() -> None:
    thin = torch.zeros(3, 1, 60_000, dtype=torch.uint8)
    assert prepare([thin], Preprocessing()).shape == (1, 3, 224, 224)


def test_scores_are_ordered_and_sum_to_one() -> None:
    images = torch.tensor([[2.0, 0.0], [1.0, 1.0], [-3.0, 0.0]])
    line = cosines(images, torch.tensor([[5.0, 0.0]]))[:, 0]
    first, second, third = ranking(line, ["a", "b", "c"], 10.0)
    assert [s.name for s in (first, second, third)] == ["a", "b", "c"]
    assert first.clip_score == pytest.approx(100.0)
    assert second.clip_score == pytest.approx(100 / 2**0.5)
    assert second.hessel == pytest.approx(2.5 / 2**0.5)
    assert third.hessel == 0.0
    assert first.probability + second.probability + third.probability == pytest.approx(1.0)
    assert first.probability / second.probability == pytest.approx(np.exp(10 - 10 / 2**0.5))


def test_the_manager_leases_counts_and_drops_it(tmp_path: Path) -> None:
    ref = write_clip(tmp_path / "m")
    manager = ModelManager(Machine.choose("cpu"))
    assert not manager.is_loaded(ref, "clip")
    with manager.lease(ref, "clip") as leased:
        assert isinstance(leased.parts["clip"], ClipJudge)
        assert manager.held_bytes == leased.parts["clip"].nbytes > 0
        assert not manager.release_unused()
    assert manager.release_unused()
    assert manager.held_bytes == 0


# ---- what is refused


def edit(folder: Path, **changes: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def drop(name: str) -> Any:
    return lambda folder: (folder / name).unlink()


def pickled(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def no_json(folder: Path) -> None:
    (folder / "config.json").write_text("{")


@pytest.mark.parametrize(
    ("damage", "kind", "says"),
    [
        (drop("model.safetensors"), ModelError, "lacks model.safetensors"),
        (drop("preprocessor_config.json"), ModelError, "lacks preprocessor_config.json"),
        (pickled, UnsafeFile, "can run code when they are read"),
        (no_json, ModelError, "config.json is not valid JSON"),
        (lambda f: edit(f, auto_map={"x": "y"}), UnsafeFile, "brings code of its own"),
        (lambda f: edit(f, model_type="bert"), ModelError, "is no whole CLIP model"),
        (lambda f: edit(f, vision_config=None), ModelError, "is no whole CLIP model"),
    ],
    ids=["no weights", "no preprocessor", "pickled", "no json", "code", "other", "one side"],
)
def test_a_folder_that_is_no_clip_is_refused_when_it_is_named(
    tmp_path: Path, damage: Any, kind: type[EaselError], says: str
) -> None:
    write_clip(tmp_path / "clip" / "one")
    assert find_clip(tmp_path, "ONE").name == "one"
    damage(tmp_path / "clip" / "one")
    with pytest.raises(kind, match=says):
        find_clip(tmp_path, "one")
    with pytest.raises(NotFound, match=says):
        find_clip(tmp_path)


@pytest.mark.parametrize(
    ("name", "changes", "says"),
    [
        ("config.json", {"projection_dim": 8}, "wrong shape"),
        ("config.json", {"logit_scale_init_value": "x"}, "configuration of the CLIP model"),
        ("preprocessor_config.json", {"size": {"height": 48, "width": 48}}, "preprocessing makes"),
        ("preprocessor_config.json", {"size": {"height": 10**9, "width": 4}}, "unusable size"),
        ("preprocessor_config.json", {"image_mean": "grey"}, "unusable mean or std"),
        ("preprocessor_config.json", {"resample": 99}, "unknown resample"),
    ],
)
def test_what_does_not_fit_together_is_one_sentence(
    tmp_path: Path, name: str, changes: dict[str, Any], says: str
) -> None:
    ref = write_clip(tmp_path / "m")
    path = tmp_path / "m" / name
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    with pytest.raises(ModelError, match=says) as error:
        load(ref)
    assert "\n" not in error.value.message


def test_the_users_own_model_comes_before_the_starter(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"put one into models/clip/NAME") as error:
        find_clip(tmp_path, field="best_of")
    assert error.value.field == "best_of"
    write_clip(tmp_path / "clip" / "easel-starter")
    assert find_clip(tmp_path).name == "easel-starter"
    write_clip(tmp_path / "clip" / "larger")
    assert find_clip(tmp_path).name == "larger"
    assert find_clip(tmp_path, "easel-starter").name == "easel-starter"
    with pytest.raises(NotFound, match="There is no CLIP model 'x'; there are: easel-starter"):
        find_clip(tmp_path, "x")
