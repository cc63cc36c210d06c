"""Scenes to words, in the many ways people type them, and words back to facts."""

from __future__ import annotations

import re

import numpy as np

from tools.starter.palette import COLOURS, SYNONYMS
from tools.starter.scene import SHAPES, Scene, Thing

OPENINGS = (
    "a picture of", "picture of", "an image of", "image of", "a drawing of", "drawing of",
    "a photo of", "photo of", "an illustration of", "a painting of", "a rendering of", "draw",
    "show me", "i want", "please draw", "there is", "one", "this is", "just", "here is",
)  # fmt: skip
FILLERS = (
    "simple", "flat", "plain", "nice", "beautiful", "clean", "minimal", "minimalist", "centered",
    "high quality", "best quality", "masterpiece", "highly detailed", "sharp", "vector art",
    "flat design", "geometric", "icon", "clip art", "logo", "8k", "4k", "digital art", "artwork",
    "professional", "cute", "pretty", "bold", "solid", "shape", "very detailed", "trending",
)  # fmt: skip
BACKGROUND_FORMS = (
    "on a {c} background", "on {c} background", "on a {c} backdrop", "on {c}", "on a {c} canvas",
    "against a {c} background", "against {c}", "with a {c} background", "with {c} background",
    "in front of a {c} background", "on a plain {c} background", "over a {c} background",
    "on a solid {c} background", "over {c}", "on {c} paper", "set on a {c} background",
)  # fmt: skip
BACKGROUND_TAGS = (
    "{c} background", "a {c} background", "background {c}", "background: {c}", "{c} backdrop",
    "plain {c} background", "solid {c} background", "the background is {c}",
    "simple {c} background",
)  # fmt: skip
SIZE_SYNONYMS = {
    "small": ("small", "tiny", "little", "small"),
    "large": ("large", "big", "huge", "large"),
}
SPELLINGS = {"gray": ("gray", "gray", "grey"), "purple": ("purple", "purple", "purple", "violet")}
SHAPE_SYNONYMS = {"circle": ("circle", "circle", "circle", "disc"), "square": ("square",)}


def pick(rng: np.random.Generator, options: tuple[str, ...]) -> str:
    """One of the options, uniformly."""
    return options[int(rng.integers(len(options)))]


def spell(rng: np.random.Generator, colour: str) -> str:
    """A word for the palette colour."""
    return pick(rng, SPELLINGS.get(colour, (colour,)))


def article(words: str) -> str:
    """'a' or 'an', as the next word wants it."""
    return "an" if words[0] in "aeiou" else "a"


def noun_phrase(rng: np.random.Generator, thing: Thing) -> str:
    """'a small red circle', 'circle in red', 'red circle', 'circle, red' ...

    A few leave the colour or the shape open, so that those words are not always needed.
    """
    unsaid = rng.random()
    colour = spell(rng, thing.colour) if unsaid > 0.06 else ""
    shape = pick(rng, SHAPE_SYNONYMS.get(thing.shape, (thing.shape,)))
    shape = shape if not 0.06 < unsaid < 0.09 else pick(rng, ("shape", "object", "thing"))
    size = pick(rng, SIZE_SYNONYMS[thing.size_word]) if thing.size_word else ""
    form = rng.random()
    if form < 0.72 or not colour:
        adjectives = [word for word in (size, colour) if word]
        if rng.random() < 0.12:
            adjectives.reverse()
        words = " ".join((*adjectives, shape))
    elif form < 0.86:
        tags = [word for word in (shape, colour, size) if word]
        rng.shuffle(tags)
        return ", ".join(tags) if rng.random() < 0.7 else " ".join(tags)
    else:
        joint = pick(rng, ("in {c}", "that is {c}", "of {c} color", "colored {c}", "which is {c}"))
        words = " ".join(word for word in (size, shape, joint.format(c=colour)) if word)
    chance = rng.random()
    if chance < 0.5:
        return f"{article(words)} {words}"
    return f"the {words}" if chance < 0.55 else words


def gibberish(rng: np.random.Generator) -> str:
    """A made-up word, so that unknown words do no harm."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    return "".join(letters[i] for i in rng.integers(0, 26, rng.integers(3, 8)))


def with_background(rng: np.random.Generator, subject: str, colour: str) -> str:
    """The subject and its background, in either order."""
    form = rng.random()
    if form < 0.55:
        comma = ", " if rng.random() < 0.1 else " "
        return subject + comma + pick(rng, BACKGROUND_FORMS).format(c=colour)
    tag = pick(rng, BACKGROUND_TAGS).format(c=colour)
    parts = (subject, tag) if form < 0.8 else (tag, subject)
    # "circle in gray background red" would be anyone's guess: such tags keep their comma.
    loose = rng.random() < 0.15 and not tag.startswith("background")
    return (" " if loose else ", ").join(parts)


def add_fillers(rng: np.random.Generator, text: str) -> str:
    """Sometimes style words before or after, which the picture does not show."""
    if rng.random() < 0.22:
        words = [pick(rng, FILLERS) for _ in range(rng.integers(1, 4))]
        if rng.random() < 0.25:
            words[0] = gibberish(rng)
        extra = ", ".join(words)
        text = f"{extra}, {text}" if rng.random() < 0.4 else f"{text}, {extra}"
    return text


def write_caption(rng: np.random.Generator, scene: Scene, background_chance: float = 0.82) -> str:
    """One of the many prompts that describe the scene.

    With probability 1 - `background_chance` the background goes unmentioned.
    """
    text = noun_phrase(rng, scene.things[0])
    if rng.random() < 0.25:
        text = f"{pick(rng, OPENINGS)} {text}"
    if rng.random() < background_chance:
        text = with_background(rng, text, spell(rng, scene.background))
    text = add_fillers(rng, text)
    chance = rng.random()
    if chance < 0.08:
        return text + "."
    return text[0].upper() + text[1:] if chance < 0.14 else text


def read_caption(text: str) -> dict[str, str]:
    """The facts a caption states: any of shape, colour, background, size.

    The inverse of `write_caption`; a colour belongs to the background when the words say so.
    """
    words = [SYNONYMS.get(word, word) for word in re.findall(r"[a-z0-9]+|,", text.lower())]
    facts: dict[str, str] = {}
    joined = " ".join("circle" if word == "disc" else word for word in words)
    one_of = "|".join(COLOURS)
    patterns = (
        rf"({one_of}) (?:background|backdrop|canvas|paper)",
        rf"background (?:is )?({one_of})",
        rf"(?:on|against|over) ({one_of})",
    )
    for pattern in patterns:
        found = re.search(pattern, joined)
        if found:
            facts["background"] = found.group(1)
            joined = joined[: found.start(1)] + joined[found.end(1) :]
            break
    rest = joined.split()
    for name, options in (("shape", SHAPES), ("colour", COLOURS)):
        hits = [word for word in rest if word in options]
        if hits:
            facts[name] = hits[0]
    for size, synonyms in SIZE_SYNONYMS.items():
        if set(synonyms) & set(rest):
            facts["size"] = size
    return facts
