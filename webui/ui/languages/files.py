"""Languages that somebody adds: ``languages/<tag>.json`` in the data folder.

``{"name": "Deutsch", "texts": {"generate": "Zeichnen"}, "fields": {"Width": "Breite"}}``: texts by
key, labels and explanations by their English words. What is unknown is ignored, what is missing
stays English. A file named like a language that comes with Easel changes that one.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from webui.ui.languages import ENGLISH, Language, built_in, places_of

MAX_BYTES = 2_000_000
MAX_LANGUAGES = 100
_TAG = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}")
_SIMPLIFIED = re.compile(r"zh(-(hans|cn|sg|my)(-.*)?)?", re.IGNORECASE)
log = logging.getLogger(__name__)


class Languages:
    """The languages there are, files looked at anew whenever one is asked for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read: dict[str, tuple[tuple[int, int], Language | None]] = {}

    def all(self) -> Mapping[str, Language]:
        """Every language by its tag; those that come with Easel first."""
        found = dict(built_in())
        for path in self._files():
            language = self._language(path)
            if language is not None:
                found[language.code] = language
        return found

    def choose(self, wanted: str, accepted: str) -> Language:
        """The language to show: ``wanted`` if there is such a one, else what the browser accepts.

        ``accepted`` is an ``Accept-Language`` header. English if nothing fits.
        """
        there = self.all()
        for tag in [wanted, *accepted_tags(accepted)]:
            code = _fitting(tag, there)
            if code is not None:
                return there[code]
        return there[ENGLISH]

    def _files(self) -> list[Path]:
        try:
            found = [p for p in self._folder.iterdir() if p.suffix == ".json"]
        except OSError:
            return []
        return sorted(p for p in found if _TAG.fullmatch(p.stem))[:MAX_LANGUAGES]

    def _language(self, path: Path) -> Language | None:
        try:
            status = path.stat()
        except OSError:
            return None
        signature = (status.st_size, status.st_mtime_ns)
        known = self._read.get(path.stem)
        if known is None or known[0] != signature:
            known = (signature, _load(path, status.st_size))
            self._read[path.stem] = known
        return known[1]


def accepted_tags(header: str) -> list[str]:
    """The tags of an ``Accept-Language`` header, most wanted first."""
    weighed: list[tuple[float, str]] = []
    for part in header[:1000].split(","):
        tag, _, rest = part.strip().partition(";")
        quality = re.fullmatch(r"\s*q=([01](?:\.\d{0,3})?)\s*", rest)
        weighed.append((float(quality[1]) if quality else 1.0, tag.strip()))
    return [tag for q, tag in sorted(weighed, key=lambda w: -w[0]) if tag and q > 0]


def _fitting(tag: str, there: Mapping[str, Language]) -> str | None:
    """The code of a language that a reader of ``tag`` reads, if there is one."""
    by_code = {code.casefold(): code for code in there}
    parts = tag.casefold().split("-")
    for end in range(len(parts), 0, -1):
        if code := by_code.get("-".join(parts[:end])):
            return code
    return "zh-CN" if _SIMPLIFIED.fullmatch(tag) else None


def _load(path: Path, size: int) -> Language | None:
    """A language from its file; None, and a line in the log, when it cannot be used."""
    try:
        if size > MAX_BYTES:
            raise ValueError(f"it is larger than {MAX_BYTES // 1_000_000} MB")
        values = json.loads(path.read_text(encoding="utf-8-sig"))
        if not isinstance(values, dict):
            raise ValueError("it is no JSON object")  # noqa: TRY004 -- of the file, not of a call
    except (OSError, ValueError, RecursionError) as error:
        log.warning("The language file %s is ignored: %s.", path, error)
        return None
    base = built_in().get(path.stem, built_in()[ENGLISH])
    name = values.get("name")
    return Language(
        code=path.stem,
        name=name.strip()[:60] if isinstance(name, str) and name.strip() else path.stem,
        texts={**base.texts, **_texts(path, values.get("texts"))},
        phrases={**base.phrases, **_phrases(values.get("fields"))},
    )


def _texts(path: Path, given: Any) -> dict[str, str]:
    english = built_in()[ENGLISH].texts
    found = {key: text for key, text in _phrases(given).items() if key in english}
    for key in [k for k, text in found.items() if places_of(text) != places_of(english[k])]:
        log.warning("%s: the text %r lacks or adds a {place}; English is used.", path, key)
        del found[key]
    return found


def _phrases(given: Any) -> dict[str, str]:
    pairs = given.items() if isinstance(given, dict) else ()
    return {key: text for key, text in pairs if isinstance(text, str) and text.strip()}
