"""Run commands and tell a person what happens. Messages go to stderr, so that the output of
`generate --json` stays clean.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path


class LaunchError(Exception):
    """Something a person has to know or do; the text is shown as it is."""


class UnavailableError(LaunchError):
    """An index, or what was wanted from it, cannot be had; another one may do."""


def say(text: str) -> None:
    """Tell the person what happens."""
    print(text, file=sys.stderr, flush=True)


def read_text(path: Path) -> str:
    """Text of a file, empty when there is none."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""


def output_of(command: Sequence[str], seconds: float = 20) -> str:
    """Standard output of a command, empty when it fails."""
    import subprocess

    try:
        done = subprocess.run(
            command,
            check=False,
            capture_output=True,
            text=True,
            timeout=seconds,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return ""
    return done.stdout if done.returncode == 0 else ""


def child_environment() -> dict[str, str]:
    """The caller's environment without what would lead pip or Python out of .venv."""
    unwanted = {"PYTHONHOME", "PYTHONPATH", "PIP_USER", "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT"}
    kept = {key: value for key, value in os.environ.items() if key not in unwanted}
    return kept | {"PYTHONNOUSERSITE": "1", "PYTHONIOENCODING": "utf-8"}


@contextlib.contextmanager
def step(number: str, title: str) -> Iterator[None]:
    """Announce a step; a failure inside it says which step it was and what to do."""
    say(f"Step {number}: {title}")
    start = time.monotonic()
    try:
        yield
    except LaunchError as error:
        again = "Then run the same command again: it repairs what is there and goes on."
        raise LaunchError(f"Step {number} failed: {title}.\n{error}\n{again}") from error
    say(f"  done in {time.monotonic() - start:.0f} s")


def run(command: Sequence[str]) -> None:
    """Run a command, showing only large downloads; a LaunchError has its last lines and advice."""
    import subprocess

    lines: deque[str] = deque(maxlen=200)
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command,
        stdout=pipe,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        encoding="utf-8",
        errors="replace",
        env=child_environment(),
    ) as process:
        for line in process.stdout or ():
            lines.append(line.rstrip())
            if shown := notable(line):
                say(f"  {shown}")
    if process.returncode:
        raise failure("\n".join(lines), process.returncode)


def notable(line: str) -> str:
    """What of pip's chatter a waiting person wants to know."""
    large = re.search(r"Downloading .*?([^/\s]+?)-(\d[^-\s]*)-\S*whl\S* \(([\d.]+) MB\)", line)
    if large and float(large[3]) >= 20:
        return f"downloading {large[1]} {large[2]} ({float(large[3]):.0f} MB)"
    if line.startswith("Installing collected packages:"):
        return f"unpacking {line.count(',') + 1} packages"
    return ""


@dataclass(frozen=True)
class Advice:
    """What to do when a command's output matches; `elsewhere`: another index may have it."""

    pattern: str
    text: str
    elsewhere: bool = False


NO_ANSWER = (
    "name resolution|getaddrinfo|NewConnectionError|ConnectTimeout|ReadTimeout|unreachable"
    "|Connection (?:refused|reset|aborted)|No route to host"
)
ADVICE = (
    Advice("No space left|not enough space|Errno 28", "Free some disk space: 12 GB are enough."),
    Advice("Permission denied|Access is denied|Read-only file", "Make this folder writable."),
    Advice(
        "CERTIFICATE_VERIFY_FAILED|SSLError",
        "Set PIP_CERT to your network's certificate file.",
        elsewhere=True,
    ),
    Advice(
        "Tunnel connection|ProxyError|407 ",
        "Set HTTPS_PROXY (http://user:password@host:port) to your network's proxy.",
        elsewhere=True,
    ),
    Advice(
        NO_ANSWER,
        "Check the network; behind a mirror set PIP_INDEX_URL, behind a proxy HTTPS_PROXY.",
        elsewhere=True,
    ),
    Advice(
        "[Nn]o matching distribution|Could not find a version|ResolutionImpossible",
        "The package index lacks a pinned version: set PIP_INDEX_URL to a complete index, or undo "
        "your changes to constraints.txt.",
        elsewhere=True,
    ),
    Advice("", "Delete the folder .venv if the same error comes again."),
)


def failure(output: str, code: int) -> LaunchError:
    """The error for a failed command: its last lines and what to do about it."""
    lines = [line for line in output.splitlines() if line.strip()][-12:]
    advice = next(advice for advice in ADVICE if re.search(advice.pattern, output))
    text = "\n".join(["  | " + line for line in lines] or [f"  | (no output, exit code {code})"])
    kind = UnavailableError if advice.elsewhere else LaunchError
    return kind(f"{text}\nWhat to do: {advice.text}")
