"""A real Easel server in a process of its own, with a worker that draws flat colours."""

from __future__ import annotations

import json
import os
import signal
import socket
import struct
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.fakes import warm

ROOT = Path(__file__).resolve().parents[2]
WORKER = "tests.fakes.worker"
START_SECONDS = 30 * float(os.environ.get("EASEL_PATIENCE", "1"))


@dataclass
class Server:
    """A server on a port and folders of its own; it can be killed and started again."""

    folder: Path
    flags: tuple[str, ...] = ()
    port: int = 0
    worker: str = WORKER
    process: warm.Fork | subprocess.Popen[bytes] | None = None
    log: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def outputs(self) -> Path:
        return self.folder / "outputs"

    def start(self) -> None:
        """Start it and wait until it answers."""
        self.port = self.port or free_port()
        log = self.folder / "server.log"
        self.process = warm.serve(self._arguments(), self._environment(), log, ROOT)
        end = time.monotonic() + START_SECONDS
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > end:
                raise RuntimeError((self.folder / "server.log").read_text(encoding="utf-8"))
            time.sleep(0.05)

    def kill(self) -> None:
        """End it as a crash would."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it as Ctrl+C would."""
        self._end(signal.SIGINT)

    @property
    def go(self) -> Path:
        """The file that jobs with ``!hold`` in their prompt wait for."""
        return self.folder / "go"

    def let_go(self) -> None:
        """Let what holds go on."""
        self.go.touch()

    def hold(self) -> None:
        """Let whatever there is to draw be drawn; what comes then holds again."""
        self.let_go()
        end = time.monotonic() + START_SECONDS
        while self._busy() and time.monotonic() < end:
            time.sleep(0.05)
        self.go.unlink()

    def pictures(self) -> list[Path]:
        """The saved pictures, oldest first."""
        found = [p for p in self.outputs.rglob("*") if p.suffix == ".png"]
        return sorted(found, key=lambda p: p.stat().st_mtime_ns)

    def _end(self, number: signal.Signals) -> None:
        if self.process is None:
            return
        self.process.send_signal(number)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(10)
        self.process = None

    def _arguments(self) -> list[str]:
        folders = [f"--{name}-dir={self.folder / folder}" for name, folder in _FOLDERS.items()]
        return ["serve", "--no-browser", f"--port={self.port}", *folders, *self.flags]

    def _environment(self) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("EASEL_", "GRADIO_"))}
        own = {"EASEL_WORKER_MODULE": self.worker, "FAKE_WORKER_GO": str(self.go)}
        return {**kept, **own, "PYTHONPATH": str(ROOT)}

    def _busy(self) -> bool:
        with urllib.request.urlopen(f"{self.url}/api/v1/status") as answer:
            counts = json.load(answer)["queue"]
        return bool(counts["running"] or counts["queued"])

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/healthz", timeout=2) as answer:
                return answer.status == 200
        except OSError:
            return False


_FOLDERS = {"models": "models", "output": "outputs", "data": "data"}


@contextmanager
def running(folder: Path, *flags: str, worker: str = WORKER) -> Iterator[Server]:
    """A server that draws with two made-up checkpoints of different native sizes."""
    for name, size in (("first", 64), ("second", 128)):
        write_checkpoint(folder / "models" / "checkpoints" / name, size)
    server = Server(folder, flags, worker=worker)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def free_port() -> int:
    """A port nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def write_checkpoint(folder: Path, size: int) -> None:
    """A folder that is recognised as a Stable Diffusion 1.x checkpoint; its weights are empty."""
    files = {
        "model_index.json": {
            "_class_name": "StableDiffusionPipeline",
            "unet": ["diffusers", "UNet2DConditionModel"],
            "vae": ["diffusers", "AutoencoderKL"],
            "text_encoder": ["transformers", "CLIPTextModel"],
            "tokenizer": ["transformers", "CLIPTokenizer"],
            "scheduler": ["diffusers", "DDIMScheduler"],
        },
        "scheduler/scheduler_config.json": {"prediction_type": "epsilon"},
        "unet/config.json": {"sample_size": size // 8, "cross_attention_dim": 768},
        "vae/config.json": {"block_out_channels": [8, 8, 8, 8]},
        "text_encoder/config.json": {},
    }
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content), encoding="utf-8")
    header = json.dumps({"weight": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    weights = struct.pack("<Q", len(header)) + header + b"\0\0\0\0"
    (folder / "unet" / "diffusion_pytorch_model.safetensors").write_bytes(weights)
    (folder / "vae" / "diffusion_pytorch_model.safetensors").write_bytes(weights)
    (folder / "text_encoder" / "model.safetensors").write_bytes(weights)
