"""The crowd of ``tests/contract/test_many_clients.py``, for a minute and for five."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contract.test_many_clients import check_speed, crowd

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]


@pytest.mark.parametrize(("minutes", "pause"), [(1, 4), (5, 40)])
def test_a_crowd_for_minutes(tmp_path: Path, minutes: int, pause: float) -> None:
    # The longer they stay the calmer they are: the queue remembers a thousand jobs that ended.
    persons = crowd(tmp_path, people=50, seconds=60 * minutes, pause=pause)
    assert all(len(person.asked) > 3 for person in persons)
    check_speed(persons)
