"""Which build of torch and torchvision fits a machine: a pure function of what was found there."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from launcher.running import LaunchError

OLDEST, NEWEST = (3, 11), (3, 14)

TORCH, TORCHVISION = "2.15.0", "0.29.2"

TORCH_HOST = "https://download.pytorch.org/whl"


@dataclass(frozen=True)
class GpuInfo:
    """What was found: vendor ("nvidia", "amd" or ""), driver version, compute capability."""

    vendor: str = ""
    driver: tuple[int, ...] = ()
    capability: tuple[int, int] | None = None
    name: str = ""


@dataclass(frozen=True)
class TorchChoice:
    """One pair of torch and torchvision, always from the same place; `index` None = pip's own.

    `lost` says what this choice gives up; `instead` is taken when this one cannot be had.
    """

    index: str | None
    torch: str
    torchvision: str | None
    what: str
    lost: str = ""
    instead: TorchChoice | None = None

    def specs(self) -> list[str]:
        """Requirements for pip."""
        return [spec for spec in (self.torch, self.torchvision) if spec]


@dataclass(frozen=True)
class CudaBuild:
    """A CUDA build of torch: the oldest driver and the range of GPUs it serves."""

    tag: str
    torch: str
    torchvision: str
    driver: int
    oldest: tuple[int, int]
    newest: tuple[int, int]

    def serves(self, gpu: GpuInfo) -> bool:
        """Whether driver and GPU fit; an unknown capability counts as a current GPU."""
        capability = gpu.capability or (8, 0)
        return gpu.driver[:1] >= (self.driver,) and self.oldest <= capability <= self.newest


# torch 2.14 is the last with CUDA 12 and with GPUs older than Turing (7.5).
CUDA_BUILDS = (
    CudaBuild("cu132", TORCH, TORCHVISION, 580, (7, 5), (99, 0)),
    CudaBuild("cu130", TORCH, TORCHVISION, 580, (7, 5), (99, 0)),
    CudaBuild("cu126", "2.14.1", "0.29.1", 525, (5, 0), (9, 0)),
)

ROCM_BUILDS = (("rocm7.14", TORCH, TORCHVISION), ("rocm7.2", "2.13.0", "0.28.0"))


def pypi_pair(what: str, lost: str = "") -> TorchChoice:
    """The pinned pair from pip's own index; `===` refuses a 2.15.0+cpu that lies in some folder."""
    return TorchChoice(None, f"torch==={TORCH}", f"torchvision==={TORCHVISION}", what, lost)


def from_host(tag: str, what: str, instead: TorchChoice | None, pair: Sequence[str]) -> TorchChoice:
    """A pair (torch, torchvision versions) from PyTorch's own index."""
    torch, torchvision = pair
    index = f"{TORCH_HOST}/{tag}"
    return TorchChoice(index, f"torch=={torch}", f"torchvision=={torchvision}", what, "", instead)


def choose_torch(
    os_name: str, machine: str, gpu: GpuInfo, python: tuple[int, int] = OLDEST
) -> TorchChoice:
    """Choose torch and torchvision together from OS, processor, GPU driver and Python version."""
    machine = {"amd64": "x86_64", "aarch64": "arm64"}.get(machine.lower(), machine.lower())
    if not OLDEST <= python <= NEWEST:
        raise LaunchError(f"Easel needs Python 3.11 to 3.14, this is {python[0]}.{python[1]}.")
    if os_name == "Darwin" and machine == "x86_64":
        raise LaunchError("PyTorch has no current version for Macs with Intel processors.")
    if os_name == "Darwin":
        return pypi_pair("for the Apple GPU (MPS)")
    if (os_name, machine) not in {("Linux", "x86_64"), ("Linux", "arm64"), ("Windows", "x86_64")}:
        raise LaunchError(f"PyTorch has no current version for {os_name} on {machine}.")
    if gpu.vendor == "nvidia":
        return choose_cuda(os_name, gpu)
    if gpu.vendor == "amd" and os_name == "Linux" and machine == "x86_64":
        return choose_rocm()
    return choose_cpu(os_name)


def choose_cuda(os_name: str, gpu: GpuInfo) -> TorchChoice:
    """The newest CUDA build that serves the GPU, then older ones, then the package index."""
    builds = [build for build in CUDA_BUILDS if build.serves(gpu)]
    if not builds:
        lost = f"the GPU: {why_no_cuda(gpu)}"
        return replace(choose_cpu(os_name), lost=lost)
    if os_name == "Windows":
        last = pypi_pair("for the CPU", "the GPU: this torch can only use the CPU")
    elif builds[0].tag == "cu126":
        last = pypi_pair("for CUDA 13.2", f"the GPU: {why_no_cuda(gpu)}")
    else:
        last = pypi_pair("for CUDA 13.2")
    for build in reversed(builds):
        what = f"for CUDA {build.tag[2:4]}.{build.tag[4:]}"
        last = from_host(build.tag, what, last, (build.torch, build.torchvision))
    return last


def why_no_cuda(gpu: GpuInfo) -> str:
    """Why the current CUDA build does not serve this GPU."""
    newest = CUDA_BUILDS[0]
    name = gpu.name or "the NVIDIA GPU"
    if gpu.capability and gpu.capability < newest.oldest:
        return f"current torch no longer supports {name}"
    driver = ".".join(map(str, gpu.driver)) or "unknown"
    return f"driver {driver} is too old for {name}, install {newest.driver} or newer"


def choose_rocm() -> TorchChoice:
    """ROCm builds, newest first."""
    last = pypi_pair("for the CPU", "the AMD GPU: this torch can only use the CPU")
    for tag, torch, torchvision in reversed(ROCM_BUILDS):
        last = from_host(tag, f"for ROCm {tag[4:]}", last, (torch, torchvision))
    return last


def choose_cpu(os_name: str) -> TorchChoice:
    """No usable GPU: on Linux the small CPU build, elsewhere the package index has just that."""
    if os_name != "Linux":
        return pypi_pair("for the CPU")
    bigger = pypi_pair("for the CPU", "about 4 GB of disk, taken by CUDA libraries not used here")
    return from_host("cpu", "for the CPU", bigger, (TORCH, TORCHVISION))


def requested_torch(request: str, automatic: Callable[[], TorchChoice]) -> TorchChoice:
    """Turn --torch into a choice; `automatic` is asked when it is "auto"."""
    if request == "auto":
        return automatic()
    if request == "pypi":
        return pypi_pair("from the package index")
    if re.fullmatch(r"cpu|xpu|cu\d+|rocm[\d.]+", request):
        known = {b.tag: (b.torch, b.torchvision) for b in CUDA_BUILDS}
        known |= {tag: (torch, vision) for tag, torch, vision in ROCM_BUILDS}
        return from_host(
            request, f"build {request}", None, known.get(request, (TORCH, TORCHVISION))
        )
    if re.match(r"(https?|file)://", request):
        index = request.rstrip("/")
        return TorchChoice(index, f"torch=={TORCH}", f"torchvision=={TORCHVISION}", "as asked")
    if re.fullmatch(r"torch\s*(===?|~=|!=|[<>]=?)[\w.+!*,<>=~ ]+", request):
        alone = TorchChoice(None, request, None, "as asked", "torchvision: no version matches")
        return TorchChoice(None, request, "torchvision", "as asked", "", alone)
    raise LaunchError(
        f"--torch {request!r} is not understood: give auto, cpu, cu132, rocm7.2, an https:// index "
        "or a version like torch==2.14.1."
    )
