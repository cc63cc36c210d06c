"""Settings, form defaults and the import over HTTP: what is refused, kept, and in force at once."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.executor import FakeExecutor
from tests.fakes.services import Site, client, open_services, open_site, site_settings
from tests.journeys.serving import write_checkpoint
from webui.api import create_app
from webui.settings import load_settings

ANN, BOB = ("ann", "right"), ("bob", "other")
AFAR = {"base": "http://192.0.2.1:7860", "address": "192.0.2.9"}


@pytest.fixture
def site(tmp_path: Path):
    with open_site(tmp_path) as opened:
        yield opened


@pytest.fixture
def guarded(tmp_path: Path):
    with open_site(tmp_path, auth=[ANN, BOB], host="0.0.0.0", admins=("ann",)) as opened:
        yield opened


def get(site: Site, name: str) -> dict[str, Any]:
    listed = site.local.get("/api/v1/settings").json()["settings"]
    return next(entry for entry in listed if entry["name"] == name)


def saved(folder: Path) -> dict[str, Any]:
    return tomllib.loads((folder / "data" / "settings.toml").read_text(encoding="utf-8"))


def patch(site: Site, **values: object):
    return site.local.patch("/api/v1/settings", json=values)


def refused(answer, status: int, field: str | None) -> str:
    assert answer.status_code == status, answer.text
    assert answer.json()["error"]["field"] == field
    return answer.json()["error"]["message"]


def test_the_schema_says_what_a_page_needs(site: Site) -> None:
    entry = get(site, "saving.quality")
    assert entry["group"] == "Saving pictures"
    assert entry["label"].startswith("Quality")
    assert entry["type"] == "integer"
    assert (entry["minimum"], entry["maximum"], entry["step"]) == (1, 100, 1)
    assert (entry["value"], entry["default"], entry["source"]) == (92, 92, "default")
    assert entry["a1111"] == "jpeg_quality"
    assert (entry["restart"], entry["waits"], entry["changed"]) == (False, False, False)
    assert get(site, "saving.format")["options"][:3] == ["png", "jpeg", "webp"]
    assert get(site, "device.device")["restart"] is True


def test_a_change_is_kept_and_in_force_at_once(site: Site, tmp_path: Path) -> None:
    answer = patch(site, **{"saving.format": "webp", "saving.quality": 40})
    assert answer.status_code == 200
    assert [e["value"] for e in answer.json()["settings"]] == ["webp", 40]
    assert saved(tmp_path)["saving"] == {"format": "webp", "quality": 40}
    job_id = site.submit(prompt="red")
    image = site.services.library.get(site.draw(job_id))
    assert image is not None
    assert image.path.endswith(".webp")
    assert get(site, "saving.format")["source"] == "file"
    assert load_settings({}, {}, tmp_path).saving.quality == 40


def test_what_needs_a_restart_says_that_it_waits(site: Site, tmp_path: Path) -> None:
    [entry] = patch(site, **{"device.dtype": "float32"}).json()["settings"]
    assert (entry["restart"], entry["waits"], entry["value"]) == (True, True, "float32")
    [entry] = patch(site, **{"device.dtype": "auto"}).json()["settings"]
    assert entry["waits"] is False


def test_reset_takes_the_line_out_of_the_file(site: Site, tmp_path: Path) -> None:
    patch(site, **{"saving.quality": 40, "saving.format": "webp"})
    [entry] = site.local.delete("/api/v1/settings/saving.quality").json()["settings"]
    assert (entry["value"], entry["source"], entry["changed"]) == (92, "default", False)
    assert saved(tmp_path)["saving"] == {"format": "webp"}
    assert site.services.library.saving.quality == 92
    refused(site.local.delete("/api/v1/settings/saving.nothing"), 404, "saving.nothing")


BAD: list[tuple[dict[str, object], int, str]] = [
    ({"saving.quality": 101}, 422, "saving.quality"),
    ({"saving.quality": "high"}, 422, "saving.quality"),
    ({"saving.quality": True}, 422, "saving.quality"),
    ({"saving.format": "tiff"}, 422, "saving.format"),
    ({"saving.format": {"a": 1}}, 422, "saving.format"),
    ({"saving.name_pattern": " "}, 422, "saving.name_pattern"),
    ({"server.allowed_origins": ["example.org"]}, 422, "server.allowed_origins"),
    ({"server.admins": 5}, 422, "server.admins"),
    ({"device.device": "toaster"}, 422, "device.device"),
    ({"paths.outputs": "a\0b"}, 422, "paths.outputs"),
    ({"paths.installation": "/no/such/folder"}, 422, "paths.installation"),
    ({"paths.installation": "relative"}, 422, "paths.installation"),
    ({"paths.data": "/elsewhere"}, 409, "paths.data"),
    ({"no.such": 1}, 404, "no.such"),
    ({"saving": {"quality": 5}}, 404, "saving"),
]


@pytest.mark.parametrize(("change", "status", "field"), BAD, ids=lambda v: str(v)[:40])
def test_a_bad_value_changes_nothing(site: Site, tmp_path: Path, change, status, field) -> None:
    message = refused(patch(site, **{"jobs.batching": "shared", **change}), status, field)
    assert message.endswith(".")
    assert not (tmp_path / "data" / "settings.toml").exists()
    assert get(site, "jobs.batching")["value"] == "exact"


def test_what_environment_or_flag_fix_is_refused(tmp_path: Path) -> None:
    environ = {"EASEL_SAVING_QUALITY": "50"}
    settings = load_settings({"device.dtype": "float32"}, environ, tmp_path)
    with open_services(settings, FakeExecutor()) as services:
        app = create_app(services, settings)
        with client(app) as local:
            site = Site(services, FakeExecutor(), app, local)
            assert get(site, "saving.quality")["source"] == "environment"
            assert get(site, "device.dtype")["source"] == "flag"
            message = refused(patch(site, **{"saving.quality": 60}), 409, "saving.quality")
            assert "EASEL_SAVING_QUALITY" in message
            assert "flag" in refused(patch(site, **{"device.dtype": "auto"}), 409, "device.dtype")
            assert "EASEL_SAVING_QUALITY" in get(site, "saving.quality")["fixed"]


def test_passwords_are_taken_and_never_sent(site: Site, tmp_path: Path) -> None:
    answer = patch(site, **{"server.auth": "ann:s3cret-word"})
    assert answer.status_code == 200
    assert saved(tmp_path)["server"]["auth"] == ["ann:s3cret-word"]
    listed = site.local.get("/api/v1/settings").text
    assert "s3cret-word" not in answer.text + listed
    assert get(site, "server.auth")["is_set"] is True
    bad = patch(site, **{"server.auth": "ann-s3cret-word"})
    refused(bad, 422, "server.auth")
    assert "s3cret-word" not in bad.text


def test_only_administrators_change_anything(guarded: Site, tmp_path: Path) -> None:
    bob = client(guarded.app, **AFAR)
    for method, path, body in (
        ("PATCH", "settings", {"saving.quality": 5}),
        ("DELETE", "settings/saving.quality", None),
        ("POST", "settings/import", {"folder": str(tmp_path)}),
        ("PUT", "defaults", {"txt2img": {"steps": 5}}),
        ("DELETE", "defaults", None),
    ):
        answer = bob.request(method, f"/api/v1/{path}", json=body, auth=BOB)
        assert "administrator" in refused(answer, 403, None)
    assert not (tmp_path / "data" / "settings.toml").exists()
    seen = bob.get("/api/v1/settings", auth=BOB).json()
    assert seen["may_change"] is False
    names = [entry["name"] for entry in seen["settings"]]
    assert "saving.quality" in names
    assert not [name for name in names if name.startswith(("server.", "paths."))]
    assert str(tmp_path) not in json.dumps(seen)
    ann = client(guarded.app, **AFAR)
    assert ann.get("/api/v1/settings", auth=ANN).json()["may_change"] is True


def test_a_new_administrator_is_one_at_once(tmp_path: Path) -> None:
    with open_site(tmp_path, auth=[ANN, BOB], host="0.0.0.0") as site:
        bob = client(site.app, **AFAR)
        body = {"saving.quality": 5}
        assert bob.patch("/api/v1/settings", json=body, auth=BOB).status_code == 403
        answer = site.local.patch("/api/v1/settings", json={"server.admins": ["bob"]}, auth=ANN)
        assert answer.status_code == 200, answer.text
        assert bob.patch("/api/v1/settings", json=body, auth=BOB).status_code == 200


def test_a_damaged_settings_file_is_not_overwritten(site: Site, tmp_path: Path) -> None:
    file = tmp_path / "data" / "settings.toml"
    file.write_text("[saving\n", encoding="utf-8")
    assert "TOML" in refused(patch(site, **{"saving.quality": 5}), 409, None)
    assert file.read_text(encoding="utf-8") == "[saving\n"


# ---- the form's defaults


def test_form_defaults_are_checked_kept_and_forgotten(site: Site) -> None:
    assert site.local.get("/api/v1/defaults").json() == {}
    values = {"txt2img": {"steps": 33, "sampler": "k_euler", "width": None}}
    answer = site.local.put("/api/v1/defaults", json=values)
    assert answer.json() == {"txt2img": {"steps": 33, "sampler": "Euler"}}
    assert site.local.get("/api/v1/defaults").json() == answer.json()
    for body, field in (
        ({"txt2img": {"steps": 0}}, "steps"),
        ({"txt2img": {"no": 1}}, "no"),
        ({"txt2img": []}, "txt2img"),
        ({"zoo": {}}, "zoo"),
    ):
        refused(site.local.put("/api/v1/defaults", json=body), 422, field)
    assert site.local.get("/api/v1/defaults").json() == answer.json()
    site.local.delete("/api/v1/defaults")
    assert site.local.get("/api/v1/defaults").json() == {}


def test_defaults_that_are_no_longer_valid_are_left_out(site: Site, tmp_path: Path) -> None:
    path = tmp_path / "data" / "defaults.json"
    path.write_text('{"txt2img": {"steps": 9999, "cfg_scale": 4, "gone": 1}}', encoding="utf-8")
    assert site.local.get("/api/v1/defaults").json() == {"txt2img": {"cfg_scale": 4}}
    path.write_text("{", encoding="utf-8")
    assert site.local.get("/api/v1/defaults").json() == {}


# ---- the import


def installation(root: Path) -> Path:
    """An A1111 with one checkpoint, options, form values and styles."""
    write_checkpoint(root / "models" / "Stable-diffusion" / "theirs", 64)
    options = {
        "samples_format": "jpg",
        "jpeg_quality": 71,
        "samples_filename_pattern": "",
        "enable_pnginfo": "maybe",
        "show_progress_every_n_steps": -1,
        "CLIP_stop_at_last_layers": 2,
        "randn_source": "CPU",
        "sd_model_checkpoint": "theirs [0123456789]",
        "hypernetwork_hash": "x",
    }
    form = {
        "customscript/sampler.py/txt2img/Sampling steps/value": 31,
        "customscript/sampler.py/txt2img/Sampling method/value": "DPM++ 2M Karras",
        "txt2img/CFG Scale/value": 5.5,
        "txt2img/Width/value": 65,
        "txt2img/Width/maximum": 2048,
        "txt2img/Moon phase/value": 3,
        "img2img/Width/value": 640,
    }
    (root / "config.json").write_text(json.dumps(options), encoding="utf-8")
    (root / "ui-config.json").write_text(json.dumps(form), encoding="utf-8")
    (root / "styles.csv").write_text(
        'name,prompt,negative_prompt\nInk,"{prompt}, ink",colour\nMine,theirs,\n',
        encoding="utf-8-sig",
    )
    return root


def test_an_installation_is_taken_over(tmp_path: Path) -> None:
    theirs = installation(tmp_path / "a1111")
    with open_site(tmp_path / "easel") as site:
        data = tmp_path / "easel" / "data"
        (data / "styles.csv").write_text("name,prompt,negative_prompt\nMine,ours,\n", "utf-8")
        answer = site.local.post("/api/v1/settings/import", json={"folder": str(theirs)})
        assert answer.status_code == 200, answer.text
        told = answer.json()
        assert told["program"] == "A1111"
        assert told["checkpoints"] == ["theirs"]
        assert told["settings"] == {
            "saving.format": "jpeg", "saving.quality": 71, "jobs.preview_every": 0
        }  # fmt: skip
        assert told["defaults"] == {
            "clip_skip": 2, "noise_source": "CPU", "checkpoint": "theirs", "steps": 31,
            "sampler": "DPM++ 2M", "cfg_scale": 5.5,
        }  # fmt: skip
        assert told["styles"] == {"added": ["Ink"], "kept": ["Mine"]}
        assert told["unknown"] == ["hypernetwork_hash", "txt2img/Moon phase/value"]
        refusals = {r["name"]: r["message"] for r in told["refused"]}
        assert set(refusals) == {
            "enable_pnginfo", "txt2img/Width/value"
        }  # fmt: skip
        assert "not true or false" in refusals["enable_pnginfo"]
        assert get(site, "saving.quality")["value"] == 71
        assert site.local.get("/api/v1/defaults").json()["txt2img"]["steps"] == 31
        assert "theirs" in [r.name for r in site.services.catalog.checkpoints()]
        names = [s["name"] for s in site.local.get("/api/v1/styles").json()["styles"]]
        assert names == ["Mine", "Ink"]
        assert "ours" in (data / "styles.csv").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("file", "content", "word"),
    [
        ("config.json", b"{", "JSON"),
        ("config.json", b"[1]", "object"),
        ("ui-config.json", b'"x"', "object"),
        ("ui-config.json", b"\xff\xfe{", "UTF-8"),
        ("styles.csv", b"name\n\xff\xff", "UTF-8"),
    ],
)
def test_a_damaged_installation_is_left_alone(tmp_path: Path, file, content, word) -> None:
    theirs = installation(tmp_path / "a1111")
    (theirs / file).write_bytes(content)
    with open_site(tmp_path / "easel") as site:
        before = sorted(p.name for p in (tmp_path / "easel" / "data").iterdir())
        answer = site.local.post("/api/v1/settings/import", json={"folder": str(theirs)})
        assert word in refused(answer, 422, "folder")
        assert sorted(p.name for p in (tmp_path / "easel" / "data").iterdir()) == before
        assert site.services.catalog.checkpoints() == ()


@pytest.mark.parametrize(
    "folder", ["", "  ", "relative", "~nobody-of-that-name", "/no/such/folder", "a\0b", 5, None]
)
def test_what_is_no_folder_is_one_sentence(site: Site, folder: object) -> None:
    answer = site.local.post("/api/v1/settings/import", json={"folder": folder})
    assert refused(answer, 422, "folder").endswith(".")


def test_a_folder_without_models_is_no_installation(site: Site, tmp_path: Path) -> None:
    answer = site.local.post("/api/v1/settings/import", json={"folder": str(tmp_path / "data")})
    assert "models" in refused(answer, 422, "folder")


def test_a_failing_write_puts_everything_back(tmp_path: Path) -> None:
    theirs = installation(tmp_path / "a1111")
    with open_site(tmp_path / "easel") as site:
        data = tmp_path / "easel" / "data"
        (data / "settings.toml").write_text("[broken", encoding="utf-8")
        answer = site.local.post("/api/v1/settings/import", json={"folder": str(theirs)})
        assert answer.status_code == 409
        assert not (data / "styles.csv").exists()
        assert not (data / "defaults.json").exists()
        assert site.services.catalog.checkpoints() == ()


def test_settings_of_another_site(tmp_path: Path) -> None:
    """A page of another origin can change nothing."""
    settings = site_settings(tmp_path)
    with open_services(settings, FakeExecutor()) as services:
        local = client(create_app(services, settings))
        headers = {"origin": "http://evil.example"}
        answer = local.patch("/api/v1/settings", json={"saving.quality": 1}, headers=headers)
        assert answer.status_code == 403
