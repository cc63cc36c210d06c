"""`webui doctor`: what is installed, which device and models, what is wrong, how to mend it.

Each check is a function that yields findings. The device is asked by starting the real worker, so
what it says is what drawing will get.
"""

from __future__ import annotations

import json
import platform
import shutil
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

import psutil

from webui.app import make_executor, worker_module
from webui.catalog import Catalog
from webui.core.messages import WorkerReady
from webui.jobs import ExecutorEvent, WorkerLost
from webui.settings import Settings

PACKAGES = ("torch", "torchvision", "diffusers", "transformers", "gradio", "fastapi", "pillow")
LOW_DISK_GB = 2.0
LOW_MEMORY_GB = 4.0
WORKER_SECONDS = 180.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found; ``mend`` says what to do about it."""

    level: Literal["ok", "warning", "problem"]
    what: str
    mend: str = ""


def examine(settings: Settings, *, as_json: bool) -> int:
    """Print every finding; returns 1 if one of them is a problem, else 0."""
    findings: list[Finding] = []
    for check in (_python, _packages, _memory, _folders, _models, _device):
        for finding in check(settings):
            findings.append(finding)
            if not as_json:
                print(_line(finding), flush=True)  # noqa: T201 -- the command's output
    bad = sum(f.level == "problem" for f in findings)
    if as_json:
        print(json.dumps([asdict(f) for f in findings], ensure_ascii=False))  # noqa: T201
    else:
        print("Everything needed is there." if not bad else f"{bad} to mend.")  # noqa: T201
    return 1 if bad else 0


def _line(finding: Finding) -> str:
    mark = {"ok": "ok     ", "warning": "warning", "problem": "PROBLEM"}[finding.level]
    return f"{mark}  {finding.what}" + (f"\n         → {finding.mend}" if finding.mend else "")


def _python(_: Settings) -> Iterator[Finding]:
    where = f"Python {platform.python_version()} on {platform.system()} {platform.machine()}"
    yield Finding("ok", f"{where} ({sys.prefix})")


def _packages(_: Settings) -> Iterator[Finding]:
    for name in PACKAGES:
        try:
            yield Finding("ok", f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            mend = "Run `python launch.py install` again; it installs what is missing."
            yield Finding("problem", f"{name} is not installed", mend)


def _memory(_: Settings) -> Iterator[Finding]:
    memory = psutil.virtual_memory()
    free, total = memory.available / 2**30, memory.total / 2**30
    what = f"{free:.1f} of {total:.1f} GiB memory free"
    if free < LOW_MEMORY_GB:
        yield Finding("warning", what, "Close other programs before loading a full-size model.")
    else:
        yield Finding("ok", what)


def _folders(settings: Settings) -> Iterator[Finding]:
    paths = {"Output folder": settings.paths.outputs, "Data folder": settings.paths.data}
    for label, folder in paths.items():
        problem = _cannot_write(folder)
        if problem:
            mend = "Make it writable, or choose another with --output-dir or --data-dir."
            yield Finding("problem", f"{label} {folder}: {problem}", mend)
            continue
        free = shutil.disk_usage(folder).free / 2**30
        what = f"{label} {folder}: writable, {free:.1f} GiB free"
        if free < LOW_DISK_GB:
            yield Finding("warning", what, "Make room; pictures and models need space.")
        else:
            yield Finding("ok", what)


def _cannot_write(folder: Path) -> str | None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".doctor-"):
            return None
    except OSError as error:
        return error.strerror or str(error)


def _models(settings: Settings) -> Iterator[Finding]:
    with closing(Catalog(settings.paths.models)) as catalog:
        found, problems = catalog.checkpoints(), catalog.problems()
        upscalers = catalog.upscalers()
    for ref in found:
        size = f"native size {ref.native_size}"
        yield Finding("ok", f"Checkpoint {ref.name}: {ref.family}, {ref.prediction}, {size}")
    for name, sentence in problems:
        yield Finding("warning", f"{name}: {sentence}", "It is left out of the checkpoint list.")
    for file in upscalers.files:
        yield Finding("ok", f"Upscaler {file.ref.name}: enlarges {file.scale} times")
    for name, info in upscalers.problems:
        yield Finding("warning", f"{name}: {info.message}", "It is left out of the upscalers.")
    if not found:
        folder = settings.paths.models / "checkpoints"
        mend = f"Put a Stable Diffusion 1.x .safetensors file into {folder}."
        yield Finding("problem", "No checkpoint can be used", mend)


def _device(settings: Settings) -> Iterator[Finding]:
    answers: list[WorkerReady | WorkerLost] = []
    answered = threading.Event()

    def listen(event: ExecutorEvent) -> None:
        if isinstance(event, WorkerReady | WorkerLost):
            answers.append(event)
            answered.set()

    with closing(make_executor(settings, worker_module())) as executor:
        executor.start(listen)
        answered.wait(WORKER_SECONDS)
    match answers[:1]:
        case [WorkerReady() as ready]:
            yield Finding("ok", f"Draws on {ready.device} in {ready.dtype} (torch {ready.torch})")
        case [WorkerLost() as lost]:
            mend = "Run `python launch.py install` again, or choose a device with --device."
            yield Finding("problem", f"The drawing process does not start: {lost.reason}", mend)
        case _:
            what = f"The drawing process did not answer within {WORKER_SECONDS:.0f} s"
            yield Finding("problem", what, "Look at the messages above; try --device cpu.")
