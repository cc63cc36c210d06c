"""`launch.py test`: Chromium where it can be had, checks, and the suite."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from launcher.layout import Layout
from launcher.running import LaunchError, child_environment, output_of, run, say


class PackageManager(NamedTuple):
    """How a system installs what tests need: commands before, the command, and the packages.

    Of the browsers the first that there is: Chromium without a window's parts is smaller, and a
    quarter faster in these tests.
    """

    program: str
    needs_root: bool
    before: tuple[tuple[str, ...], ...]
    install: tuple[str, ...]
    browsers: tuple[str, ...]
    font: str


PACKAGE_MANAGERS = (
    PackageManager(
        "apt-get",
        True,
        (("apt-get", "update"),),
        ("env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "-y"),
        ("chromium-headless-shell", "chromium"),
        "fonts-noto-color-emoji",
    ),
    PackageManager(
        "dnf",
        True,
        (),
        ("dnf", "install", "-y"),
        ("chromium",),
        "google-noto-color-emoji-fonts",
    ),
    PackageManager(
        "pacman", True, (), ("pacman", "-Sy", "--noconfirm"), ("chromium",), "noto-fonts-emoji"
    ),
    PackageManager(
        "zypper",
        True,
        (),
        ("zypper", "--non-interactive", "install"),
        ("chromium",),
        "google-noto-coloremoji-fonts",
    ),
    PackageManager("apk", True, (), ("apk", "add"), ("chromium",), "font-noto-emoji"),
    PackageManager(
        "brew", False, (), ("brew", "install", "--cask"), ("chromium",), "font-noto-color-emoji"
    ),
)

FONT_FILE = "NotoColorEmoji.ttf"
FONT_FOLDERS = ("/usr/share/fonts", "~/.local/share/fonts", "~/.fonts", "~/Library/Fonts")

BROWSERS = (
    "chromium-headless-shell",
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    r"C:\Program Files\Google\Chrome\Application\chrome.exe",
    r"C:\Program Files (x86)\Microsoft\Edge\Application\msedge.exe",
)

Check = tuple[str, tuple[str, ...]]
CHECKS: tuple[Check, ...] = (
    ("ruff check", ("ruff", "check", ".")),
    ("ruff format", ("ruff", "format", "--check", ".")),
    ("pyright", ("pyright", "--pythonpath", "{python}")),
)


def find_browser() -> str | None:
    """A Chromium or a relative of it that starts; EASEL_CHROMIUM names another one."""
    own = os.environ.get("EASEL_CHROMIUM")
    for name in (own,) if own else BROWSERS:
        path = shutil.which(name)
        if path and (os.name == "nt" or output_of([path, "--version"])):
            return path
    if own:
        raise LaunchError(f"EASEL_CHROMIUM names {own}, which does not start.")
    return None


def find_font() -> str | None:
    """Noto Color Emoji, which rendered test pictures are drawn with; EASEL_EMOJI_FONT names it."""
    own = os.environ.get("EASEL_EMOJI_FONT")
    if own:
        if Path(own).is_file():
            return own
        raise LaunchError(f"EASEL_EMOJI_FONT names {own}, which is no file.")
    folders = (Path(folder).expanduser() for folder in FONT_FOLDERS)
    return next((str(path) for folder in folders for path in folder.rglob(FONT_FILE)), None)


NEEDS = {"browser": find_browser, "font": find_font}


def install_needs(needs: Sequence[str]) -> str:
    """Install "browser" and "font" through the system's package manager; return why it failed."""
    for manager in PACKAGE_MANAGERS:
        if not shutil.which(manager.program):
            continue
        prefix: tuple[str, ...] = ()
        if manager.needs_root and getattr(os, "geteuid", lambda: 0)() != 0:
            prefix = ("sudo", "-n")
            if not output_of([*prefix, "echo", "yes"]):
                return f"installing it needs root: {' '.join(commands_of(manager, needs)[-1])}"
        try:
            for command in manager.before:
                run([*prefix, *command])
            for command in (commands := commands_of(manager, needs)):
                try:
                    run([*prefix, *command])
                    break
                except LaunchError:
                    if command == commands[-1]:
                        raise
        except (LaunchError, OSError) as error:
            return f"{manager.program} failed: {str(error).splitlines()[-2:][0].strip(' |')}"
        lacking = [need for need in needs if NEEDS[need]() is None]
        return f"{manager.program} installed no working {lacking[0]}" if lacking else ""
    return "no package manager that is known here; install it, or name it in the environment"


def commands_of(manager: PackageManager, needs: Sequence[str]) -> list[tuple[str, ...]]:
    """What installs them, the best first; each is tried where those before failed."""
    fonts = [manager.font] if "font" in needs else []
    if "browser" not in needs:
        return [(*manager.install, *fonts)]
    return [(*manager.install, browser, *fonts) for browser in manager.browsers]


def variables_of_tests() -> dict[str, str]:
    """Settings of a test run: threads, no hub, and where Chromium is or why there is none."""
    variables = {
        "OMP_NUM_THREADS": "1",
        "HF_HUB_OFFLINE": "1",
        "GRADIO_ANALYTICS_ENABLED": "False",
        "PYRIGHT_PYTHON_IGNORE_WARNINGS": "1",
        "PYTEST_XDIST_AUTO_NUM_WORKERS": str(min(os.cpu_count() or 1, 4)),
    }
    lacking = [need for need, find in NEEDS.items() if find() is None]
    reason = ""
    if lacking:
        say("Installing Chromium and an emoji font for the tests ...")
        reason = install_needs(lacking)
    font, browser = find_font(), find_browser()
    if font is None:
        say(f"No Noto Color Emoji, so tests on rendered pictures fail: {reason}.")
    else:
        variables["EASEL_EMOJI_FONT"] = font
    if browser is None:
        say(f"No Chromium, so all tests in a browser are skipped: {reason}.")
        return variables | {"EASEL_NO_CHROMIUM": reason}
    return variables | {"EASEL_CHROMIUM": browser}


def pytest_arguments(arguments: Sequence[str], long: bool) -> list[str]:
    """pytest's arguments: without `long` tests unless wanted, on several processes.

    Files are handed out in their order, not by their number of tests: the one that takes a minute
    has a single test and would come last, alone.
    """
    marks = [] if long or "-m" in arguments else ["-m", "not long"]
    serial = any(a.startswith(("-n", "--pdb", "-p")) for a in arguments)
    spread = [] if serial else ["-n", "auto", "--dist", "loadfile", "--no-loadscope-reorder"]
    return [*marks, *spread, *arguments]


def run_tests(layout: Layout, arguments: Sequence[str], checks: Sequence[Check] = CHECKS) -> int:
    """Checks, then pytest, whose summary comes last; the exit status of the first that failed."""
    import subprocess

    long = "--long" in arguments
    arguments = [argument for argument in arguments if argument != "--long"]
    environment = variables_of_tests() | child_environment()

    def call(*command: str) -> int:
        words = [word.replace("{python}", str(layout.python)) for word in command]
        full = [str(layout.python), "-P", "-m", *words]
        stdin = None if sys.stdin and sys.stdin.isatty() else subprocess.DEVNULL
        return subprocess.call(full, cwd=layout.root, env=environment, stdin=stdin)

    failed = {}
    for name, command in () if arguments else checks:
        say(f"Check: {name}")
        if status := call(*command):
            failed[name] = status
    status = call("pytest", *pytest_arguments(arguments, long))
    if failed:
        say(f"Failed before the tests: {', '.join(failed)}.")
    return status or next(iter(failed.values()), 0)
