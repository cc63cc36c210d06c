"""Where to compute, in what precision and memory layout, chosen by what the device is good at.

Measured on a CPU with AVX512-BF16 and AMX, two cores: a full-size SD 1.5 step takes 7.0 s in
float32, 2.8 s in bfloat16 and 2.0 s in bfloat16 with channels last; a UNet of 7.5 million weights
takes the same time in all of them, so small models stay in float32.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import torch

from webui.core.errors import SetupError

DTYPES = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}
_SPELLINGS = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16", "half": "float16"}

SMALL_MODEL = 100_000_000
"""Weights below which a CPU gains nothing from half the precision, in a UNet ..."""
SMALL_DECODER = 25_000_000
"""... and in a VAE's encoder and decoder together."""

_CUDA_RESERVE = 1 << 30
_HOST_RESERVE = 1 << 30
_CONTROL_GROUPS = Path("/sys/fs/cgroup")


@dataclass(frozen=True, slots=True)
class Machine:
    """The device a worker owns, and the choices that follow from it.

    ``dtype`` is what full-size models compute in, ``forced`` whether the user said so (then small
    models do too).
    """

    device: torch.device
    dtype: torch.dtype
    forced: bool = False

    @classmethod
    def choose(cls, device: str = "auto", dtype: str = "auto") -> Machine:
        """The machine for settings' names; ``SetupError`` if there is no such thing here."""
        place = choose_device(device)
        name = _SPELLINGS.get(dtype.lower(), dtype.lower())
        if name == "auto":
            return cls(place, _good_dtype(place))
        if name not in DTYPES:
            raise SetupError(f"There is no dtype {dtype!r}; known are auto, {', '.join(DTYPES)}.")
        return cls(place, DTYPES[name], forced=True)

    @property
    def name(self) -> str:
        """The device's name for a person."""
        if self.device.type == "cuda":
            return torch.cuda.get_device_name(self.device)
        if self.device.type == "xpu":
            return torch.xpu.get_device_name(self.device)
        if self.device.type == "mps":
            return f"Apple {platform.processor() or 'GPU'}"
        return f"CPU, {torch.get_num_threads()} threads"

    def compute_dtype(self, weights: int) -> torch.dtype:
        """What a denoiser of that many weights computes in."""
        if self.device.type == "cpu" and weights < SMALL_MODEL and not self.forced:
            return torch.float32
        return self.dtype

    def text_dtype(self, weights: int) -> torch.dtype:
        """What a text encoder computes in: it runs once a prompt, so a CPU affords float32."""
        if self.device.type == "cpu" and not self.forced:
            return torch.float32
        return self.compute_dtype(weights)

    def decode_dtype(self, weights: int) -> torch.dtype:
        """What a VAE decoder computes in; float16 overflows in many, so bfloat16 comes first."""
        if self.device.type == "cpu" and weights < SMALL_DECODER and not self.forced:
            return torch.float32
        if self.dtype is torch.float16 and _has_bfloat16(self.device):
            return torch.bfloat16
        return self.dtype

    def pixel_dtype(self, weights: int) -> torch.dtype:  # noqa: ARG002  as the others
        """What a model from pictures to pictures computes in: half the precision on a GPU only, and
        never bfloat16, whose 8 bits would be seen in 8-bit pictures."""
        halves = self.device.type in ("cuda", "xpu") and self.dtype is not torch.float32
        return torch.float16 if halves else torch.float32

    @property
    def memory_format(self) -> torch.memory_format:
        """The layout convolutions are fastest in."""
        fast = self.device.type in ("cpu", "cuda", "xpu")
        return torch.channels_last if fast else torch.contiguous_format

    @property
    def has_own_memory(self) -> bool:
        """Whether the device's memory is another than the host's."""
        return self.device.type in ("cuda", "xpu")

    def free_memory(self) -> int:
        """Bytes that models may still take, with a reserve for computing kept back."""
        if self.device.type == "cuda":
            free, _total = torch.cuda.mem_get_info(self.device)
            unused = torch.cuda.memory_reserved(self.device) - torch.cuda.memory_allocated(
                self.device
            )
            return free + unused - _CUDA_RESERVE
        if self.device.type == "xpu":
            free, _total = torch.xpu.mem_get_info(self.device)
            return free - _CUDA_RESERVE
        return host_memory()

    def empty_cache(self) -> None:
        """Give memory that nothing uses back to the system."""
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        elif self.device.type == "xpu":
            torch.xpu.empty_cache()
        elif self.device.type == "mps":
            torch.mps.empty_cache()


def host_memory(groups: Path = _CONTROL_GROUPS) -> int:
    """Bytes of host memory that models may still take, within what a container leaves."""
    return min([psutil.virtual_memory().available, *_left_in(groups)]) - _HOST_RESERVE


def _left_in(groups: Path) -> Iterator[int]:
    """Bytes left of each memory limit of this process's control groups, of version 2 or 1.

    Files that are only cached do not count as taken: they are dropped when memory is short.
    """
    for limit, taken in (
        ("memory.max", "memory.current"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
    ):
        try:
            most, used = (int((groups / name).read_text()) for name in (limit, taken))
            stat = (groups / limit).with_name("memory.stat").read_text()
        except (OSError, ValueError):  # no such limit; without one the file says "max"
            continue
        found = dict(line.split() for line in stat.splitlines())
        yield most - used + int(found.get("inactive_file", 0))


def choose_device(name: str = "auto") -> torch.device:
    """The device of that name, "auto" the best there is; ``SetupError`` if it is not here."""
    available = _available()
    if name.lower() == "auto":
        return torch.device(available[0])
    try:
        device = torch.device(name.lower())
    except RuntimeError:
        raise SetupError(
            f"There is no device {name[:60]!r}; here are auto, {', '.join(available)}."
        ) from None
    count = _count(device.type) if device.type in available else 0
    if (device.index or 0) >= count:
        raise SetupError(
            f"The device {name!r} is not available; here are auto, {', '.join(available)}."
        )
    return device


def physical_cores() -> int:
    """Cores this process may use, without their second hardware threads."""
    physical = psutil.cpu_count(logical=False) or os.cpu_count() or 1
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else physical
    return max(1, min(physical, usable))


def set_threads() -> None:
    """One computing thread per physical core, unless OMP_NUM_THREADS says otherwise."""
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(physical_cores())


def _available() -> list[str]:
    """Device types that are here, the best first."""
    return [kind for kind in ("cuda", "xpu", "mps", "cpu") if _count(kind)]


def _count(kind: str) -> int:
    if kind == "cuda":
        return torch.cuda.device_count() if torch.cuda.is_available() else 0
    if kind == "xpu":
        return torch.xpu.device_count() if torch.xpu.is_available() else 0
    if kind == "mps":
        return int(torch.backends.mps.is_available())
    return int(kind == "cpu")


def _good_dtype(device: torch.device) -> torch.dtype:
    if device.type == "cpu":
        return torch.bfloat16 if _cpu_has_bfloat16() else torch.float32
    return torch.float16


def _has_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return device.type == "xpu" or (device.type == "cpu" and _cpu_has_bfloat16())


def _cpu_has_bfloat16() -> bool:
    """Whether the CPU multiplies bfloat16 itself (AVX512-BF16 or AMX), so that it is faster."""
    cpu: Any = torch.cpu
    probes = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(cpu, probe, bool)() for probe in probes)
