"""The CLIP models in ``models/clip``: folders as transformers writes them, one below the other."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from webui.catalog.header import read_header
from webui.core.errors import EaselError, ErrorInfo, ModelError, NotFound, UnsafeFile
from webui.core.models import ModelRef

FOLDER = "clip"
FAMILY = "clip"
CONFIG = "config.json"
WEIGHTS = "model.safetensors"
PREPROCESSORS = ("preprocessor_config.json", "processor_config.json")
STARTER = "easel-starter"
MAX_JSON_BYTES = 1_000_000
_HOW = (
    "put one into models/clip/NAME: its config.json, model.safetensors, preprocessor_config.json "
    "and tokenizer files"
)


def clip_models(models_dir: Path) -> tuple[tuple[ModelRef, ...], tuple[tuple[str, ErrorInfo], ...]]:
    """The models that can be used, sorted by name, and of the others the name and the reason."""
    refs: list[ModelRef] = []
    problems: list[tuple[str, ErrorInfo]] = []
    for folder in _folders(models_dir / FOLDER):
        try:
            refs.append(identify(folder))
        except EaselError as error:
            problems.append((folder.name, error.info()))
    return tuple(refs), tuple(problems)


def find_clip(models_dir: Path, name: str = "", *, field: str | None = "model") -> ModelRef:
    """The CLIP model of that name; "" means the first of the user's own, else the starter.

    ``NotFound`` if there is none, naming ``field``; one that is there and cannot be used raises its
    own ``ModelError``.
    """
    refs, problems = clip_models(models_dir)
    wanted = name.strip().casefold()
    if not wanted:
        own = [ref for ref in refs if ref.name != STARTER]
        for ref in (*own, *refs):
            return ref
        raise NotFound(_none(problems), field=field)
    for ref in refs:
        if ref.name.casefold() == wanted:
            return ref
    for broken, info in problems:
        if broken.casefold() == wanted:
            error = info.to_exception()
            error.field = field
            raise error
    known = ", ".join(ref.name for ref in refs[:5])
    there = f"there are: {known}" if known else f"there is none; {_HOW}"
    raise NotFound(f"There is no CLIP model {name.strip()[:60]!r}; {there}.", field=field)


def identify(folder: Path) -> ModelRef:
    """The model of a folder, from its JSON files and the header of its weights.

    ``ModelError`` says what is missing or wrong, ``UnsafeFile`` that it has pickled weights only or
    brings code of its own.
    """
    name = folder.name
    config = _read_json(folder / CONFIG, name)
    if "auto_map" in config:
        raise UnsafeFile(f"{name!r} brings code of its own in {CONFIG}; it is refused.")
    if config.get("model_type") != "clip" or not isinstance(config.get("vision_config"), dict):
        raise ModelError(
            f"{name!r} is no whole CLIP model: its {CONFIG} describes something else "
            "(text and image side are needed)."
        )
    if not any((folder / file).is_file() for file in PREPROCESSORS):
        raise ModelError(f"{name!r} lacks {PREPROCESSORS[0]}.")
    header = read_header(_weights(folder), f"{name}/{WEIGHTS}")
    size = config["vision_config"].get("image_size")
    return ModelRef(
        name=name,
        path=str(folder.absolute()),
        layout="folder",
        family=FAMILY,
        prediction="epsilon",
        native_size=size if type(size) is int else 224,
        digest=_digest(folder, header.digest),
    )


def _folders(root: Path) -> Iterator[Path]:
    try:
        found = sorted(root.iterdir(), key=lambda p: (p.name.casefold(), p.name))
    except OSError:
        return
    for path in found:
        if not path.name.startswith(".") and (path / CONFIG).is_file():
            yield path


def _weights(folder: Path) -> Path:
    path = folder / WEIGHTS
    if not path.is_file():
        if any(folder.glob("*.bin")):
            raise UnsafeFile(
                f"{folder.name!r} has pickled weights (.bin) only, which can run code when they "
                "are read; get its .safetensors version."
            )
        raise ModelError(f"{folder.name!r} lacks {WEIGHTS}.")
    return path


def _digest(folder: Path, header: str) -> str:
    parts = [header]
    for path in sorted(folder.iterdir()):
        try:
            status = path.stat()
        except OSError:
            continue
        parts.append(f"{path.absolute()} {status.st_size} {status.st_mtime_ns}")
    return hashlib.sha256("\0".join(parts).encode("utf-8", "replace")).hexdigest()


def _read_json(path: Path, name: str) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_JSON_BYTES + 1)
        data = json.loads(raw)
    except OSError as error:
        raise ModelError(f"{name!r}: {path.name} cannot be read ({error.strerror}).") from None
    except (ValueError, RecursionError):
        raise ModelError(f"{name!r} is damaged: {path.name} is not valid JSON.") from None
    if not isinstance(data, dict):
        raise ModelError(f"{name!r} is damaged: {path.name} is not a JSON object.")
    return data


def _none(problems: tuple[tuple[str, ErrorInfo], ...]) -> str:
    text = f"There is no CLIP model; {_HOW}."
    if problems:
        text += f" What is there cannot be used: {problems[0][1].message}"
    return text
