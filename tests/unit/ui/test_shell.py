"""The page as the server gives it out."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from types import SimpleNamespace

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from webui import ui
from webui.core.params import fields_of
from webui.core.requests import Img2Img, Txt2Img
from webui.ui import shell


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> TestClient:
    app = FastAPI()
    evil = SimpleNamespace(name="</script><script>alert(1)</script>", native_size=64)
    choices = {"checkpoints": (evil.name,)}
    catalog = SimpleNamespace(
        checkpoints=lambda: (evil,), default=lambda: evil, choices=lambda: choices
    )
    services = SimpleNamespace(catalog=catalog)
    paths = SimpleNamespace(data=tmp_path_factory.mktemp("data"))
    ui.mount(app, services, SimpleNamespace(paths=paths))  # type: ignore[arg-type]
    return TestClient(app)


@pytest.mark.parametrize(("tab", "request_type"), [("txt2img", Txt2Img), ("img2img", Img2Img)])
def test_every_field_of_the_request_has_a_control(tab: str, request_type: type) -> None:
    _, forms = shell.build_page(["one"])
    assert forms[tab].missing() == set()
    declared = [f.name for f in fields_of(request_type) if f.param.control != "picture"]
    assert [f.name for f in forms[tab].fields] == declared


def test_controls_of_image_to_image_have_the_ids_that_users_of_a1111_know() -> None:
    _, forms = shell.build_page(["one"])
    ids = {field["id"] for field in forms["img2img"].describe().values()}
    assert {"img2img_prompt", "img2img_neg_prompt", "img2img_denoising_strength"} <= ids
    assert {"img2img_mask_blur", "img2img_inpainting_fill", "img2img_inpaint_full_res"} <= ids


def test_ids_are_unique() -> None:
    blocks, _ = shell.build_page(["one"])
    ids = [str(b.elem_id) for b in blocks.blocks.values() if getattr(b, "elem_id", None)]
    assert sorted(set(ids)) == sorted(ids)


def test_gradio_offers_only_the_endpoints_for_programs(client: TestClient) -> None:
    info = client.get("/gradio_api/info").json()
    assert set(info["named_endpoints"]) == {"/txt2img", "/status", "/cancel"}
    assert info["unnamed_endpoints"] == {}


def test_no_event_of_the_page_reaches_python() -> None:
    blocks, _ = shell.build_page(["one"])
    assert [f for f in blocks.fns.values() if f.fn is not None] == []


def test_page_holds_the_form_and_no_foreign_resource(client: TestClient) -> None:
    page = client.get("/").text
    assert "txt2img_generate" in page
    loads = re.findall(r'<(?:script|link|img)[^>]+(?:src|href)="([^"]+)"', page)
    assert loads
    assert [url for url in loads if "//" in url] == []


def test_names_from_files_cannot_end_the_script(client: TestClient) -> None:
    page = client.get("/").text
    assert "</script><script>alert(1)" not in page
    config = re.search(r'id="easel_config">(.*?)</script>', page, re.DOTALL)
    assert config is not None
    assert json.loads(config[1])["forms"]["txt2img"]["steps"]["id"] == "txt2img_steps"


def test_what_has_a_digest_in_its_name_is_kept_by_browsers(client: TestClient) -> None:
    page = client.get("/").text
    ours = re.findall(r'"(/easel-assets/\w+/[\w.]+)"', page)
    gradios = re.findall(r'"\./(assets/[\w./-]+)"', page)
    assert len(ours) >= 9
    for path in [*ours, *gradios]:
        answer = client.get(path)
        assert answer.status_code == 200
        assert "immutable" in answer.headers["cache-control"]
    assert "immutable" not in client.get("/").headers.get("cache-control", "")
    assert "immutable" not in client.get("/assets/nothing.js").headers.get("cache-control", "")


def test_a_changed_asset_gets_a_new_address(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.js").write_text("1", encoding="utf-8")
    monkeypatch.setattr(shell, "ASSETS", tmp_path)
    before = shell.assets_version()
    (tmp_path / "a.js").write_text("2", encoding="utf-8")
    assert shell.assets_version() != before


def test_importing_the_package_imports_nothing_heavy() -> None:
    code = "import sys, webui.ui; print(any(m in sys.modules for m in ('gradio', 'torch')))"
    assert _python(code) == "False"


def test_gradio_is_imported_without_its_stub_writer_and_without_torch() -> None:
    code = (
        "import sys, webui.ui.quick_gradio as q; q.install(); import gradio.component_meta as m;"
        "print(m.create_or_modify_pyi.__module__, 'torch' in sys.modules)"
    )
    assert _python(code) == "webui.ui.quick_gradio False"


def _python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()
