"""`launch.py test`: which tests run, and the exit status."""

import sys
from pathlib import Path

import pytest

from launcher.layout import Layout
from launcher.running import LaunchError
from launcher.testing import (
    PackageManager,
    find_browser,
    find_font,
    install_needs,
    pytest_arguments,
    run_tests,
    variables_of_tests,
)
from tests.unit.launcher.project import own_environment


@pytest.mark.parametrize(
    ("arguments", "long", "expected"),
    [
        ([], False, ["-m", "not long"]),
        ([], True, []),
        (["-k", "x"], False, ["-m", "not long"]),
        (["-m", "browser"], False, []),
    ],
)
def test_long_tests_are_left_out(arguments: list[str], long: bool, expected: list[str]) -> None:
    given = pytest_arguments(["-n0", *arguments], long)
    assert given == [*expected, "-n0", *arguments]


def test_files_are_spread_in_their_order() -> None:
    spread = ["-n", "auto", "--dist", "loadfile", "--no-loadscope-reorder"]
    assert pytest_arguments([], long=True) == spread


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Layout:
    """A project of one test, with a browser that is there."""
    monkeypatch.setenv("EASEL_CHROMIUM", sys.executable)
    monkeypatch.setenv("EASEL_EMOJI_FONT", __file__)
    monkeypatch.setenv("PYTEST_XDIST_AUTO_NUM_WORKERS", "0")
    layout = Layout(tmp_path / "project")
    own_environment(layout)
    (layout.root / "tests").mkdir()
    (layout.root / "pytest.ini").write_text("[pytest]\ntestpaths = tests\nmarkers = long: x\n")
    return layout


def write_test(layout: Layout, body: str) -> None:
    long = "@pytest.mark.long\ndef test_long():\n    pass\n"
    source = f"import pytest\n\ndef test_it():\n    {body}\n\n{long}"
    (layout.root / "tests/test_it.py").write_text(source)


def test_the_summary_comes_last(project: Layout, capfd: pytest.CaptureFixture[str]) -> None:
    write_test(project, "assert True")
    assert run_tests(project, [], checks=[("a check", ("this",))]) == 0
    assert "1 passed, 1 deselected" in capfd.readouterr().out.strip().splitlines()[-1]


def test_a_failed_check_fails_the_run(project: Layout, capfd: pytest.CaptureFixture[str]) -> None:
    write_test(project, "assert True")
    assert run_tests(project, [], checks=[("a check", ("no_such_tool",))]) == 1
    output = capfd.readouterr()
    assert "1 passed" in output.out
    assert "Failed before the tests: a check." in output.err


def test_a_failed_test_fails_the_run(project: Layout, capfd: pytest.CaptureFixture[str]) -> None:
    """--long adds tests, and with pytest arguments the checks are left out."""
    write_test(project, "assert False")
    checks = [("a check", ("no_such_tool",))]
    assert run_tests(project, ["--long", "-p", "no:cacheprovider"], checks) == 1
    output = capfd.readouterr()
    assert "1 failed, 1 passed" in output.out
    assert "a check" not in output.err


def test_the_browser_that_is_named_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EASEL_CHROMIUM", sys.executable)
    monkeypatch.setenv("EASEL_EMOJI_FONT", __file__)
    assert variables_of_tests()["EASEL_CHROMIUM"] == sys.executable
    monkeypatch.setenv("EASEL_CHROMIUM", "/nonexistent/chromium")
    with pytest.raises(LaunchError, match="EASEL_CHROMIUM names /nonexistent/chromium"):
        find_browser()


def test_the_lightest_browser_that_there_is_gets_installed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A package manager that knows one browser only, and keeps what it was asked."""
    asked = tmp_path / "asked"
    manager = tmp_path / "manager"
    manager.write_text(
        f'#!/bin/sh\necho "$*" >> {asked}\ncase "$*" in *" small "*) exit 1;; esac\n'
    )
    manager.chmod(0o755)
    known = PackageManager(
        str(manager),
        False,
        ((str(manager), "update"),),
        (str(manager), "-y"),
        ("small", "big"),
        "font",
    )
    monkeypatch.setattr("launcher.testing.PACKAGE_MANAGERS", (known,))
    found = {"browser": lambda: "it", "font": lambda: "it"}
    monkeypatch.setattr("launcher.testing.NEEDS", found)
    assert install_needs(["browser", "font"]) == ""
    assert install_needs(["font"]) == ""
    lines = asked.read_text().splitlines()
    assert lines == ["update", "-y small font", "-y big font", "update", "-y font"]


def test_the_font_that_is_named_is_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("EASEL_CHROMIUM", sys.executable)
    monkeypatch.setenv("EASEL_EMOJI_FONT", str(tmp_path / "own.ttf"))
    with pytest.raises(LaunchError, match=r"EASEL_EMOJI_FONT names .*own\.ttf"):
        find_font()
    (tmp_path / "own.ttf").touch()
    assert variables_of_tests()["EASEL_EMOJI_FONT"] == str(tmp_path / "own.ttf")


def test_a_font_in_a_users_folder_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("EASEL_EMOJI_FONT", raising=False)
    monkeypatch.setattr("launcher.testing.FONT_FOLDERS", (str(tmp_path),))
    assert find_font() is None
    (tmp_path / "noto").mkdir()
    (tmp_path / "noto" / "NotoColorEmoji.ttf").touch()
    assert find_font() == str(tmp_path / "noto" / "NotoColorEmoji.ttf")
