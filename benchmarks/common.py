"""Shared by the benchmarks: child processes, statistics, and where figures are written."""

from __future__ import annotations

import json
import os
import platform
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
STARTER = ROOT / "models" / "checkpoints" / "easel-starter"
RESULTS = ROOT / "benchmarks" / "results"


class JsonChild(AbstractContextManager["JsonChild"]):
    """A child process that answers each JSON line with a JSON line."""

    def __init__(self, argv: Sequence[str]) -> None:
        self.process = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
        )
        self.hello = self._answer()

    def ask(self, message: dict[str, Any]) -> dict[str, Any]:
        """Send one message and wait for its answer."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(message) + "\n")
        self.process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.process.args} ended with {self.process.wait()}.")
        return json.loads(line)

    def __exit__(self, *exc: object) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def python(script: str, *args: object) -> list[str]:
    """The command that runs ``benchmarks/<script>`` with this interpreter."""
    return [sys.executable, str(ROOT / "benchmarks" / script), *map(str, args)]


def median_interval(values: Sequence[float], rounds: int = 4000) -> dict[str, float]:
    """Median with its 95 % bootstrap interval (percentile method, fixed seed)."""
    rng = random.Random(0)
    medians = sorted(statistics.median(rng.choices(values, k=len(values))) for _ in range(rounds))
    return {
        "median": statistics.median(values),
        "low": medians[int(0.025 * rounds)],
        "high": medians[int(0.975 * rounds)],
        "n": len(values),
    }


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    model = platform.processor()
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    except OSError:
        pass
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
        "load_before": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
    }


def report(name: str, figures: dict[str, Any]) -> None:
    """Print the figures and keep them in ``benchmarks/results/<name>.json``."""
    RESULTS.mkdir(exist_ok=True)
    document = {"machine": machine(), "date": time.strftime("%Y-%m-%d"), **figures}
    text = json.dumps(document, indent=2)
    (RESULTS / f"{name}.json").write_text(text + "\n")
    print(text)


def memory_mb(pid: int) -> float:
    """Resident memory of a process in MB (Linux)."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return float("nan")


def cpu_seconds(pid: int) -> float:
    """CPU time a process has used so far, in seconds (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
