"""Install torch, the other packages and Easel itself, exactly as the pins say."""

from __future__ import annotations

import platform
import re
from collections.abc import Sequence
from pathlib import Path

from launcher.environment import environment_version, installed_version, make_environment, pip
from launcher.gpu import detect_gpu
from launcher.layout import EXTRAS, NEEDS, Layout, Target, is_current, only_one, write_stamp
from launcher.network import reachable
from launcher.running import LaunchError, UnavailableError, output_of, run, say, step
from launcher.torch_choice import TORCH, TorchChoice, choose_torch, requested_torch

TORCH_LINE = "# --- torch's own libraries ---"

TORCH_WORKS = (
    "import torch, torchvision;"
    "torchvision.ops.nms(torch.tensor([[0., 0., 1., 1.]]), torch.tensor([1.]), 0.5)"
)

TORCH_ALONE_WORKS = "import torch; torch.ones(1)"


def ensure(layout: Layout, torch_request: str, purpose: str = "run", again: bool = False) -> None:
    """Install what a purpose needs, unless it is there; one launch at a time."""
    if not again and is_current(layout, torch_request, purpose):
        return
    with only_one(layout):
        if again or not is_current(layout, torch_request, "run"):
            say("Installing Easel; this takes a few minutes the first time.")
            install(layout, torch_request)
            say("Easel is installed.")
        if purpose == "test" and not is_current(layout, torch_request, "test"):
            install_test_tools(layout)
            write_stamp(layout, torch_request, "run", "test")
        if purpose in EXTRAS and not is_current(layout, torch_request, purpose):
            with step("1/1", f"install what {purpose} needs"):
                pins = str(layout.venv / "constraints.txt")
                pip(layout, "-c", pins, *layout.project()[purpose])
            there = [name for name in NEEDS if is_current(layout, torch_request, name)]
            write_stamp(layout, torch_request, *there, purpose)


def install(layout: Layout, torch_request: str) -> None:
    """Make or mend everything that running Easel needs."""
    layout.stamp.unlink(missing_ok=True)
    with step("1/4", "make the environment .venv"):
        make_environment(layout)
    write_stamp(layout, torch_request)
    target = Target(platform.system(), platform.machine(), environment_version(layout))
    choice = requested_torch(torch_request, lambda: automatic_choice(target))
    with step("2/4", f"install torch {choice.what}"):
        choice = install_torch(layout, choice, target)
    with step("3/4", "install the other packages"):
        install_packages(layout, choice, "build", "run")
    with step("4/4", "install Easel itself"):
        pip(layout, "--no-deps", "--no-build-isolation", "-e", str(layout.root))
        run([str(layout.python), "-c", "import webui"])
    write_stamp(layout, torch_request, "run")


def automatic_choice(target: Target) -> TorchChoice:
    """What fits this machine."""
    gpu = detect_gpu()
    choice = choose_torch(target.os_name, target.machine, gpu, target.python)
    if choice.lost:
        say(f"What is lost: {choice.lost}.")
    return choice


def install_torch(layout: Layout, choice: TorchChoice, target: Target) -> TorchChoice:
    """Install the pair, or what the choice names instead; return what it became."""
    while True:
        try:
            ready = reachable(choice, target)
            install_pair(layout, ready)
        except UnavailableError as error:
            if choice.instead is None:
                raise
            choice = choice.instead
            place = choice.index or "the package index"
            say(f"  {error}\n  Taking torch {choice.what} from {place} instead.")
            if choice.lost:
                say(f"  What is lost: {choice.lost}.")
        else:
            return ready


def install_pair(layout: Layout, choice: TorchChoice) -> None:
    """Install torch and torchvision from one place, with what they need, and try them."""
    source = ["--index-url", choice.index] if choice.index else []
    wanted = [spec.partition("==")[2].lstrip("=") for spec in choice.specs()]
    there = [installed_version(layout, name) for name in ("torch", "torchvision")]
    extra = ["--extra-index-url", choice.index] if choice.index else []
    if there[1] and not choice.torchvision:
        run([str(layout.python), "-m", "pip", "uninstall", "-y", "torchvision"])
    for again in (there[: len(wanted)] != wanted, True):
        if again:
            pip(layout, "--no-deps", *source, "--force-reinstall", *choice.specs())
        pip(layout, "-c", str(write_constraints(layout, choice)), *extra, *installed_pair(layout))
        program = TORCH_WORKS if choice.torchvision else TORCH_ALONE_WORKS
        if output_of([str(layout.python), "-c", program + "; print(1)"], 300):
            return
        say("  torch and torchvision do not work together; installing both again")
    raise broken_pair(layout, program)


def broken_pair(layout: Layout, program: str) -> LaunchError:
    """The reason why torch does not work, as Python tells it."""
    try:
        run([str(layout.python), "-c", program])
    except LaunchError as error:
        return UnavailableError(f"  torch does not work:\n{error}")
    return LaunchError("  torch works only at times; try again")


def installed_pair(layout: Layout) -> list[str]:
    """torch and, where it is, torchvision, exactly as installed."""
    versions = {name: installed_version(layout, name) for name in ("torch", "torchvision")}
    return [f"{name}=={version}" for name, version in versions.items() if version]


def constraints(pins: str, choice: TorchChoice, pair: Sequence[str]) -> str:
    """The pins that hold with this torch: its own libraries only where they are the pinned ones."""
    if choice.index or not choice.torch.endswith(f"=={TORCH}"):
        pins = pins.partition(TORCH_LINE)[0]
    kept = [line for line in pins.splitlines() if not re.match(r"torch(vision)?==", line)]
    return "\n".join([*kept, *pair, ""])


def write_constraints(layout: Layout, choice: TorchChoice) -> Path:
    """The constraints for the packages around an installed torch, as a file for pip."""
    path = layout.venv / "constraints.txt"
    path.write_text(constraints(layout.pins, choice, installed_pair(layout)), encoding="utf-8")
    return path


def install_packages(layout: Layout, choice: TorchChoice, *groups: str) -> None:
    """Install requirement lists of pyproject.toml at their pinned versions."""
    project = layout.project()
    wanted = [requirement for group in groups for requirement in project[group]]
    alone: list[str] = []
    if not choice.torchvision:  # open-clip-torch asks for torchvision; its vocabulary does not
        alone = [name for name in wanted if name.startswith("open-clip-torch")]
        wanted = [n for n in wanted if not n.startswith(("open-clip-torch", "torchvision"))]
    pins = str(write_constraints(layout, choice))
    pip(layout, "-c", pins, *wanted)
    if alone:
        pip(layout, "-c", pins, "--no-deps", *alone)


def install_test_tools(layout: Layout) -> None:
    """Install what the tests need beyond Easel."""
    pins = str(layout.venv / "constraints.txt")
    with step("test 1/2", "install the test tools"):
        pip(layout, "-c", pins, *layout.project()["test"])
    with step("test 2/2", "install the reference implementation"):
        if reference := layout.project()["reference"]:
            pip(layout, "-c", pins, "--no-deps", *reference)
