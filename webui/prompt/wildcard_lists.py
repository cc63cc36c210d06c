"""What wildcards' names stand for: entries read from text and YAML, found by name or pattern."""

from __future__ import annotations

import re
import threading
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate, islice
from typing import Any, cast

import yaml

MAX_ENTRIES = 500_000
"""The most entries of one file; YAML's references could make any number of a few lines."""
MAX_KEY_DEPTH = 32
_MOST_NODES = 2 * MAX_ENTRIES
_MOST_NESTED = 100
_MOST_MERGES = 20
"""Mappings that one mapping may merge."""
_MOST_FOUND = 2_000_000
"""Entries of the names and patterns asked for that are kept ready."""
_NO_MORE: tuple[tuple[str, ...], object] = ((), object())
_Path = tuple[str, ...]

_WEIGHT = re.compile(r"\s*(\d{1,6}(?:\.\d{1,6})?|\.\d{1,6})::")


def weighted(text: str) -> tuple[float, str]:
    """``3::red`` as (3, "red"); without a weight it is 1."""
    match = _WEIGHT.match(text)
    return (float(match[1]), text[match.end() :]) if match else (1.0, text)


class Entries:
    """The entries of a name, chosen by weight."""

    def __init__(self, lines: Iterable[str]) -> None:
        pairs = [weighted(line) for line in lines]
        self.texts: tuple[str, ...] = tuple(text for _, text in pairs)
        self.weights: tuple[float, ...] = tuple(weight for weight, _ in pairs)
        self._sums = list(accumulate(self.weights))

    def pick(self, u: float) -> str:
        """The entry at share ``u`` (0 ≤ u < 1) of all weights; all are as likely when all are 0."""
        total = self._sums[-1]
        if total <= 0:
            return self.texts[int(u * len(self.texts))]
        index = bisect_right(self._sums, u * total)
        return self.texts[min(index, len(self.texts) - 1)]


class Wildcards:
    """Entries by name ("animals/cats"); case and spaces around names do not matter.

    A name is only ever looked up among these: it is no path. Safe between threads.
    """

    def __init__(self, lists: Mapping[str, Sequence[str]] | None = None) -> None:
        self._lines = {_key(name): tuple(lines) for name, lines in (lists or {}).items() if lines}
        self._found: dict[str, Entries | None] = {}
        self._kept = 0
        self._lock = threading.Lock()

    @property
    def names(self) -> tuple[str, ...]:
        """Every name, sorted."""
        return tuple(sorted(self._lines))

    def find(self, name: str) -> Entries | None:
        """The entries of a name, or of all that a pattern with ``*`` matches; None: none such."""
        key = _key(name)
        with self._lock:
            if key not in self._found:
                entries = self._entries(key)
                self._kept += len(entries.texts) if entries else 1
                if len(self._found) > 1000 or self._kept > _MOST_FOUND:  # users type patterns
                    self._found.clear()
                    self._kept = len(entries.texts) if entries else 1
                self._found[key] = entries
            return self._found[key]

    def _entries(self, key: str) -> Entries | None:
        if "*" not in key:
            lines = self._lines.get(key, ())
        else:
            pattern = re.compile(_pattern(key))
            names = (name for name in self.names if pattern.fullmatch(name))
            lines = tuple(line for name in names for line in self._lines[name])
        return Entries(lines) if lines else None


def read_lines(text: str) -> tuple[str, ...]:
    """The entries of a text file: its lines, without empty ones and comments (``# …``)."""
    lines = (line.strip() for line in text.removeprefix("\ufeff").splitlines())
    return tuple(line for line in lines if line and not line.startswith("#"))[:MAX_ENTRIES]


def read_yaml(text: str) -> dict[str, tuple[str, ...]]:
    """The entries of a YAML file by their keys, nested ones with ``/`` between.

    ``{animals: {cats: [tabby, 3::sphynx]}}`` gives "animals/cats". A file that is no YAML has none.
    """
    try:
        found: Any = yaml.load(text, _Loader)  # noqa: S506  a SafeLoader
        lists: dict[str, list[str]] = {}
        for name, line in islice(_leaves(found), MAX_ENTRIES):
            lists.setdefault(name, []).append(line)
    except Exception:  # noqa: BLE001  a wrong "!!int" raises whatever Python does; no file may
        return {}
    return {name: tuple(lines) for name, lines in lists.items()}


class _Loader(yaml.SafeLoader):
    """Not libyaml's: deep nesting would overflow its stack. What merges (``<<``) copy is bounded:
    a few lines of them could make any number of entries."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._merged = 0

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Put what a mapping merges into it; see the class."""
        merges = [value for key, value in node.value if key.tag == "tag:yaml.org,2002:merge"]
        sources = sum(len(m.value) if isinstance(m, yaml.SequenceNode) else 1 for m in merges)
        if sources > _MOST_MERGES or self._merged > MAX_ENTRIES:
            raise yaml.YAMLError("too much is merged")
        super().flatten_mapping(node)
        self._merged += len(node.value) if merges else 0


def _leaves(tree: Any) -> Iterator[tuple[str, str]]:
    """Every text with the name it is found under, in the file's order."""
    # References may lead in circles, so that neither depth nor number has an end of its own.
    pending: list[Iterator[tuple[_Path, Any]]] = [iter([((), tree)])]
    for _ in range(_MOST_NODES):
        if not pending:
            return
        path, node = next(pending[-1], _NO_MORE)
        if node is _NO_MORE[1]:
            pending.pop()
        elif isinstance(node, dict):
            if len(path) < MAX_KEY_DEPTH:
                pending.append(_items(path, cast("dict[Any, Any]", node)))
        elif isinstance(node, list) and len(pending) < _MOST_NESTED:
            pending.append((path, one) for one in cast("list[Any]", node))
        elif not isinstance(node, list) and path and node is not None and (text := _text(node)):
            yield "/".join(path), text


def _items(path: _Path, mapping: Mapping[Any, Any]) -> Iterator[tuple[_Path, Any]]:
    return (((*path, _text(key)), value) for key, value in mapping.items())


def _text(value: Any) -> str:
    """A key or an entry; YAML can escape halves of characters, which no prompt may hold."""
    return str(value).encode("utf-8", "replace").decode("utf-8").strip()


def _pattern(key: str) -> str:
    parts = re.split(r"(\*+)", key)
    return "".join(
        ("[^/]*" if part == "*" else ".*") if part.startswith("*") else re.escape(part)
        for part in parts
    )


def _key(name: str) -> str:
    return "/".join(part.strip() for part in name.casefold().split("/"))
