"""Which torch fits which machine."""

import pytest

from launcher.gpu import parse_nvidia_smi
from launcher.running import LaunchError
from launcher.torch_choice import GpuInfo, TorchChoice, choose_torch, requested_torch

NONE = GpuInfo()
AMD = GpuInfo("amd")
PYPI = "the package index"


def nvidia(driver: int, capability: tuple[int, int] | None = (8, 9)) -> GpuInfo:
    return GpuInfo("nvidia", (driver, 10), capability, "Some Card")


def places(choice: TorchChoice | None) -> list[str]:
    """Where a pair is looked for, in order."""
    found: list[str] = []
    while choice:
        found.append((choice.index or PYPI).rpartition("/")[2])
        choice = choice.instead
    return found


@pytest.mark.parametrize(
    ("os_name", "machine", "gpu", "expected", "torch"),
    [
        ("Linux", "x86_64", NONE, ["cpu", PYPI], "2.15.0"),
        ("Linux", "aarch64", NONE, ["cpu", PYPI], "2.15.0"),
        ("Windows", "AMD64", NONE, [PYPI], "2.15.0"),
        ("Darwin", "arm64", NONE, [PYPI], "2.15.0"),
        ("Linux", "x86_64", nvidia(600), ["cu132", "cu130", "cu126", PYPI], "2.15.0"),
        ("Linux", "x86_64", nvidia(580), ["cu132", "cu130", "cu126", PYPI], "2.15.0"),
        ("Linux", "x86_64", nvidia(580, None), ["cu132", "cu130", "cu126", PYPI], "2.15.0"),
        ("Linux", "aarch64", nvidia(590, (9, 0)), ["cu132", "cu130", "cu126", PYPI], "2.15.0"),
        ("Linux", "x86_64", nvidia(590, (12, 0)), ["cu132", "cu130", PYPI], "2.15.0"),
        ("Linux", "x86_64", nvidia(579), ["cu126", PYPI], "2.14.1"),
        ("Linux", "x86_64", nvidia(525), ["cu126", PYPI], "2.14.1"),
        ("Linux", "x86_64", nvidia(580, (6, 1)), ["cu126", PYPI], "2.14.1"),
        ("Linux", "x86_64", nvidia(470), ["cpu", PYPI], "2.15.0"),
        ("Linux", "x86_64", nvidia(572, (12, 0)), ["cpu", PYPI], "2.15.0"),
        ("Linux", "x86_64", nvidia(470, (3, 5)), ["cpu", PYPI], "2.15.0"),
        ("Windows", "AMD64", nvidia(581), ["cu132", "cu130", "cu126", PYPI], "2.15.0"),
        ("Windows", "AMD64", nvidia(470), [PYPI], "2.15.0"),
        ("Linux", "x86_64", AMD, ["rocm7.14", "rocm7.2", PYPI], "2.15.0"),
        ("Windows", "AMD64", AMD, [PYPI], "2.15.0"),
    ],
)
def test_places_in_order(
    os_name: str, machine: str, gpu: GpuInfo, expected: list[str], torch: str
) -> None:
    choice = choose_torch(os_name, machine, gpu, (3, 12))
    assert places(choice) == expected
    assert choice.torch.endswith(f"=={torch}")
    assert choice.torchvision


@pytest.mark.parametrize("gpu", [NONE, AMD, nvidia(600), nvidia(530), nvidia(400)])
@pytest.mark.parametrize("os_name", ["Linux", "Windows"])
def test_pairs_belong_together(os_name: str, gpu: GpuInfo) -> None:
    pairs = {"2.15.0": "0.29.2", "2.14.1": "0.29.1", "2.13.0": "0.28.0"}
    choice: TorchChoice | None = choose_torch(os_name, "x86_64", gpu, (3, 11))
    while choice:
        torch, torchvision = (spec.partition("==")[2].lstrip("=") for spec in choice.specs())
        assert pairs[torch] == torchvision
        choice = choice.instead


@pytest.mark.parametrize(
    ("os_name", "gpu", "told"),
    [
        ("Linux", nvidia(470), "driver 470.10 is too old for Some Card, install 580 or newer"),
        ("Linux", nvidia(470, (3, 5)), "current torch no longer supports Some Card"),
        ("Windows", nvidia(470), "the GPU"),
        ("Linux", NONE, ""),
        ("Linux", nvidia(580), ""),
    ],
)
def test_what_is_lost_at_once(os_name: str, gpu: GpuInfo, told: str) -> None:
    lost = choose_torch(os_name, "x86_64", gpu, (3, 13)).lost
    assert told in lost
    assert bool(told) == bool(lost)


@pytest.mark.parametrize(
    ("os_name", "gpu", "told"),
    [
        ("Linux", NONE, "GB of disk"),
        ("Linux", nvidia(550), "driver 550.10 is too old"),
        ("Linux", nvidia(600), ""),
        ("Linux", AMD, "the AMD GPU"),
        ("Windows", nvidia(600), "the GPU"),
    ],
)
def test_what_the_package_index_loses(os_name: str, gpu: GpuInfo, told: str) -> None:
    choice = choose_torch(os_name, "x86_64", gpu, (3, 13))
    while choice.instead:
        choice = choice.instead
    assert told in choice.lost
    assert bool(told) == bool(choice.lost)


@pytest.mark.parametrize(
    ("os_name", "machine", "python", "told"),
    [
        ("Darwin", "x86_64", (3, 12), "Intel"),
        ("Linux", "riscv64", (3, 12), "riscv64"),
        ("Windows", "ARM64", (3, 12), "Windows on arm64"),
        ("FreeBSD", "amd64", (3, 12), "FreeBSD"),
        ("Linux", "x86_64", (3, 10), "Python 3.11 to 3.14"),
        ("Linux", "x86_64", (3, 15), "this is 3.15"),
    ],
)
def test_no_torch_for_it(os_name: str, machine: str, python: tuple[int, int], told: str) -> None:
    with pytest.raises(LaunchError, match=told):
        choose_torch(os_name, machine, NONE, python)


@pytest.mark.parametrize(
    ("request_", "index", "specs"),
    [
        ("pypi", None, ["torch===2.15.0", "torchvision===0.29.2"]),
        ("cpu", "https://download.pytorch.org/whl/cpu", ["torch==2.15.0", "torchvision==0.29.2"]),
        (
            "cu126",
            "https://download.pytorch.org/whl/cu126",
            ["torch==2.14.1", "torchvision==0.29.1"],
        ),
        ("https://a.b/c/", "https://a.b/c", ["torch==2.15.0", "torchvision==0.29.2"]),
        ("torch==2.14.1", None, ["torch==2.14.1", "torchvision"]),
        ("torch>=2.14,<2.15", None, ["torch>=2.14,<2.15", "torchvision"]),
    ],
)
def test_torch_option(request_: str, index: str | None, specs: list[str]) -> None:
    choice = requested_torch(request_, lambda: pytest.fail("not asked"))
    assert (choice.index, choice.specs()) == (index, specs)


def test_a_version_without_torchvision_is_taken_alone() -> None:
    alone = requested_torch("torch==2.16.0", lambda: pytest.fail("not asked")).instead
    assert alone
    assert alone.specs() == ["torch==2.16.0"]
    assert "torchvision" in alone.lost


@pytest.mark.parametrize("nonsense", ["cuda", "numpy==1", "torchvision==1", "-x", "torch; rm"])
def test_torch_option_not_understood(nonsense: str) -> None:
    with pytest.raises(LaunchError, match="is not understood"):
        requested_torch(nonsense, lambda: pytest.fail("not asked"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "580.65.06, 8.9, NVIDIA GeForce RTX 4090\n",
            GpuInfo("nvidia", (580, 65, 6), (8, 9), "NVIDIA GeForce RTX 4090"),
        ),
        (
            "580.65, 6.1, Old\n580.65, 12.0, New\n",
            GpuInfo("nvidia", (580, 65), (12, 0), "New"),
        ),
        ("470.10, Tesla K80\n", GpuInfo("nvidia", (470, 10), None, "Tesla K80")),
        ("NVIDIA-SMI has failed because it couldn't communicate with the driver", None),
        ("", None),
    ],
)
def test_what_nvidia_smi_says(text: str, expected: GpuInfo | None) -> None:
    assert parse_nvidia_smi(text) == expected
