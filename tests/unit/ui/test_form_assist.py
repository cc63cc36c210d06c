"""The API that helps with filling in the form."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from tests.fakes.services import Site, open_site

INFOTEXT = (
    "a cat\nNegative prompt: dog\nSteps: 9, Sampler: Nope, CFG scale: 5, Seed: 3, Size: 64x32"
)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with open_site(tmp_path) as site:
        yield site


def png(text: str | None) -> bytes:
    info = PngInfo()
    if text is not None:
        info.add_text("parameters", text)
    out = io.BytesIO()
    Image.new("RGB", (8, 8)).save(out, "PNG", pnginfo=info)
    return out.getvalue()


def test_styles_over_http(site: Site) -> None:
    api = site.local
    assert api.get("/api/v1/styles").json() == {"styles": []}
    style = {"name": " my  style ", "prompt": "oil, {prompt}", "negative_prompt": 'a "b"'}
    saved = api.put("/api/v1/styles", json=style).json()["styles"]
    assert saved == [{**style, "name": "my style"}]
    api.put("/api/v1/styles", json={"name": "new", "replaces": "my style"})
    assert api.get("/api/v1/names").json()["names"] == [{"kind": "style", "name": "new"}]
    assert api.delete("/api/v1/styles", params={"name": "new"}).json() == {"styles": []}
    assert api.delete("/api/v1/styles", params={"name": "new"}).status_code == 404


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"name": "n" * 10_000}, "name"),
        ({"name": ""}, "name"),
        ({"name": "a", "prompt": 5}, "prompt"),
        ({"name": "a", "prompt": "\ud800"}, "prompt"),
        ({"name": "a", "colour": "red"}, "colour"),
        ({"name": "a", "negative_prompt": "x" * 20_001}, "negative_prompt"),
    ],
)
def test_bad_styles_are_one_sentence(site: Site, body: dict, field: str) -> None:
    answer = site.local.put("/api/v1/styles", content=json.dumps(body))
    assert answer.status_code == 422
    assert answer.json()["error"]["field"] == field
    assert site.local.get("/api/v1/styles").json() == {"styles": []}


def test_only_administrators_change_styles(tmp_path: Path) -> None:
    with open_site(tmp_path, host="0.0.0.0", auth=(("ann", "pw"),)) as site:
        away = site.away()
        ann = ("ann", "pw")
        assert away.get("/api/v1/styles", auth=ann).status_code == 200
        assert away.put("/api/v1/styles", json={"name": "a"}, auth=ann).status_code == 403
        assert away.delete("/api/v1/styles?name=a", auth=ann).status_code == 403


def test_tags_and_tokens_over_http(site: Site, tmp_path: Path) -> None:
    folder = site.services.settings.paths.data / "tags"
    folder.mkdir()
    (folder / "a.csv").write_text('blue_sky,0,10,"azure"\nblue,0,99,\n', encoding="utf-8")
    found = site.local.get("/api/v1/tags", params={"q": "Blu"}).json()["tags"]
    assert [tag["text"] for tag in found] == ["blue", "blue sky"]
    assert site.local.get("/api/v1/tags?q=azu").json()["tags"][0]["alias"] == "azure"
    assert site.local.get("/api/v1/tags?q=x&limit=0").status_code == 422
    count = site.local.post("/api/v1/tokens", json={"text": "a (red:2) cat"}).json()
    assert count == {"tokens": 3, "room": 75, "chunks": [3], "problems": []}
    bad = site.local.post("/api/v1/tokens", json={"text": "x" * 100_000}).json()["error"]
    assert bad["field"] == "text"
    unknown = site.local.post("/api/v1/tokens", json={"text": "x", "checkpoint": "none"})
    assert unknown.status_code == 404


def test_an_infotext_becomes_fields(site: Site) -> None:
    found = site.local.post("/api/v1/infotext/parse", json={"text": INFOTEXT}).json()
    assert found["has_parameters"]
    wanted = {"prompt": "a cat", "negative_prompt": "dog", "steps": 9, "width": 64, "height": 32}
    assert wanted.items() <= found["values"].items()
    assert "sampler" not in found["values"]
    assert "There is no sampler 'Nope'" in found["problems"][0]
    plain = site.local.post("/api/v1/infotext/parse", json={"text": "just a cat"}).json()
    assert not plain["has_parameters"]


def test_a_picture_is_read_and_never_kept(site: Site, tmp_path: Path) -> None:
    def send(data: bytes):
        return site.local.post("/api/v1/infotext/picture", content=data)

    before = sorted(p for p in tmp_path.rglob("*") if p.is_file())
    assert send(png(INFOTEXT)).json()["values"]["prompt"] == "a cat"
    assert "does not say how" in send(png(None)).json()["error"]["message"]
    assert "no picture" in send(b"hello").json()["error"]["message"]
    large = png(INFOTEXT) + bytes(5 * 1024 * 1024)
    assert send(large).json()["values"]["steps"] == 9
    refused = send(bytes(33 * 1024 * 1024))
    assert refused.status_code == 413
    assert "32 MiB" in refused.json()["error"]["message"]
    assert sorted(p for p in tmp_path.rglob("*") if p.is_file()) == before
