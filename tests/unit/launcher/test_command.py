"""What the command line means."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import launch
from launcher.command import Call, main, split_arguments
from launcher.running import LaunchError

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("", Call("serve")),
        ("--port 7861 --share", Call("serve", ("--port", "7861", "--share"))),
        ("serve --auth a:b", Call("serve", ("--auth", "a:b"))),
        ("install", Call("install")),
        ("--torch cpu", Call("serve", torch="cpu")),
        ("--torch=cpu install", Call("install", torch="cpu")),
        ("install --torch cu126 --reinstall", Call("install", torch="cu126", again=True)),
        ("--port 1 --torch torch==2.14.1", Call("serve", ("--port", "1"), "torch==2.14.1")),
        ("generate cat --steps 3", Call("generate", ("cat", "--steps", "3"))),
        ("generate -- --torch x", Call("generate", ("--", "--torch", "x"))),
        ("generate --help", Call("generate", ("--help",))),
        ("--help", Call("help", help=True)),
        ("-h", Call("help", help=True)),
        ("test --long -k name", Call("test", ("--long", "-k", "name"))),
    ],
)
def test_split(line: str, expected: Call) -> None:
    assert split_arguments(line.split()) == expected


@pytest.mark.parametrize("line", ["--torch", "--torch --share", "--torch="])
def test_torch_needs_a_value(line: str) -> None:
    with pytest.raises(LaunchError, match="--torch needs a value"):
        split_arguments(line.split())


def test_errors_are_sentences_with_status_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["install", "surplus"], tmp_path) == 1
    assert "install takes no 'surplus'" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_help_works_without_an_environment(tmp_path: Path) -> None:
    (tmp_path / "launch.py").write_text((ROOT / "launch.py").read_text())
    (tmp_path / "launcher").symlink_to(ROOT / "launcher")
    command = [sys.executable, str(tmp_path / "launch.py"), "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/")
    assert done.returncode == 0
    for word in ("--torch", "--port", "--auth", "install", "generate", "doctor", "test"):
        assert word in done.stdout
    assert not (tmp_path / ".venv").exists()


@pytest.mark.parametrize(
    ("version", "is_64_bit", "told"),
    [
        ((3, 11, 0), True, ""),
        ((3, 14, 2), True, ""),
        ((3, 10, 9), True, "this is 3.10 with 64 bits"),
        ((3, 15, 0), True, "this is 3.15"),
        ((2, 7, 18), True, "this is 2.7"),
        ((3, 12, 1), False, "this is 3.12 with 32 bits"),
    ],
)
def test_which_python_will_do(version: tuple[int, ...], is_64_bit: bool, told: str) -> None:
    complaint = launch.complaint(version, is_64_bit)
    assert told in complaint
    assert bool(complaint) == bool(told)


def test_another_python_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / ("python3.12.exe" if os.name == "nt" else "python3.12")
    program.write_text("")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "Start it with: python3.12 launch.py" in launch.complaint((3, 9, 0), True)
    monkeypatch.setenv("PATH", "")
    assert "python.org" in launch.complaint((3, 9, 0), True)
