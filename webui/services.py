"""The services one running Easel has, constructed once by ``webui.app.build`` and passed on."""

from __future__ import annotations

from dataclasses import dataclass

from webui.catalog import Catalog
from webui.jobs import JobQueue
from webui.jobs.completing import Completer
from webui.library import Library
from webui.library.inputs import Inputs
from webui.library.wildcards import WildcardFolder
from webui.settings import Settings


@dataclass(frozen=True, slots=True)
class Services:
    """What doors (page, HTTP, command line) are given to work with."""

    settings: Settings
    catalog: Catalog
    library: Library
    queue: JobQueue
    inputs: Inputs
    wildcards: WildcardFolder | None = None
    """None where prompts may not make choices."""
    completer: Completer | None = None
    """What fills in requests, for settings that count from the next one on."""
