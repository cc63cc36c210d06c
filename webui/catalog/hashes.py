"""SHA-256 of model files, made one after another in a background thread and remembered."""

from __future__ import annotations

import hashlib
import json
import os
import queue
import tempfile
import threading
from contextlib import suppress
from pathlib import Path

_CHUNK = 1 << 20
_MOST_KEPT = 2000


class Hashes:
    """Hashes by content key; ``file`` is where they are kept between runs (None: nowhere)."""

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._known = _read(file) if file else {}
        self._waiting: dict[str, threading.Event] = {}
        self._work: queue.SimpleQueue[tuple[str, Path, bool] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closed = threading.Event()

    def known(self, key: str) -> str | None:
        """The hash if it has been made already."""
        return self._known.get(key)

    def get(
        self, key: str, path: Path, wait: float = 0.0, *, past_header: bool = False
    ) -> str | None:
        """The hash of the file at ``path``, kept under ``key``; None when not made within ``wait``
        seconds (it is then being made).

        ``past_header`` leaves out a safetensors file's header, as A1111 does for LoRAs.
        """
        with self._lock:
            if key in self._known or self._closed.is_set():
                return self._known.get(key)
            done = self._waiting.get(key)
            if done is None:
                done = self._waiting[key] = threading.Event()
                self._work.put((key, path, past_header))
                self._start()
        done.wait(wait)
        return self._known.get(key)

    def close(self) -> None:
        """Stop hashing; what is not finished is made another time."""
        self._closed.set()
        self._work.put(None)
        if self._thread is not None:
            self._thread.join(5)

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="model-hashes", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while (item := self._work.get()) is not None and not self._closed.is_set():
            key, path, past_header = item
            made = self._hash(path, past_header)
            with self._lock:
                if made is not None:
                    self._known[key] = made
                self._waiting.pop(key).set()
            if made is not None and self._file is not None:
                _write(self._file, dict(list(self._known.items())[-_MOST_KEPT:]))

    def _hash(self, path: Path, past_header: bool) -> str | None:
        total = hashlib.sha256()
        try:
            with path.open("rb", buffering=0) as file:
                if past_header:
                    file.seek(8 + int.from_bytes(file.read(8), "little"))
                while chunk := file.read(_CHUNK):
                    if self._closed.is_set():
                        return None
                    total.update(chunk)
        except (OSError, OverflowError):
            return None
        return total.hexdigest()


def _read(file: Path) -> dict[str, str]:
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(data, dict):
        return {}
    return {k: v for k, v in data.items() if isinstance(v, str) and len(v) == 64}


def _write(file: Path, data: dict[str, str]) -> None:
    """Keep the hashes; when the folder cannot be written they are made again another time."""
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=".hashes-", dir=file.parent)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as out:
                json.dump(data, out, indent=0)
            Path(temporary).replace(file)
        except OSError:
            Path(temporary).unlink()
