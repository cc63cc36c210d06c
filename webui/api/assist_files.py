"""What writing a prompt draws on: the style file, the tag files, the tokenizers of checkpoints."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from webui.core.errors import EaselError, InvalidRequest, NotFound, StorageError
from webui.core.models import ModelRef
from webui.library.files import overwrite
from webui.prompt.styles import Style, read_styles, write_styles
from webui.prompt.tags import Tag, TagIndex, read_tags

if TYPE_CHECKING:
    from webui.prompt.tokens import Counter

MAX_STYLES = 5000
MAX_STYLE_FILES = 200
MAX_FILE_BYTES = 64 * 1024 * 1024
_MOST_COUNTERS = 16
log = logging.getLogger(__name__)


class StyleFile:
    """The styles of ``styles.csv`` and of every ``*.csv`` in the folder ``styles`` beside it.

    Others may edit the files meanwhile. Of styles with one name the first file's counts, the
    folder's files come in the order of their names. Safe between threads.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()

    def styles(self) -> tuple[Style, ...]:
        """All styles, file by file in their order; none while there is no file."""
        found: dict[str, Style] = {}
        for styles in self._read().values():
            for style in styles:
                found.setdefault(style.name, style)
        return tuple(found.values())

    def put(self, style: Style, *, replaces: str = "") -> tuple[Style, ...]:
        """Add a style; it takes the place of the one named ``replaces`` or of its own name.

        It is written into the file that has that one; a new one into ``styles.csv``.
        """
        with self._lock:
            files = self._read()
            place = replaces if any(_has(styles, replaces) for styles in files.values()) else ""
            place = place or style.name
            home = next((p for p, styles in files.items() if _has(styles, place)), self._path)
            for path, styles in files.items():
                if path != home and place != style.name and _has(styles, style.name):
                    self._write(path, _left(styles, style.name))
            there = {s.name: s for s in files.get(home, ())}
            if place != style.name:
                there.pop(style.name, None)
            there[place] = style
            if sum(map(len, files.values())) >= MAX_STYLES and len(there) > len(
                files.get(home, ())
            ):
                raise InvalidRequest(f"There can be {MAX_STYLES} styles; delete some first.")
            self._write(home, tuple(there.values()))
        return self.styles()

    def remove(self, name: str) -> tuple[Style, ...]:
        """Take the style of that name away; ``NotFound`` if there is none."""
        with self._lock:
            holding = {p: styles for p, styles in self._read().items() if _has(styles, name)}
            if not holding:
                raise NotFound(f"There is no style {name[:60]!r}.", field="name")
            for path, styles in holding.items():
                self._write(path, _left(styles, name))
        return self.styles()

    def _read(self) -> dict[Path, tuple[Style, ...]]:
        """The styles of each file that there is."""
        others = sorted((self._path.parent / "styles").glob("*.csv"))[:MAX_STYLE_FILES]
        found: dict[Path, tuple[Style, ...]] = {}
        for path in (self._path, *others):
            try:
                found[path] = read_styles(_text(path))
            except FileNotFoundError:
                continue
            except OSError as error:
                raise StorageError(f"{path.name} cannot be read: {error.strerror}.") from None
        return found

    def _write(self, path: Path, styles: tuple[Style, ...]) -> None:
        overwrite(path, write_styles(styles).encode("utf-8"))


def _has(styles: Sequence[Style], name: str) -> bool:
    return any(style.name == name for style in styles)


def _left(styles: Sequence[Style], name: str) -> tuple[Style, ...]:
    return tuple(style for style in styles if style.name != name)


class TagFiles:
    """The tags of every ``*.csv`` in a folder, read again when a file has changed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._stamp: tuple[tuple[str, int, int], ...] = ()
        self._index = TagIndex(())

    def index(self) -> TagIndex:
        """The tags, ready to be searched; a file's tag of a name seen before is left out."""
        with self._lock:
            paths, stamp = self._look()
            if stamp != self._stamp:
                self._index = TagIndex(_all_tags(paths))
                self._stamp = stamp
            return self._index

    def _look(self) -> tuple[list[Path], tuple[tuple[str, int, int], ...]]:
        paths: list[Path] = []
        stamp: list[tuple[str, int, int]] = []
        for path in sorted(self._folder.glob("*.csv")):
            try:
                found = path.stat()
            except OSError:
                continue  # gone since the folder was read
            if path.is_file() and found.st_size <= MAX_FILE_BYTES:
                paths.append(path)
                stamp.append((path.name, found.st_size, found.st_mtime_ns))
        return paths, tuple(stamp)


class Counters:
    """A token counter for each checkpoint: its own tokenizer's, else CLIP's."""

    def __init__(self) -> None:
        self._found: dict[str, Counter] = {}
        self._lock = threading.Lock()

    def of(self, model: ModelRef | None) -> Counter:
        """The counter of a checkpoint; CLIP's for a single file, or when there is none."""
        if model is None or model.layout != "folder":
            return _clip()
        with self._lock:
            if model.digest not in self._found:
                if len(self._found) >= _MOST_COUNTERS:
                    self._found.clear()
                self._found[model.digest] = _own(Path(model.path) / "tokenizer")
            return self._found[model.digest]


@cache
def _clip() -> Counter:
    from webui.prompt.tokens import clip_counter

    return clip_counter()


def _own(folder: Path) -> Counter:
    from webui.prompt.tokens import folder_counter

    try:
        return folder_counter(folder)
    except EaselError as error:
        log.info("Tokens are counted with CLIP's vocabulary: %s", error.message)
        return _clip()


def _all_tags(paths: list[Path]) -> list[Tag]:
    found: dict[str, Tag] = {}
    for path in paths:
        try:
            for tag in read_tags(_text(path)):
                found.setdefault(tag.name, tag)
        except OSError as error:
            log.warning("The tag file %s cannot be read: %s", path, error.strerror)
    return list(found.values())


def _text(path: Path) -> str:
    """A file's text; what is not UTF-8 is taken for Latin-1, which every byte is valid in."""
    data = path.read_bytes()
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")
