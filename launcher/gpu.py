"""Which GPU is in this machine, as its driver tells."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from launcher.running import output_of, read_text
from launcher.torch_choice import GpuInfo


def detect_gpu() -> GpuInfo:
    """Ask the NVIDIA driver, then the Linux kernel for an AMD GPU."""
    program = nvidia_smi()
    if program:
        query = "--query-gpu=driver_version,compute_cap,name"
        gpu = parse_nvidia_smi(output_of([program, query, "--format=csv,noheader"]))
        if gpu is None:  # drivers before 510 do not know compute_cap
            query = "--query-gpu=driver_version,name"
            gpu = parse_nvidia_smi(output_of([program, query, "--format=csv,noheader"]))
        if gpu is not None:
            return gpu
    nodes = Path("/sys/class/kfd/kfd/topology/nodes").glob("*/properties")
    is_gpu = re.compile(r"^gfx_target_version [1-9]", re.MULTILINE)
    return GpuInfo("amd") if any(is_gpu.search(read_text(node)) for node in nodes) else GpuInfo()


def parse_nvidia_smi(text: str) -> GpuInfo | None:
    """The most capable GPU in nvidia-smi's CSV (driver, capability if asked for, name)."""
    found: list[GpuInfo] = []
    for line in text.splitlines():
        row = [cell.strip() for cell in line.split(",")]
        if len(row) < 2 or not re.fullmatch(r"\d+(\.\d+)*", row[0]):
            continue
        driver = tuple(map(int, row[0].split(".")))
        match = re.fullmatch(r"(\d+)\.(\d+)", row[1])
        capability = (int(match[1]), int(match[2])) if match else None
        found.append(GpuInfo("nvidia", driver, capability, row[-1]))
    return max(found, key=lambda gpu: gpu.capability or (0, 0), default=None)


def nvidia_smi() -> str | None:
    """Path of nvidia-smi, also where Windows' Linux keeps it."""
    return shutil.which("nvidia-smi") or shutil.which("/usr/lib/wsl/lib/nvidia-smi")


def gpu_signature() -> list[str]:
    """Changes when a driver is installed, updated or removed; costs no process start."""
    program = nvidia_smi()
    stat = Path(program).stat() if program else None
    marks = [f"{program}:{stat.st_size}:{int(stat.st_mtime)}" if stat else ""]
    return [*marks, read_text(Path("/proc/driver/nvidia/version")), str(Path("/dev/kfd").exists())]
