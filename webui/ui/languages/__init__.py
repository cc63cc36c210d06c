"""What the page says, in every language.

One module for each area of the page, with ``EN`` (every key) and ``ZH`` (Simplified Chinese);
``fields`` has labels, explanations and choices of request fields and settings, by their English
words.
Further languages are files in the data folder: see :mod:`webui.ui.languages.files`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from webui.ui.languages import fields

_NO_AREAS = {"fields", "files"}
AREAS = sorted(m.name for m in iter_modules(__path__) if m.name not in _NO_AREAS)
ENGLISH = "en"
_PLACE = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Language:
    """One language: its tag (BCP 47), its own name, texts by key, and phrases by English words.

    Phrases are the labels and explanations of fields, and the names that are chosen from.
    """

    code: str
    name: str
    texts: Mapping[str, str]
    phrases: Mapping[str, str]

    def phrase(self, english: str) -> str:
        """A label or explanation in this language, English where it lacks one."""
        return self.phrases.get(english, english)

    def spoken(self) -> dict[str, str]:
        """Whatever stands in the page by its English words: texts and phrases."""
        english = texts_of("EN")
        return {**{english[key]: text for key, text in self.texts.items()}, **self.phrases}


@cache
def texts_of(language: str) -> Mapping[str, str]:
    """All texts of a language ("EN", "ZH"), English where it lacks one."""
    found: dict[str, str] = {}
    for area in AREAS:
        module = import_module(f"{__name__}.{area}")
        found |= {**module.EN, **getattr(module, language)}
    return found


@cache
def built_in() -> Mapping[str, Language]:
    """The languages that come with Easel, by tag."""
    return {
        ENGLISH: Language(ENGLISH, "English", texts_of("EN"), {}),
        "zh-CN": Language("zh-CN", "简体中文", texts_of("ZH"), fields.ZH),
    }


def places_of(text: str) -> set[str]:
    """The names of what is filled into a text: ``{"count"}`` of "{count} pictures"."""
    return set(_PLACE.findall(text))
