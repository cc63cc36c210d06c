"""What the shipped checkpoint draws is what the prompt says: measured in the pictures."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tools.starter.judge import Verdict, judge
from webui.app import open_services
from webui.core.requests import Txt2Img
from webui.core.results import LOCAL_CALLER
from webui.services import Services
from webui.settings import load_settings

ROOT = Path(__file__).resolve().parents[2]

PROMPTS = {
    "a red circle on a white background": ("circle", "red", "white"),
    "a blue square on a yellow background": ("square", "blue", "yellow"),
    "green triangle, black background": ("triangle", "green", "black"),
    "a yellow star on a blue background": ("star", "yellow", "blue"),
    "white background, a pink heart": ("heart", "pink", "white"),
    "a picture of a large orange circle on gray": ("circle", "orange", "gray"),
    "a purple square on a green background": ("square", "purple", "green"),
    "a small black star on a white background": ("star", "black", "white"),
    "white triangle on a red background": ("triangle", "white", "red"),
    "a brown heart, yellow background": ("heart", "brown", "yellow"),
}


@dataclass
class Artist:
    """Draws with the starter through queue, worker and library, in this process."""

    services: Services

    def draw(self, prompt: str, **fields: object) -> list[np.ndarray]:
        """The pictures of one request, as saved."""
        request = Txt2Img.from_mapping(
            {"prompt": prompt, "checkpoint": "easel-starter", "seed": 1, **fields}
        )
        queue = self.services.queue
        job = queue.wait(queue.submit(request, caller=LOCAL_CALLER).id, timeout=100)
        assert job.state == "done", job.error
        return [np.asarray(Image.open(image.path)) for image in job.images]

    def judge(self, prompt: str, **fields: object) -> list[Verdict]:
        """What is measured in them."""
        return [judge(picture) for picture in self.draw(prompt, **fields)]


@contextmanager
def open_artist(folder: Path) -> Iterator[Artist]:
    """An artist with folders of its own and the models of the repository."""
    paths = {"paths.outputs": folder / "outputs", "paths.data": folder / "data"}
    settings = load_settings(
        {"paths.models": ROOT / "models", "device.inline": True, "jobs.preview_every": 0, **paths},
        environ={},
    )
    with open_services(settings) as services:
        yield Artist(services)


@pytest.fixture(scope="module")
def artist(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Artist]:
    with open_artist(tmp_path_factory.mktemp("starter")) as artist:
        yield artist


def test_colour_background_and_shape_are_what_the_prompt_says(artist: Artist) -> None:
    found = {p: artist.judge(p, sampler="Euler")[0] for p in PROMPTS}
    facts = {p: (v.shape, v.colour, v.background) for p, v in found.items()}
    for place, least in ((1, 9), (2, 9), (0, 8)):
        wrong = {p: facts[p] for p, wanted in PROMPTS.items() if facts[p][place] != wanted[place]}
        assert len(wrong) <= len(PROMPTS) - least, wrong


@pytest.mark.parametrize(
    "sampler", ["Euler", "Euler a", "Heun", "LMS", "DPM++ 2M", "DPM++ 2M SDE", "DDIM"]
)
def test_every_sampler_draws_the_red_circle(artist: Artist, sampler: str) -> None:
    (verdict,) = artist.judge("a red circle on a white background", sampler=sampler)
    assert (verdict.colour, verdict.background) == ("red", "white")
    assert 0.02 < verdict.area < 0.7


@pytest.mark.parametrize("scheduler", ["Uniform", "Karras", "Exponential", "SGM Uniform", "Simple"])
def test_every_schedule_draws_the_red_circle(artist: Artist, scheduler: str) -> None:
    fields = {"sampler": "Euler", "scheduler": scheduler}
    (verdict,) = artist.judge("a red circle on a white background", **fields)
    assert (verdict.colour, verdict.background) == ("red", "white")


def test_guidance_makes_the_picture_follow_the_prompt(artist: Artist) -> None:
    prompt = "a yellow star on a blue background"
    wanted = ("yellow", "blue")
    hits = {}
    for cfg in (1.0, 7.0):
        verdicts = artist.judge(prompt, cfg_scale=cfg, batch_size=8, sampler="Euler")
        hits[cfg] = sum((v.colour, v.background) == wanted for v in verdicts)
    assert hits[7.0] >= 7
    assert hits[7.0] >= hits[1.0]


def test_a_negative_prompt_keeps_its_colour_out(artist: Artist) -> None:
    fields = {"batch_size": 8, "sampler": "Euler", "steps": 16, "seed": 100}
    free = artist.judge("a circle on a white background", **fields)
    avoided = free[0].colour
    steered = artist.judge("a circle on a white background", negative_prompt=avoided, **fields)
    before = sum(v.colour == avoided for v in free)
    after = sum(v.colour == avoided for v in steered)
    assert before >= 1
    assert after < before


def test_a_seed_draws_the_same_alone_and_in_a_batch(artist: Artist) -> None:
    together = artist.draw("a green star", batch_size=3, sampler="Euler a", steps=10)
    alone = artist.draw("a green star", seed=3, sampler="Euler a", steps=10)
    assert np.abs(together[2].astype(int) - alone[0]).max() <= 2
    assert np.abs(together[0].astype(int) - together[1]).max() > 20
