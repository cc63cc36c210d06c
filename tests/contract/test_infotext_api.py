"""What pictures say, over HTTP and through what is drawn and saved."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.contract.test_command_line import home
from tests.contract.test_outputs import drawn
from tests.fakes.services import Site, open_site
from tests.unit.metadata.pictures import hidden, png
from webui.core.requests import Txt2Img
from webui.core.results import Pixels
from webui.library.reading import read_row
from webui.metadata import encode, exact_text, infotext, read_picture

__all__ = ["home"]

TRAP = "a\nNegative prompt: b\nSteps: 3, Sampler: Heun, Seed: 9"
TEXT = (
    "a cat\nNegative prompt: dog\nSteps: 9, Sampler: Zigzag, CFG scale: 5, Seed: 3, Size: 64x32, "
    "Hires upscaler: Latent, Token merging ratio: 0.5, Version: v1.10.1"
)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with open_site(tmp_path) as site:
        yield site


def send(site: Site, data: bytes, query: str = "") -> dict[str, Any]:
    answer = site.local.post(f"/api/v1/infotext/picture{query}", content=data)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_everything_that_a_picture_says(site: Site) -> None:
    found = send(site, png(parameters=TEXT, Comment="x"))
    assert (found["program"], found["place"], found["exact"]) == (
        "AUTOMATIC1111",
        "parameters",
        False,
    )
    assert (found["width"], found["height"], found["format"]) == (8, 8, "PNG")
    assert found["text"] == TEXT
    known = {pair["key"]: pair["known"] for pair in found["pairs"]}
    written = ("Steps", "Sampler", "CFG scale", "Seed", "Size", "Hires upscaler", "Version")
    assert known == {**dict.fromkeys(written, True), "Token merging ratio": False}
    assert found["texts"] == [
        {"name": "parameters", "text": TEXT},
        {"name": "Comment", "text": "x"},
    ]
    assert "There is no sampler 'Zigzag'" in found["problems"][0]
    pasted = site.local.post("/api/v1/infotext/parse", json={"text": TEXT}).json()
    same = ("values", "problems", "pairs", "text", "program", "has_parameters")
    assert {key: pasted[key] for key in same} == {key: found[key] for key in same}


def test_the_whole_request_fills_the_form_where_the_text_cannot(site: Site) -> None:
    request = Txt2Img(prompt=TRAP, width=64, height=32, seed=4, batch_count=3, variation_seed=8)
    text = infotext(request, seed=4, model_hash=None, version="easel-1")
    pixels = Pixels(8, 8, bytes(192))
    found = send(site, encode(pixels, "png", 1, text, request=exact_text(request)))
    assert found["exact"]
    assert found["values"]["prompt"] == found["prompt"] == TRAP
    assert found["values"]["negative_prompt"] == ""
    assert not {"batch_count", "variation_seed"} & set(found["values"])
    alone = send(site, encode(pixels, "png", 1, text))
    assert alone["values"]["prompt"] == "a"


def test_a_picture_of_the_library_is_sent_to_the_form_exactly(site: Site) -> None:
    request = Txt2Img(prompt=TRAP, width=64, height=32, seed=4)
    text = infotext(request, seed=4, model_hash=None, version="easel-1")
    told = {"infotext": text, "index": 0, "seed": 4, "prompt": TRAP, "model": "first"}
    pixels = Pixels(8, 8, bytes(192))
    library = site.services.library
    saved = library.save(pixels, **told, job_id="j", owner="local", exact=exact_text(request))
    path = f"/api/v1/infotext/images/{saved.id}"
    found = site.local.get(path).json()
    assert found["exact"]
    assert found["values"]["prompt"] == TRAP
    library.file(saved.id).unlink()
    assert site.local.get(path).json()["values"]["prompt"] == "a"
    for wrong in ("nothing", "..%2f..%2fetc", "a" * 300):
        assert site.local.get(f"/api/v1/infotext/images/{wrong}").status_code == 404


def test_another_users_picture_is_not_there(tmp_path: Path) -> None:
    with open_site(tmp_path, auth=[("ann", "one"), ("ben", "two")]) as site:
        pixels = Pixels(8, 8, bytes(192))
        saved = site.services.library.save(
            pixels, infotext="a", index=0, seed=4, prompt="a", model="m", job_id="k", owner="ann"
        )
        path = f"/api/v1/infotext/images/{saved.id}"
        away = site.away()
        assert away.get(path, auth=("ann", "one")).status_code == 200
        assert away.get(path, auth=("ben", "two")).status_code == 404


def test_other_programs_are_read(site: Site) -> None:
    graph = {"1": {"class_type": "KSampler", "inputs": {
        "steps": 9, "positive": ["2", 0], "latent_image": ["3", 0]}},
        "2": {"class_type": "CLIPTextEncode", "inputs": {"text": "hi"}}}  # fmt: skip
    found = send(site, png(prompt=json.dumps(graph)))
    assert (found["program"], found["values"]["prompt"]) == ("ComfyUI", "hi")
    assert send(site, hidden(TEXT, packed=True))["place"] == "stealth"


def test_a_picture_that_says_nothing_is_told_of_on_request(site: Site) -> None:
    data = png(Software="GIMP")
    answer = site.local.post("/api/v1/infotext/picture", content=data)
    assert answer.status_code == 422
    assert "does not say how" in answer.json()["error"]["message"]
    found = send(site, data, "?whole=true")
    assert (found["text"], found["has_parameters"]) == ("", False)
    assert found["texts"] == [{"name": "Software", "text": "GIMP"}]
    refused = site.local.post("/api/v1/infotext/picture?whole=true", content=b"hello")
    assert "no picture that can be read" in refused.json()["error"]["message"]


@pytest.mark.parametrize("fmt", ["png", "jpeg", "webp", "avif"])
def test_what_is_drawn_carries_its_whole_request(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, fmt: str
) -> None:
    monkeypatch.setenv("EASEL_SAVING_FORMAT", fmt)
    lines = drawn(home, capsys, TRAP, "--seed=5", "--count=2", "--cfg-rescale=0.5")
    found = [read_picture(Path(line["path"])) for line in lines]
    requests = [one.exact for one in found if one is not None]
    assert [one.seed for one in requests if one] == [5, 6]
    assert {one.prompt for one in requests if one} == {TRAP}
    assert {one.cfg_rescale for one in requests if one} == {0.5}
    assert "CFG rescale: 0.5" in lines[0]["infotext"]


@pytest.mark.parametrize("fmt", ["png", "jpeg"])
def test_without_metadata_a_file_holds_neither(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, fmt: str
) -> None:
    monkeypatch.setenv("EASEL_SAVING_FORMAT", fmt)
    monkeypatch.setenv("EASEL_SAVING_EMBED_METADATA", "false")
    (line,) = drawn(home, capsys, "secret words")
    found = read_picture(Path(line["path"]))
    assert found is not None
    assert (found.infotext, found.exact, dict(found.texts or {})) == ("", None, {})
    assert b"secret words" not in Path(line["path"]).read_bytes()


def test_an_index_made_anew_knows_the_exact_prompt(site: Site) -> None:
    library = site.services.library
    request = Txt2Img(prompt=TRAP, width=64, height=32, seed=4)
    saved = library.save(
        Pixels(8, 8, bytes(192)), infotext=infotext(request, seed=4, model_hash=None, version="e"),
        job_id="1", index=0, seed=4, prompt=TRAP, model="m", exact=exact_text(request),
    )  # fmt: skip
    row = read_row(Path(saved.path), "x.png", created=0.0)
    assert row is not None
    assert (row.prompt, row.negative_prompt, row.seed) == (TRAP, "", 4)


def test_halves_of_characters_are_told_as_what_they_are(site: Site) -> None:
    text = 'a\nSteps: 3, Sampler: "\\ud800", Seed: 1, Other: "\\ud800"'
    found = site.local.post("/api/v1/infotext/parse", json={"text": text})
    assert found.status_code == 200
    assert {"key": "Other", "value": '"\\ud800"', "known": False} in found.json()["pairs"]
    wrong = site.local.post("/api/v1/txt2img", content=r'{"\ud800": 1}')
    assert (wrong.status_code, wrong.json()["error"]["field"]) == (422, "?")
