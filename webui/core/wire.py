"""Frames between a server and the worker it started: length-prefixed pickles over two pipes.

Both ends are processes of one installation started by one user; nothing from a client or a file
is ever unpickled. What is read may be made of ``webui.core`` and plain values only, so that no
message brings a library of the worker's (torch) into the server.
"""

from __future__ import annotations

import io
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
    """The next message.

    ``EOFError`` when the other end is gone, ``UnpicklingError`` for what is no message of ours.
    """
    (length,) = _LENGTH.unpack(_exactly(stream, _LENGTH.size))
    return _Unpickler(io.BytesIO(_exactly(stream, length))).load()


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if not module.startswith("webui.core."):
            raise pickle.UnpicklingError(f"{module}.{name} is not part of a message.")
        return super().find_class(module, name)


def _exactly(stream: BinaryIO, count: int) -> bytes:
    parts: list[bytes] = []
    while count:
        part = stream.read(count)
        if not part:
            raise EOFError("The other end of the pipe is gone.")
        parts.append(part)
        count -= len(part)
    return b"".join(parts)
