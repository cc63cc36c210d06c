"""The crowd of ``tests/contract/test_many_clients.py``, for five minutes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contract.test_many_clients import check_speed, crowd

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]


def test_a_crowd_for_five_minutes(tmp_path: Path) -> None:
    # The longer they stay the calmer they are: the queue remembers a thousand jobs that ended.
    persons = crowd(tmp_path, people=50, seconds=300, pause=40)
    assert all(len(person.asked) > 3 for person in persons)
    check_speed(persons)
