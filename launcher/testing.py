"""`launch.py test`: Chromium where it can be had, checks, and the suite."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence

from launcher.layout import Layout
from launcher.running import LaunchError, child_environment, output_of, run, say

PACKAGE_MANAGERS = (
    (
        "apt-get",
        True,
        (
            ("apt-get", "update"),
            ("env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "-y", "chromium"),
        ),
    ),
    ("dnf", True, (("dnf", "install", "-y", "chromium"),)),
    ("pacman", True, (("pacman", "-Sy", "--noconfirm", "chromium"),)),
    ("zypper", True, (("zypper", "--non-interactive", "install", "chromium"),)),
    ("apk", True, (("apk", "add", "chromium"),)),
    ("brew", False, (("brew", "install", "--cask", "chromium"),)),
)

BROWSERS = (
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


def install_browser() -> str:
    """Install Chromium through the system's package manager; return why it could not be done."""
    for program, needs_root, commands in PACKAGE_MANAGERS:
        if not shutil.which(program):
            continue
        prefix: tuple[str, ...] = ()
        if needs_root and getattr(os, "geteuid", lambda: 0)() != 0:
            prefix = ("sudo", "-n")
            if not output_of([*prefix, "echo", "yes"]):
                return f"installing it needs root: {' '.join(commands[-1])}"
        try:
            for command in commands:
                run([*prefix, *command])
        except (LaunchError, OSError) as error:
            return f"{program} failed: {str(error).splitlines()[-2:][0].strip(' |')}"
        return "" if find_browser() else f"{program} installed no working Chromium"
    return "no package manager that is known here; install Chromium or set EASEL_CHROMIUM"


def variables_of_tests() -> dict[str, str]:
    """Settings of a test run: threads, no hub, and where Chromium is or why there is none."""
    variables = {
        "OMP_NUM_THREADS": "1",
        "HF_HUB_OFFLINE": "1",
        "GRADIO_ANALYTICS_ENABLED": "False",
        "PYRIGHT_PYTHON_IGNORE_WARNINGS": "1",
        "PYTEST_XDIST_AUTO_NUM_WORKERS": str(min(os.cpu_count() or 1, 4)),
    }
    browser = find_browser()
    if browser is None:
        say("Installing Chromium for the tests in a browser ...")
        reason = install_browser()
        browser = find_browser()
        if browser is None:
            say(f"No Chromium, so all tests in a browser are skipped: {reason}.")
            return variables | {"EASEL_NO_CHROMIUM": reason}
    return variables | {"EASEL_CHROMIUM": browser}


def pytest_arguments(arguments: Sequence[str], long: bool) -> list[str]:
    """pytest's arguments: without `long` tests unless wanted, on several processes."""
    marks = [] if long or "-m" in arguments else ["-m", "not long"]
    serial = any(a.startswith(("-n", "--pdb", "-p")) for a in arguments)
    spread = [] if serial else ["-n", "auto", "--dist", "loadfile"]
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
