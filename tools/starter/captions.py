"""Scenes to words, in the many ways people type them, together with what the words say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tools.starter.glyphs import NATURAL_COLOURS
from tools.starter.palette import COLOURS
from tools.starter.scene import LANDSCAPES, OBJECTS, PLACES, SIZE_WORDS, STYLES, Scene

OPENINGS = (
    "a picture of", "picture of", "an image of", "image of", "a drawing of", "drawing of",
    "a photo of", "photo of", "an illustration of", "a painting of", "a rendering of", "draw",
    "show me", "i want", "please draw", "there is", "this is", "just", "here is",
)  # fmt: skip
FILLERS = (
    "simple", "flat", "nice", "beautiful", "clean", "minimal", "minimalist", "high quality",
    "best quality", "masterpiece", "highly detailed", "sharp", "vector art", "flat design", "icon",
    "clip art", "logo", "8k", "4k", "digital art", "artwork", "professional", "cute", "pretty",
    "bold", "very detailed", "trending", "colorful", "lovely", "hd",
)  # fmt: skip
PLAIN_FORMS = (
    "on a {c} background", "on {c} background", "on a {c} backdrop", "on {c}", "on a {c} canvas",
    "against a {c} background", "against {c}", "with a {c} background", "with {c} background",
    "in front of a {c} background", "on a plain {c} background", "over a {c} background",
    "on a solid {c} background", "on {c} paper", "before a {c} background",
)  # fmt: skip
PLAIN_TAGS = (
    "{c} background", "a {c} background", "background {c}", "background: {c}", "{c} backdrop",
    "plain {c} background", "solid {c} background", "the background is {c}",
    "simple {c} background",
)  # fmt: skip
GRADIENT_FORMS = (
    "on a {c} gradient background", "on a {c} gradient", "with a {c} gradient background",
    "against a {c} gradient", "on a fading {c} background", "with {c} gradient",
)  # fmt: skip
GRADIENT_TAGS = ("{c} gradient background", "{c} gradient", "gradient background, {c}")
LANDSCAPE_FORMS = {
    "night sky": (
        "in the night sky", "in a night sky", "at night", "under the stars", "in a starry sky",
        "with a night sky background", "in front of the night sky", "in a starry night",
    ),
    "grass": (
        "on grass", "on the grass", "in the grass", "on a meadow", "in a meadow",
        "on a green field", "with a grass background", "in front of grass", "in a grass field",
    ),
    "sea": (
        "on the sea", "at sea", "in the sea", "by the sea", "over the ocean", "on the ocean",
        "with a sea background", "in front of the sea", "at the ocean", "on the water",
    ),
}  # fmt: skip
LANDSCAPE_TAGS = {
    "night sky": ("night sky", "night sky background", "starry sky", "night", "starry night"),
    "grass": ("grass", "grass background", "meadow", "grassy field", "green grass"),
    "sea": ("sea", "sea background", "ocean", "ocean background", "blue sea"),
}
PLACE_FORMS = {
    "left": ("on the left", "on the left side", "at the left", "to the left", "on the left edge"),
    "right": ("on the right", "on the right side", "at the right", "to the right"),
    "top": ("at the top", "on top", "at the top edge", "in the upper part", "up at the top"),
    "bottom": ("at the bottom", "in the lower part", "down at the bottom", "at the bottom edge"),
    "centre": ("in the center", "in the centre", "in the middle", "at the center", "centered"),
}
PLACE_TAGS = {
    "left": ("left", "left side", "left aligned"),
    "right": ("right", "right side", "right aligned"),
    "top": ("top", "upper side", "top aligned"),
    "bottom": ("bottom", "lower side", "bottom aligned"),
    "centre": ("center", "centre", "middle", "centered"),
}
STYLE_TAGS = {
    "pixel art": ("pixel art", "pixel art style", "as pixel art", "8-bit pixel art", "pixelated"),
    "outline": ("outline", "outline drawing", "line art", "line drawing", "outline style"),
    "watercolour": (
        "watercolor", "watercolour", "watercolor painting", "in watercolor", "watercolour style",
    ),
}  # fmt: skip
SIZE_SYNONYMS = {
    "small": ("small", "tiny", "little", "small"),
    "large": ("large", "big", "huge", "large"),
}
SPELLINGS = {"gray": ("gray", "gray", "grey"), "purple": ("purple", "purple", "purple", "violet")}
SYNONYMS = {
    "circle": ("circle", "circle", "circle", "disc"),
    "cat": ("cat", "cat", "cat", "kitten"),
    "dog": ("dog", "dog", "dog", "puppy"),
    "flower": ("flower", "flower", "sunflower"),
    "house": ("house", "house", "house", "home"),
    "car": ("car", "car", "car", "automobile"),
    "rocket": ("rocket", "rocket", "spaceship"),
    "boat": ("boat", "boat", "sailboat", "ship"),
    "moon": ("moon", "moon", "crescent moon"),
    "cake": ("cake", "cake", "birthday cake"),
    "ball": ("ball", "ball", "soccer ball", "football"),
    "hat": ("hat", "hat", "top hat"),
    "cup": ("cup", "cup", "cup of coffee", "mug"),
}
PLURALS = {"fish": "fish", "cup of coffee": "cups of coffee"}
COUNT_WORDS = {
    1: ("a", "a", "a", "the", "one", "", "", ""),
    2: ("two", "two", "two", "2", "a pair of"),
    3: ("three", "three", "three", "3", "a group of three"),
}

FACTS: dict[str, tuple[str, ...]] = {
    "object": OBJECTS,
    "colour": COLOURS,
    "count": ("1", "2", "3"),
    "size": SIZE_WORDS,
    "place": PLACES,
    "background": ("plain", "gradient", *LANDSCAPES),
    "background_colour": COLOURS,
    "style": STYLES,
}
"""Everything a caption can state, and the values each statement can take."""


@dataclass(frozen=True)
class Caption:
    """A prompt, and the facts that it states: name -> value, both from FACTS."""

    text: str
    facts: dict[str, str]


def facts_of(scene: Scene) -> dict[str, str]:
    """All that could be stated of the scene."""
    background = scene.background
    every = {
        "object": scene.things[0].what,
        "colour": scene.things[0].colour,
        "count": str(scene.count),
        "size": scene.size,
        "place": scene.place,
        "background": background.kind,
        "background_colour": background.colour,
        "style": scene.style,
    }
    return {name: value for name, value in every.items() if value}


def pick(rng: np.random.Generator, options: Sequence[str]) -> str:
    """One of the options, uniformly."""
    return options[int(rng.integers(len(options)))]


def spell(rng: np.random.Generator, colour: str) -> str:
    """A word for the palette colour."""
    return pick(rng, SPELLINGS.get(colour, (colour,)))


def plural(noun: str) -> str:
    """More than one of it."""
    return PLURALS.get(noun, f"{noun}s")


def gibberish(rng: np.random.Generator) -> str:
    """A made-up word, so that unknown words do no harm."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    return "".join(letters[i] for i in rng.integers(0, 26, rng.integers(3, 8)))


def noun_phrase(rng: np.random.Generator, facts: dict[str, str]) -> str:
    """'two small blue stars', 'circle in red', 'red circle', 'circle, red' ..."""
    count = int(facts.get("count", "1"))
    name = facts.get("object") or pick(rng, ("shape", "object", "thing"))
    noun = pick(rng, SYNONYMS.get(name, (name,)))
    noun = plural(noun) if count > 1 else noun
    colour = spell(rng, facts["colour"]) if "colour" in facts else ""
    size = pick(rng, SIZE_SYNONYMS[facts["size"]]) if "size" in facts else ""
    number = pick(rng, COUNT_WORDS[count])
    form = rng.random()
    if form < 0.8 or not (colour or size):
        adjectives = [word for word in (size, colour) if word]
        if rng.random() < 0.1:
            adjectives.reverse()
        words = " ".join((*adjectives, noun))
    elif form < 0.9 or not colour:
        tags = [word for word in (noun, colour, size) if word]
        if count > 1:
            tags[0] = f"{number} {tags[0]}"
        rng.shuffle(tags)
        return ", ".join(tags) if rng.random() < 0.7 else " ".join(tags)
    else:
        verb = "are" if count > 1 else "is"
        joint = pick(
            rng,
            ("in {c}", f"that {verb} {{c}}", "of {c} color", "colored {c}", f"which {verb} {{c}}"),
        )
        words = " ".join(word for word in (size, noun, joint.format(c=colour)) if word)
    if number == "a" and words[0] in "aeiou":
        number = "an"
    return f"{number} {words}" if number else words


def background_words(rng: np.random.Generator, facts: dict[str, str], tag: bool) -> str:
    """'on a red background', or as a tag 'red background'."""
    kind = facts["background"]
    if kind in LANDSCAPES:
        return pick(rng, (LANDSCAPE_TAGS if tag else LANDSCAPE_FORMS)[kind])
    colour = spell(rng, facts["background_colour"])
    if kind == "gradient":
        return pick(rng, GRADIENT_TAGS if tag else GRADIENT_FORMS).format(c=colour)
    return pick(rng, PLAIN_TAGS if tag else PLAIN_FORMS).format(c=colour)


def one_word(rng: np.random.Generator, facts: dict[str, str]) -> Caption:
    """A single fact, as negative prompts often are."""
    options = [name for name in facts if name in ("object", "colour", "background", "style")]
    name = pick(rng, options)
    stated = {name: facts[name]}
    if name == "object":
        noun = pick(rng, SYNONYMS.get(facts[name], (facts[name],)))
        count = int(facts["count"])
        return Caption(plural(noun), stated) if count > 1 else Caption(noun, stated)
    if name == "colour":
        return Caption(spell(rng, facts[name]), stated)
    if name == "style":
        return Caption(pick(rng, STYLE_TAGS[facts[name]]), stated)
    if "background_colour" in facts:
        stated["background_colour"] = facts["background_colour"]
    return Caption(background_words(rng, stated, tag=True), stated)


def chosen_facts(rng: np.random.Generator, facts: dict[str, str]) -> dict[str, str]:
    """Some facts go unsaid now and then; a style and a number above one are always said."""
    chances = {"object": 0.03, "colour": 0.06, "size": 0.05, "place": 0.06, "background": 0.14}
    unsaid = {name for name, chance in chances.items() if rng.random() < chance}
    if "background" in unsaid:
        unsaid.add("background_colour")
    return {name: value for name, value in facts.items() if name not in unsaid}


def arrange(rng: np.random.Generator, stated: dict[str, str]) -> str:
    """The stated facts as one sentence, or as tags in any order."""
    subject = noun_phrase(rng, stated)
    if rng.random() < 0.22:
        subject = f"{pick(rng, OPENINGS)} {subject}"
    tags = rng.random() < 0.4
    parts = [subject]
    if "place" in stated:
        tag = tags and rng.random() < 0.5
        parts.append(pick(rng, (PLACE_TAGS if tag else PLACE_FORMS)[stated["place"]]))
    if "background" in stated:
        parts.append(background_words(rng, stated, tags and rng.random() < 0.7))
    if tags:
        if "style" in stated:
            parts.append(pick(rng, STYLE_TAGS[stated["style"]]))
        if rng.random() < 0.5:
            rng.shuffle(parts)
        return ", ".join(parts)
    if len(parts) == 3 and rng.random() < 0.25:
        parts[1:] = parts[:0:-1]
    text = parts[0]
    for part in parts[1:]:
        text += (", " if rng.random() < 0.2 else " ") + part
    if "style" in stated:
        style = pick(rng, STYLE_TAGS[stated["style"]])
        text = f"{style}, {text}" if rng.random() < 0.3 else f"{text}, {style}"
    return text


def add_fillers(rng: np.random.Generator, text: str) -> str:
    """Sometimes words before or after that the picture does not show."""
    if rng.random() < 0.22:
        words = [pick(rng, FILLERS) for _ in range(rng.integers(1, 4))]
        if rng.random() < 0.25:
            words[0] = gibberish(rng)
        extra = ", ".join(words)
        text = f"{extra}, {text}" if rng.random() < 0.4 else f"{text}, {extra}"
    return text


def write_caption(rng: np.random.Generator, scene: Scene, everything: bool = False) -> Caption:
    """One of the many prompts that describe the scene, and what it states.

    `everything` leaves no fact of the scene unsaid.
    """
    facts = facts_of(scene)
    if rng.random() < 0.1 and facts["object"] in NATURAL_COLOURS:
        facts["colour"] = NATURAL_COLOURS[facts["object"]]
    if not everything:
        if rng.random() < 0.05:
            return one_word(rng, facts)
        facts = chosen_facts(rng, facts)
    text = add_fillers(rng, arrange(rng, facts))
    chance = rng.random()
    if chance < 0.08:
        text += "."
    elif chance < 0.14:
        text = text[0].upper() + text[1:]
    return Caption(text, facts)
