"""Imports point one way, without cycles, and the server side stays light."""

import subprocess
import sys
from collections.abc import Iterable

import grimp
import pytest

from tests.architecture.source import ROOT, source_files

HEAVY = ("torch", "torchvision", "diffusers", "transformers", "accelerate", "open_clip")
REFERENCES_OF_THE_TESTS = ("diffusers.pipelines", "diffusers.schedulers")


def test_contracts_are_kept() -> None:
    program = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    command = [sys.executable, "-c", program, "--no-cache", "--no-logo"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert ", 0 broken" in done.stdout


def test_no_cycle_between_modules() -> None:
    graph = grimp.build_graph("webui", cache_dir=None)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    cycles = [" -> ".join(cycle) for cycle in find_cycles(imports)]
    assert not cycles, "\n".join(cycles)


@pytest.mark.parametrize(
    ("imports", "cyclic"),
    [
        ({"a": {"b"}, "b": {"c"}, "c": set()}, False),
        ({"a": {"b"}, "b": {"c"}, "c": {"a"}}, True),
        ({"a": {"b", "c"}, "b": {"d"}, "c": {"d"}, "d": set()}, False),
        ({"a": {"a"}}, True),
    ],
)
def test_cycles_are_found(imports: dict[str, set[str]], cyclic: bool) -> None:
    assert bool(find_cycles(imports)) is cyclic


def find_cycles(imports: dict[str, set[str]]) -> list[list[str]]:
    """One cycle per module at which a depth-first search comes back to its own path."""
    done: set[str] = set()
    cycles: list[list[str]] = []

    def visit(module: str, path: list[str]) -> None:
        if module in path:
            cycles.append([*path[path.index(module) :], module])
        elif module not in done:
            for target in sorted(imports.get(module, ())):
                visit(target, [*path, module])
            done.add(module)

    for module in sorted(imports):
        visit(module, [])
    return cycles


@pytest.mark.parametrize("module", ["webui.app", "webui.cli"])
def test_the_server_side_does_not_load_torch(module: str) -> None:
    program = f"import sys, {module};print([name for name in {HEAVY!r} if name in sys.modules])"
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


def test_the_engine_does_not_use_what_it_is_compared_with() -> None:
    taken = [
        f"{file} imports {name}"
        for file in source_files("webui/engine")
        for name in file.imported_names()
        if is_below(name, REFERENCES_OF_THE_TESTS)
    ]
    assert not taken, "\n".join(taken)


def is_below(name: str, packages: Iterable[str]) -> bool:
    """Whether a dotted name is one of the packages or lies in one."""
    return any(name == package or name.startswith(package + ".") for package in packages)
