"""The judges of pictures: right on rendered scenes, and blind to what is not there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tools.starter.classifier import Net, cut_down, make_windows
from tools.starter.glyphs import GLYPHS as DRAWN_GLYPHS
from tools.starter.judge import judge_scene, scenes
from tools.starter.palette import PALETTE as DRAWN_PALETTE
from tools.starter.prompts import make_questions
from tools.starter.render import render
from tools.starter.scene import LANDSCAPES, Background, Scene, Subject, Thing
from tools.starter.scene import SHAPES as DRAWN_SHAPES
from webui.core.errors import InvalidRequest, NotFound
from webui.evaluation.classifier import WEIGHTS, normalised, probabilities
from webui.evaluation.colour import COLOURS, PALETTE, to_lab
from webui.evaluation.measure import Verdict, majority, measure
from webui.evaluation.names import GLYPHS
from webui.evaluation.questions import STANDARD, Question, parse_question, read_questions
from webui.evaluation.regions import Box, box_of, filled, label
from webui.evaluation.shapes import SHAPES
from webui.evaluation.table import (
    Answer,
    full_table,
    gates_missed,
    guidance_missed,
    negation_missed,
    tabulate,
)

PLAIN = Background("plain", "white")


def test_the_judges_know_what_the_recipe_draws() -> None:
    assert PALETTE == DRAWN_PALETTE
    assert SHAPES == DRAWN_SHAPES
    assert tuple(DRAWN_GLYPHS) == GLYPHS


@pytest.mark.parametrize(
    ("frame", "count"), [((128, 128), 60), ((96, 96), 20), ((192, 128), 20), ((128, 192), 20)]
)
def test_rendered_scenes_are_measured_as_what_they_are(frame: tuple[int, int], count: int) -> None:
    answers = [judge_scene(scene, frame) for scene in scenes(count, seed=21)]
    table = tabulate(answers)
    for name in ("colour", "background", "shape", "glyph", "place", "size", "count", "one"):
        wrong = [a for a in answers if not a.right.get(name, True)]
        assert len(wrong) <= 1, (name, wrong)
    assert table["mean"] >= 0.98


@pytest.mark.parametrize("style", ["pixel art", "outline", "watercolour"])
def test_styles_are_seen_through(style: str) -> None:
    table = tabulate([judge_scene(scene, (128, 128)) for scene in scenes(24, style, seed=22)])
    assert table["mean"] >= 0.85, table


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_in_every_colour(shape: str) -> None:
    for index, colour in enumerate(COLOURS):
        behind = COLOURS[(index + 4) % len(COLOURS)]
        scene = Scene((Thing(shape, colour, 0.24, 0.52, 0.47, 5.0),), Background("plain", behind))
        seen = measure(render(scene, 96))
        assert (seen.shape, seen.colour, seen.count) == (shape, colour, 1)
        assert (seen.background, seen.background_colour) == ("plain", behind)


def test_a_blob_a_stripe_noise_and_nothing_are_no_object() -> None:
    empty = np.full((96, 96, 3), 250, np.uint8)
    seen = measure(empty)
    assert (seen.count, seen.shape, seen.glyph, seen.background_colour) == (0, "", "", "white")
    stripe = empty.copy()
    stripe[40:50, 8:88] = PALETTE["red"]
    assert measure(stripe).shape == ""
    blob = empty.copy()
    y, x = np.indices((96, 96)) - 48
    wobble = 22 + 9 * np.sin(3 * np.arctan2(y, x)) + 5 * np.sin(7 * np.arctan2(y, x))
    blob[np.hypot(x, y) < wobble] = PALETTE["green"]
    seen = measure(blob)
    assert (seen.shape, seen.glyph, seen.colour, seen.count) == ("", "", "green", 1)
    noise = np.random.default_rng(0).integers(0, 255, (96, 96, 3), dtype=np.uint8)
    assert measure(noise).shape == ""
    assert measure(noise).glyph == ""


@pytest.mark.parametrize("kind", LANDSCAPES)
def test_stars_tufts_and_waves_are_no_objects(kind: str) -> None:
    for texture in range(4):
        here = Thing("circle", "red", 0.11, 0.3, 0.3)
        lone = Scene((here,), Background(kind), texture=texture)
        seen = measure(render(lone, 128))
        assert (seen.background, seen.background_colour) == (kind, "")
        assert (seen.count, seen.shape, seen.colour, seen.size) == (1, "circle", "red", "small")


def test_touching_objects_are_counted_one_by_one() -> None:
    for xs in ((0.27, 0.73), (0.18, 0.5, 0.82)):
        radius = {2: 0.225, 3: 0.16}[len(xs)]
        row = tuple(Thing("circle", "blue", radius, x, 0.5) for x in xs)
        column = tuple(Thing("heart", "blue", radius, 0.5, x) for x in xs)
        assert measure(render(Scene(row, PLAIN), 128)).count == len(xs)
        assert measure(render(Scene(column, PLAIN), 128)).count == len(xs)


def test_a_ball_that_falls_apart_on_white_is_one() -> None:
    seen = measure(render(Scene((Thing("ball", "", 0.25),), PLAIN), 128))
    assert seen.count == 1


@pytest.mark.parametrize("size", [96, 128])
def test_the_glyph_judge_names_fresh_windows(size: int) -> None:
    windows = make_windows(1000 + size, 64, None)
    named = probabilities(cut_down(windows.pixels)).argmax(axis=1)
    assert (named == windows.labels).mean() >= 0.93
    assert WEIGHTS.stat().st_size <= 500_000


def test_the_glyph_judge_runs_in_numpy_as_it_was_trained() -> None:
    torch.manual_seed(3)
    net = Net()
    windows = np.random.default_rng(1).integers(0, 255, (6, 40, 40, 3), dtype=np.uint8)
    net.train()(torch.from_numpy(normalised(windows).copy()))  # moves the running averages
    net.eval()
    with torch.no_grad():
        expected = net(torch.from_numpy(normalised(windows).copy())).softmax(dim=1).numpy()
    tensors = {name: value.float().numpy() for name, value in net.folded().items()}
    assert np.allclose(probabilities(windows, tensors), expected, atol=2e-3)


def test_the_standard_prompts_state_all_and_keep_to_the_split() -> None:
    questions = read_questions(STANDARD)
    assert len({q.prompt for q in questions}) == 500
    assert sum(q.held_out for q in questions) == 120
    for question in questions:
        facts = question.facts
        assert {"object", "count", "background"} <= facts.keys()
        own = facts.get("colour", "") if facts["object"] in SHAPES else ""
        behind = Background(facts["background"], facts.get("background_colour", ""))
        assert Subject(facts["object"], own, behind).held_out == question.held_out
    asked = tabulate([Answer(q, Verdict("", "")) for q in questions if not q.style])
    for name in ("colour", "shape", "glyph", "place", "size", "count"):
        assert asked[f"{name}_asked"] >= 100, name


def test_prompts_are_drawn_with_a_seed() -> None:
    assert make_questions(5, 20, 5) == make_questions(5, 20, 5)
    assert make_questions(5, 20, 5) != make_questions(6, 20, 5)


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("nonsense", 'Line 3 is not like {"prompt": "a red star"'),
        ('{"prompt": "x"}', "Line 3 is not like"),
        ('{"prompt": "x", "facts": {"mood": "sad"}}', "no fact is called 'mood'"),
        ('{"prompt": "x", "facts": {"colour": "mauve"}}', "colour is 'mauve'"),
    ],
)
def test_a_wrong_line_of_prompts_is_named(line: str, sentence: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse_question(line, "Line 3")
    assert sentence in caught.value.message


def test_missing_and_empty_prompt_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        read_questions(tmp_path / "none.jsonl")
    (tmp_path / "empty.jsonl").write_text("\n")
    with pytest.raises(InvalidRequest, match="has no prompts"):
        read_questions(tmp_path / "empty.jsonl")


RED_STAR = Question(
    "two red stars at the top, blue background",
    {"object": "star", "colour": "red", "count": "2", "place": "top", "background": "plain",
     "background_colour": "blue"},
)  # fmt: skip
RIGHT = Verdict("plain", "blue", 2, "star", "", "red", "", "top")


def test_what_is_stated_is_asked_and_nothing_else() -> None:
    assert Answer(RED_STAR, RIGHT).right == dict.fromkeys(
        ("shape", "count", "place", "colour", "background"), True
    )
    wrong = replace(RIGHT, background_colour="red", count=1)
    assert [n for n, ok in Answer(RED_STAR, wrong).right.items() if not ok] == [
        "count", "background",
    ]  # fmt: skip
    styled = replace(RED_STAR, facts={**RED_STAR.facts, "style": "outline"})
    assert set(Answer(styled, RIGHT).right) == {"shape", "count", "place"}
    apple = Question("a red apple", {"object": "apple", "colour": "red", "count": "1"})
    assert Answer(apple, replace(RIGHT, glyph="apple")).right == {"glyph": True, "one": False}


def test_the_table_counts_and_the_gates_name_what_is_missed() -> None:
    good, bad = Answer(RED_STAR, RIGHT, 30.0), Answer(RED_STAR, Verdict("", ""), 20.0)
    unseen = Answer(replace(RED_STAR, held_out=True), Verdict("plain", "blue"))
    table = full_table([good, good, good, bad, unseen])
    assert table["unstyled"]["pictures"] == 5
    assert table["seen"]["shape"] == 0.75
    assert table["seen"]["all"] == 0.75
    assert table["unseen"]["background"] == 1.0
    assert table["seen"]["clip_score"] == 27.5
    missed = gates_missed(table)
    assert "shape is 0.600, less than 0.90" in missed
    assert "shape is 0.000 unseen, 0.750 seen" in missed
    assert gates_missed(full_table([good])) == []


def test_guidance_has_to_bring_more_and_negation_to_take_away() -> None:
    assert guidance_missed({7: 0.97, 1: 0.95, 3: 0.96}) == []
    assert guidance_missed({1: 0.95, 3: 0.977, 7: 0.970}) == [
        "mean is 0.9700 at CFG 7, 0.9770 at CFG 3"
    ]
    assert guidance_missed({7: 0.9}) == []
    assert negation_missed(0.25) == []
    assert negation_missed(0.3) == ["a negated colour stays in 0.300, more than 0.25"]


def test_regions() -> None:
    mask = np.zeros((6, 9), bool)
    mask[1:4, 1:4] = True
    mask[2, 2] = False
    mask[4, 4] = True
    mask[0, 8] = True
    labels, count = label(mask)
    assert count == 2
    assert labels[1, 1] == labels[4, 4] != labels[0, 8]
    assert box_of(labels == labels[1, 1]) == Box(1, 5, 1, 5)
    assert filled(mask)[2, 2]
    assert filled(mask).sum() == mask.sum() + 1
    spiral = np.array([[1, 1, 1], [0, 0, 1], [1, 0, 1], [1, 1, 1]], bool)
    assert label(spiral)[1] == 1
    assert box_of(np.zeros((3, 3), bool)) is None


def test_colours_and_majorities() -> None:
    assert to_lab([255, 255, 255]) == pytest.approx([100, 0, 0], abs=0.1)
    assert to_lab([255, 0, 0]) == pytest.approx([53.2, 80.1, 67.2], abs=0.2)
    assert majority(["a", "a", "b"]) == "a"
    assert majority(["a", "b"]) == ""
