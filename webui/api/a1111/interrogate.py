"""A picture described by an installed CLIP model: which of many fixed words fit it best.

A1111's "Interrogate CLIP" writes a sentence with BLIP and adds words that CLIP finds fitting. Here
there is CLIP alone, so the caption names a medium, what is to be seen, and a second thing where it
fits nearly as well: "a watercolour painting of a house, a tree". The CLIP that comes with Easel
knows the starter's world only, so it is asked for that: "a picture of a red circle".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool

from webui.api.live import Hub
from webui.catalog import find_clip
from webui.catalog.clip import STARTER
from webui.core.errors import Conflict
from webui.core.measure import Measure, Picture
from webui.core.results import Caller, Score
from webui.evaluation.colour import COLOURS
from webui.evaluation.names import GLYPHS
from webui.evaluation.shapes import SHAPES

if TYPE_CHECKING:
    from webui.services import Services

MEDIA = (
    "a photograph", "an oil painting", "a watercolour painting", "a pencil drawing",
    "an ink drawing", "a cartoon", "an anime drawing", "a comic", "a digital painting",
    "a 3D render", "a pixel art picture", "a flat illustration", "a logo", "a poster",
    "a screenshot", "a map", "a diagram", "a page of text", "an abstract pattern",
)  # fmt: skip
_THINGS = (
    "person", "man", "woman", "child", "baby", "girl", "boy", "face", "portrait", "crowd", "hand",
    "warrior", "robot", "dragon", "monster", "horse", "cow", "sheep", "bear", "lion", "tiger",
    "elephant", "monkey", "rabbit", "mouse", "snake", "frog", "insect", "butterfly", "dinosaur",
    "landscape", "mountain", "forest", "beach", "sea", "lake", "river", "waterfall", "desert",
    "field", "garden", "sky", "sunset", "night sky", "snow", "storm", "fire", "island", "cave",
    "city", "street", "building", "castle", "church", "bridge", "tower", "ruin", "room", "kitchen",
    "bedroom", "library", "shop", "factory", "road", "train", "airplane", "bicycle", "motorcycle",
    "bus", "truck", "ship", "spaceship", "planet", "galaxy", "bottle", "plate of food", "fruit",
    "vegetable", "bread", "pizza", "table", "chair", "bed", "lamp", "window", "door", "clock",
    "computer", "phone", "camera", "machine", "sword", "gun", "mask", "dress", "shoe", "bag", "toy",
    "doll", "jewel", "coin", "flag", "letter", "number", "sign", "statue", "mushroom", "leaf",
    "stone", "feather", "eye", "skull", "pattern", "texture",
)  # fmt: skip
THINGS: tuple[str, ...] = tuple(dict.fromkeys((*_THINGS, *GLYPHS, *SHAPES)))
STARTER_THINGS: tuple[str, ...] = (
    *(f"{colour} {shape}" for shape in SHAPES for colour in COLOURS), *GLYPHS,
)  # fmt: skip
_NEARLY = 0.6
"""A second thing is named when it is at least so likely, of what the first is."""


async def caption(services: Services, hub: Hub, caller: Caller, png: bytes) -> str:
    """What an installed CLIP sees in a picture (a small PNG), as one line.

    One or two jobs in the ordinary queue. ``NotFound`` without a CLIP model; what a job fails of.
    """
    model = await run_in_threadpool(find_clip, services.catalog.models_dir)

    async def ranked(labels: tuple[str, ...], template: str) -> tuple[Score, ...]:
        wanted = Measure(
            task="labels",
            labels=labels,
            template=template,
            pictures=(Picture.of("image", png),),
            model=model.name,
        )
        return await _measured(services, hub, caller, wanted)

    if model.name == STARTER:
        return as_sentence("a picture", await ranked(STARTER_THINGS, "a picture of a {}"))
    things = await ranked(THINGS, "a picture of a {}")
    media = await ranked(MEDIA, "{}")
    return as_sentence(media[0].name, things)


def as_sentence(medium: str, things: Sequence[Score]) -> str:
    """The caption that a medium and things, the likeliest first, make."""
    first = things[0]
    named = [s for s in things[:2] if s.probability >= _NEARLY * first.probability]
    listed = ", ".join(_with_article(score.name) for score in named)
    return f"{medium} of {listed}"


async def _measured(
    services: Services, hub: Hub, caller: Caller, wanted: Measure
) -> tuple[Score, ...]:
    """The labels by how well they fit, once the job that finds out has ended."""
    job = await run_in_threadpool(services.queue.submit, wanted, caller=caller)
    job = await hub.ended(job.id, caller)
    if job.error is not None:
        raise job.error.to_exception()
    if not job.scores:
        raise Conflict("The job was cancelled before it was done.")
    return job.scores


def _with_article(name: str) -> str:
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"
