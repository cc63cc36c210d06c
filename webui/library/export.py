"""Pictures as one zip file, made while it is sent."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

_CHUNK_BYTES = 1 << 18
_EARLIEST = (1980, 1, 1, 0, 0, 0)


class _Outgoing(io.RawIOBase):
    """What has been written and not been sent yet; cannot go back."""

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        """Always."""
        return True

    def write(self, data: bytes | bytearray | memoryview) -> int:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Keep data until it is taken."""
        self._parts.append(bytes(data))
        return len(data)

    def take(self) -> bytes:
        """What has been written since the last time."""
        data = b"".join(self._parts)
        self._parts.clear()
        return data


def zipped(files: Iterable[tuple[str, Path | None]]) -> Iterator[bytes]:
    """A zip file with those files under those names, made unique; nothing is compressed.

    A file that is not there or cannot be read is left out and named in ``missing.txt``.
    """
    out = _Outgoing()
    names: set[str] = set()
    missing: list[str] = []
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        for name, file in files:
            try:
                if file is None:
                    missing.append(name)
                else:
                    yield from _member(archive, out, file, _unique(name, names))
            except OSError:
                missing.append(name)
        if missing:
            text = "".join(f"{name}\n" for name in missing)
            archive.writestr(_unique("missing.txt", names), text.encode("utf-8", "replace"))
    yield out.take()


def _member(archive: zipfile.ZipFile, out: _Outgoing, file: Path, name: str) -> Iterator[bytes]:
    with file.open("rb") as source:
        info = _info(file, name)
        with archive.open(info, "w", force_zip64=info.file_size > 1 << 31) as target:
            while chunk := source.read(_CHUNK_BYTES):
                target.write(chunk)
                yield out.take()


def _info(file: Path, name: str) -> zipfile.ZipInfo:
    try:
        info = zipfile.ZipInfo.from_file(file, name)
    except ValueError:  # zip knows no time before 1980
        info = zipfile.ZipInfo(name, _EARLIEST)
        info.file_size = file.stat().st_size
    info.compress_type = zipfile.ZIP_STORED
    return info


def _unique(name: str, names: set[str]) -> str:
    """``name``, with a number when it was given before, whatever its case."""
    plain = Path(name)
    found, number = name, 1
    while found.casefold() in names:
        number += 1
        found = f"{plain.stem} ({number}){plain.suffix}"
    names.add(found.casefold())
    return found
