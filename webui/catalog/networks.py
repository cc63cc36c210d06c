"""LoRAs, embeddings, VAEs, upscalers as files: found, described from headers, never loaded."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from webui.catalog.header import Header, read_header
from webui.catalog.places import places
from webui.catalog.scan import SUFFIX
from webui.core.errors import EaselError

Kind = Literal["lora", "embeddings", "vae", "checkpoints", "upscalers"]

MAX_FILES = 20_000
"""Of one kind; further ones are not looked at."""
MAX_DEPTH = 10
_REMEMBERED = 500
_PREVIEWS = tuple(
    f"{part}{suffix}" for suffix in (".png", ".jpg", ".jpeg", ".webp") for part in (".preview", "")
)
_COVERS = "ssmd_cover_images"
_VECTORS = ("emb_params", "clip_l", "clip_g")


@dataclass(frozen=True, slots=True)
class Network:
    """A file: ``name`` is the file's name without its suffix, as prompts call it."""

    kind: Kind
    name: str
    path: Path


@dataclass(frozen=True, slots=True)
class Vectors:
    """An embedding's size: ``vectors`` of ``width`` values each."""

    vectors: int
    width: int


def networks(models_dir: Path, installation: str, kind: Kind) -> tuple[Network, ...]:
    """The safetensors files of a kind below our folder and an installation's, sorted by name.

    Of two with one name the first counts, as A1111 has it. Folders that cannot be read have none.
    """
    found: dict[str, Network] = {}
    for folder in places(models_dir, installation, kind):
        for path in files(folder, (SUFFIX,)):
            name = path.name[: -len(SUFFIX)]
            found.setdefault(name, Network(kind, name, path))
            if len(found) >= MAX_FILES:
                break
    return tuple(sorted(found.values(), key=lambda n: (n.name.casefold(), n.name)))


def metadata(network: Network) -> Mapping[str, Any]:
    """What the file's maker wrote into it (``__metadata__``), values that are JSON read as such.

    As A1111 gives it, without kohya's cover pictures. Empty where the file cannot be read.
    """
    header = _header(network)
    if header is None:
        return {}
    return {k: _value(v) for k, v in header.metadata.items() if k != _COVERS}


def covers(network: Network) -> tuple[str, ...]:
    """The cover pictures (base64) that kohya's trainer writes into a LoRA; usually none."""
    header = _header(network)
    found = _value(header.metadata.get(_COVERS, "")) if header else None
    return tuple(c for c in found if isinstance(c, str)) if isinstance(found, list) else ()


def vectors(network: Network) -> Vectors | None:
    """The size of an embedding; None when the file is none, or is damaged.

    One with vectors for both of SDXL's text encoders is as wide as both together, as in A1111.
    """
    header = _header(network)
    shapes = header.shapes if header else {}
    found = [shapes[key] for key in _VECTORS if key in shapes]
    if not found and len(shapes) == 1:
        found = list(shapes.values())
    if not found or not all(1 <= len(shape) <= 2 for shape in found):
        return None
    count = found[0][0] if len(found[0]) == 2 else 1
    return Vectors(count, sum(shape[-1] for shape in found))


def preview_of(network: Network) -> Path | None:
    """The picture beside a file, ``name.preview.png`` or ``name.png``; None where there is none."""
    stem = network.path.name[: -len(SUFFIX)]
    candidates = (network.path.with_name(stem + end) for end in _PREVIEWS)
    return next((p for p in candidates if p.is_file()), None)


def _header(network: Network) -> Header | None:
    try:
        status = network.path.stat()
        return _remembered(str(network.path), status.st_size, status.st_mtime_ns)
    except (EaselError, OSError):
        return None


@lru_cache(maxsize=_REMEMBERED)
def _remembered(path: str, size: int, changed: int) -> Header:  # noqa: ARG001  the key
    """The header, read again when the file has changed; only what is asked for is kept of it."""
    header = read_header(Path(path), Path(path).name)
    few = header.shapes if len(header.shapes) <= 4 else {}
    return Header(few, header.metadata, header.digest)


def _value(text: str) -> Any:
    """A metadata value: JSON objects and lists are read, all else stays text."""
    if not text.startswith(("{", "[")):
        return text
    try:
        return json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return text


def _no_constant(name: str) -> float:
    raise ValueError(name)


def files(root: Path, suffixes: tuple[str, ...]) -> Iterator[Path]:
    """The files below a folder that end so, in the order of their names, hidden ones left out.

    Links are followed, each folder is entered once.
    """
    seen: set[tuple[int, int]] = set()
    for folder, names, found in os.walk(root, followlinks=True):
        depth = len(Path(folder).relative_to(root).parts)
        if depth > MAX_DEPTH or not _is_new(folder, seen):
            names.clear()
            continue
        names[:] = sorted(n for n in names if not n.startswith("."))
        for name in sorted(found):
            if name.casefold().endswith(suffixes) and not name.startswith("."):
                yield Path(folder, name)


def _is_new(folder: str, seen: set[tuple[int, int]]) -> bool:
    try:
        status = Path(folder).stat()
    except OSError:
        return False
    place = (status.st_dev, status.st_ino)
    known = place in seen
    seen.add(place)
    return not known
