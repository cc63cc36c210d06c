from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.services import Site, open_site

USERS = (("ann", "right"), ("bob", "other"))


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """One local user, no login."""
    with open_site(tmp_path) as opened:
        yield opened


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Site]:
    """Two users with passwords; the network is served."""
    with open_site(tmp_path, auth=list(USERS), host="0.0.0.0") as opened:
        yield opened
