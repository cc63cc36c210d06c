"""Frames between a server and the worker it started: length-prefixed pickles over two pipes.

Both ends are processes of one installation started by one user; nothing from a client or a file
is ever unpickled.
"""

from __future__ import annotations

import pickle
import struct
from typing import Any, BinaryIO

_LENGTH = struct.Struct("<Q")


def write(stream: BinaryIO, message: object) -> None:
    """Write one message and flush; the caller keeps concurrent writers apart."""
    body = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
    stream.write(_LENGTH.pack(len(body)) + body)
    stream.flush()


def read(stream: BinaryIO) -> Any:
    """The next message; ``EOFError`` when the other end is gone."""
    (length,) = _LENGTH.unpack(_exactly(stream, _LENGTH.size))
    return pickle.loads(_exactly(stream, length))  # noqa: S301  from our own child or parent


def _exactly(stream: BinaryIO, count: int) -> bytes:
    parts: list[bytes] = []
    while count:
        part = stream.read(count)
        if not part:
            raise EOFError("The other end of the pipe is gone.")
        parts.append(part)
        count -= len(part)
    return b"".join(parts)
