"""One worker process and its three pipes, from start to reaping."""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import re
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import BinaryIO, cast

from webui.core import wire
from webui.core.messages import Command, WorkerEvent

_log = logging.getLogger(__name__)
_GRACE = 0.3  # seconds between asking a process to end and killing it
_DRAIN = 1.0  # seconds that what a dead process has written may take to arrive


class WorkerProcess:
    """A started process; ``hear`` is called with each of its events, by a thread of its own.

    ``OSError`` where it cannot be started. Its stderr goes to ``log`` line by line. :meth:`wait`
    must be called once, by the owner: it reaps the process and closes the pipes.
    """

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        hear: Callable[[WorkerEvent], None],
        log: logging.Logger,
    ) -> None:
        self._hear = hear
        self._log = log
        self._tail: deque[str] = deque(maxlen=20)
        self._outbox: queue.SimpleQueue[Command | None] = queue.SimpleQueue()
        self._hearing = threading.Lock()
        self._heard = 0
        self._deaf = False
        self._garbled = ""
        self._popen = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=dict(environment),
            start_new_session=True,  # our terminal's Ctrl-C does not reach it
            creationflags=_NO_CONSOLE,
        )
        self._writer = self._thread(self._write)
        self._reader = self._thread(self._read)
        self._listener = self._thread(self._listen)

    @property
    def pid(self) -> int:
        """The process id."""
        return self._popen.pid

    def send(self, command: Command) -> None:
        """Write a command, in a thread; one to a dead process is dropped."""
        self._outbox.put(command)

    def kill(self) -> None:
        """End it now, with whatever it started."""
        _kill(self._popen)

    def end(self, patience: float) -> None:
        """Close its input, wait ``patience`` seconds, then terminate, then kill it."""
        self._outbox.put(None)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._popen.wait(patience)
            return
        self._popen.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._popen.wait(_GRACE)
            return
        self.kill()

    def wait(self) -> str:
        """Wait for its end, hear what it still said, tidy up; returns why it ended."""
        self._popen.wait()
        _kill_group(self.pid)
        self._outbox.put(None)
        self._drain()
        for thread, pipe in (
            (self._writer, self._popen.stdin),
            (self._reader, self._popen.stdout),
            (self._listener, self._popen.stderr),
        ):
            thread.join(_DRAIN)
            if not thread.is_alive() and pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        return self._garbled or _reason(self._popen.returncode, self._tail)

    def _drain(self) -> None:
        """Until the reader is through, or silent because somebody else holds the pipe open."""
        while self._reader.is_alive():
            before = self._heard
            self._reader.join(_DRAIN)
            with self._hearing:
                if self._heard == before:
                    self._deaf = True
                    return

    def _write(self) -> None:
        stdin = cast("BinaryIO", self._popen.stdin)
        with contextlib.suppress(OSError, ValueError):
            while (command := self._outbox.get()) is not None:
                wire.write(stdin, command)
        with contextlib.suppress(OSError):
            stdin.close()

    def _read(self) -> None:
        stdout = cast("BinaryIO", self._popen.stdout)
        while True:
            try:
                event: WorkerEvent = wire.read(stdout)
            except (EOFError, OSError):
                return
            except Exception:  # noqa: BLE001  the border of what another process says
                _log.exception("The drawing process said something that cannot be read.")
                self._garbled = "The drawing process said something that cannot be read."
                self.kill()
                return
            with self._hearing:
                if self._deaf:
                    return
                self._hear(event)
                self._heard += 1

    def _listen(self) -> None:
        assert self._popen.stderr is not None
        with contextlib.suppress(OSError, ValueError):
            while line := self._popen.stderr.readline(4000):
                text = line.decode("utf-8", "replace").rstrip()
                if text:
                    self._tail.append(text)
                    self._log.info("%s", text)

    def _thread(self, target: Callable[[], None]) -> threading.Thread:
        name = f"worker-{self._popen.pid}-{target.__name__.strip('_')}"
        thread = threading.Thread(target=target, name=name, daemon=True)
        thread.start()
        return thread


if sys.platform == "win32":
    _NO_CONSOLE = subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP

    def _kill(process: subprocess.Popen[bytes]) -> None:
        process.kill()

    def _kill_group(pid: int) -> None:
        """Windows has no groups to kill."""

else:
    _NO_CONSOLE = 0

    def _kill(process: subprocess.Popen[bytes]) -> None:
        if process.poll() is None:
            _kill_group(process.pid)

    def _kill_group(pid: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)


def _reason(code: int, tail: Sequence[str]) -> str:
    """Why a process with this exit code ended, as a sentence."""
    words = re.sub(r"^webui\.core\.errors\.\w+: ", "", tail[-1][:300]) if tail else ""
    last = f" Its last words: {words}" if words else ""
    if code == 0:
        return "The drawing process left by itself."
    if code > 0:
        return f"The drawing process ended with exit code {code}.{last}"
    name = signal.Signals(-code).name if -code in set(signal.Signals) else str(-code)
    if name == "SIGKILL":
        return (
            "The drawing process was killed, as the system does when memory runs out; "
            "a smaller size or batch needs less."
        )
    return f"The drawing process was ended by signal {name}.{last}"
