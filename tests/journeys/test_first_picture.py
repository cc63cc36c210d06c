"""The main job, with nothing replaced: the shipped checkpoint, the real worker, the real page."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page

from tests.journeys.actions import control, fill, generate, shown_picture
from tests.journeys.conftest import Open, Picture
from tests.journeys.serving import ROOT, Server
from webui.evaluation.measure import measure

DRAW_MS = 90_000


class RealServer(Server):
    """A server with the worker that users have."""

    def _environment(self) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("EASEL_", "GRADIO_"))}
        return {**kept, "PYTHONPATH": str(ROOT)}


@pytest.fixture
def easel(tmp_path: Path) -> Iterator[RealServer]:
    starter = Path("models", "checkpoints", "easel-starter")
    shutil.copytree(ROOT / starter, tmp_path / starter)
    server = RealServer(tmp_path)
    server.start()
    yield server
    server.stop()


def wait_done(page: Page) -> None:
    """Until the picture is there; the first one waits for the worker and the checkpoint."""
    page.wait_for_function(
        "() => document.documentElement.dataset.easelState === 'done'", timeout=DRAW_MS
    )


def test_a_prompt_becomes_a_picture_and_a_file(
    easel: RealServer, open_page: Open, picture: Picture
) -> None:
    page = open_page(easel)
    fill(page, prompt="a red circle on a white background", seed=1)
    assert control(page, "width").input_value() == "128"
    generate(page)
    wait_done(page)
    picture(page, "first-picture")
    (path,) = easel.pictures()
    verdict = measure(np.asarray(Image.open(path)))
    assert (verdict.count, verdict.colour, verdict.background_colour) == (1, "red", "white")
    size = "img => img.decode().then(() => [img.naturalWidth, img.naturalHeight])"
    shown = shown_picture(page).evaluate(size)
    assert shown == [128, 128]
