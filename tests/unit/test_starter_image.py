"""The starter's CLIP: pairs of captions, the contrast, and a training that resumes and exports."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import CLIPImageProcessor, CLIPModel, CLIPTokenizer

from tools.starter.captions import FACTS
from tools.starter.config import Recipe
from tools.starter.image_stage import (
    ImageTrainer,
    batch_at,
    contrast,
    export_clip,
    image_features,
    text_features,
)
from tools.starter.models import build_text_encoder
from tools.starter.pairs import (
    codes,
    contradictions,
    draw_pairs,
    known_facts,
    picture_of,
    shrunk,
)
from tools.starter.render import render
from tools.starter.scene import Background, Scene, Thing, draw_scene
from tools.starter.text import load_or_learn

SMALL = replace(Recipe(), image_layers=1, image_batch=6, image_steps=20)


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory) -> CLIPTokenizer:
    return load_or_learn(tmp_path_factory.mktemp("starter") / "tokenizer", 1, 1024)


def make_trainer(folder: Path, tokenizer: CLIPTokenizer) -> ImageTrainer:
    torch.manual_seed(5)
    encoder = build_text_encoder(1024, 1022, 1023).eval().requires_grad_(False)
    return ImageTrainer(SMALL, folder, tokenizer, encoder)


def test_the_wrong_caption_differs_in_the_fact_it_names():
    pairs = draw_pairs(np.random.default_rng(1), 600)
    assert {pair.changed for pair in pairs} == {
        "object", "colour", "count", "size", "place", "background", "style",
    }  # fmt: skip
    for pair in pairs:
        true, wrong = pair.caption.facts, pair.wrong.facts
        names = {n for n in true.keys() | wrong.keys() if true.get(n) != wrong.get(n)}
        assert names <= {pair.changed, "background_colour"}
        assert names
        assert pair.caption.text != pair.wrong.text
        known, stated = codes([known_facts(pair.scene)]), codes([true, wrong])
        assert contradictions(known, stated).tolist() == [[False, True]]


def test_what_a_picture_leaves_open_contradicts_nothing():
    cat = Scene((Thing("cat", "", 0.23),), Background("plain", "red"))
    star = Scene((Thing("star", "blue", 0.14),), Background("sea"), size="small", place="left")
    said = [
        {"object": "cat"},
        {"object": "cat", "colour": "orange", "place": "top"},
        {"object": "star", "colour": "blue", "background": "sea"},
        {"size": "small"},
        {},
    ]
    scenes = codes([known_facts(cat), known_facts(star)])
    assert contradictions(scenes, codes(said)).tolist() == [
        [False, False, True, True, False],
        [True, True, False, False, False],
    ]


def test_training_pictures_are_worn_but_keep_what_they_show():
    rng = np.random.default_rng(2)
    scene = Scene((Thing("square", "red", 0.33),), Background("plain", "blue"))
    pictures = [picture_of(rng, scene) for _ in range(20)]
    assert len({picture.tobytes() for picture in pictures}) > 15
    for picture in pictures:
        assert picture.shape == (64, 64, 3)
        red, _, blue = picture[32, 32].astype(int)
        assert red > blue + 80
        red, _, blue = picture[2, 2].astype(int)
        assert blue > red + 80


def test_the_contrast_leaves_out_what_is_neither_own_nor_wrong():
    images = torch.nn.functional.normalize(torch.randn(2, 8), dim=-1)
    texts = torch.cat([images, images[:1]])  # the third text fits the first picture
    scale = torch.tensor(20.0)
    wrong = torch.tensor([[False, True, False], [True, False, True]])
    fair = contrast(images, texts, scale, wrong)
    unfair = contrast(
        images, texts, scale, torch.tensor([[False, True, True], [True, False, True]])
    )
    assert unfair > fair + 0.1
    turned = contrast(images.flip(0), texts, scale, wrong)
    assert turned > fair + 1


def test_a_step_follows_from_its_number_and_a_resumed_training_takes_the_same(tmp_path, tokenizer):
    one, two, other = batch_at(SMALL, 3), batch_at(SMALL, 3), batch_at(SMALL, 4)
    assert torch.equal(one.pictures, two.pictures)
    assert one.texts == two.texts != other.texts
    straight = make_trainer(tmp_path, tokenizer)
    frozen = straight.model.text_model.state_dict()["final_layer_norm.weight"].clone()
    straight.advance()
    straight.save()
    loss = straight.advance()
    resumed = make_trainer(tmp_path, tokenizer)
    assert resumed.step == 1
    assert resumed.advance() == pytest.approx(loss, rel=1e-6)
    for name, weight in resumed.model.state_dict().items():
        assert torch.equal(weight, straight.model.state_dict()[name])
    assert torch.equal(resumed.model.text_model.final_layer_norm.weight, frozen)


def test_training_lowers_the_loss_on_its_own_batch(tmp_path, tokenizer):
    trainer = make_trainer(tmp_path, tokenizer)
    batch = batch_at(SMALL, 0)
    first = trainer.loss(batch).item()
    for _ in range(12):
        trainer.loss(batch).backward()
        trainer.optimizer.step()
        trainer.optimizer.zero_grad()
    assert trainer.loss(batch).item() < 0.8 * first


def test_what_is_exported_is_what_transformers_reads(tmp_path, tokenizer):
    trainer = make_trainer(tmp_path, tokenizer)
    tokenizer.save_pretrained(tmp_path / "tokenizer")
    target = tmp_path / "clip" / "easel-starter"
    export_clip(trainer.model, tmp_path / "tokenizer", target)
    assert sum(p.stat().st_size for p in target.iterdir()) < 8_000_000
    scenes = [draw_scene(np.random.default_rng(i)) for i in range(3)]
    texts = ["a red star", "", "two cats on grass"]
    small = [shrunk(render(scene, 128)) for scene in scenes]
    with torch.no_grad():
        ours = (
            image_features(trainer.model, small) @ text_features(trainer.model, tokenizer, texts).T
        )
        model = CLIPModel.from_pretrained(target, dtype=torch.float32)
        words = CLIPTokenizer.from_pretrained(target)(texts, padding=True, return_tensors="pt")
        pixels = CLIPImageProcessor.from_pretrained(target)(
            images=[render(scene, 128) for scene in scenes], return_tensors="pt"
        )
        out = model(**words, **pixels)
    theirs = out.logits_per_image / model.logit_scale.exp()
    torch.testing.assert_close(theirs, ours, atol=0.02, rtol=0)
    assert set(FACTS) >= {"object", "colour", "count", "place", "background"}
