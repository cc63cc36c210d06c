"""LoRAs and textual inversions in the worker: what is drawn with them, beside others and after."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor

from tests.fakes import loras, tiny
from tests.fakes.drawing import Drawer, pixels_of
from webui.core.messages import JobImage
from webui.core.models import AdapterRef, ModelRef
from webui.core.requests import Series, Txt2Img
from webui.core.sweep import plan
from webui.engine.adapters import Called
from webui.engine.conditioning.prompts import encode_texts

Pixels = NDArray[np.float32]

UNET = "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k"
CONV = "unet.mid_block.resnets.0.conv1"
TEXT = "te.encoder.layers.1.mlp.fc1"
BASE = Txt2Img(prompt="a red circle", seed=1, steps=3, width=32, height=32)
FILES = {"unet": "unet/diffusion_pytorch_model.safetensors", "te": "text_encoder/model.safetensors"}


def weight_of(model: ModelRef, layer: str) -> tuple[Path, str, Tensor]:
    """A layer's weight in a diffusers folder: file, name in it, and value."""
    target, _, path = layer.partition(".")
    file = Path(model.path) / FILES[target]
    name = ("text_model." if target == "te" else "") + path + ".weight"
    return file, name, load_file(file)[name].float()


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> ModelRef:
    """A checkpoint of float32 weights."""
    folder = tmp_path_factory.mktemp("adapters") / "model"
    return tiny.write_folder(folder, tiny.Tiny(dtype=torch.float32))


@pytest.fixture(scope="module")
def files(model: ModelRef) -> dict[str, dict[str, Tensor]]:
    """What is in three LoRAs: of the UNet, of a convolution, of the text encoder."""
    layers = {"ink": UNET, "conv": CONV, "words": TEXT}
    return {n: loras.kohya(layer, weight_of(model, layer)[2]) for n, layer in layers.items()}


@pytest.fixture(scope="module")
def called(model: ModelRef, files: dict[str, dict[str, Tensor]]) -> ModelRef:
    """The checkpoint with them beside it."""
    folder = Path(model.path).parent
    refs = (loras.write(folder / f"{n}.safetensors", file) for n, file in files.items())
    return replace(model, adapters=tuple(refs))


def draw(drawer: Drawer, model: ModelRef, prompt: str, **fields: Any) -> Pixels:
    (image,) = drawer.images(replace(BASE, prompt=prompt, **fields), model)
    return pixels_of(image)


def changed_copy(model: ModelRef, layer: str, added: Tensor, folder: Path) -> ModelRef:
    """A checkpoint whose file has that layer's weight with ``added``."""
    tiny.write_folder(folder, tiny.Tiny(dtype=torch.float32))
    file, name, weight = weight_of(model, layer)
    copy = folder / file.relative_to(model.path)
    save_file(load_file(file) | {name: weight + added}, copy)
    return replace(model, path=str(folder), digest=str(folder))


@pytest.mark.parametrize(("name", "layer"), [("ink", UNET), ("conv", CONV), ("words", TEXT)])
def test_a_lora_draws_what_a_checkpoint_with_the_changed_weight_draws(
    called: ModelRef,
    files: dict[str, dict[str, Tensor]],
    tmp_path: Path,
    name: str,
    layer: str,
) -> None:
    drawer = Drawer()
    plain = draw(drawer, called, "a red circle")
    with_lora = draw(drawer, called, f"a red circle<lora:{name}:0.5>")
    after = draw(drawer, called, "a red circle")
    added = 0.5 * loras.delta(files[name], weight_of(called, layer)[2])
    merged = draw(drawer, changed_copy(called, layer, added, tmp_path / "merged"), "a red circle")
    assert np.abs(with_lora - plain).mean() > 1
    assert np.abs(with_lora - merged).max() <= 1
    assert np.array_equal(after, plain)


def test_weights_of_each_network_and_zero(called: ModelRef) -> None:
    drawer = Drawer()
    plain = draw(drawer, called, "a red circle")
    for prompt in ("<lora:ink:0>", "<lora:ink:1:0>", "<lora:words:0:1>", "<lora:gone:1>"):
        assert np.array_equal(draw(drawer, called, f"a red circle{prompt}"), plain)
    whole = draw(drawer, called, "a red circle<lora:ink:0:1>")
    twice = draw(drawer, called, "a red circle<lora:ink:0:.4><lyco:ink:te=0:unet=.6>")
    assert np.array_equal(whole, twice)
    assert not np.array_equal(whole, plain)
    assert not np.array_equal(draw(drawer, called, "a red circle<lora:ink:0:-1>"), whole)


def test_weights_are_bit_for_bit_what_they_were(called: ModelRef) -> None:
    drawer = Drawer()
    manager = drawer.worker._studio.manager
    with manager.lease(called, "text", "denoiser") as leased:
        networks = leased.text.network, leased.denoiser.network
        before = [{k: v.clone() for k, v in n.state_dict().items()} for n in networks]
        draw(drawer, called, "a<lora:ink:1.5><lora:conv:-2><lora:words:1>", tiling=True)
        for network, kept in zip(networks, before, strict=True):
            now = network.state_dict()
            assert now.keys() == kept.keys()
            assert all(torch.equal(now[k], kept[k]) for k in kept)


def test_jobs_with_different_loras_take_turns_and_draw_what_they_draw_alone(
    called: ModelRef,
) -> None:
    prompts = ["<lora:ink:.1>", "<lora:conv:.3>", "", "<lora:words:1>", "<lora:ink:.1>"]
    requests = [replace(BASE, prompt=f"a red circle{p}", seed=n) for n, p in enumerate(prompts)]
    drawer = Drawer()
    alone = [pixels_of(drawer.images(request, called)[0]) for request in requests]
    for mode in ("exact", "shared"):
        together = Drawer(mode)
        ids = [together.submit(request, called) for request in requests]
        together.run()
        drawn = [pixels_of(together.of(JobImage, job_id)[0]) for job_id in ids]
        for mine, wanted in zip(drawn, alone, strict=True):
            if mode == "exact":
                assert np.array_equal(mine, wanted)
            else:  # rows of one pass are rounded otherwise than a row alone
                assert np.abs(mine - wanted).max() <= 1
    forwards = [together.finished(job_id).forwards for job_id in ids]
    assert together.stats.forwards < sum(forwards)  # equal sets shared passes


def test_a_series_of_lora_weights_draws_each_as_alone(called: ModelRef) -> None:
    base = replace(BASE, prompt="a red circle<lora:ink:0.1>", checkpoint=called.name)
    axis = {"axis": "lora_weight", "values": "0, 0.5, 1"}
    made = replace(plan(base, {"script": "xyz", "x": axis}), models=(called,), at_once=3)
    assert isinstance(made, Series)
    drawer = Drawer()
    job_id = drawer.submit(made, called)
    drawer.run()
    assert drawer.finished(job_id).error is None
    pictures = {image.index: pixels_of(image) for image in drawer.of(JobImage, job_id)}
    for index, weight in enumerate(("0", "0.5", "1")):
        alone = draw(drawer, called, f"a red circle<lora:ink:{weight}>")
        assert np.abs(pictures[index] - alone).max() <= 1
    assert np.abs(pictures[0] - pictures[2]).mean() > 1


def test_a_second_pass_has_the_loras_of_its_own_prompt(called: ModelRef) -> None:
    drawer = Drawer()
    hires = {"hires": True, "hires_scale": 2, "denoising_strength": 0.7}
    same = draw(drawer, called, "a red circle<lora:ink:1>", **hires)
    said = {"hires_prompt": "a red circle<lora:ink:1>"}
    assert np.array_equal(draw(drawer, called, "a red circle<lora:ink:1>", **hires, **said), same)
    only_second = draw(drawer, called, "a red circle", **hires, **said)
    only_first = draw(
        drawer, called, "a red circle<lora:ink:1>", **hires, hires_prompt="a red circle"
    )
    none = draw(drawer, called, "a red circle", **hires)
    drawn = [same, only_second, only_first, none]
    assert len({one.tobytes() for one in drawn}) == 4


def test_changed_weights_are_kept_while_there_is_room_and_counted(called: ModelRef) -> None:
    drawer = Drawer()
    draw(drawer, called, "a red circle")
    manager = drawer.worker._studio.manager
    before, loads = manager.held_bytes, manager.loads
    draw(drawer, called, "a red circle<lora:ink:0:1>")
    _, _, weight = weight_of(called, UNET)
    assert manager.held_bytes - before == 4 * weight.numel()
    assert manager.loads == loads + 1
    draw(drawer, called, "a red circle<lora:ink:0:1>", seed=2)
    assert manager.loads == loads + 1
    drawer.worker._studio.manager.release_unused()
    assert manager.held_bytes == 0


def test_a_file_that_does_not_fit_fails_its_job_alone(called: ModelRef, tmp_path: Path) -> None:
    wide = {
        k: torch.cat([v, v], -1) if v.ndim else v
        for k, v in loras.kohya(CONV, torch.zeros(64, 64, 3, 3)).items()
    }
    model = replace(called, adapters=(loras.write(tmp_path / "wide.safetensors", wide),))
    drawer = Drawer("shared")
    bad = drawer.submit(replace(BASE, prompt="a<lora:wide:1>"), model)
    good = drawer.submit(replace(BASE, prompt="a<lora:ink:1>"), called)
    drawer.run()
    error = drawer.finished(bad).error
    assert error is not None
    assert error.code == "model"
    assert "The LoRA 'wide' does not fit this checkpoint" in error.message
    assert drawer.finished(good).error is None


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_works(called: ModelRef, dtype: str) -> None:
    drawer = Drawer(dtype=dtype)
    plain = draw(drawer, called, "a red circle")
    assert not np.array_equal(draw(drawer, called, "a red circle<lora:conv:1>"), plain)
    assert np.array_equal(draw(drawer, called, "a red circle"), plain)


# ---- textual inversion


@contextmanager
def encoder_of(model: ModelRef) -> Iterator[Any]:
    with Drawer().worker._studio.manager.lease(model, "text") as leased:
        yield leased.text


def embedding(path: Path, vectors: Tensor, key: str = "emb_params") -> AdapterRef:
    return loras.write(path, {key: vectors}, kind="embedding", vectors=len(vectors))


def token_vectors(encoder: Any, text: str) -> Tensor:
    ids = torch.tensor(encoder.tokenize(text))
    return encoder.network.get_input_embeddings().weight[ids].detach()


@pytest.mark.parametrize("key", ["emb_params", "clip_l", "<anything>"])
def test_vectors_of_a_words_tokens_are_that_word(
    called: ModelRef, tmp_path: Path, key: str
) -> None:
    with encoder_of(called) as encoder:
        own = embedding(tmp_path / "sunny.safetensors", token_vectors(encoder, "circle"), key)
        texts = ["a (Sunny:1.3), sunny BREAK sunny", "a (circle:1.3), circle BREAK circle"]
        by_name, written = encode_texts(encoder, texts, 1, embeddings=[own])
        (as_words,) = encode_texts(encoder, texts[:1], 1)
    torch.testing.assert_close(by_name, written, rtol=1e-5, atol=1e-5)
    assert not torch.allclose(as_words[: len(written)], written[: len(as_words)], atol=1e-2)


def test_an_embedding_is_never_parted_between_chunks(called: ModelRef, tmp_path: Path) -> None:
    with encoder_of(called) as encoder:
        vectors = token_vectors(encoder, "abcdefgh")  # 8 vectors
        own = embedding(tmp_path / "sunny.safetensors", vectors)
        (found,) = encode_texts(encoder, ["x" * 70 + " sunny"], 1, embeddings=[own])
        (wanted,) = encode_texts(encoder, ["x" * 70 + " BREAK abcdefgh"], 1)
        (fits,) = encode_texts(encoder, ["x" * 67 + " sunny"], 1, embeddings=[own])
    assert found.shape == (154, 64)
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5)
    assert fits.shape == (77, 64)


def test_embeddings_change_pictures_in_either_prompt_and_the_cache_knows(
    called: ModelRef, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    own = embedding(tmp_path / "sunny.safetensors", torch.randn(2, 64))
    other = embedding(tmp_path / "other" / "sunny.safetensors", torch.randn(2, 64))
    drawer = Drawer()
    with_own, with_other = (replace(called, adapters=(one,)) for one in (own, other))
    words = draw(drawer, called, "sunny circle")
    first = draw(drawer, with_own, "sunny circle")
    second = draw(drawer, with_other, "sunny circle")
    assert not np.array_equal(words, first)
    assert not np.array_equal(first, second)
    assert np.array_equal(draw(drawer, with_own, "sunny circle"), first)
    assert np.array_equal(draw(drawer, called, "sunny circle"), words)
    negative = draw(drawer, with_own, "a circle", negative_prompt="sunny")
    assert not np.array_equal(negative, draw(drawer, called, "a circle", negative_prompt="sunny"))


@pytest.mark.parametrize(
    ("vectors", "says"),
    [
        (torch.zeros(1, 32), "is 32 wide, but this checkpoint reads tokens 64 wide"),
        (torch.zeros(76, 64), "has 76 vectors; at most 75"),
        (torch.full((1, 64), torch.nan), "invalid numbers"),
    ],
)
def test_an_embedding_that_cannot_be_used_is_one_sentence(
    called: ModelRef, tmp_path: Path, vectors: Tensor, says: str
) -> None:
    own = embedding(tmp_path / "sunny.safetensors", vectors)
    drawer = Drawer()
    job = drawer.submit(replace(BASE, prompt="sunny"), replace(called, adapters=(own,)))
    drawer.run()
    error = drawer.finished(job).error
    assert error is not None
    assert says in error.message


def test_equal_sets_are_equal_values_whatever_the_prompt_calls_them(called: ModelRef) -> None:
    ink, conv, _ = called.adapters
    model = replace(called, adapters=(ink, conv, replace(ink, name="alias")))
    one = Called.of(Txt2Img(prompt="<lora:ink:.5><lora:conv:1>"), model)
    two = Called.of(Txt2Img(prompt="<lora:conv:1:1><lora:alias:te=.5>"), model)
    assert one.denoiser == two.denoiser
    assert hash(one.text) == hash(two.text)
    assert Called.of(Txt2Img(prompt="<lora:ink:.5><lora:ink:-.5>"), model).denoiser == ()
