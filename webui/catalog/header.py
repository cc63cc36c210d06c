"""The header of a safetensors file: names, shapes and types of its tensors, nothing else read.

A file is eight bytes of length (little-endian), so many bytes of JSON, then the tensors' bytes.
Everything in the header is taken as possibly hostile.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from webui.core.errors import ModelError, UnsafeFile

MAX_HEADER_BYTES = 100_000_000
_BITS = {
    "BOOL": 8, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8,
    "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6,
    "I16": 16, "U16": 16, "F16": 16, "BF16": 16, "I32": 32, "U32": 32, "F32": 32,
    "C64": 64, "F64": 64, "I64": 64, "U64": 64,
}  # fmt: skip
_OTHER_KINDS = (
    (b"PK\x03\x04", True, "is a PyTorch (pickle) file with another name"),
    (b"\x80", True, "is a pickle with another name"),
    (b"GGUF", False, "is a GGUF file, which this version does not read"),
    (b"<", False, "is a web page, not a model: its download failed, so fetch it again"),
    (b"version https://git-lfs", False, "is only a Git LFS pointer; fetch it with git lfs pull"),
)


@dataclass(frozen=True, slots=True)
class Header:
    """What a safetensors file says it holds.

    ``shapes`` by tensor name, ``metadata`` as written by whoever made the file, ``digest`` the
    SHA-256 of the header's bytes.
    """

    shapes: Mapping[str, tuple[int, ...]]
    metadata: Mapping[str, str]
    digest: str


def read_header(path: Path, name: str) -> Header:
    """The header of the file at ``path``, which sentences call ``name``.

    Raises ``UnsafeFile`` for a pickle under another name and ``ModelError`` for anything that is
    not a whole, well-formed safetensors file. Reads the header and not a byte more.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise ModelError(f"{name!r} is not an ordinary file.")
        with path.open("rb", buffering=0) as file:
            raw = _read_raw(file, status.st_size, name)
    except OSError as error:
        raise ModelError(f"{name!r} cannot be read ({error.strerror or error}).") from None
    shapes, metadata = _checked(_parse(raw, name), status.st_size - 8 - len(raw), name)
    return Header(shapes, metadata, hashlib.sha256(raw).hexdigest())


def _read_raw(file: BinaryIO, size: int, name: str) -> bytes:
    start = file.read(64)
    if not start:
        raise ModelError(f"{name!r} is empty; copy or download it again.")
    length = int.from_bytes(start[:8], "little")
    if len(start) < 10 or start[8:9] != b"{":
        raise _not_safetensors(start, name)
    if length > MAX_HEADER_BYTES:
        raise ModelError(f"{name!r} says its header has {length} bytes, more than any model needs.")
    if length > size - 8:
        raise ModelError(f"{name!r} is cut short within its header; copy or download it again.")
    file.seek(8, os.SEEK_SET)
    raw = bytearray()
    while len(raw) < length:
        part = file.read(length - len(raw))
        if not part:
            raise ModelError(f"{name!r} ended while it was read; copy or download it again.")
        raw += part
    return bytes(raw)


def _not_safetensors(start: bytes, name: str) -> ModelError:
    for magic, is_pickle, what in _OTHER_KINDS:
        if start.lstrip().startswith(magic):
            if is_pickle:
                return UnsafeFile(
                    f"{name!r} {what}; such files can run code when they are read, so it is "
                    "refused. Use a real .safetensors version."
                )
            return ModelError(f"{name!r} {what}.")
    return ModelError(f"{name!r} is not a safetensors file.")


def _parse(raw: bytes, name: str) -> dict[str, Any]:
    try:
        data = json.loads(raw)
    except (ValueError, RecursionError):
        raise ModelError(f"{name!r} is damaged: its header is not valid JSON.") from None
    if not isinstance(data, dict):
        raise ModelError(f"{name!r} is damaged: its header is not a JSON object.")
    return data


def _checked(
    data: dict[str, Any], body: int, name: str
) -> tuple[dict[str, tuple[int, ...]], dict[str, str]]:
    """Shapes and metadata, once the tensors are known to fill the ``body`` bytes exactly."""
    extra = data.pop("__metadata__", None)
    metadata = {k: v for k, v in extra.items() if isinstance(v, str)} if _is_object(extra) else {}
    shapes: dict[str, tuple[int, ...]] = {}
    spans: list[tuple[int, int]] = []
    for key, entry in data.items():
        tensor = _tensor(entry)
        if tensor is None:
            shown = key if len(key) <= 60 else key[:57] + "..."
            raise ModelError(f"{name!r} is damaged: its tensor {shown!r} is not described validly.")
        shapes[key], span = tensor
        spans.append(span)
    _check_spans(sorted(spans), body, name)
    return shapes, metadata


def _tensor(entry: Any) -> tuple[tuple[int, ...], tuple[int, int]] | None:
    if not _is_object(entry):
        return None
    shape, offsets, bits = entry.get("shape"), entry.get("data_offsets"), None
    if isinstance(entry.get("dtype"), str):
        bits = _BITS.get(entry["dtype"])
    if bits is None or not _are_counts(shape) or not _are_counts(offsets):
        return None
    if len(offsets) != 2 or len(shape) > 16:
        return None
    begin, end = offsets
    if (end - begin) * 8 != math.prod(shape) * bits:
        return None
    return tuple(shape), (begin, end)


def _check_spans(spans: list[tuple[int, int]], body: int, name: str) -> None:
    place = 0
    for begin, end in spans:
        if begin != place:
            raise ModelError(f"{name!r} is damaged: its tensors overlap or leave holes.")
        place = end
    if place > body:
        raise ModelError(
            f"{name!r} is cut short: {place - body} of {place} bytes are missing; copy or "
            "download it again."
        )
    if place < body:
        raise ModelError(f"{name!r} is damaged: it has {body - place} bytes too many.")


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)


def _are_counts(values: Any) -> bool:
    return isinstance(values, list) and all(type(v) is int and 0 <= v < 2**48 for v in values)
