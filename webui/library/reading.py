"""A row made from a picture's file: its size, and what is written in it."""

from __future__ import annotations

import secrets
from pathlib import Path

from webui.library.row import Row
from webui.library.saving import beside
from webui.metadata import SUFFIXES, parse, read_picture, usable

FORMATS: dict[str, str] = {**{suffix: fmt for fmt, suffix in SUFFIXES.items()}, ".jpeg": "jpeg"}
"""The formats of pictures by their files' endings."""

_MAX_TEXT_BYTES = 200_000
_MAX_SEED = (1 << 64) - 1


def is_picture_name(path: Path) -> bool:
    """Whether a file is called like a picture, and not hidden."""
    return path.suffix.lower() in FORMATS and not path.name.startswith(".")


def has_storable_name(path: Path) -> bool:
    """Whether a path can be kept: one whose bytes are no text cannot."""
    try:
        str(path).encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def read_row(
    file: Path,
    path: str,
    *,
    created: float,
    image_id: str | None = None,
    owner: str = "",
    deleted: float | None = None,
    imported: bool = False,
) -> Row | None:
    """The row of the picture in ``file``, to be kept with ``path``; None when it is no picture.

    Understands what :mod:`webui.metadata.reading` does, and a text file beside the picture.
    """
    told = read_picture(file)
    if told is None:
        return None
    text = told.infotext or _text_beside(file)
    said = parse(text)
    if told.exact is not None:
        said |= {"Prompt": told.exact.prompt, "Negative prompt": told.exact.negative_prompt}
    values = usable(said).values
    return Row(
        id=image_id or secrets.token_hex(12),
        job_id=None,
        image_index=0,
        path=path,
        format=FORMATS[file.suffix.lower()],
        created=created,
        seconds=0.0,
        width=told.width,
        height=told.height,
        seed=_seed(said.get("Seed", "")),
        prompt=said["Prompt"],
        negative_prompt=said["Negative prompt"],
        model=said.get("Model", ""),
        sampler=values.get("sampler") or said.get("Sampler", ""),
        infotext=text,
        owner=owner,
        deleted=deleted,
        imported=imported,
    )


def _seed(text: str) -> int:
    is_one = text.isascii() and text.isdigit() and len(text) <= 20 and int(text) <= _MAX_SEED
    return int(text) if is_one else -1


def _text_beside(file: Path) -> str:
    """The infotext that A1111 and we can be asked to write beside a picture."""
    try:
        path = beside(file)
        if path.stat().st_size > _MAX_TEXT_BYTES:
            return ""
        text = path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
    return text if "Steps" in parse(text) else ""
