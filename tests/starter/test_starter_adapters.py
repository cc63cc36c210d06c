"""LoRAs and embeddings with the shipped checkpoint: what is in the pictures, and their texts."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from tests.fakes import loras
from tests.starter.test_starter_pictures import ROOT, Artist
from webui.api.told import with_our_loras
from webui.app import open_services
from webui.core.models import ModelRef
from webui.core.requests import Txt2Img
from webui.engine.conditioning.prompts import encode_texts
from webui.engine.devices import Machine
from webui.engine.models.manager import ModelManager
from webui.metadata import parse
from webui.settings import load_settings

RED, BLUE = "a large red circle on a white background", "a large blue circle on a white background"
RANK = 16


def ours(folder: Path) -> Path:
    """A models folder of our own with the starter in it."""
    (folder / "models" / "checkpoints").mkdir(parents=True)
    starter = ROOT / "models" / "checkpoints" / "easel-starter"
    (folder / "models" / "checkpoints" / "easel-starter").symlink_to(starter)
    return folder / "models"


def make_files(models: Path, ref: ModelRef) -> None:
    """A LoRA that has the UNet read red as blue, and an embedding that is the word blue.

    Of each layer that reads the text, W (C_blue - C_red) C_red⁺ is what brings W C_red to W C_blue;
    the LoRA is its best approximation of rank 16.
    """
    manager = ModelManager(Machine(torch.device("cpu"), torch.float32))
    with manager.lease(ref, "text") as leased:
        red, blue = encode_texts(leased.text, [RED, BLUE], 1)
        ids = torch.tensor(leased.text.tokenize("blue"))
        network = leased.text.network
        word = network.get_input_embeddings().weight[ids]  # pyright: ignore[reportCallIssue]
    change = torch.linalg.pinv(red, rtol=1e-2) @ (blue - red)  # [D, D]: C_red · change = C_blue - …
    weights = load_file(Path(ref.path) / "unet" / "diffusion_pytorch_model.safetensors")
    tensors: dict[str, torch.Tensor] = {}
    for key, weight in weights.items():
        if key.endswith(("attn2.to_k.weight", "attn2.to_v.weight")):
            u, s, v = torch.linalg.svd(weight.float() @ change.T, full_matrices=False)
            name = "lora_unet_" + key.removesuffix(".weight").replace(".", "_")
            tensors[f"{name}.lora_up.weight"] = u[:, :RANK] * s[:RANK]
            tensors[f"{name}.lora_down.weight"] = v[:RANK]
    loras.write(models / "lora" / "blue ink.safetensors", tensors, {"ss_output_name": "tint"})
    loras.write(models / "embeddings" / "zorble.safetensors", {"emb_params": word.detach()})
    narrow = {"emb_params": torch.zeros(1, 5)}
    loras.write(models / "embeddings" / "circle.safetensors", narrow)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return ours(tmp_path_factory.mktemp("adapters"))


@pytest.fixture(scope="module")
def artist(models: Path) -> Iterator[Artist]:
    paths = {f"paths.{name}": models.parent / name for name in ("outputs", "data", "models")}
    settings = load_settings({"device.inline": True, **paths}, environ={})
    with open_services(settings) as services:
        make_files(models, services.catalog.resolve("easel-starter"))
        yield Artist(services)


def text_of(artist: Artist, prompt: str, **fields: object) -> str:
    job = artist.services.queue.get(artist.submit(prompt, **fields))
    return artist.services.queue.wait(job.id, timeout=100).images[0].infotext


def test_a_lora_turns_red_into_blue_for_its_own_pictures_only(artist: Artist) -> None:
    (before,) = artist.draw(RED)
    verdicts = artist.judge(f"{RED}<lora:blue ink:1>", batch_size=4)
    assert sum(v.colour == "blue" for v in verdicts) >= 3, verdicts
    (after,) = artist.draw(RED)
    (nothing,) = artist.draw(f"{RED}<lora:blue ink:0>")
    assert np.array_equal(after, before)
    assert np.array_equal(nothing, before)
    assert artist.judge(RED)[0].colour == "red"


def test_an_embedding_stands_for_what_it_means(artist: Artist) -> None:
    (by_name,) = artist.draw(RED.replace("red", "(ZORBLE:1.2)"))
    (written,) = artist.draw(RED.replace("red", "(blue:1.2)"))
    assert np.abs(by_name.astype(int) - written).max() <= 1


def test_hashes_are_written_and_read_back(artist: Artist, models: Path) -> None:
    prompt = f"{RED} <lora:tint:0.5>"
    data = (models / "lora" / "blue ink.safetensors").read_bytes()
    past = 8 + int.from_bytes(data[:8], "little")
    lora = hashlib.sha256(data[past:]).hexdigest()[:12]
    word = (models / "embeddings" / "zorble.safetensors").read_bytes()
    text = text_of(artist, prompt, negative_prompt="zorble", steps=2, tiling=True)
    ti = hashlib.sha256(word).hexdigest()[:12]
    assert f'Tiling: True, Lora hashes: "tint: {lora}", TI hashes: "zorble: {ti}", ' in text
    parsed = parse(text)
    assert parsed["Prompt"] == prompt
    assert parsed["Lora hashes"] == f"tint: {lora}"
    theirs = "x <lora:elsewhere:0.5>, <lora:tint:1>"
    catalog = artist.services.catalog
    found = with_our_loras(catalog, theirs, f"elsewhere: {lora}, tint: {lora}, : , x")
    assert found == "x <lora:blue ink:0.5>, <lora:tint:1>"
    assert with_our_loras(catalog, theirs, "elsewhere: 000000000000") == theirs


def test_what_is_not_there_or_does_not_fit_is_words_or_left_out(artist: Artist) -> None:
    text = text_of(artist, f"{RED}<lora:gone:1>", steps=2)
    assert "hashes" not in text
    job = artist.services.queue.get(artist.submit(f"{RED}, zorble<lora:tint:1>", steps=1))
    assert [one.name for one in job.model.adapters] == ["tint", "zorble"]
    assert job.model.adapter("embedding", "zorble") is not None
    request = artist.services.queue.get(job.id).request
    assert isinstance(request, Txt2Img)
    assert request.prompt.endswith("<lora:tint:1>")
