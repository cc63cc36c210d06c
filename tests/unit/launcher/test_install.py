"""The installation as it happens: real pip, a tiny project, wheels from a folder."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from launcher.environment import (
    PipWay,
    has_pip,
    make_environment,
    pip_from_pip,
    pip_from_wheel,
    site_packages,
)
from launcher.layout import Layout, Target, is_current, read_stamp, write_stamp
from launcher.packages import constraints, ensure, install_torch
from launcher.running import LaunchError, run
from launcher.torch_choice import TorchChoice, pypi_pair
from tests.unit.launcher.project import (
    NMS,
    TENSOR,
    bundled_pip,
    write_project,
    write_wheel,
    write_wheels,
)

ROOT = Path(__file__).resolve().parents[3]
TARGET = Target("Linux", "x86_64", (3, 12))


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all wheels of the tiny project."""
    folder = tmp_path_factory.mktemp("wheels")
    write_wheels(folder)
    return folder


@pytest.fixture(scope="module", autouse=True)
def offline(wheels: Path) -> Iterator[None]:
    """pip finds only the folder of wheels."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIP_CONFIG_FILE", os.devnull)
        patch.setenv("PIP_NO_INDEX", "1")
        patch.setenv("PIP_FIND_LINKS", str(wheels))
        yield


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory, offline: None) -> Layout:
    """The tiny project, installed once by the command line."""
    layout = write_project(tmp_path_factory.mktemp("project"))
    done = command_line(layout, "install", "--torch", "pypi")
    assert done.returncode == 0, done.stderr
    assert all(f"Step {number}/4" in done.stderr for number in range(1, 5))
    return layout


@pytest.fixture
def layout(installed: Layout) -> Iterator[Layout]:
    """The installed project; a test may change its files."""
    kept = {
        name: (installed.root / name).read_text() for name in ("constraints.txt", "pyproject.toml")
    }
    yield installed
    for name, text in kept.items():
        (installed.root / name).write_text(text)


def command_line(layout: Layout, *arguments: str) -> subprocess.CompletedProcess[str]:
    """What `python launch.py ARGUMENTS` does in the tiny project."""
    program = (
        "import sys, pathlib; from launcher.command import main;"
        f"sys.exit(main(sys.argv[1:], pathlib.Path({str(layout.root)!r})))"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", program, *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


def test_arguments_reach_webui_and_nothing_is_installed_again(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_FIND_LINKS", "/nonexistent")
    done = command_line(layout, "--port", "7861", "--auth", "a:b c")
    assert done.stderr == ""
    assert json.loads(done.stdout) == ["serve", "--port", "7861", "--auth", "a:b c"]
    assert json.loads(command_line(layout, "generate", "x").stdout) == ["generate", "x"]


def test_what_is_pinned_is_installed_and_no_test_tool(layout: Layout) -> None:
    names = {path.name for path in site_packages(layout).glob("*.dist-info")}
    assert {"alpha-1.0.dist-info", "torch-2.15.0.dist-info", "easel-1.dist-info"} <= names
    assert not any(name.startswith(("beta", "gamma")) for name in names)


def test_the_choice_of_torch_is_remembered(layout: Layout) -> None:
    assert read_stamp(layout)["torch"] == "pypi"
    assert is_current(layout, "pypi", "run")
    assert not is_current(layout, "cpu", "run")


@pytest.mark.parametrize(
    ("name", "old", "new", "current"),
    [
        ("constraints.txt", "gamma==1.0", "gamma==2.0", False),
        ("pyproject.toml", '"torchvision"]', '"torchvision", "alpha>=1"]', False),
        ("pyproject.toml", 'version = "1"', 'version = "2"', True),
    ],
)
def test_what_makes_it_install_again(
    layout: Layout, name: str, old: str, new: str, current: bool
) -> None:
    path = layout.root / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    assert is_current(layout, "pypi", "run") is current


def test_a_failed_step_is_told_and_the_next_run_repairs(layout: Layout) -> None:
    pins = layout.root / "constraints.txt"
    before = pins.read_text()
    pins.write_text(before.replace("alpha==1.0", "alpha==9"))
    done = command_line(layout, "install")
    assert done.returncode == 1
    told = done.stderr.partition("Step 3/4 failed: install the other packages.")[2]
    assert "alpha==9" in told
    assert "What to do: The package index lacks a pinned version" in told
    assert "run the same command again" in told
    assert read_stamp(layout) == {"torch": "pypi"}
    pins.write_text(before)
    assert command_line(layout, "install").returncode == 0
    assert is_current(layout, "pypi", "run")


def test_half_installed_packages_are_repaired(layout: Layout) -> None:
    site = site_packages(layout)
    (site / "alpha.py").unlink()
    (site / "torch.py").write_text("cut sh")
    (site / "torchvision-0.29.2.dist-info/RECORD").unlink()
    (site / "~orch").mkdir()
    write_stamp(layout, "pypi")
    ensure(layout, "pypi")
    assert is_current(layout, "pypi", "run")
    run([str(layout.python), "-c", "import alpha, torch; torch.tensor"])
    assert (site / "torchvision-0.29.2.dist-info/RECORD").exists()
    assert not (site / "~orch").exists()


def test_test_tools_have_a_stamp_of_their_own(layout: Layout) -> None:
    assert not is_current(layout, "pypi", "test")
    ensure(layout, "pypi", "test")
    assert is_current(layout, "pypi", "test")
    assert is_current(layout, "pypi", "run")
    assert (site_packages(layout) / "beta-1.0.dist-info").exists()
    assert (site_packages(layout) / "gamma-1.0.dist-info").exists(), "without what gamma asks for"


def test_a_flag_brings_the_packages_it_needs(layout: Layout) -> None:
    ensure(layout, "pypi", "test")
    assert not is_current(layout, "pypi", "mcp")
    done = command_line(layout, "--mcp")
    assert "install what mcp needs" in done.stdout + done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == ["serve", "--mcp"]
    assert all(is_current(layout, "pypi", purpose) for purpose in ("run", "test", "mcp"))
    assert json.loads(command_line(layout, "--mcp").stdout) == ["serve", "--mcp"]


def test_a_pair_that_does_not_work_is_replaced(
    layout: Layout, wheels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A CPU torch beside a torchvision made for another one: nms is missing."""
    write_wheel(tmp_path, "torch", "2.15.0+cpu", TENSOR)
    write_wheel(tmp_path, "torchvision", "0.29.2+cpu", "ops = None\n")
    monkeypatch.setenv("PIP_FIND_LINKS", f"{wheels} {tmp_path}")
    pair = ("torch==2.15.0+cpu", "torchvision==0.29.2+cpu")
    broken = TorchChoice(None, *pair, "that is broken", "", pypi_pair("that works"))
    assert install_torch(layout, broken, TARGET) == broken.instead
    assert (site_packages(layout) / "torchvision.py").read_text() == NMS
    assert not list(site_packages(layout).glob("torch-*+cpu*"))


def test_a_pair_that_cannot_be_mended_says_why(
    layout: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_wheel(tmp_path, "torch", "2.15.0", TENSOR)
    write_wheel(tmp_path, "torchvision", "0.29.2", "ops = None\n")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    (site_packages(layout) / "torchvision.py").write_text("raise ImportError")
    with pytest.raises(LaunchError, match=r"torch does not work:\n(?s:.*)no attribute 'nms'"):
        install_torch(layout, pypi_pair(""), TARGET)


@pytest.mark.parametrize("way", [pip_from_pip, pip_from_wheel])
def test_an_environment_whose_python_is_gone_is_made_anew_without_ensurepip(
    way: PipWay,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("PIP_FIND_LINKS", str(bundled_pip().parent))
    layout = write_project(tmp_path)
    layout.python.parent.mkdir(parents=True)
    layout.python.symlink_to("/nonexistent/python")
    assert not is_current(layout, "pypi", "run")
    make_environment(layout, [way])
    assert has_pip(layout)
    assert "making a new one" in capsys.readouterr().err


def test_constraints_follow_the_torch_that_is_there() -> None:
    pins = (
        "alpha==1\ntorch==2.15.0\ntorchvision==0.29.2\n# --- torch's own libraries ---\ncuda==13\n"
    )
    pair = ["torch==2.15.0+cpu", "torchvision==0.29.2+cpu"]
    cpu = TorchChoice("https://index/cpu", pair[0], pair[1], "")
    assert constraints(pins, cpu, pair) == "alpha==1\ntorch==2.15.0+cpu\ntorchvision==0.29.2+cpu\n"
    own = constraints(pins, pypi_pair(""), ["torch==2.15.0"])
    assert [line for line in own.splitlines() if "==" in line] == [
        "alpha==1",
        "cuda==13",
        "torch==2.15.0",
    ]
