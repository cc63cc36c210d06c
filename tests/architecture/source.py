"""The source files of the project, parsed for the checks in this folder."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OLDEST_GRAMMAR = (3, 11)


@dataclass(frozen=True)
class SourceFile:
    """One Python file; its string is its path in the project."""

    path: Path

    def __str__(self) -> str:
        return self.path.relative_to(ROOT).as_posix()

    @cached_property
    def text(self) -> str:
        """The source."""
        return self.path.read_text(encoding="utf-8")

    def tree(self) -> ast.Module:
        """The syntax tree; SyntaxError where the oldest supported Python has no such grammar."""
        return ast.parse(self.text, str(self), feature_version=OLDEST_GRAMMAR)

    def functions(self) -> Iterator[tuple[str, int, int]]:
        """Name, first line and number of lines of every function, decorators not counted."""
        for node in ast.walk(self.tree()):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield node.name, node.lineno, (node.end_lineno or node.lineno) - node.lineno + 1

    def imported_names(self) -> Iterator[str]:
        """Dotted names of all that is imported anywhere in the file, `from` parts included."""
        for node in ast.walk(self.tree()):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                yield node.module
                yield from (f"{node.module}.{alias.name}" for alias in node.names)


def source_files(*folders: str) -> list[SourceFile]:
    """All Python files below folders of the project, in order."""
    paths = (path for folder in folders for path in (ROOT / folder).rglob("*.py"))
    return [SourceFile(path) for path in sorted(paths)]
