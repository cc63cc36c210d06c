"""The recipe of the starter checkpoint: scenes, words, text stage, sampler, steps, export."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from tools.starter import captions, glyphs
from tools.starter.adopt import adopt
from tools.starter.calibrate_stage import (
    Calibrator,
    Walkers,
    best_scale,
    calibration_loss,
    guided,
    swap_some,
)
from tools.starter.captions import FACTS, Caption, facts_of, write_caption
from tools.starter.config import CALIBRATED, EDGED, FURTHER, Recipe
from tools.starter.contexts import Captioner
from tools.starter.diffusion import (
    SCHEDULER_CONFIG,
    alphas_cumprod,
    draw_timesteps,
    sample_euler,
    velocity,
)
from tools.starter.export import replace_files
from tools.starter.glyphs import GLYPHS, NATURAL_COLOURS, font_file, glyph
from tools.starter.latents import LatentCache, training_scenes
from tools.starter.mix import UNET, mix
from tools.starter.mix import main as mix_main
from tools.starter.models import SCALING_FACTOR, build_text_encoder, build_vae
from tools.starter.palette import COLOURS, PALETTE
from tools.starter.plans import CachePlan
from tools.starter.render import render, render_frame
from tools.starter.scene import (
    MARGIN,
    OBJECTS,
    SHAPES,
    Background,
    Scene,
    Thing,
    draw_scene,
    subjects,
)
from tools.starter.sharp import hard_scene, sharp_loss, window
from tools.starter.sharpen_stage import Sharpener, sharpen
from tools.starter.state import StopRequest, load_state, save_atomically
from tools.starter.text import load_or_learn, token_ids
from tools.starter.text_stage import OPTIONS, FactHeads, labels_of, text_loss
from tools.starter.threads import ThreadTuner
from tools.starter.together import Meeting
from tools.starter.unet_stage import (
    UNetTrainer,
    assist,
    batch_at,
    choose_scenes,
    current,
    disagreement,
    edge_weights,
)
from tools.starter.vae_stage import standardise, to_tensor

WHITE = Background("plain", "white")


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    return load_or_learn(tmp_path_factory.mktemp("starter") / "tokenizer", 1, 1536)


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    rng = np.random.default_rng(3)
    return [draw_scene(rng) for _ in range(1500)]


# ---- scenes and pictures


def test_objects_lie_within_the_frame_and_beside_each_other(scenes):
    for scene in scenes:
        for thing in scene.things:
            for middle in (thing.x, thing.y):
                assert round(middle - thing.radius, 6) >= MARGIN
                assert round(middle + thing.radius, 6) <= 1 - MARGIN
        for i, one in enumerate(scene.things):
            for two in scene.things[:i]:
                assert np.hypot(one.x - two.x, one.y - two.y) > 1.85 * one.radius


def test_places_sizes_and_counts_are_as_named(scenes):
    middle = {"left": (0, 0.25), "right": (0.75, 1), "top": (0, 0.25), "bottom": (0.75, 1)}
    radii: dict[tuple[int, str], list[float]] = {}
    for scene in scenes:
        assert scene.count in (1, 2, 3)
        assert len({(t.what, t.colour, t.radius) for t in scene.things}) == 1
        radii.setdefault((scene.count, scene.size), []).append(scene.things[0].radius)
        xs, ys = [t.x for t in scene.things], [t.y for t in scene.things]
        if scene.place == "centre":
            assert abs(np.mean(xs) - 0.5) < 0.06
            assert abs(np.mean(ys) - 0.5) < 0.06
        elif scene.place:
            along = xs if scene.place in ("left", "right") else ys
            towards = np.mean(along) - 0.5
            assert (towards < -0.1) == (middle[scene.place][0] == 0), scene
            assert abs(towards) > 0.1
    for count in (1, 2, 3):
        assert max(radii[count, "small"]) < min(radii[count, ""])
        assert max(radii[count, ""]) < min(radii[count, "large"])


def test_a_tenth_of_the_subjects_is_held_out_and_never_drawn(scenes):
    held_out, seen = set(subjects(held_out=True)), set(subjects(held_out=False))
    assert not held_out & seen
    assert 0.07 < len(held_out) / (len(held_out) + len(seen)) < 0.13
    assert {s.what for s in held_out} <= {s.what for s in seen} == set(OBJECTS)
    assert {scene.subject for scene in scenes} <= seen


def test_render_uses_the_palette_and_keeps_edges_smooth():
    image = render(Scene((Thing("circle", "red", 0.3),), WHITE), 64)
    assert image.dtype == np.uint8
    assert tuple(image[32, 32]) == PALETTE["red"]
    assert tuple(image[0, 0]) == PALETTE["white"]
    assert len(np.unique(image.reshape(-1, 3), axis=0)) > 10
    share = (image[..., 1] < 144).mean()
    assert share == pytest.approx(np.pi * 0.3**2, rel=0.02)


@pytest.mark.parametrize("frame", [(64, 64), (96, 64), (64, 128)])
@pytest.mark.parametrize("what", OBJECTS)
def test_every_object_is_drawn_where_it_lies(what, frame):
    colour = "red" if what in SHAPES else ""
    background = Background("plain", "gray" if what in ("cloud", "cup") else "white")
    thing = Thing(what, colour, 0.2, 0.3, 0.65)
    picture = render_frame(Scene((thing,), background), frame).astype(int)
    assert picture.shape == (frame[1], frame[0], 3)
    drawn = np.abs(picture - PALETTE[background.colour]).sum(axis=-1) > 60
    y, x = (places.mean() for places in drawn.nonzero())
    assert abs(x - 0.3 * frame[0]) < 0.06 * min(frame)
    assert abs(y - 0.65 * frame[1]) < 0.06 * min(frame)
    rows, columns = drawn.nonzero()
    side = max(np.ptp(rows), np.ptp(columns)) + 1
    assert 0.3 * min(frame) < side < 0.45 * min(frame)


def test_styles_and_backgrounds_change_the_picture_and_repeat():
    thing = Thing("star", "red", 0.25)
    backgrounds = [WHITE, Background("gradient", "white"), Background("sea"), Background("grass")]
    styles = ["", "pixel art", "outline", "watercolour"]
    every = [Scene((thing,), b, style=s, texture=5) for b in backgrounds for s in styles]
    pictures = {render(scene, 64).tobytes() for scene in every}
    assert len(pictures) == len(every)
    assert {render(scene, 64).tobytes() for scene in every} == pictures


# ---- glyphs


def test_each_glyph_is_a_picture_of_its_own():
    seen = set()
    for name in GLYPHS:
        ink = np.asarray(glyph(name))
        assert ink.shape[2] == 4
        assert ink.shape[0] == ink.shape[1] > 60
        assert (ink[..., 3] > 128).mean() > 0.1
        assert ink[..., :3].std() > 5
        seen.add(ink.tobytes())
    assert len(seen) == len(GLYPHS)


def test_a_missing_font_is_said_with_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setattr(glyphs, "FONT_PLACES", (str(tmp_path / "none.ttf"),))
    monkeypatch.delenv("EASEL_EMOJI_FONT", raising=False)
    with pytest.raises(FileNotFoundError, match="install fonts-noto-color-emoji"):
        font_file()
    (tmp_path / "my.ttf").write_bytes(b"x")
    monkeypatch.setenv("EASEL_EMOJI_FONT", str(tmp_path / "my.ttf"))
    assert font_file() == tmp_path / "my.ttf"


# ---- captions


def take(text: str, wordings: dict[str, tuple[str, ...]]) -> tuple[str, list[str]]:
    """The text without any of the wordings, and whose they were; longer ones go first."""
    owners = {word: name for name, words in wordings.items() for word in words}
    pattern = "|".join(re.escape(word) for word in sorted(owners, key=len, reverse=True))
    found = re.findall(rf"(?<!\w)(?:{pattern})(?!\w)", text)
    return re.sub(rf"(?<!\w)(?:{pattern})(?!\w)", " ", text), [owners[word] for word in found]


def read(text: str) -> dict[str, list[str]]:
    """What a reader finds in a caption, by fact; background colours are among the colours."""
    text, said = text.lower(), {}
    landscapes = {
        kind: (*captions.LANDSCAPE_FORMS[kind], *captions.LANDSCAPE_TAGS[kind])
        for kind in captions.LANDSCAPE_FORMS
    }
    text, said["landscape"] = take(text, landscapes)
    text, said["style"] = take(text, captions.STYLE_TAGS)
    nouns = {name: captions.SYNONYMS.get(name, (name,)) for name in OBJECTS}
    many = {name: tuple(map(captions.plural, words)) for name, words in nouns.items()}
    text, said["object"] = take(text, {n: (*nouns[n], *many[n]) for n in OBJECTS})
    places = {
        "left": ("left",),
        "right": ("right",),
        "top": ("top", "upper"),
        "bottom": ("bottom", "lower"),
        "centre": ("center", "centre", "middle", "centered"),
    }
    text, said["place"] = take(text, places)
    text, said["size"] = take(text, captions.SIZE_SYNONYMS)
    text, said["count"] = take(text, {"2": ("two", "2", "pair"), "3": ("three", "3")})
    text, said["gradient"] = take(text, {"gradient": ("gradient", "fading")})
    spelt = {colour: captions.SPELLINGS.get(colour, (colour,)) for colour in COLOURS}
    said["colour"] = take(text, spelt)[1]
    return said


def expected(facts: dict[str, str]) -> dict[str, list[str]]:
    """What a reader should find when these facts are stated."""
    kind = facts.get("background", "")
    plain = {name: [facts[name]] if facts.get(name) else [] for name in ("object", "size", "style")}
    return plain | {
        "place": [facts["place"]] if "place" in facts else [],
        "landscape": [kind] if kind in captions.LANDSCAPE_FORMS else [],
        "count": [facts["count"]] if facts.get("count", "1") != "1" else [],
        "gradient": ["gradient"] if kind == "gradient" else [],
        "colour": [facts[name] for name in ("colour", "background_colour") if name in facts],
    }


def test_captions_say_what_they_state_and_nothing_else(scenes):
    rng = np.random.default_rng(4)
    said: Counter[str] = Counter()
    for scene in scenes:
        caption = write_caption(rng, scene)
        found, wanted = read(caption.text), expected(caption.facts)
        for name, values in wanted.items():
            assert set(found[name]) == set(values), (name, caption)
        said.update(caption.facts.keys())
    assert said["object"] > 0.9 * len(scenes)
    assert 0.7 * len(scenes) < said["background"] < 0.95 * len(scenes)


def test_captions_state_only_what_is_so(scenes):
    rng = np.random.default_rng(5)
    for scene in scenes:
        truth = facts_of(scene)
        truth.setdefault("colour", NATURAL_COLOURS.get(truth["object"], ""))
        for name, value in write_caption(rng, scene).facts.items():
            assert truth[name] == value
            assert value in FACTS[name]


def test_everything_leaves_nothing_unsaid(scenes):
    rng = np.random.default_rng(6)
    for scene in scenes[:200]:
        assert facts_of(scene).keys() <= write_caption(rng, scene, everything=True).facts.keys()


# ---- words to numbers


def test_tokenizer_round_trip(tokenizer):
    assert len(tokenizer) == 1536
    assert tokenizer.model_max_length == 77
    bos, eos = tokenizer.bos_token_id, tokenizer.eos_token_id
    assert (bos, eos) == (1534, 1535)
    for text in ("a red circle on a white background", "żółty ünïcode 42 ☃ qqqq"):
        ids = tokenizer(text).input_ids
        assert tokenizer.decode(ids, skip_special_tokens=True).replace(" ", "") == (
            text.replace(" ", "")
        )
    words = tokenizer.convert_ids_to_tokens(tokenizer("Red star").input_ids)
    assert words == ["<|startoftext|>", "red</w>", "star</w>", "<|endoftext|>"]
    ids = token_ids(tokenizer, ["", "word " * 200])
    assert ids.shape == (2, 77)
    assert ids[0].tolist() == [bos] + [eos] * 76
    assert ids[1, -1] == eos


def test_text_stage_asks_for_what_the_caption_says_from_the_end_mark_on(tokenizer):
    stated = [{"object": "star", "size": "small", "count": "2"}, {}, {"background": "sea"}]
    labels = labels_of([Caption("", facts) for facts in stated])
    for row, facts in enumerate(stated):
        said = {name: OPTIONS[name][index[row]] for name, index in labels.items()}
        assert {name: value for name, value in said.items() if value} == facts
    ids = torch.from_numpy(token_ids(tokenizer, ["two small stars", "", "sea"], 12))
    encoder: Any = build_text_encoder(1536, 1534, 1535)
    heads = FactHeads()
    before, _ = text_loss(encoder, heads, ids, labels)
    before.backward()
    used = encoder.get_input_embeddings().weight.grad.abs().sum(dim=1).nonzero().flatten()
    assert set(used.tolist()) == set(ids.flatten().tolist())
    with torch.no_grad():
        for parameter in [*encoder.parameters(), *heads.parameters()]:
            if parameter.grad is not None:
                parameter -= 0.02 * parameter.grad
    assert text_loss(encoder, heads, ids, labels)[0] < before


# ---- diffusion


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
    for cfg_scale, expected_mean in ((1.0, 1.0), (3.0, 5.0)):
        got = sample_euler(model, noise, one, -one, cfg_scale=cfg_scale, steps=10)
        assert got.mean().item() == pytest.approx(expected_mean, abs=0.01)


def test_timesteps_cover_the_range_and_crowd_where_asked():
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


# ---- the UNet's steps


def make_trainer(folder: Path, tokenizer, stream: str = "unet", **changes: Any) -> UNetTrainer:
    torch.manual_seed(5)
    plan = CachePlan((64, 64), 20)
    small: dict[str, Any] = {"batch": 2, "unet_steps": 100, "unet_channels": (16, 16, 32)}
    recipe = replace(Recipe(), caches=(plan,), cache_shares=((0, (1.0,)),), **(small | changes))
    latents = torch.randn(20, 4, 8, 8, generator=torch.Generator().manual_seed(2)).half()
    cache = LatentCache(plan, training_scenes(1, plan), latents)
    encoder = build_text_encoder(1536, 1534, 1535).eval().requires_grad_(False)
    captioner = Captioner(tokenizer, encoder)
    return UNetTrainer(recipe, folder, [cache], captioner, stream=stream)


def test_a_step_follows_from_seed_stream_and_number_alone(tmp_path, tokenizer):
    trainer = make_trainer(tmp_path, tokenizer)
    batches = [
        batch_at(trainer.recipe, step, trainer.caches, trainer.captioner, stream)
        for step, stream in ((3, "unet"), (3, "unet"), (4, "unet"), (3, "assist"))
    ]
    for name in ("latents", "noise", "timesteps", "context"):
        first, same, later, elsewhere = (getattr(batch, name) for batch in batches)
        assert torch.equal(first, same)
        assert not torch.equal(first, later)
        assert not torch.equal(first, elsewhere)


def test_a_resumed_training_takes_the_same_step(tmp_path, tokenizer):
    straight = make_trainer(tmp_path, tokenizer)
    straight.advance()
    straight.save()
    loss = straight.advance()
    torch.rand(3)
    resumed = make_trainer(tmp_path, tokenizer)
    assert (resumed.step, resumed.seen) == (1, straight.seen // 2)
    assert resumed.advance() == loss
    for ours, theirs in zip(resumed.ema, straight.ema, strict=True):
        assert torch.equal(ours, theirs)


def test_twins_are_the_same_noisy_picture_with_and_without_its_caption(tmp_path, tokenizer):
    trainer = make_trainer(tmp_path, tokenizer, batch=8, twins_from=5, caption_dropout=0.0)
    recipe, captioner = trainer.recipe, trainer.captioner
    assert not batch_at(recipe, 4, trainer.caches, captioner, "unet").twins
    batch = batch_at(recipe, 5, trainer.caches, captioner, "unet")
    half = len(batch.latents) // 2
    empty = captioner.encode([""])[0]
    clear = batch.timesteps[half:] < recipe.clear_below
    assert batch.twins
    assert 0 < clear.sum() < half
    assert torch.equal(batch.latents[:half], batch.latents[half:])
    assert torch.equal(batch.timesteps[:half], batch.timesteps[half:])
    for i in range(half):
        assert torch.equal(batch.noise[i], batch.noise[half + i]) == bool(clear[i])
        is_empty = torch.allclose(batch.context[half + i], empty, atol=1e-4)
        assert is_empty == bool(clear[i])
        assert not torch.allclose(batch.context[i], empty, atol=1e-4)


def test_disagreement_pulls_the_empty_branch_at_low_noise_only():
    v = torch.ones(4, 4, 8, 8)
    v[2:] = 3.0
    v.requires_grad_()
    loss = disagreement(v, torch.tensor([100, 900, 100, 900]), below=450)
    loss.backward()
    assert loss.item() == pytest.approx(4.0 / 2)
    assert v.grad is not None
    assert v.grad.flatten(1).ne(0).any(dim=1).tolist() == [False, False, True, False]


def test_stray_noise_is_in_the_input_and_not_in_the_target(tmp_path, tokenizer):
    plain = make_trainer(tmp_path, tokenizer, batch=64, twins_from=5)
    recipe = replace(plain.recipe, input_noise=0.1)
    without = batch_at(plain.recipe, 5, plain.caches, plain.captioner, "unet")
    batch = batch_at(recipe, 5, plain.caches, plain.captioner, "unet")
    assert torch.equal(without.shown, without.noise)
    assert torch.equal(batch.noise, without.noise)
    stray = batch.shown - batch.noise
    assert stray.std() == pytest.approx(0.1, rel=0.05)
    half = len(stray) // 2
    assert torch.allclose(stray[:half], stray[half:], atol=1e-6), "twins see the same picture"


def test_captions_are_dropped_more_often_where_the_noise_is_low(tmp_path, tokenizer):
    trainer = make_trainer(tmp_path, tokenizer, batch=96, caption_dropout=0.1, clear_dropout=0.6)
    empty = trainer.captioner.encode([""])[0]
    batches = [
        batch_at(trainer.recipe, step, trainer.caches, trainer.captioner, "unet")
        for step in range(3)
    ]
    dropped = torch.cat(
        [(batch.context - empty).abs().amax(dim=(1, 2)) < 1e-4 for batch in batches]
    ).float()
    clear = torch.cat([batch.timesteps for batch in batches]) < trainer.recipe.clear_below
    assert dropped[clear].mean() == pytest.approx(0.6, abs=0.12)
    assert dropped[~clear].mean() == pytest.approx(0.1, abs=0.1)


def test_edges_of_the_latents_count_more_than_faces():
    latents = torch.zeros(2, 4, 8, 8)
    latents[0, :, :, 4:] = 1.0
    weights = edge_weights(latents, 4.0)
    assert torch.allclose(weights.mean(dim=(1, 2, 3)), torch.ones(2))
    assert torch.allclose(weights[0, 0, :, 3:5] / weights[0, 0, :, :1], torch.full((8, 2), 4.0))
    assert torch.equal(weights[1], torch.ones(1, 8, 8)), "no edges: all places count alike"
    assert torch.equal(edge_weights(latents, 1.0), torch.ones(2, 1, 8, 8))


def test_caches_hold_scenes_of_their_own():
    plain, other = CachePlan((64, 64), 30), CachePlan((64, 64), 30, edition=1)
    styled = CachePlan((64, 64), 30, styled=True)
    assert len({plain.name, other.name, styled.name}) == 3
    assert set(training_scenes(1, plain)).isdisjoint(training_scenes(1, other))
    assert all(scene.style for scene in training_scenes(1, styled))
    recipes = (Recipe(), FURTHER, EDGED, CALIBRATED)
    assert all(len(r.caches) == max(len(s) for _, s in r.cache_shares) for r in recipes)


def test_training_further_keeps_what_the_unet_was_trained_with(tmp_path, tokenizer):
    start, state = tmp_path / "start", tmp_path / "state"
    tokenizer.save_pretrained(start / "tokenizer")
    encoder = build_text_encoder(1536, 1534, 1535)
    encoder.half().save_pretrained(start / "text_encoder")
    vae = build_vae(64)
    vae.half().save_pretrained(start / "vae")
    adopt(start, state)
    text, latent = load_state(state / "text.pt"), load_state(state / "vae.pt")
    assert text is not None
    assert latent is not None
    assert latent["done"]
    for saved, model in ((text["model"], encoder), (latent["model"], vae)):
        assert saved.keys() == model.state_dict().keys()
        assert all(torch.equal(saved[name].half(), w) for name, w in model.state_dict().items())
    assert (
        load_or_learn(state / "tokenizer", 1, 9)("red")["input_ids"]
        == (tokenizer("red")["input_ids"])
    )
    (state / "text.pt").write_bytes(b"its own")
    adopt(start, state)
    assert (state / "text.pt").read_bytes() == b"its own"


def test_schedules_go_by_the_last_entry_that_has_begun():
    schedule = ((0, (1.0,)), (10, (0.5, 0.5)), (20, (0.0, 1.0)))
    assert [current(schedule, step) for step in (0, 9, 10, 25)] == [
        (1.0,),
        (1.0,),
        (0.5, 0.5),
        (0.0, 1.0),
    ]


# ---- two processes


def test_a_meeting_takes_the_mean_weighted_by_steps(tmp_path):
    leader, assistant = Meeting(tmp_path), Meeting(tmp_path)
    weights, theirs = [torch.zeros(2), torch.ones(3)], [torch.full((2,), 9.0), torch.zeros(3)]
    assert leader.lead(weights, 40) == 0
    assert assistant.take(theirs) == 40
    assert torch.equal(theirs[0], torch.zeros(2))
    assert torch.equal(theirs[1], torch.ones(3))
    theirs[0] += 8.0
    weights[0] += 4.0
    assert leader.lead(weights, 41) == 0
    assistant.give(theirs, 3)
    assert leader.lead(weights, 42) == 3  # of 2 + 3 steps in all
    assert torch.allclose(weights[0], torch.full((2,), 4.0 + 3 / 5 * (8.0 - 4.0)))
    assert torch.equal(weights[1], torch.ones(3))
    assert assistant.take(theirs) == 42
    assert torch.equal(theirs[0], weights[0])


def test_a_gift_for_weights_long_gone_is_not_taken(tmp_path):
    leader, assistant = Meeting(tmp_path), Meeting(tmp_path)
    weights, theirs = [torch.zeros(2)], [torch.zeros(2)]
    leader.lead(weights, 1)
    assistant.take(theirs)
    theirs[0] += 8.0
    assistant.give(theirs, 1)
    assert leader.lead(weights, 2) == 1
    assistant.give(theirs, 1)  # from the base before
    before = weights[0].clone()
    assert leader.lead(weights, 3) == 0
    assert torch.equal(weights[0], before)


def test_an_assistant_trains_from_the_leaders_weights_and_step(tmp_path, tokenizer):
    leader = make_trainer(tmp_path / "a", tokenizer)
    helper = make_trainer(tmp_path / "b", tokenizer, "assist")
    meeting = Meeting(tmp_path / "meeting")
    weights = list(leader.unet.parameters())
    with torch.no_grad():
        weights[0].add_(1.0)
    meeting.lead(weights, 30)

    class OneStep:
        """Asks for a stop once a step has been taken."""

        def __bool__(self) -> bool:
            return helper.step > 30

    stop: Any = OneStep()
    assist(helper, Meeting(tmp_path / "meeting"), stop, seconds=600)
    before = weights[0].clone()
    assert helper.step == 31
    assert meeting.lead(weights, 31) == 1
    assert not torch.equal(weights[0], before)
    assert (weights[0] - before).abs().max() < 0.1, "it began from the leader's weights"


# ---- files and threads


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


def test_a_mix_has_its_parts_of_the_unets_and_changes_nothing_else(tmp_path):
    for folder, value in (("a", 1.0), ("b", 4.0), ("odd", 1.0)):
        place = tmp_path / folder / UNET
        place.parent.mkdir(parents=True)
        size = 3 if folder == "odd" else 2
        save_file({"w": torch.full((size,), value, dtype=torch.float16)}, place)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "model_index.json").write_text("kept", "utf-8")
    a, b, odd, out = (tmp_path / name for name in ("a", "b", "odd", "out"))

    def made() -> tuple[torch.dtype, list[float]]:
        weight = load_file(out / UNET)["w"]
        return weight.dtype, weight.tolist()

    mix_main([str(a), str(b), "--out", str(out)])
    assert made() == (torch.float16, [2.5, 2.5])
    mix_main([str(a), str(b), "--parts", "-0.5", "1.5", "--out", str(out)])
    assert made() == (torch.float16, [5.5, 5.5])
    files = sorted(path.name for path in out.rglob("*") if path.is_file())
    assert files == [UNET.name, "model_index.json"]
    with pytest.raises(ValueError, match="same shape"):
        mix([a, odd], [0.5, 0.5], out)
    with pytest.raises(ValueError, match="make 1 together"):
        mix([a, b], [0.5, 0.6], out)
    assert made() == (torch.float16, [5.5, 5.5])


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


# ---- sharpening


def test_hard_objects_are_met_more_often(scenes):
    rng = np.random.default_rng(1)
    often = Counter(hard_scene(rng, {"star": 4.0}).things[0].what for _ in range(1500))
    assert 2.5 < often["star"] / often["circle"] < 6.5
    cache = LatentCache(CachePlan((64, 64), 1), tuple(scenes), torch.zeros(len(scenes), 4, 1, 1))
    recipe = replace(Recipe(), hard=(("star", 4.0),), glyph_share=0.5)
    chosen = Counter(scenes[i].things[0].what for i in choose_scenes(rng, cache, 6000, recipe))
    assert 3 < chosen["star"] / chosen["circle"] * often_in(scenes, "circle", "star") < 5.3
    assert abs(sum(chosen[name] for name in GLYPHS) / 6000 - 0.5) < 0.03


def often_in(scenes: list[Scene], one: str, other: str) -> float:
    """How many times as often one object is met than another."""
    whats = Counter(scene.things[0].what for scene in scenes)
    return whats[one] / whats[other]


def test_windows_show_an_object(scenes):
    rng = np.random.default_rng(2)
    plain = [s for s in scenes if s.background.kind == "plain" and not s.style][:40]
    for scene in plain:
        shown = window(rng, scene, 64)
        assert shown.shape == (64, 64, 3)
        assert len(np.unique(shown.reshape(-1, 3), axis=0)) > 1


def test_edges_count_more_than_faces():
    x = torch.zeros(1, 3, 16, 16)
    x[..., 8:] = 1.0
    at_edge, on_face = x.clone(), x.clone()
    at_edge[..., 7] += 0.5
    on_face[..., 2] += 0.5
    assert sharp_loss(x, x) == 0
    assert sharp_loss(at_edge, x) > 1.5 * sharp_loss(on_face, x)


def test_sharpening_changes_both_halves_and_goes_on_where_it_stopped(tmp_path):
    torch.manual_seed(0)
    vae = build_vae(128)
    before = {name: weight.clone() for name, weight in vae.state_dict().items()}
    recipe = replace(Recipe(), sharpen_steps=4, vae_batch=4, hard=(("star", 3.0),))
    trainer = Sharpener(vae, recipe, tmp_path)
    for _ in range(2):
        assert trainer.advance() > 0
    trainer.save()
    changed = [n for n, w in vae.state_dict().items() if not torch.equal(w, before[n])]
    assert any(n.startswith("encoder") for n in changed)
    assert any(n.startswith("decoder") for n in changed)
    torch.manual_seed(0)
    again = Sharpener(build_vae(128), recipe, tmp_path)
    assert again.step == 2
    assert again.advance() == pytest.approx(trainer.advance(), rel=1e-4)


def test_a_sharpened_autoencoder_is_finished(tmp_path):
    save_atomically({"step": 9, "done": True, "sharpened": True}, tmp_path / "vae.pt")
    recipe = replace(Recipe(), sharpen_steps=4)
    assert sharpen(build_vae(128), recipe, tmp_path, StopRequest(), ThreadTuner(1))
    assert [path.name for path in tmp_path.iterdir()] == ["vae.pt"]


# ---- calibrating guidance


def test_the_teachers_best_scale_is_linear_between_the_recipes_points():
    recipe = replace(Recipe(), teacher_guidance=((400, 3.0), (600, 7.0)))
    scales = best_scale(recipe, torch.tensor([0, 400, 500, 600, 999]))
    assert scales.tolist() == [3.0, 3.0, 5.0, 7.0, 7.0]


def test_a_perfect_student_guided_by_seven_says_what_its_teacher_says_at_its_best():
    torch.manual_seed(0)
    asked, empty = torch.randn(2, 3, 4, 8, 8)
    best = torch.tensor([1.0, 3.0, 7.0])
    student = guided(asked, empty, best / 7.0)
    full = guided(student, empty, torch.full((3,), 7.0))
    assert torch.allclose(full, guided(asked, empty, best), atol=1e-5)
    assert torch.allclose(student[2], asked[2], atol=1e-6)
    targets = (student, empty)
    assert calibration_loss(targets, targets, best, 0.1) == 0


def test_what_guidance_multiplies_counts_more_in_the_loss():
    empty, seven = torch.zeros(1, 4, 8, 8), torch.tensor([7.0])
    off = torch.full_like(empty, 0.1)
    apart = calibration_loss((off, empty), (empty, empty), seven, 0.1)
    together = calibration_loss((off, off), (empty, empty), seven, 0.1)
    assert apart == pytest.approx(0.01 / 2 + 0.1 * 0.49, rel=1e-4)
    assert together == pytest.approx(0.01 + 0.1 * 0.01, rel=1e-4)


def test_a_walker_arrives_at_what_a_perfect_model_knows(tokenizer):
    encoder = build_text_encoder(1536, 1534, 1535).eval().requires_grad_(False)
    recipe = replace(Recipe(), image_size=64, scales=(3.0,))
    walkers = Walkers.born(recipe, 7, 4, Captioner(tokenizer, encoder))
    again = Walkers.born(recipe, 7, 4, Captioner(tokenizer, encoder))
    assert torch.equal(walkers.x, again.x)
    assert walkers.texts == again.texts
    assert all(walkers.texts)
    wanted = torch.ones(4, 4, 8, 8)
    for _ in range(60):
        alpha = alphas_cumprod()[walkers.t.clamp(min=0)][:, None, None, None]
        noise = (walkers.x - alpha.sqrt() * wanted) / (1 - alpha).sqrt()
        done = walkers.walk(alpha.sqrt() * noise - (1 - alpha).sqrt() * wanted)
        if done.any():
            arrived = walkers.x[done]
            assert torch.allclose(arrived, torch.ones_like(arrived), atol=0.15)
            walkers.replace(done, again)
            assert torch.equal(walkers.t[done], again.t[done])
    swapped = swap_some(torch.arange(400.0)[:, None, None], 0.25, torch.Generator().manual_seed(1))
    assert 0.15 < (swapped.flatten() != torch.arange(400.0)).float().mean() < 0.35


def make_calibrator(folder: Path, tokenizer) -> Calibrator:
    small = make_trainer(folder / "start", tokenizer)
    start = folder / "checkpoint"
    if not start.exists():
        with torch.no_grad():
            for name, weight in small.unet.named_parameters():
                if "attn2.to_v" in name or "attn2.to_out" in name:
                    weight *= 6.0  # so that captions matter
        small.unet.save_pretrained(start / "unet")
    recipe = replace(
        small.recipe,
        image_size=64,
        batch=4,
        unet_steps=400,
        warmup=1,
        lr=3e-4,
        twins_from=10**9,
        caption_dropout=0.0,
        walkers=2,
        swap_share=0.2,
        guided_weight=0.05,
        teacher_guidance=((0, 2.0), (1000, 5.0)),
    )
    caches, captioner = small.caches, small.captioner
    return Calibrator(recipe, folder / "state", caches, captioner, "cpu", start)


@torch.no_grad()
def miss(trainer: Calibrator, pictures: Any) -> float:
    """By how much guidance by 7 misses the teacher at its best, on some step's pictures."""
    x, t, context, _, _ = pictures
    best = guided(*trainer.both(trainer.teacher, x, t, context), best_scale(trainer.recipe, t))
    got = guided(*trainer.both(trainer.unet, x, t, context), torch.full_like(t, 7.0).float())
    return (got - best).square().mean().item()


def test_calibrating_brings_the_student_nearer_and_goes_on_where_it_stopped(tmp_path, tokenizer):
    trainer = make_calibrator(tmp_path, tokenizer)
    pictures = trainer.inputs()
    before = miss(trainer, pictures)
    for _ in range(30):
        trainer.advance()
    assert miss(trainer, pictures) < 0.5 * before
    trainer.save()
    loss = trainer.advance()
    trainer.unet.save_pretrained(tmp_path / "checkpoint" / "unet")
    resumed = make_calibrator(tmp_path, tokenizer)
    assert resumed.step == 30
    assert resumed.advance() == loss, "the teacher is still the first one"
    assert resumed.walkers.texts == trainer.walkers.texts
    assert torch.equal(resumed.walkers.x, trainer.walkers.x)
