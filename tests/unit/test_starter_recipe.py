"""The recipe of the starter checkpoint: pictures, words, judge, sampler, resume, export."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tools.starter.captions import read_caption, write_caption
from tools.starter.config import Recipe
from tools.starter.contexts import ContextBank, encode
from tools.starter.diffusion import (
    SCHEDULER_CONFIG,
    alphas_cumprod,
    draw_timesteps,
    sample_euler,
    velocity,
)
from tools.starter.export import replace_files
from tools.starter.judge import judge
from tools.starter.latents import LatentCache, training_scenes
from tools.starter.models import SCALING_FACTOR, build_text_encoder, build_vae
from tools.starter.palette import COLOURS, PALETTE
from tools.starter.render import render
from tools.starter.scene import (
    SHAPES,
    Scene,
    Thing,
    combinations,
    draw_scene,
    is_held_out,
)
from tools.starter.text import load_or_learn, token_ids
from tools.starter.text_stage import FACTS, FactHeads, labels_of, text_loss
from tools.starter.threads import ThreadTuner
from tools.starter.unet_stage import UNetTrainer, batch_at, disagreement
from tools.starter.vae_stage import standardise, to_tensor


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    return load_or_learn(tmp_path_factory.mktemp("starter") / "tokenizer", 1, 1024)


@pytest.mark.parametrize("size", [64, 128])
@pytest.mark.parametrize("shape", SHAPES)
def test_a_rendered_scene_is_measured_as_what_it_is(shape, size):
    for index, colour in enumerate(COLOURS):
        background = COLOURS[(index + 4) % len(COLOURS)]
        scene = Scene((Thing(shape, colour, 0.3, 0.52, 0.47, 5.0),), background)
        seen = judge(render(scene, size))
        assert (seen.shape, seen.colour, seen.background) == (shape, colour, background)


def test_render_uses_the_palette_and_keeps_edges_smooth():
    image = render(Scene((Thing("circle", "red", 0.3),), "white"), 64)
    assert image.dtype == np.uint8
    assert tuple(image[32, 32]) == PALETTE["red"]
    assert tuple(image[0, 0]) == PALETTE["white"]
    assert len(np.unique(image.reshape(-1, 3), axis=0)) > 10
    share = (image[..., 1] < 144).mean()
    assert share == pytest.approx(np.pi * 0.3**2, rel=0.02)


def test_the_judge_calls_a_blob_and_an_empty_picture_nothing():
    rng = np.random.default_rng(0)
    plain = np.full((64, 64, 3), 250, np.uint8)
    assert judge(plain).shape == ""
    stripe = plain.copy()
    stripe[25:35, 5:60] = (220, 38, 38)
    assert judge(stripe).shape == ""
    noise = rng.integers(0, 255, (64, 64, 3), dtype=np.uint8)
    assert judge(noise).shape == ""


def test_captions_state_only_facts_of_their_scene():
    rng = np.random.default_rng(3)
    said: dict[str, int] = dict.fromkeys(("shape", "colour", "background", "size"), 0)
    for _ in range(1500):
        scene = draw_scene(rng)
        thing = scene.things[0]
        truth: dict[str, str] = {
            "shape": thing.shape,
            "colour": thing.colour,
            "background": scene.background,
            "size": thing.size_word,
        }
        text = write_caption(rng, scene)
        facts = read_caption(text)
        assert facts == {key: truth[key] for key in facts}, text
        for key in facts:
            said[key] += 1
    assert 1300 < said["shape"] < 1500
    assert 1300 < said["colour"] < 1500
    assert 1100 < said["background"] < 1350
    assert 600 < said["size"] < 900


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        ("white background, red circle", ("circle", "red", "white")),
        ("star, green", ("star", "green", None)),
        ("a picture of a small blue heart on yellow", ("heart", "blue", "yellow")),
        ("A grey square, background: violet.", ("square", "gray", "purple")),
        ("a circle colored grey, background brown", ("circle", "gray", "brown")),
    ],
)
def test_read_caption(text, facts):
    read = read_caption(text)
    assert (read.get("shape"), read.get("colour"), read.get("background")) == facts


def test_held_out_combinations_are_a_tenth_and_never_drawn():
    every = len(combinations(held_out=True)) + len(combinations(held_out=False))
    assert every == len(SHAPES) * 11 * 10
    assert 0.07 < len(combinations(held_out=True)) / every < 0.13
    rng = np.random.default_rng(4)
    assert not any(is_held_out(*draw_scene(rng).combination) for _ in range(3000))


def test_tokenizer_round_trip(tokenizer):
    assert len(tokenizer) == 1024
    assert tokenizer.model_max_length == 77
    assert (tokenizer.bos_token_id, tokenizer.eos_token_id) == (1022, 1023)
    for text in ("a red circle on a white background", "żółty ünïcode 42 ☃ qqqq"):
        ids = tokenizer(text).input_ids
        assert tokenizer.decode(ids, skip_special_tokens=True).replace(" ", "") == (
            text.replace(" ", "")
        )
    words = tokenizer.convert_ids_to_tokens(tokenizer("Red star").input_ids)
    assert words == ["<|startoftext|>", "red</w>", "star</w>", "<|endoftext|>"]
    ids = token_ids(tokenizer, ["", "word " * 200])
    assert ids.shape == (2, 77)
    assert ids[0].tolist() == [1022] + [1023] * 76
    assert ids[1, -1] == 1023


def test_the_sampler_finds_the_picture_that_a_perfect_model_knows():
    wanted = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(1))

    def perfect(x, t, context):
        alpha = alphas_cumprod()[t]
        signal = alpha.sqrt()[:, None, None, None]
        noise = (x - signal * torch.cat([wanted, wanted])) / (1 - alpha).sqrt()[:, None, None, None]
        return velocity(torch.cat([wanted, wanted]), noise, alpha)

    context = torch.zeros(2, 77, 8)
    got = sample_euler(perfect, torch.randn(2, 4, 8, 8), context, context, cfg_scale=7.0, steps=10)
    assert torch.allclose(got, wanted, atol=1e-3)


def test_the_sampler_moves_away_from_the_negative():
    def model(x, t, context):
        alpha = alphas_cumprod()[t][:, None, None, None]
        target = context[:, :1, :1, None].expand_as(x)
        return (alpha.sqrt() * x - target) / (1 - alpha).sqrt()

    noise, one = torch.zeros(1, 4, 8, 8), torch.ones(1, 77, 8)
    for cfg_scale, expected in ((1.0, 1.0), (3.0, 5.0)):
        got = sample_euler(model, noise, one, -one, cfg_scale=cfg_scale, steps=10)
        assert got.mean().item() == pytest.approx(expected, abs=0.01)


def test_timesteps_cover_the_range_and_crowd_at_the_noisy_end():
    t = draw_timesteps(torch.Generator().manual_seed(0), 1000, 0.5, 0.0)
    assert t.shape == (1000,)
    assert 0 <= t.min() < 10
    assert 990 <= t.max() < 1000
    assert (t >= 750).float().mean() == pytest.approx(0.5 * 0.25 + 0.5 * 0.5, abs=0.02)
    middling = draw_timesteps(torch.Generator().manual_seed(0), 1000, 0.0, 1.0)
    assert middling.float().median() == pytest.approx(401, abs=5)
    assert ((middling > 210) & (middling < 622)).float().mean() == pytest.approx(0.68, abs=0.02)


def test_the_schedule_is_stable_diffusions():
    assert alphas_cumprod()[-1].item() == pytest.approx(0.00466, abs=1e-4)
    assert SCHEDULER_CONFIG["prediction_type"] == "v_prediction"


def test_standardised_latents_keep_the_round_trip() -> None:
    torch.manual_seed(0)
    vae: Any = build_vae(64).eval().requires_grad_(False)
    rng = np.random.default_rng([7, 3])
    x = to_tensor([render(draw_scene(rng), 64) for _ in range(8)])
    before = vae.decode(vae.encode(x).latent_dist.mean).sample
    standardise(vae, 64, seed=7, count=8)
    posterior = vae.encode(x).latent_dist
    assert torch.allclose(vae.decode(posterior.mean).sample, before, atol=1e-4)
    z = posterior.mean * SCALING_FACTOR
    assert torch.allclose(z.mean(dim=(0, 2, 3)), torch.zeros(4), atol=1e-3)
    assert torch.allclose(z.std(dim=(0, 2, 3)), torch.ones(4), atol=1e-3)


def test_text_stage_asks_for_what_the_caption_says_from_the_end_mark_on(tokenizer):
    labels = labels_of(["small red star", "", "white background, heart"])
    said = {name: [FACTS[name][i] for i in index.tolist()] for name, index in labels.items()}
    assert said == {
        "shape": ["star", "", "heart"],
        "colour": ["red", "", ""],
        "background": ["", "", "white"],
        "size": ["small", "", ""],
    }
    ids = torch.from_numpy(token_ids(tokenizer, ["small red star", "", "heart"], 12))
    encoder: Any = build_text_encoder(1024, 1022, 1023)
    heads = FactHeads()
    before, _ = text_loss(encoder, heads, ids, labels)
    before.backward()
    used = encoder.get_input_embeddings().weight.grad.abs().sum(dim=1).nonzero().flatten()
    assert set(used.tolist()) == set(ids.flatten().tolist())
    with torch.no_grad():
        for parameter in [*encoder.parameters(), *heads.parameters()]:
            if parameter.grad is not None:
                parameter -= 0.05 * parameter.grad
    assert text_loss(encoder, heads, ids, labels)[0] < before


class AnyFacts(dict):
    def __missing__(self, key):
        return range(1, 3)


ANY_FACTS = AnyFacts()


def make_trainer(folder: Path, tokenizer) -> UNetTrainer:
    torch.manual_seed(5)
    recipe = replace(Recipe(), batch=4, unet_steps=100, unet_channels=(16, 16, 32))
    latents = torch.randn(20, 4, 8, 8, generator=torch.Generator().manual_seed(2)).half()
    cache = LatentCache(64, training_scenes(1, 64, 20), latents)
    encoder = build_text_encoder(1024, 1022, 1023)
    bank = ContextBank(encode(["", "red", "star"], tokenizer, encoder), ANY_FACTS)
    return UNetTrainer(recipe, folder, [cache], bank)


def test_a_resumed_training_takes_the_same_step(tmp_path, tokenizer):
    straight = make_trainer(tmp_path, tokenizer)
    straight.advance()
    straight.save()
    loss = straight.advance()
    torch.rand(3)
    resumed = make_trainer(tmp_path, tokenizer)
    assert resumed.step == 1
    assert resumed.advance() == loss
    for ours, theirs in zip(resumed.ema, straight.ema, strict=True):
        assert torch.equal(ours, theirs)


def test_twins_are_the_same_noisy_picture_with_and_without_its_caption(tmp_path, tokenizer):
    trainer = make_trainer(tmp_path, tokenizer)
    recipe = replace(trainer.recipe, twins_from=0, batch=16, caption_dropout=0.0)
    batch = batch_at(recipe, 3, trainer.caches, trainer.bank)
    empty = trainer.bank.contexts[0].float()
    clear = batch.timesteps[8:] < recipe.clear_below
    assert 0 < clear.sum() < 8
    assert torch.equal(batch.latents[:8], batch.latents[8:])
    assert torch.equal(batch.timesteps[:8], batch.timesteps[8:])
    for i in range(8):
        assert torch.equal(batch.noise[i], batch.noise[8 + i]) == bool(clear[i])
        assert torch.equal(batch.context[8 + i], empty) == bool(clear[i])
        assert not torch.equal(batch.context[i], empty)


def test_disagreement_pulls_the_empty_branch_at_low_noise_only():
    v = torch.ones(4, 4, 8, 8)
    v[2:] = 3.0
    v.requires_grad_()
    loss = disagreement(v, torch.tensor([100, 900, 100, 900]), below=450)
    loss.backward()
    assert loss.item() == pytest.approx(4.0 / 2)
    assert v.grad is not None
    assert v.grad.flatten(1).ne(0).any(dim=1).tolist() == [False, False, True, False]


def test_export_replaces_its_files_and_leaves_others(tmp_path):
    source, target = tmp_path / "new", tmp_path / "old"
    (source / "unet").mkdir(parents=True)
    (source / "unet" / "config.json").write_text("new")
    (target / "unet").mkdir(parents=True)
    (target / "unet" / "config.json").write_text("old")
    (target / "README.md").write_text("kept")
    replace_files(source, target)
    assert (target / "unet" / "config.json").read_text() == "new"
    assert (target / "README.md").read_text() == "kept"
    assert not (source / "unet" / "config.json").exists()


def test_thread_tuner_stays_with_the_faster_count(monkeypatch):
    clock = iter(np.cumsum([0, 1] * 3 + [0, 5] * 3 + [0, 1] * 100).tolist())
    monkeypatch.setattr("tools.starter.threads.time.monotonic", lambda: next(clock))
    before = torch.get_num_threads()
    try:
        tuner = ThreadTuner(2, trial=3, stay=4)
        used = []
        for _ in range(8):
            with tuner.step():
                used.append(torch.get_num_threads())
    finally:
        torch.set_num_threads(before)
    assert used == [1, 1, 1, 2, 2, 2, 1, 1]
