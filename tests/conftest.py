"""Settings that hold for every test: one thread, no hub, Chromium where there is one."""

import os
import shutil

import pytest
from hypothesis import HealthCheck, settings

# A busy machine is slow now and then: that is no failure.
settings.register_profile(
    "patient", settings.default, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("patient")

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")

CHROMIUM_NAMES = (
    "chromium-headless-shell",
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
)


def find_chromium() -> str | None:
    """Chromium as `launch.py test` found it, else one on the path."""
    if named := os.environ.get("EASEL_CHROMIUM"):
        return named
    return next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)


@pytest.fixture(scope="session")
def chromium_path() -> str:
    """Path of Chromium, for Playwright's `executable_path`; skips the test when there is none."""
    if path := find_chromium():
        return path
    pytest.skip(why_no_chromium())


def why_no_chromium() -> str:
    """The reason that a skipped test shows."""
    reason = os.environ.get("EASEL_NO_CHROMIUM", "start the tests with: python launch.py test")
    return f"no Chromium: {reason}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip tests marked `browser` where there is no Chromium, saying why."""
    if find_chromium() is None:
        skip = pytest.mark.skip(reason=why_no_chromium())
        for item in items:
            if item.get_closest_marker("browser"):
                item.add_marker(skip)
