"""Pictures with captions that fit them and captions that do not, for the image tower."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

from tools.starter.captions import FACTS, Caption, add_fillers, arrange, chosen_facts, facts_of
from tools.starter.glyphs import NATURAL_COLOURS
from tools.starter.palette import COLOURS
from tools.starter.render import render_frame, smooth_noise
from tools.starter.scene import LANDSCAPES, Scene, draw_scene

IMAGE_SIDE = 64
"""Side of the pictures that the image tower sees, in pixels."""

FRAMES: tuple[tuple[int, int], ...] = ((64, 64), (96, 96), (128, 128), (96, 64), (64, 96))
FRAME_SHARES = (0.5, 0.15, 0.15, 0.1, 0.1)
SWAPPED = ("object", "colour", "count", "size", "place", "background", "style")
"""The facts of which one is changed to make a caption wrong; "background" is its kind or colour."""
TERSE = 0.4
"""Share of the captions that leave out about half of what they could say."""


@dataclass(frozen=True)
class Pair:
    """A scene with a caption that is true of it and one that differs in the fact `changed`."""

    scene: Scene
    caption: Caption
    wrong: Caption
    changed: str


def known_facts(scene: Scene) -> dict[str, str]:
    """Facts of the scene that can be told from its picture.

    A value of "" is a statement of its own (neither small nor large, no style); what is left out
    is open: where an unplaced object happens to be, or which colour a cat has.
    """
    facts = facts_of(scene)
    known = {name: facts.get(name, "") for name in FACTS}
    if not known["place"]:
        del known["place"]
    known["colour"] = known["colour"] or NATURAL_COLOURS.get(known["object"], "")
    if not known["colour"]:
        del known["colour"]
    return known


def codes(facts: Sequence[Mapping[str, str]]) -> np.ndarray:
    """Facts as numbers, int [N, facts]: -1 where open, 0 for "", else 1 + the value's place."""
    rows = [
        [["", *values].index(one[name]) if name in one else -1 for name, values in FACTS.items()]
        for one in facts
    ]
    return np.array(rows, np.int64).reshape(len(facts), len(FACTS))


def contradictions(scenes: np.ndarray, captions: np.ndarray) -> np.ndarray:
    """Whether caption j says something of scene i that is not so: bool [scenes, captions].

    Both are `codes`, of known facts and of stated ones.
    """
    open_ = (scenes[:, None] < 0) | (captions[None] < 0)
    return ((scenes[:, None] != captions[None]) & ~open_).any(axis=-1)


def other(rng: np.random.Generator, options: Sequence[str], than: str) -> str:
    """One of the options that is not `than`."""
    left = [option for option in options if option != than]
    return left[int(rng.integers(len(left)))]


def swap(rng: np.random.Generator, facts: dict[str, str], name: str) -> dict[str, str]:
    """The facts with another value for one of them."""
    if name != "background":
        return facts | {name: other(rng, FACTS[name], facts[name])}
    if "background_colour" in facts and rng.random() < 0.5:
        return facts | {"background_colour": other(rng, COLOURS, facts["background_colour"])}
    kind = other(rng, ("plain", *LANDSCAPES), facts["background"])
    changed = {key: value for key, value in facts.items() if key != "background_colour"}
    changed["background"] = kind
    if kind == "plain":
        before = facts.get("background_colour", "")
        changed["background_colour"] = other(rng, COLOURS, before)
    return changed


def stated_facts(rng: np.random.Generator, scene: Scene) -> dict[str, str]:
    """What a caption of the scene says; how many there are is always said."""
    facts = facts_of(scene)
    if "colour" not in facts and facts["object"] in NATURAL_COLOURS and rng.random() < 0.1:
        facts["colour"] = NATURAL_COLOURS[facts["object"]]
    facts = chosen_facts(rng, facts)
    if rng.random() < TERSE:
        dropped = {name for name in facts if name != "count" and rng.random() < 0.5}
        if "background" in dropped:
            dropped.add("background_colour")
        elif "background_colour" in dropped:
            dropped.discard("background_colour")
        facts = {name: value for name, value in facts.items() if name not in dropped}
    return facts


def phrase(seed: int, facts: dict[str, str]) -> Caption:
    """A caption of the facts; the same seed words it as alike as the facts let it."""
    rng = np.random.default_rng(seed)
    return Caption(add_fillers(rng, arrange(rng, facts)), facts)


def make_pair(rng: np.random.Generator, scene: Scene) -> Pair:
    """Two captions of the scene, alike but for one fact."""
    facts = stated_facts(rng, scene)
    names = [name for name in SWAPPED if name in facts]
    changed = names[int(rng.integers(len(names)))]
    seed = int(rng.integers(2**31))
    return Pair(scene, phrase(seed, facts), phrase(seed, swap(rng, facts, changed)), changed)


def draw_pairs(rng: np.random.Generator, count: int) -> list[Pair]:
    """Pairs of random scenes of the training side of the split."""
    return [make_pair(rng, draw_scene(rng)) for _ in range(count)]


def worn(rng: np.random.Generator, picture: np.ndarray) -> np.ndarray:
    """The picture as a decoder may give it back: soft, a little stained, colours a little off.

    uint8 [h, w, 3] to uint8 [h, w, 3].
    """
    frame = (picture.shape[1], picture.shape[0])
    image = Image.fromarray(picture)
    if rng.random() < 0.5:
        radius = rng.uniform(0.2, 1.1) * min(frame) / IMAGE_SIDE
        image = image.filter(ImageFilter.GaussianBlur(radius))
    values = np.asarray(image, np.float32)
    values = (values - 128) * rng.uniform(0.9, 1.08) + 128 + rng.uniform(-8, 8, 3)
    if rng.random() < 0.3:
        stain = smooth_noise(rng, frame, int(rng.integers(4, 16)))
        values = values + rng.uniform(3, 12) * stain[..., None]
    return np.clip(np.round(values), 0, 255).astype(np.uint8)


def shrunk(picture: np.ndarray, box: tuple[float, float, float, float] | None = None) -> np.ndarray:
    """The picture, or a box (left, top, right, bottom) of it, at the tower's size.

    Width and height are shrunk separately, so nothing is cut off: uint8 [64, 64, 3].
    """
    size = (IMAGE_SIDE, IMAGE_SIDE)
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BICUBIC, box))


def picture_of(rng: np.random.Generator, scene: Scene) -> np.ndarray:
    """A training picture of the scene, in one of several formats, up to 4 % cut off each side."""
    frame = FRAMES[int(rng.choice(len(FRAMES), p=FRAME_SHARES))]
    picture = render_frame(scene, frame)
    if rng.random() < 0.7:
        picture = worn(rng, picture)
    cut = rng.uniform(0, 0.04, 4) * (rng.random() < 0.5)
    width, height = frame
    box = (cut[0] * width, cut[1] * height, (1 - cut[2]) * width, (1 - cut[3]) * height)
    return shrunk(picture, box)
