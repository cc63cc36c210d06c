"""A1111's lists, options, extras and internal routes: what they answer, and what they refuse."""

from __future__ import annotations

import argparse
import base64
import io
import json
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from starlette.testclient import TestClient

from tests.fakes.services import Site, client, open_site, running, site_settings
from tests.journeys.serving import write_checkpoint
from webui import flags
from webui.api import create_app
from webui.api.a1111.interrogate import as_sentence
from webui.app import open_services
from webui.core.errors import SetupError
from webui.core.results import Score
from webui.services import Services
from webui.settings import load_settings

ANN, BOB, BOT = ("ann", "right"), ("bob", "other"), ("bot", "token")


def write_safetensors(path: Path, shapes: dict[str, list[int]], **metadata: str) -> Path:
    """A safetensors file of float32 zeros."""
    header: dict[str, Any] = {"__metadata__": metadata} if metadata else {}
    place = 0
    for name, shape in shapes.items():
        size = 4
        for side in shape:
            size *= side
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [place, place + size]}
        place += size
    text = json.dumps(header).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(struct.pack("<Q", len(text)) + text + bytes(place))
    return path


def picture(size: tuple[int, int] = (20, 10), text: str = "", mode: str = "RGB") -> str:
    """A PNG as base64, left half red and right half blue."""
    image = Image.new(mode, size, "red")
    image.paste("blue", (size[0] // 2, 0, *size))
    info = PngInfo()
    if text:
        info.add_text("parameters", text)
    out = io.BytesIO()
    image.save(out, "PNG", pnginfo=info)
    return base64.b64encode(out.getvalue()).decode()


def opened(text: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(text)))


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    for name in ("first", "second"):
        write_checkpoint(tmp_path / "models" / "checkpoints" / name, 64)
    with open_site(tmp_path) as opened_site:
        yield opened_site


def get(site: Site, path: str) -> Any:
    answer = site.local.get(path)
    assert answer.status_code == 200, answer.text
    return answer.json()


def refused(answer: Any, status: int) -> str:
    """The sentence of an error in A1111's shape."""
    assert answer.status_code == status, answer.text
    body = answer.json()
    assert set(body) == {"error", "detail", "body", "errors"}
    return body["errors"]


# ---- lists


def test_samplers_and_schedulers_have_the_names_that_clients_send(site: Site) -> None:
    samplers = {s["name"]: s for s in get(site, "/sdapi/v1/samplers")}
    assert samplers["DPM++ 2M"]["aliases"] == ["k_dpmpp_2m"]
    assert samplers["DPM++ 2M"]["options"] == {"scheduler": "karras"}
    assert samplers["DPM2 a"]["options"] == {
        "scheduler": "karras",
        "second_order": "True",
        "discard_next_to_last_sigma": "True",
        "uses_ensd": "True",
    }
    schedulers = {s["name"]: s for s in get(site, "/sdapi/v1/schedulers")}
    assert schedulers["sgm_uniform"] == {
        "name": "sgm_uniform",
        "label": "SGM Uniform",
        "aliases": ["sgmuniform"],
        "default_rho": -1.0,
        "need_inner_model": True,
    }
    assert schedulers["karras"]["default_rho"] == 7.0
    assert {"automatic", "align_your_steps_GITS", "kl_optimal"} <= set(schedulers)


def test_files_are_listed_as_they_come_and_go(site: Site, tmp_path: Path) -> None:
    assert get(site, "/sdapi/v1/loras") == []
    models = tmp_path / "models"
    tags = {"set": {"cat": 3}}
    lora = write_safetensors(
        models / "lora" / "sub" / "ink.safetensors",
        {"lora_unet_x.lora_down.weight": [1]},
        ss_output_name="ink-v2",
        ss_tag_frequency=json.dumps(tags),
        bad="[NaN]",
        ssmd_cover_images=json.dumps([picture()]),
    )
    write_safetensors(models / "embeddings" / "easy.safetensors", {"emb_params": [3, 768]})
    both = {"clip_l": [2, 768], "clip_g": [2, 1280]}
    write_safetensors(models / "embeddings" / "xl.safetensors", both)
    (models / "embeddings" / "broken.safetensors").write_bytes(b"nothing")
    (models / "embeddings" / "old.pt").write_bytes(b"\x80")
    vae = write_safetensors(models / "vae" / "clear.safetensors", {"decoder.conv_in.weight": [1]})
    [listed] = get(site, "/sdapi/v1/loras")
    assert (listed["name"], listed["alias"], listed["path"]) == ("ink", "ink-v2", str(lora))
    assert listed["metadata"] == {
        "ss_output_name": "ink-v2",
        "ss_tag_frequency": tags,
        "bad": "[NaN]",
    }
    found = get(site, "/sdapi/v1/embeddings")
    sizes = {
        kind: {name: (one["vectors"], one["shape"]) for name, one in some.items()}
        for kind, some in found.items()
    }
    assert sizes == {"loaded": {"easy": (3, 768)}, "skipped": {"xl": (2, 2048)}}
    assert get(site, "/sdapi/v1/sd-vae") == [
        {"model_name": "clear.safetensors", "filename": str(vae)}
    ]
    body = {"text": "a xl, EASY <lora:INK-V2:1> <lora:none:1>"}
    told = site.local.post("/api/v1/tokens", json=body).json()
    words = site.local.post("/api/v1/tokens", json={"text": "a xl,"}).json()
    assert told["tokens"] == words["tokens"] + 3
    assert told["problems"] == [
        "There is no LoRA “none” in models/lora; it is left out.",
        (
            "“xl” is an embedding for another kind of model (2048 wide, this checkpoint reads "
            "768); its name is used as words."
        ),
    ]
    for name in ("checkpoints", "vae", "embeddings", "loras"):
        assert site.local.post(f"/sdapi/v1/refresh-{name}").json() is None
    lora.unlink()
    assert get(site, "/sdapi/v1/loras") == []


def test_checkpoints_have_a_title_that_names_them_again(site: Site) -> None:
    first, second = get(site, "/sdapi/v1/sd-models")
    assert (first["title"], first["model_name"], first["hash"]) == ("first", "first", None)
    site.services.catalog.model_hash(site.services.catalog.resolve("second"), wait=10)
    _, second = get(site, "/sdapi/v1/sd-models")
    assert second["title"] == f"second [{second['sha256'][:10]}]"
    assert second["hash"] == second["sha256"][:10]
    assert site.services.catalog.resolve(second["title"]).name == "second"


def test_what_there_is_none_of_is_an_empty_list(site: Site) -> None:
    modes = [mode["name"] for mode in get(site, "/sdapi/v1/latent-upscale-modes")]
    assert modes == ["Latent", "Latent (antialiased)", "Latent (bicubic)",
                     "Latent (bicubic antialiased)", "Latent (nearest)",
                     "Latent (nearest-exact)"]  # fmt: skip
    for name in ("hypernetworks", "face-restorers", "realesrgan-models", "extensions"):
        assert get(site, f"/sdapi/v1/{name}") == [], name
    assert [u["name"] for u in get(site, "/sdapi/v1/upscalers")] == ["None", "Lanczos", "Nearest"]


def test_scripts_are_described_by_their_arguments_in_order(site: Site) -> None:
    titles = get(site, "/sdapi/v1/scripts")
    assert titles["txt2img"] == ["prompt matrix", "prompts from file or textbox", "x/y/z plot"]
    assert titles["img2img"] == titles["txt2img"]
    described = get(site, "/sdapi/v1/script-info")
    axes = {s["is_img2img"]: s["args"][0]["choices"] for s in described if "x/y" in s["name"]}
    assert axes[False].index("Hires steps") == 5
    assert "Hires steps" not in axes[True]
    assert axes[True].index("Image CFG Scale") == 6
    info = {script["name"]: script for script in described if not script["is_img2img"]}
    assert [len(info[t]["args"]) for t in titles["txt2img"]] == [5, 4, 18]
    kind = info["x/y/z plot"]["args"][0]
    assert kind["value"] == "Nothing"
    assert {"Nothing", "Steps", "CFG Scale", "Seed"} <= set(kind["choices"])


def test_styles_memory_and_flags(site: Site, tmp_path: Path) -> None:
    style = {"name": "ink", "prompt": "ink of {prompt}", "negative_prompt": "colour"}
    assert site.local.put("/api/v1/styles", json=style).status_code == 200
    assert get(site, "/sdapi/v1/prompt-styles") == [style]
    ram = get(site, "/sdapi/v1/memory")["ram"]
    assert 0 < ram["used"] < ram["total"]
    assert ram["free"] + ram["used"] == ram["total"]
    flags = get(site, "/sdapi/v1/cmd-flags")
    assert (flags["port"], flags["listen"], flags["api"]) == (7860, False, True)
    assert flags["models_dir"] == str(tmp_path / "models")


# ---- options


def options(site: Site, **values: Any) -> Any:
    return site.local.post("/sdapi/v1/options", json=values)


def test_options_read_and_write_the_same_settings_as_the_page(site: Site) -> None:
    before = get(site, "/sdapi/v1/options")
    assert (before["samples_format"], before["jpeg_quality"]) == ("png", 92)
    assert (before["samples_filename_pattern"], before["save_images_add_number"]) == (
        "[seed]",
        True,
    )
    changed = options(site, samples_format="jpg", CLIP_stop_at_last_layers=2, s_noise=0.5)
    assert (changed.status_code, changed.json()) == (200, None)
    after = get(site, "/sdapi/v1/options")
    assert (after["samples_format"], after["CLIP_stop_at_last_layers"]) == ("jpg", 2)
    assert after["s_noise"] == 0.5
    assert site.services.library.saving.format == "jpeg"
    assert get(site, "/api/v1/defaults")["txt2img"] == {"clip_skip": 2, "s_noise": 0.5}
    options(site, samples_filename_pattern="[prompt]")
    assert site.services.library.saving.name_pattern == "[number]-[prompt]"
    options(site, save_images_add_number=False)
    assert site.services.library.saving.name_pattern == "[prompt]"
    options(site, CLIP_stop_at_last_layers=None, samples_format=None)
    back = get(site, "/sdapi/v1/options")
    assert (back["CLIP_stop_at_last_layers"], back["samples_format"]) == (1, "png")


def test_the_chosen_checkpoint_is_switched_by_title_name_or_hash(site: Site) -> None:
    assert get(site, "/sdapi/v1/options")["sd_model_checkpoint"] == "first"
    for name in ("second", "SECOND.safetensors"):
        options(site, sd_model_checkpoint=None)
        assert options(site, sd_model_checkpoint=name).json() is None
        now = get(site, "/sdapi/v1/options")
        assert now["sd_model_checkpoint"].startswith("second [")
    assert now["sd_checkpoint_hash"].startswith(now["sd_model_checkpoint"][8:18])
    assert options(site, sd_model_checkpoint=now["sd_model_checkpoint"]).status_code == 200
    message = refused(options(site, sd_model_checkpoint="nowhere", jpeg_quality=50), 422)
    assert "model 'nowhere' not found" in message
    kept = get(site, "/sdapi/v1/options")
    assert kept["sd_model_checkpoint"] == now["sd_model_checkpoint"]
    assert kept["jpeg_quality"] == 92, "a request is taken whole or not at all"


def test_unknown_options_are_passed_over_and_named(site: Site) -> None:
    answer = options(site, sd_vae="x.pt", jpeg_quality=50, **{"odd\r\nname,ü": 1})
    assert answer.headers["x-easel-ignored"] == "sd_vae, odd??name??"
    assert get(site, "/sdapi/v1/options")["jpeg_quality"] == 50


def test_bad_values_are_refused_with_a_sentence(site: Site) -> None:
    for values in (
        {"jpeg_quality": 0},
        {"jpeg_quality": "many"},
        {"samples_format": ["png"]},
        {"CLIP_stop_at_last_layers": 1e400},
        {"CLIP_stop_at_last_layers": -1},
        {"sd_model_checkpoint": 7},
        {"sd_model_checkpoint": "../../etc/passwd"},
        {"save_images_add_number": "yes"},
        {"emphasis": "loud"},
    ):
        body = json.dumps(values).replace("Infinity", "1e999")
        json_type = {"content-type": "application/json"}
        answer = site.local.post("/sdapi/v1/options", content=body, headers=json_type)
        assert len(refused(answer, 422)) > 10, values
    assert get(site, "/api/v1/defaults") == {}
    assert get(site, "/sdapi/v1/options")["jpeg_quality"] == 92


def test_only_administrators_change_options_and_see_folders(tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "models" / "checkpoints" / "first", 64)
    with open_site(tmp_path, auth=[ANN, BOB], host="0.0.0.0", admins=("ann",)) as site:
        far = site.away("http://192.0.2.1:7860")
        assert "administrator" in refused(
            far.post("/sdapi/v1/options", json={"jpeg_quality": 5}, auth=BOB), 403
        )
        assert far.post("/sdapi/v1/options", json={"jpeg_quality": 5}, auth=ANN).status_code == 200
        for path in ("/sdapi/v1/cmd-flags", "/sdapi/v1/sd-models", "/sdapi/v1/options"):
            assert str(tmp_path) not in far.get(path, auth=BOB).text
            assert "right" not in far.get(path, auth=ANN).text
        assert far.get("/internal/sysinfo", auth=BOB).status_code == 403
        for path in ("unload-checkpoint", "reload-checkpoint"):
            assert far.post(f"/sdapi/v1/{path}", auth=BOB).status_code == 403


# ---- pictures


def post(site: Site, path: str, **body: Any) -> Any:
    return site.local.post(f"/sdapi/v1/{path}", json=body)


def bomb() -> str:
    """A PNG whose header says that it has a billion pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 40_000, 30_000, 8, 2, 0, 0, 0))
    data = b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(1000)))
    return base64.b64encode(data + chunk(b"IEND", b"")).decode()


def test_bad_pictures_are_refused_with_a_sentence(site: Site) -> None:
    cases = {
        "http://10.0.0.1/secret.png": (422, "address"),
        "file:///etc/passwd": (422, "address"),
        "/etc/passwd": (422, "base64"),
        "C:\\pictures\\cat.png": (422, "base64"),
        "%%%": (422, "base64"),
        "": (422, "base64"),
        "bm90IGEgcGljdHVyZQ==": (422, "cannot be read"),
        bomb(): (413, "million pixels"),
    }
    cut = picture()[:60]  # its header is whole, which is enough to say what it says
    for path in ("extra-single-image", "png-info", "interrogate"):
        for value, (status, words) in cases.items():
            message = refused(post(site, path, image=value, upscaler_1="Lanczos"), status)
            assert words in message, (path, value[:40], message)
        assert refused(post(site, path, image=7), 422)
        if path != "png-info":
            assert "cannot be read" in refused(post(site, path, image=cut), 422)


def test_extras_say_what_they_cannot_do(site: Site) -> None:
    to_size = {"resize_mode": 1, "upscaling_resize_w": 65536, "upscaling_resize_h": 65536}
    cases: list[tuple[dict[str, Any], int, str]] = [
        ({"upscaler_1": "R-ESRGAN 4x+"}, 422, "could not find upscaler named R-ESRGAN 4x+"),
        ({"upscaler_1": "None", "upscaler_2": "x"}, 422, "could not find upscaler named x"),
        ({"upscaling_resize": 1e9}, 422, "upscaling_resize"),
        ({"upscaling_resize": -1}, 422, "upscaling_resize"),
        ({"upscaling_resize": "NaN"}, 422, "upscaling_resize"),
        ({"upscaling_resize": 64, "image": picture((2000, 2000))}, 413, "million"),
        (to_size, 413, "million"),
        ({"gfpgan_visibility": 1}, 501, "faces"),
        ({"codeformer_visibility": 0.5}, 501, "faces"),
        ({"resize_mode": 7}, 422, "resize_mode"),
    ]
    for body, status, words in cases:
        whole = {"image": picture(), "upscaler_1": "Lanczos", **body}
        assert words in refused(post(site, "extra-single-image", **whole), status), body


def test_png_info_reads_what_a_picture_says(site: Site) -> None:
    text = "a cat\nNegative prompt: dog\nSteps: 20, Sampler: Euler, CFG scale: 7, Size: 20x10"
    found = post(site, "png-info", image=picture(text=text)).json()
    assert found["info"] == text
    assert found["items"] == {}
    assert found["parameters"]["Prompt"] == "a cat"
    assert found["parameters"]["Negative prompt"] == "dog"
    assert (found["parameters"]["Steps"], found["parameters"]["Size-1"]) == ("20", "20")
    nothing = post(site, "png-info", image=picture()).json()
    assert (nothing["info"], nothing["items"]) == ("", {})


def test_a_caption_names_a_second_thing_only_where_it_is_nearly_as_likely() -> None:
    medium = "an oil painting"
    sure = [Score("cat", 0, 0.3, 0.7), Score("owl", 1, 0.2, 0.1)]
    torn = [Score("cat", 0, 0.3, 0.4), Score("owl", 1, 0.3, 0.38)]
    assert as_sentence(medium, sure) == "an oil painting of a cat"
    assert as_sentence(medium, torn) == "an oil painting of a cat, an owl"


# ---- acting on the program


def test_training_is_refused_and_stopping_is_not_there_without_its_flag(site: Site) -> None:
    for path in ("create/embedding", "create/hypernetwork", "train/embedding"):
        assert "train" in refused(post(site, path), 501)
    for path in ("server-stop", "server-kill", "server-restart"):
        refused(post(site, path), 404)


@pytest.fixture
def working(tmp_path: Path) -> Iterator[tuple[Services, TestClient]]:
    """Real services with a worker that answers."""
    write_checkpoint(tmp_path / "models" / "checkpoints" / "first", 64)
    settings = site_settings(tmp_path)
    with (
        open_services(settings, worker="tests.fakes.worker") as services,
        client(create_app(services, settings)) as local,
    ):
        yield services, local


def test_reload_loads_in_the_worker_and_unload_drops(
    working: tuple[Services, TestClient],
) -> None:
    services, local = working

    def loaded() -> tuple[str, ...]:
        stats = services.queue.status.stats
        assert stats is not None
        return stats.loaded

    assert local.post("/sdapi/v1/unload-checkpoint").json() == {}
    assert services.queue.status.state == "idle", "nothing is started only to be unloaded"
    assert local.post("/sdapi/v1/reload-checkpoint").json() == {}
    assert loaded() == ("first",)
    assert local.post("/sdapi/v1/unload-checkpoint").json() == {}
    assert loaded() == ()


def test_interrogate_says_when_it_has_no_model(working: tuple[Services, TestClient]) -> None:
    _, local = working
    for model, status, words in (
        ("clip", 404, "CLIP"),
        ("deepdanbooru", 501, "DeepDanbooru"),
        ("x", 422, "Model not found"),
    ):
        body = {"image": picture(), "model": model}
        assert words in refused(local.post("/sdapi/v1/interrogate", json=body), status)


def test_the_server_ends_when_an_administrator_says_so_and_the_flag_allows_it(
    tmp_path: Path,
) -> None:
    users = {"auth": [ANN, BOB], "admins": ("ann",), "host": "0.0.0.0"}
    with open_site(tmp_path, api_server_stop=True, **users) as site:
        far = site.away("http://192.0.2.1:7860")
        path = "/sdapi/v1/server-stop"
        with running(site.app) as (server, _):
            refused(far.post(path, auth=BOB), 403)
            assert not server.should_exit
            refused(far.post("/sdapi/v1/server-restart", auth=ANN), 501)
            assert far.post(path, auth=ANN).text == "Stopping."
            assert server.should_exit


# ---- internal routes and cards


def test_internal_routes(site: Site) -> None:
    assert get(site, "/internal/ping") == {}
    assert get(site, "/internal/profile-startup")["total"] >= 0
    hints = {hint["name"]: hint["label"] for hint in get(site, "/internal/quicksettings-hint")}
    assert {"sd_model_checkpoint", "CLIP_stop_at_last_layers", "samples_format"} <= set(hints)
    info = site.local.get("/internal/sysinfo-download")
    assert info.headers["content-disposition"].startswith('attachment; filename="sysinfo-')
    assert info.json()["Config"]["samples_format"] == "png"


def test_cards_show_listed_files_and_nothing_else(site: Site, tmp_path: Path) -> None:
    cover = picture((6, 6))
    lora = write_safetensors(
        tmp_path / "models" / "lora" / "in<k.safetensors",
        {"w": [1]},
        ss_output_name="x",
        ssmd_cover_images=json.dumps([cover]),
    )
    lora.with_name("in<k.preview.png").write_bytes(base64.b64decode(picture((5, 5))))
    secret = tmp_path / "models" / "lora" / "secret.png"
    secret.write_bytes(base64.b64decode(picture()))
    cards = "/sd_extra_networks"
    html = site.local.get(f"{cards}/get-single-card", params={"page": "Lora", "name": "in<k"})
    assert "in&lt;k" in html.json()["html"]
    assert "in<k" not in html.json()["html"]
    thumb = f"{cards}/thumb"
    for name in ("lora/in<k.preview.png", str(lora.with_name("in<k.preview.png"))):
        answer = site.local.get(thumb, params={"filename": name})
        assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")
    for name in (str(secret), "/etc/passwd", "lora/../lora/in<k.preview.png", str(lora), "\0"):
        assert site.local.get(thumb, params={"filename": name}).status_code == 404, name
    told = site.local.get(f"{cards}/metadata", params={"page": "lora", "item": "in<k"}).json()
    assert json.loads(told["metadata"]) == {"ss_output_name": "x"}
    answer = site.local.get(f"{cards}/cover-images", params={"page": "lora", "item": "in<k"})
    assert Image.open(io.BytesIO(answer.content)).size == (6, 6)
    for path, name in (("metadata", "item"), ("get-single-card", "name"), ("cover-images", "item")):
        found = site.local.get(f"{cards}/{path}", params={"page": "lora", name: "../../x"})
        assert found.status_code == 404, path


# ---- who may come in, and from where


def test_api_users_come_in_to_the_api_only(tmp_path: Path) -> None:
    with open_site(tmp_path, api_auth=[BOT]) as site:
        assert site.local.get("/sdapi/v1/samplers").status_code == 401
        assert site.local.get("/internal/ping").status_code == 401
        assert site.local.get("/api/v1/status").status_code == 200, "the page's own goes on"
        assert site.local.get("/sdapi/v1/samplers", auth=BOT).status_code == 200
        assert site.local.get("/sdapi/v1/samplers", auth=("bot", "x")).status_code == 401
        who = site.local.get("/api/v1/status", auth=BOT).json()["caller"]
        assert who["user"] == "bot"
        assert "token" not in site.local.get("/sdapi/v1/cmd-flags", auth=BOT).text


def test_api_users_cannot_open_the_page(tmp_path: Path) -> None:
    with open_site(tmp_path, auth=[ANN], api_auth=[BOT], host="0.0.0.0") as site:
        far = site.away("http://192.0.2.1:7860")
        assert far.get("/docs", auth=BOT).status_code == 401
        assert far.get("/docs", auth=ANN).status_code == 200
        for auth in (ANN, BOT):
            assert far.get("/sdapi/v1/samplers", auth=auth).status_code == 200
        answer = far.post("/login", data={"user": "bot", "password": "token"})
        assert "set-cookie" not in answer.headers
        assert far.get("/internal/sysinfo", auth=BOT).status_code == 403


def asked(origin: str) -> dict[str, str]:
    return {
        "origin": origin,
        "access-control-request-method": "POST",
        "access-control-request-headers": "content-type, x-mine",
    }


def test_pages_of_sites_that_match_the_pattern_may_call(tmp_path: Path) -> None:
    pattern = r"https://[a-z]+\.good\.example"
    with open_site(tmp_path, allowed_origins_regex=pattern) as site:
        good, bad = "https://tool.good.example", "https://tool.good.example.evil.org"
        answer = site.local.options("/sdapi/v1/options", headers=asked(good))
        assert answer.status_code == 204
        assert answer.headers["access-control-allow-origin"] == good
        assert "x-mine" in answer.headers["access-control-allow-headers"]
        headers = {"origin": good}
        changed = site.local.post("/sdapi/v1/options", json={"odd": 1}, headers=headers)
        assert changed.status_code == 200
        assert changed.headers["access-control-allow-origin"] == good
        assert "X-Easel-Ignored" in changed.headers["access-control-expose-headers"]
        for origin in (bad, "null"):
            answer = site.local.options("/sdapi/v1/options", headers=asked(origin))
            assert "access-control-allow-origin" not in answer.headers
            blocked = site.local.post("/sdapi/v1/options", json={}, headers={"origin": origin})
            assert blocked.status_code == 403


def test_every_site_may_draw_but_not_administer_where_all_are_allowed(tmp_path: Path) -> None:
    with open_site(tmp_path, allowed_origins=["*"]) as site:
        for origin in ("https://any.example", "null"):
            answer = site.local.options("/sdapi/v1/txt2img", headers=asked(origin))
            assert answer.headers["access-control-allow-origin"] == "*"
            assert "access-control-allow-credentials" not in answer.headers
            headers = {"origin": origin}
            assert post_from(site, "png-info", headers, image=picture()).status_code == 200
            assert post_from(site, "options", headers, jpeg_quality=5).status_code == 403
        own = {"origin": "http://127.0.0.1:7860"}
        assert post_from(site, "options", own, jpeg_quality=5).status_code == 200


def test_a_page_that_only_asks_because_every_site_may_has_no_use_of_a_login(
    tmp_path: Path,
) -> None:
    """Browsers send a host's cookies also for pages of its other ports, however those ask."""
    with open_site(tmp_path, allowed_origins=["*", "http://a.example"], auth=[ANN]) as site:
        site.local.post("/login", data={"user": ANN[0], "password": ANN[1]})
        plain = {"content-type": "text/plain"}
        for origin, status in (
            ("http://127.0.0.1:3000", 401),
            ("null", 401),
            ("http://a.example", 202),
            ("http://127.0.0.1:7860", 202),
        ):
            headers = {"origin": origin, **plain}
            answer = site.local.post("/api/v1/txt2img", content='{"prompt": "x"}', headers=headers)
            assert answer.status_code == status, origin
        told = site.local.get(
            "/api/v1/status", headers={"origin": "http://127.0.0.1:3000"}, auth=ANN
        )
        assert told.json()["caller"] == {"user": ANN[0], "is_admin": False}


def post_from(site: Site, path: str, headers: dict[str, str], **body: Any) -> Any:
    return site.local.post(f"/sdapi/v1/{path}", json=body, headers=headers)


def test_a1111s_flags_are_settings() -> None:
    parser = argparse.ArgumentParser()
    flags.add_settings(parser, flags.SERVE_FLAGS)
    words = ["--api-auth=bot:token", "--cors-allow-origins=*,http://a.example:3000"]
    words.append(r"--cors-allow-origins-regex=https://.*\.example")
    server = load_settings(flags.settings_from(parser.parse_args(words)), environ={}).server
    assert server.api_auth == (BOT,)
    assert server.allowed_origins == ("*", "http://a.example:3000")
    assert server.allowed_origins_regex == r"https://.*\.example"
    for bad in ("--cors-allow-origins=example.org", "--cors-allow-origins-regex=(", "--api-auth=x"):
        with pytest.raises(SetupError):
            load_settings(flags.settings_from(parser.parse_args([bad])), environ={})
