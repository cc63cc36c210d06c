"""The stored copy of the OpenAPI document: ``python -m webui.api.document`` renews it.

The suite fails while ``docs/openapi.json`` is not what the routes say. A change that would break
clients (:mod:`webui.api.breaking`) is not written without ``--break``: it needs another prefix.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from webui.api.breaking import breaking
from webui.api.openapi import Document, promised, text
from webui.api.server import create_app
from webui.catalog import Catalog
from webui.jobs import JobQueue, Journal, LocalExecutor
from webui.library import Library
from webui.library.inputs import Inputs
from webui.services import Services
from webui.settings import load_settings

STORED = Path(__file__).parents[2] / "docs" / "openapi.json"


def blank_document() -> Document:
    """The promised document of an Easel that has nothing: what is the same in every one."""
    with TemporaryDirectory() as folder:
        settings = load_settings({}, environ={}, home=Path(folder))
        data, outputs = settings.paths.data, settings.paths.outputs
        for each in (data, outputs):
            each.mkdir(parents=True, exist_ok=True)
        library = Library(outputs, data, settings.saving)
        queue = JobQueue(Journal(data), LocalExecutor(), resolve=_never, keep=_never)
        try:
            catalog, inputs = Catalog(settings.paths.models), Inputs(data / "inputs")
            services = Services(settings, catalog, library, queue, inputs)
            return promised(create_app(services, settings).openapi())
        finally:
            queue.close()
            library.close()


def _never(*_: Any) -> Any:
    raise AssertionError("nothing is submitted here")


def renew(path: Path, *, may_break: bool = False) -> list[str]:
    """Write the stored copy; or, when it would break clients and may not, say how."""
    document = blank_document()
    known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
    broken = [] if known is None or may_break else breaking(known, document)
    if not broken:
        path.write_text(text(document), encoding="utf-8")
    return broken


def main(arguments: Sequence[str]) -> int:
    """The command; its exit status."""
    broken = renew(STORED, may_break="--break" in arguments)
    for sentence in broken:
        sys.stderr.write(f"This would break clients: {sentence}\n")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
