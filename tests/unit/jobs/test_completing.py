"""What a request left open is filled in, and for each picture of a series."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, cast

import pytest
import torch

from tests.fakes import loras
from tests.fakes.jobs import MODEL
from webui.catalog import Catalog
from webui.core.errors import InvalidRequest, ModelError
from webui.core.models import ModelRef
from webui.core.requests import Series, Txt2Img
from webui.core.sweep import plan
from webui.jobs import completing
from webui.jobs.adapters import hash_keys
from webui.prompt.wildcard_lists import Wildcards
from webui.settings.sections import Upscaling

JUDGE = ModelRef("clip", "/clip", "folder", "clip", "epsilon", 224, "c")


class Models:
    """A catalog of one checkpoint."""

    models_dir = Path("/models")

    def resolve(self, name: str) -> ModelRef:
        return MODEL

    def model_hash(self, model: ModelRef) -> None:
        """Not known."""

    def networks(self, kind: str) -> tuple[()]:
        """None."""
        return ()

    def upscalers(self) -> Models:
        """Where :meth:`find` is."""
        return self

    def find(self, name: str, field: str) -> ModelRef:
        """An upscaling model of any name."""
        return ModelRef(name, f"/{name}", "file", "upscaler", "epsilon", 0, name)


@pytest.fixture
def complete(monkeypatch: pytest.MonkeyPatch) -> completing.Completer:
    monkeypatch.setattr(completing, "find_clip", lambda *_, **__: JUDGE)
    return completing.Completer(cast(Any, Models()), None)


@pytest.mark.parametrize("values", ["True, False", "False, True"])
def test_a_judge_comes_along_when_only_some_pictures_are_judged(
    complete: completing.Completer, values: str
) -> None:
    axis = {"axis": "clip_score", "values": values}
    series, _ = complete(plan(Txt2Img(prompt="red"), {"script": "xyz", "x": axis}))
    assert isinstance(series, Series)
    judged = [i for i in range(series.count) if series.picture(i).judged]
    assert [series.model(i).judge for i in judged] == [JUDGE]


def test_a_second_passes_upscaler_has_the_settings_tiles(complete: completing.Completer) -> None:
    request = Txt2Img(prompt="red", hires=True, hires_upscaler="4x-Sharp")
    complete.upscaling = Upscaling(tile=64, overlap=4)
    _, model = complete(request)
    assert [(one.name, one.tiles) for one in model.upscalers] == [("4x-Sharp", (64, 4))]
    journalled = json.loads(json.dumps(asdict(model)))
    assert ModelRef.from_mapping(journalled) == model
    del journalled["upscalers"][0]["tiles"]  # as an earlier version wrote it
    assert ModelRef.from_mapping(journalled).upscalers[0].tiles is None
    axis = {"axis": "hires_upscaler", "values": "4x-Sharp, 2x-Soft"}
    series, first = complete(plan(request, {"script": "xyz", "x": axis}))
    assert isinstance(series, Series)
    assert [one.tiles for one in first.upscalers] == [(64, 4), (64, 4)]


def test_lines_bring_the_prompt_that_is_judged(complete: completing.Completer) -> None:
    base = Txt2Img(clip_score=True)
    series, _ = complete(plan(base, {"script": "lines", "text": "red\nblue"}))
    assert isinstance(series, Series)
    assert [series.picture(i).prompt for i in range(series.count)] == ["red", "blue"]
    with pytest.raises(InvalidRequest, match="CLIP needs a prompt"):
        complete(plan(base, {"script": "lines", "text": "red\n--steps 3"}))


# ---- files that prompts call


@pytest.fixture
def called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[completing.Completer]:
    """A catalog of LoRAs, one of them damaged, and embeddings; its checkpoint is 64 wide."""
    for name in ("ink", "fur"):
        loras.write(tmp_path / "lora" / f"{name}.safetensors", {"x": torch.zeros(1)})
    (tmp_path / "lora" / "torn.safetensors").write_bytes(b"{}")
    vectors = {"sunny": torch.zeros(2, 64), "wide": torch.zeros(2, 768)}
    for name, tensor in vectors.items():
        loras.write(tmp_path / "embeddings" / f"{name}.safetensors", {"emb_params": tensor})
    catalog = Catalog(tmp_path)
    monkeypatch.setattr(catalog, "resolve", lambda _: replace(MODEL, context=64))
    yield completing.Completer(catalog, lambda: Wildcards({}))
    catalog.close()


def names_of(model: ModelRef) -> list[tuple[str, str, int]]:
    return [(one.kind, one.name, one.vectors) for one in model.adapters]


def test_a_job_brings_the_files_that_its_prompts_call(called: completing.Completer) -> None:
    prompt = "Sunny <lora:INK:1> wide <lora:gone:1> <lora:ink:2>"
    _, model = called(Txt2Img(prompt=prompt, negative_prompt="sunny <lora:fur:1>"))
    assert names_of(model) == [("lora", "INK", 0), ("lora", "ink", 0), ("embedding", "sunny", 2)]
    assert ModelRef.from_mapping(asdict(model)) == model
    assert called(Txt2Img(prompt="a cat"))[1].adapters == ()
    with pytest.raises(ModelError, match="torn"):
        called(Txt2Img(prompt="<lora:torn:1>"))


def test_a_second_pass_brings_its_own(called: completing.Completer) -> None:
    second: dict[str, Any] = {
        "hires_prompt": "<lora:fur:1>",
        "hires_negative_prompt": "sunny",
    }
    _, model = called(Txt2Img(prompt="<lora:ink:1>", hires=True, **second))
    assert {name for _, name, _ in names_of(model)} == {"ink", "fur", "sunny"}
    _, model = called(Txt2Img(prompt="<lora:ink:1>", **second))
    assert {name for _, name, _ in names_of(model)} == {"ink"}


def test_each_picture_of_a_series_finds_its_own(called: completing.Completer) -> None:
    axis = {"axis": "prompt_sr", "values": "ink, fur, gone"}
    made, model = called(plan(Txt2Img(prompt="<lora:ink:1>"), {"script": "xyz", "x": axis}))
    assert isinstance(made, Series)
    assert {name for _, name, _ in names_of(model)} == {"ink", "fur"}
    keys = [hash_keys(called._catalog, made.picture(i), made.model(i), 5) for i in range(3)]
    assert [list(one) for one in keys] == [["Lora hashes"], ["Lora hashes"], []]
    assert keys[0]["Lora hashes"].startswith("ink: ")
    made, model = called(Txt2Img(prompt="{<lora:fur:1>|<lora:fur:2>} sunny"))
    assert isinstance(made, Series)
    assert names_of(model) == [("lora", "fur", 0), ("embedding", "sunny", 2)]


def test_choices_in_a_second_passes_prompts_are_made_too(called: completing.Completer) -> None:
    request = Txt2Img(prompt="a cat", hires=True, hires_prompt="{red|blue}", batch_size=8, seed=1)
    made, _ = called(request)
    assert isinstance(made, Series)
    drawn = [made.picture(i) for i in range(made.count)]
    assert {one.prompt for one in drawn} == {"a cat"}
    assert {asdict(one)["hires_prompt"] for one in drawn} == {"red", "blue"}
    assert isinstance(called(replace(request, hires=False))[0], Txt2Img)
