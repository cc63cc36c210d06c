"""Errors that pass: when to ask again, here and over HTTP."""

from __future__ import annotations

import math

import pytest

from webui.api.errors import headers_of, status_of
from webui.core.errors import Conflict, ErrorInfo, TooMany, Unavailable


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0, 1), (-5, 1), (0.2, 1), (1.01, 2), (30, 30), (1e9, 600), (math.inf, 600), (math.nan, 1)],
)
def test_when_to_ask_again_is_whole_seconds_within_bounds(seconds: float, told: int) -> None:
    assert TooMany("No.", retry_after=seconds).retry_after == told


def test_errors_that_pass_have_their_status_and_header() -> None:
    assert status_of(TooMany()) == 429
    assert status_of(Unavailable()) == 503
    assert headers_of(TooMany("No.", retry_after=7)) == {"retry-after": "7"}
    assert headers_of(Unavailable("No.", retry_after=9)) == {"retry-after": "9"}
    assert headers_of(Conflict("No.")) == {}


def test_errors_that_pass_cross_processes() -> None:
    error = ErrorInfo("too_many", "No.").to_exception()
    assert isinstance(error, TooMany)
    assert error.retry_after == 1
    assert Unavailable("Later.", retry_after=3).info() == ErrorInfo("unavailable", "Later.")
