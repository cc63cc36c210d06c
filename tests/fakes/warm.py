"""Servers that start at once: forks of a process that has imported everything before.

What a start costs is mostly importing Gradio. `tests/contract/test_serving.py` and the command
line's tests start real commands; a test that only needs a server of its own starts a fork. The
server's code is the same, from its command line on.
"""

from __future__ import annotations

import atexit
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

CAN_FORK = sys.platform == "linux"


class Fork:
    """A process that is not this one's child, with the part of `Popen` that tests use."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._ended = os.pidfd_open(pid)

    def poll(self) -> int | None:
        """0 when it has ended, whatever its status was; None while it runs."""
        return 0 if select.select([self._ended], [], [], 0)[0] else None

    def wait(self, timeout: float) -> int:
        """As `Popen.wait`."""
        if not select.select([self._ended], [], [], timeout)[0]:
            raise subprocess.TimeoutExpired(str(self.pid), timeout)
        return 0

    def send_signal(self, number: int) -> None:
        """Nothing if it has ended."""
        if self.poll() is None:
            signal.pidfd_send_signal(self._ended, number)

    def kill(self) -> None:
        """As `Popen.kill`."""
        self.send_signal(signal.SIGKILL)


def serve(
    arguments: Sequence[str], environment: Mapping[str, str], log: Path, folder: Path
) -> Fork | subprocess.Popen[bytes]:
    """Start `webui` with these arguments, in ``folder``; what it says is added to the file."""
    if not CAN_FORK:
        with log.open("a", encoding="utf-8") as out:
            command = [sys.executable, "-m", "webui", *arguments]
            return subprocess.Popen(command, cwd=folder, env=environment, stdout=out, stderr=out)
    asked = [list(arguments), dict(environment), str(log), str(folder)]
    return Fork(_press().fork(asked))


class _Press:
    """The process that is forked, and the two pipes to it."""

    def __init__(self) -> None:
        root = Path(__file__).resolve().parents[2]
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("EASEL_", "GRADIO_"))}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.fakes.warm"],
            cwd=root,
            env=kept | {"PYTHONPATH": str(root)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        atexit.register(self._process.kill)

    def fork(self, asked: list[object]) -> int:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())


_press = cache(_Press)


def main() -> int:
    """Import everything; then, for each line asked, a fork that is `webui` with its arguments."""
    import webui.api
    import webui.app
    import webui.ui.shell  # noqa: F401 (what takes so long)
    from webui.cli import main as command

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # forks that have ended leave nothing behind
    for line in sys.stdin:
        if pid := os.fork():
            print(pid, flush=True)
            continue
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        arguments, environment, log, folder = json.loads(line)
        os.environ.clear()
        os.environ.update(environment)
        os.chdir(folder)
        with Path(log).open("ab") as out, Path(os.devnull).open("rb") as nothing:
            os.dup2(nothing.fileno(), 0)
            os.dup2(out.fileno(), 1)
            os.dup2(out.fileno(), 2)
        status = command(arguments)
        sys.stdout.flush()
        os._exit(status)  # taking a process apart in which everything is imported takes long, too
    return 0


if __name__ == "__main__":
    sys.exit(main())
