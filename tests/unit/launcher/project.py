"""A tiny project with the shape of Easel, and the wheels it needs, made in an instant."""

import importlib.util
import sys
import zipfile
from pathlib import Path

from launcher.layout import Layout

NMS = "class ops:\n    nms = staticmethod(lambda *a: None)\n"
TENSOR = "tensor = ones = lambda *a: None\n"
BACKEND = """
import pathlib, zipfile

def build_editable(folder, config_settings=None, metadata_directory=None):
    here, info = pathlib.Path(__file__).parent, "easel-1.dist-info"
    name = "easel-1-py3-none-any.whl"
    with zipfile.ZipFile(pathlib.Path(folder, name), "w") as wheel:
        wheel.writestr("easel.pth", str(here))
        wheel.writestr(info + "/METADATA", "Metadata-Version: 2.1\\nName: easel\\nVersion: 1\\n")
        tag = "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"
        wheel.writestr(info + "/WHEEL", tag)
        wheel.writestr(info + "/RECORD", "")
    return name
"""
PYPROJECT = """
[build-system]
requires = ["alpha"]
build-backend = "backend"
backend-path = ["."]
[project]
name = "easel"
version = "1"
dependencies = ["alpha", "torch", "torchvision"]
[project.optional-dependencies]
test = ["beta"]
mcp = ["beta"]
[dependency-groups]
reference = ["gamma"]
"""
MAIN = "import json, sys\nprint(json.dumps(sys.argv[1:]))\n"


def write_wheel(folder: Path, name: str, version: str, source: str, requires: str = "") -> Path:
    """A wheel of one module."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-{version}-py3-none-any.whl"
    info = f"{name}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    metadata += f"Requires-Dist: {requires}\n" if requires else ""
    tag = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr(f"{name}.py", source)
        wheel.writestr(f"{info}/METADATA", metadata)
        wheel.writestr(f"{info}/WHEEL", tag)
        wheel.writestr(f"{info}/RECORD", f"{name}.py,,{len(source)}\n{info}/METADATA,,\n")
    return path


def write_wheels(folder: Path) -> None:
    """What the tiny project needs."""
    write_wheel(folder, "torch", "2.15.0", TENSOR)
    write_wheel(folder, "torchvision", "0.29.2", NMS, "torch")
    for name in ("alpha", "beta", "gamma"):
        write_wheel(folder, name, "1.0", "where = __file__\n", "heavy" if name == "gamma" else "")
        write_wheel(folder, name, "2.0", "where = __file__\n")


def write_project(root: Path) -> Layout:
    """The tiny project, whose `webui` prints its arguments."""
    (root / "webui").mkdir(parents=True)
    (root / "webui/__init__.py").write_text("")
    (root / "webui/__main__.py").write_text(MAIN)
    (root / "backend.py").write_text(BACKEND)
    (root / "pyproject.toml").write_text(PYPROJECT)
    pins = "alpha==1.0\nbeta==1.0\ngamma==1.0\ntorch==2.15.0\ntorchvision==0.29.2\n"
    pins += f"pip=={bundled_pip().name.split('-')[1]}\n"
    (root / "constraints.txt").write_text(pins)
    return Layout(root)


def bundled_pip() -> Path:
    """The wheel of pip that this Python carries, or that Debian keeps beside it."""
    spec = importlib.util.find_spec("ensurepip")
    folders = [Path(spec.origin).parent / "_bundled"] if spec and spec.origin else []
    folders.append(Path("/usr/share/python-wheels"))
    return next(wheel for folder in folders for wheel in folder.glob("pip-*.whl"))


def own_environment(layout: Layout) -> None:
    """A .venv that is the environment which runs the tests, under another name."""
    layout.python.parent.mkdir(parents=True)
    layout.python.symlink_to(sys.executable)
    for name in ("pyvenv.cfg", "lib"):
        if (Path(sys.prefix) / name).exists():
            (layout.venv / name).symlink_to(Path(sys.prefix) / name)
