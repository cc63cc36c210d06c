"""The crowd of ``tests/contract/test_many_clients.py``, for a minute and for five."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contract.test_many_clients import check_speed, crowd

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]


@pytest.mark.parametrize(("people", "minutes"), [(50, 1), (50, 5)])
def test_a_crowd_for_minutes(tmp_path: Path, people: int, minutes: int) -> None:
    persons = crowd(tmp_path, people=people, seconds=60 * minutes, pause=4)
    assert all(len(person.asked) > 3 for person in persons)
    check_speed(persons)
