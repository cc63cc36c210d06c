"""Where things are, the stamp that makes the second start quick, and the lock."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from launcher.gpu import gpu_signature
from launcher.running import read_text, say

EXTRAS = ("mcp", "metrics")
"""Optional dependencies of pyproject.toml that a flag of `webui serve` of the same name needs."""
NEEDS = {
    "run": ("run",),
    "test": ("run", "test", "reference"),
    **{extra: ("run", extra) for extra in EXTRAS},
}


@dataclass(frozen=True)
class Target:
    """The Python and machine that is installed for."""

    os_name: str
    machine: str
    python: tuple[int, int]


@dataclass(frozen=True)
class Layout:
    """Where things are, all below the folder of this file."""

    root: Path

    @property
    def venv(self) -> Path:
        """The environment."""
        return self.root / ".venv"

    @property
    def python(self) -> Path:
        """Its Python."""
        windows = os.name == "nt"
        return self.venv / ("Scripts/python.exe" if windows else "bin/python")

    @property
    def stamp(self) -> Path:
        """Written after a complete installation, as its last act."""
        return self.venv / "easel-stamp.json"

    @property
    def pins(self) -> str:
        """Text of constraints.txt."""
        return read_text(self.root / "constraints.txt")

    def project(self) -> dict[str, list[str]]:
        """The requirement lists of pyproject.toml."""
        import tomllib

        data = tomllib.loads((self.root / "pyproject.toml").read_text(encoding="utf-8"))
        extras = data["project"].get("optional-dependencies", {})
        return {
            "build": data["build-system"]["requires"],
            "run": data["project"]["dependencies"],
            "test": extras.get("test", []),
            "reference": data.get("dependency-groups", {}).get("reference", []),
            **{extra: extras.get(extra, []) for extra in EXTRAS},
        }


def read_stamp(layout: Layout) -> dict[str, str]:
    """What the last complete installation left; empty when there is none."""
    try:
        data = json.loads(read_text(layout.stamp))
    except ValueError:
        return {}
    return data if isinstance(data, dict) else {}


def stamp_key(layout: Layout, torch_request: str, needs: Sequence[str]) -> str:
    """A hash of all that decides what is installed; of small files only, no process is started."""
    project = layout.project()
    parts = [layout.pins, torch_request, str(layout.root)]
    parts += [json.dumps(project[name]) for name in ("build", *needs)]
    parts += [read_text(layout.venv / "pyvenv.cfg"), os.path.realpath(layout.python)]
    if torch_request == "auto":
        parts += gpu_signature()
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def is_current(layout: Layout, torch_request: str, purpose: str) -> bool:
    """Whether everything for this purpose (a key of NEEDS) is installed as the pins say."""
    if not layout.python.exists():
        return False
    key = stamp_key(layout, torch_request, NEEDS[purpose])
    return read_stamp(layout).get(purpose) == key


def write_stamp(layout: Layout, torch_request: str, *purposes: str) -> None:
    """Record, atomically, what is now completely installed; the choice of torch in any case."""
    known = {"torch": torch_request}
    for purpose in purposes:
        known[purpose] = stamp_key(layout, torch_request, NEEDS[purpose])
    part = layout.stamp.with_suffix(".part")
    part.write_text(json.dumps(known), encoding="utf-8")
    part.replace(layout.stamp)


@contextlib.contextmanager
def only_one(layout: Layout) -> Iterator[None]:
    """Hold the lock beside .venv; the system frees it when the process ends, however it ends."""
    with (layout.root / ".venv.lock").open("a") as file:
        if not try_lock(file.fileno()):
            say("Another launch is installing in this folder; waiting until it is done ...")
            while not try_lock(file.fileno()):
                time.sleep(0.3)
        yield


def try_lock(descriptor: int) -> bool:
    """Take the lock if nobody holds it."""
    try:
        if os.name == "nt":
            import msvcrt

            os.lseek(descriptor, 0, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # pyright: ignore[reportAttributeAccessIssue]
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
