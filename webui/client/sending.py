"""Pictures on this computer's disk, as they are sent to a server."""

from __future__ import annotations

from pathlib import Path

from webui.client.results import Input
from webui.core.errors import EaselError, InvalidRequest
from webui.core.image_fields import MAX_FILE_BYTES

Picture = Path | bytes | Input | str
"""A picture to start from: a file, a file's bytes, one that was sent, or that one's id."""


def file_bytes(path: Path) -> bytes:
    """A picture's file; ``InvalidRequest`` when it cannot be read or is too large to be sent."""
    try:
        if not path.is_file():
            raise InvalidRequest(f"There is no file {str(path)!r}.")
        if path.stat().st_size > MAX_FILE_BYTES:
            raise InvalidRequest(f"{str(path)!r} is larger than {MAX_FILE_BYTES >> 20} MiB.")
        return path.read_bytes()
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise InvalidRequest(f"{str(path)!r} cannot be read: {why}.") from None


def about(path: Path, error: EaselError) -> InvalidRequest:
    """What is wrong with a file, with its name."""
    return InvalidRequest(f"{str(path)!r}: {error.message}", field=error.field)
