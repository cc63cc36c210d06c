"""A healthy .venv with pip in it, also where Python comes without pip."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from launcher.layout import Layout
from launcher.network import PACKAGE_INDEX, fetch, pip_setting, short
from launcher.running import LaunchError, UnavailableError, failure, output_of, read_text, run, say
from launcher.torch_choice import NEWEST, OLDEST

PipWay = Callable[[Layout], list[str]]


def pip(layout: Layout, *arguments: str) -> None:
    """Run `pip install` in the environment."""
    options = ["--disable-pip-version-check", "--no-input", "install", "--no-warn-script-location"]
    run([str(layout.python), "-m", "pip", *options, *arguments])


def make_environment(layout: Layout, ways: Sequence[PipWay] | None = None) -> None:
    """A healthy .venv with pip in it; an unusable one is replaced."""
    if layout.venv.exists() and not is_healthy(layout):
        say("  the environment that is there does not work; making a new one")
        remove_tree(layout.venv)
    if not layout.venv.exists():
        run([sys.executable, "-m", "venv", "--without-pip", str(layout.venv)])
    drop_incomplete(layout)
    if not has_pip(layout):
        bootstrap_pip(layout, ways or (pip_from_python, pip_from_pip, pip_from_wheel))
    if installed_version(layout, "pip") != pinned(layout, "pip"):
        pip(layout, f"pip=={pinned(layout, 'pip')}")


def is_healthy(layout: Layout) -> bool:
    """Whether .venv has a supported Python that still runs and is the one it was made with."""
    made_with = re.search(
        r"^version\S* = (\d+\.\d+)", read_text(layout.venv / "pyvenv.cfg"), re.MULTILINE
    )
    program = "import sys; print('%d.%d' % sys.version_info[:2])"
    runs = output_of([str(layout.python), "-I", "-c", program]).strip()
    supported = {f"3.{minor}" for minor in range(OLDEST[1], NEWEST[1] + 1)}
    return made_with is not None and runs == made_with[1] and runs in supported


def environment_version(layout: Layout) -> tuple[int, int]:
    """Python version of .venv."""
    found = re.search(
        r"^version\S* = 3\.(\d+)", read_text(layout.venv / "pyvenv.cfg"), re.MULTILINE
    )
    return (3, int(found[1])) if found else OLDEST


def remove_tree(folder: Path) -> None:
    """Delete a folder, or say who may hold it."""
    try:
        if folder.is_symlink() or not folder.is_dir():
            folder.unlink()
        else:
            shutil.rmtree(folder)
    except OSError as error:
        raise LaunchError(
            f"{folder} cannot be removed ({error.strerror}).\n"
            "What to do: close every program that uses it, then delete it."
        ) from error


def site_packages(layout: Layout) -> Path:
    """Where pip installs; .venv/Lib/site-packages on Windows."""
    found = sorted(layout.venv.glob("[lL]ib/python3.*/site-packages"))
    return found[0] if found else layout.venv / "Lib/site-packages"


def drop_incomplete(layout: Layout) -> None:
    """Forget packages that an interrupted pip left half installed, so that pip does them again."""
    site = site_packages(layout)
    for info in site.glob("*.dist-info"):
        if not is_complete(info):
            say(f"  {info.name.partition('-')[0]} is incomplete and will be installed again")
            remove_tree(info)
    for leftover in site.glob("~*"):
        remove_tree(leftover)


def is_complete(info: Path) -> bool:
    """Whether every file in a package's RECORD is there with its size."""
    import csv

    rows = list(csv.reader(read_text(info / "RECORD").splitlines()))
    for name, _hash, size in (row for row in rows if len(row) == 3):
        try:
            length = (info.parent / name).stat().st_size
        except OSError:
            return name.endswith(".pyc")
        if size and length != int(size):
            return False
    return bool(rows)


def installed_version(layout: Layout, package: str) -> str | None:
    """Version of an installed package, from the name of its folder."""
    for info in site_packages(layout).glob(f"{package}-*.dist-info"):
        return info.name[len(package) + 1 : -len(".dist-info")]
    return None


def has_pip(layout: Layout) -> bool:
    """Whether pip runs in the environment."""
    program = "import pip._internal.cli.main; print(1)"
    return bool(output_of([str(layout.python), "-I", "-c", program]))


def bootstrap_pip(layout: Layout, ways: Sequence[PipWay]) -> None:
    """Bring pip in: from Python itself, through another pip, or as a wheel."""
    failures: list[str] = []
    for way in ways:
        try:
            if command := way(layout):
                run(command)
                if has_pip(layout):
                    return
        except LaunchError as error:
            failures.append(str(error))
    raise LaunchError("\n".join(failures) or "  | there is no way to install pip here")


def pip_from_python(layout: Layout) -> list[str]:
    """The pip that comes with Python; Debian leaves it out."""
    if not has_module("ensurepip"):
        return []
    return [str(layout.python), "-m", "ensurepip", "--upgrade", "--default-pip"]


def pip_from_pip(layout: Layout) -> list[str]:
    """The pip of the Python that runs this file, installing into the environment."""
    if not has_module("pip"):
        return []
    target = ["--python", str(layout.python)]
    return [sys.executable, "-m", "pip", *target, "install", f"pip=={pinned(layout, 'pip')}"]


def pip_from_wheel(layout: Layout) -> list[str]:
    """A wheel of pip, run as it is to install itself."""
    wheel = local_pip_wheel() or download_pip(layout)
    return [str(layout.python), f"{wheel}{os.sep}pip", "install", "--no-index", str(wheel)]


def has_module(name: str) -> bool:
    """Whether the running Python has a module."""
    import importlib.util

    return importlib.util.find_spec(name) is not None


def pinned(layout: Layout, package: str) -> str:
    """A package's version in constraints.txt."""
    found = re.search(rf"^{re.escape(package)}==(\S+)", layout.pins, re.MULTILINE)
    return found[1] if found else "*"


def local_pip_wheel() -> Path | None:
    """A pip wheel in a folder named by find-links, or where Debian keeps one."""
    folders = [*pip_setting("find-links").split(), "/usr/share/python-wheels"]
    wheels = [wheel for folder in folders for wheel in Path(folder).glob("pip-*.whl")]
    return max(wheels, key=lambda wheel: wheel.name, default=None)


def download_pip(layout: Layout) -> Path:
    """Fetch the pinned wheel of pip from the configured index, checking its hash."""
    import urllib.parse

    index = (pip_setting("index-url") or PACKAGE_INDEX).rstrip("/") + "/pip/"
    name = f"pip-{pinned(layout, 'pip')}-py3-none-any.whl"
    try:
        page = fetch(index, 30).decode("utf-8", "replace")
        link = re.search(rf'href="([^"]*{re.escape(name)}[^"]*)"', page)
        if link is None:
            raise UnavailableError(f"  | {index} has no {name}")
        url, _, digest = urllib.parse.urljoin(index, link[1]).partition("#sha256=")
        data = fetch(url, 60)
    except OSError as error:
        raise failure(f"{index}: {short(error)} unreachable", 1) from error
    if digest and hashlib.sha256(data).hexdigest() != digest:
        raise LaunchError(f"  | {url} was damaged on its way; try again")
    wheel = layout.venv / name
    wheel.write_bytes(data)
    return wheel
