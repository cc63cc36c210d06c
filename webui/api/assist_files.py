"""What writing a prompt draws on: the style file, the tag files, the tokenizers of checkpoints."""

from __future__ import annotations

import logging
import threading
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
MAX_FILE_BYTES = 64 * 1024 * 1024
_MOST_COUNTERS = 16
log = logging.getLogger(__name__)


class StyleFile:
    """The styles of ``styles.csv``; others may edit the file meanwhile. Safe between threads."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()

    def styles(self) -> tuple[Style, ...]:
        """All styles in the file's order; none while there is no file."""
        try:
            return read_styles(_text(self._path))
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise StorageError(f"{self._path.name} cannot be read: {error.strerror}.") from None

    def put(self, style: Style, *, replaces: str = "") -> tuple[Style, ...]:
        """Add a style; it takes the place of the one named ``replaces`` or of its own name."""
        with self._lock:
            styles = {s.name: s for s in self.styles()}
            place = replaces if replaces in styles else style.name
            if place != style.name:
                styles.pop(style.name, None)
            styles[place] = style
            return self._write(tuple(styles.values()))

    def remove(self, name: str) -> tuple[Style, ...]:
        """Take the style of that name away; ``NotFound`` if there is none."""
        with self._lock:
            old = self.styles()
            new = tuple(style for style in old if style.name != name)
            if len(new) == len(old):
                raise NotFound(f"There is no style {name[:60]!r}.", field="name")
            return self._write(new)

    def _write(self, styles: tuple[Style, ...]) -> tuple[Style, ...]:
        if len(styles) > MAX_STYLES:
            raise InvalidRequest(f"There can be {MAX_STYLES} styles; delete some first.")
        overwrite(self._path, write_styles(styles).encode("utf-8"))
        return styles


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
