"""The client library ``webuiapi`` and a real server: each call that A1111 itself would answer."""

from __future__ import annotations

import asyncio
import base64
import inspect
import io
import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests
from PIL import Image

from tests.contract.test_sdapi_lists import write_safetensors
from tests.fakes import loops
from tests.fakes.services import running, site_settings
from tests.journeys.serving import write_checkpoint
from webui.api import create_app
from webui.app import open_services
from webui.library.files import overwrite

webuiapi = pytest.importorskip("webuiapi")

BOT = ("bot", "token")
STYLE = '"name","prompt","negative_prompt"\n"ink","{prompt} in ink","colour"\n'
SOON = 30.0  # seconds a loaded machine may take

OF_EXTENSIONS = {
    "list_prompt_gen_models",
    "prompt_gen",
    "controlnet_version",
    "controlnet_model_list",
    "controlnet_module_list",
    "controlnet_detect",
}
"""Calls that extensions answer, not A1111."""
GONE = {"get_artists", "get_artist_categories"}
"""Calls of routes that A1111 has no more."""


def picture(colour: str = "red", size: tuple[int, int] = (16, 8), text: str = "") -> Image.Image:
    image = Image.new("RGB", size, colour)
    if text:
        image.info["parameters"] = text
    return image


def colour_of(image: Image.Image) -> Any:
    return image.convert("RGB").getpixel((image.width // 2, image.height // 2))


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server with two checkpoints, a LoRA, an embedding, a style and a CLIP model."""
    folder = tmp_path_factory.mktemp("webuiapi")
    models = folder / "models"
    for name in ("first", "second"):
        write_checkpoint(models / "checkpoints" / name, 64)
    write_safetensors(models / "lora" / "ink.safetensors", {"w": [1]}, ss_output_name="Ink")
    write_safetensors(models / "embeddings" / "easy.safetensors", {"emb_params": [2, 768]})
    clip = models / "clip" / "small"
    write_safetensors(clip / "model.safetensors", {"w": [1]})
    overwrite(clip / "preprocessor_config.json", b"{}")
    about = {"model_type": "clip", "vision_config": {"image_size": 32}}
    overwrite(clip / "config.json", json.dumps(about).encode())
    settings = site_settings(folder, api_auth=[BOT])
    with open_services(settings, worker="tests.fakes.worker") as services:
        overwrite(folder / "data" / "styles.csv", STYLE.encode())
        with running(create_app(services, settings)) as (_, address):
            yield address


@pytest.fixture(scope="module")
def api(url: str) -> Any:
    """The client, logged in as ``--api-auth`` asks it to."""
    address, port = url.removeprefix("http://").split(":")
    return webuiapi.WebUIApi(host=address, port=int(port), username=BOT[0], password=BOT[1])


def names(listed: list[dict[str, Any]], key: str = "name") -> list[str]:
    return [entry[key] for entry in listed]


# ---- what each call is asked


def txt2img(api: Any) -> None:
    result = api.txt2img(prompt="blue", seed=7, steps=3, width=64, height=64, n_iter=2)
    assert [colour_of(image) for image in result.images] == [(40, 70, 220)] * 2
    assert result.info["all_seeds"] == [7, 8]
    assert "Steps: 3" in result.info["infotexts"][0]
    assert result.parameters["prompt"] == "blue"


def img2img(api: Any) -> None:
    given = {"prompt": "blue", "seed": 7, "steps": 3, "width": 64, "height": 64}
    result = api.img2img(images=[picture()], mask_image=picture("white"), **given)
    assert colour_of(result.image) == (40, 70, 220)
    assert "Mask blur: 4" in result.info["infotexts"][0]


def extra_single_image(api: Any) -> None:
    result = api.extra_single_image(
        picture("blue"), upscaler_1=webuiapi.Upscaler.Lanczos, upscaling_resize=2
    )
    assert (result.image.size, colour_of(result.image)) == ((32, 16), (0, 0, 255))
    assert "Lanczos" in result.info


def extra_batch_images(api: Any) -> None:
    result = api.extra_batch_images(
        [picture("red"), picture("blue")], upscaler_1="Nearest", upscaling_resize=3
    )
    assert [colour_of(image) for image in result.images] == [(255, 0, 0), (0, 0, 255)]
    assert {image.size for image in result.images} == {(48, 24)}


def png_info(api: Any) -> None:
    text = "a cat\nSteps: 20, Sampler: Euler, CFG scale: 7, Seed: 3"
    result = api.png_info(picture(text=text))
    assert result.info == text
    assert result.parameters["Seed"] == "3"


def interrogate(api: Any) -> None:
    assert api.interrogate(picture()).info == "a photograph of a person, a man"
    with pytest.raises(RuntimeError, match="501"):
        api.interrogate(picture(), model="deepdanbooru")


def interrupt(api: Any) -> None:
    """A caller's own drawing ends, with what it has."""
    drawn = drawn_meanwhile(api, api.interrupt)
    assert len(drawn.images) < 40


def skip(api: Any) -> None:
    assert api.skip() in ({}, None)


def get_options(api: Any) -> None:
    found = api.get_options()
    assert found["samples_format"] == "png"
    assert found["CLIP_stop_at_last_layers"] == 1


def set_options(api: Any) -> None:
    assert api.set_options({"CLIP_stop_at_last_layers": 2, "jpeg_quality": 80}) is None
    found = api.get_options()
    assert (found["CLIP_stop_at_last_layers"], found["jpeg_quality"]) == (2, 80)
    drawn = api.txt2img(prompt="red", seed=1, steps=2, width=64, height=64)
    assert "Clip skip: 2" in drawn.info["infotexts"][0]
    api.set_options({"CLIP_stop_at_last_layers": 1, "jpeg_quality": 92})


def get_cmd_flags(api: Any) -> None:
    assert api.get_cmd_flags()["api"] is True


def get_progress(api: Any) -> None:
    seen: list[dict[str, Any]] = []
    drawn_meanwhile(api, lambda: (seen.append(busy(api)), api.interrupt()))
    assert seen[0]["state"]["job_count"] >= 1
    api.util_wait_for_ready(check_interval=0.05)
    idle = api.get_progress()
    assert (idle["progress"], idle["state"]["job_count"]) == (0, 0)


def get_samplers(api: Any) -> None:
    assert "Euler a" in names(api.get_samplers())


def get_schedulers(api: Any) -> None:
    assert {"automatic", "karras"} <= set(names(api.get_schedulers()))


def get_sd_vae(api: Any) -> None:
    assert api.get_sd_vae() == []


def get_upscalers(api: Any) -> None:
    assert names(api.get_upscalers()) == ["None", "Lanczos", "Nearest"]


def get_latent_upscale_modes(api: Any) -> None:
    assert len(names(api.get_latent_upscale_modes())) == 6


def get_loras(api: Any) -> None:
    [lora] = api.get_loras()
    assert (lora["name"], lora["alias"]) == ("ink", "Ink")


def get_sd_models(api: Any) -> None:
    assert names(api.get_sd_models(), "model_name") == ["first", "second"]


def get_hypernetworks(api: Any) -> None:
    assert api.get_hypernetworks() == []


def get_face_restorers(api: Any) -> None:
    assert api.get_face_restorers() == []


def get_realesrgan_models(api: Any) -> None:
    assert api.get_realesrgan_models() == []


def get_prompt_styles(api: Any) -> None:
    assert api.get_prompt_styles() == [
        {"name": "ink", "prompt": "{prompt} in ink", "negative_prompt": "colour"}
    ]
    drawn = api.txt2img(prompt="red", styles=["ink"], seed=1, steps=2, width=64, height=64)
    assert drawn.info["infotexts"][0].startswith("red in ink\nNegative prompt: colour")


def refresh_checkpoints(api: Any) -> None:
    assert api.refresh_checkpoints() is None


def get_scripts(api: Any) -> None:
    assert "x/y/z plot" in api.get_scripts()["txt2img"]
    assert (api.has_controlnet, api.has_adetailer, api.has_animatediff) == (False, False, False)
    args = [4, "2,3", [], 0, "", [], 0, "", [], True, True, False, False, False, False, False, 0]
    drawn = api.txt2img(
        prompt="red", seed=1, width=64, height=64, script_name="X/Y/Z plot", script_args=args
    )
    steps = {text.split("Steps: ")[1][0] for text in drawn.info["infotexts"] if "Steps: " in text}
    assert {"2", "3"} <= steps


def get_embeddings(api: Any) -> None:
    found = api.get_embeddings()
    assert found["loaded"]["easy"]["vectors"] == 2
    assert found["skipped"] == {}


def get_memory(api: Any) -> None:
    assert api.get_memory()["ram"]["total"] > 0


def custom_get(api: Any) -> None:
    assert api.custom_get("internal/ping") == {}
    assert api.custom_get("schedulers", baseurl=True) == api.get_schedulers()


def custom_post(api: Any) -> None:
    data = io.BytesIO()
    picture().save(data, "PNG")
    payload = {"image": base64.b64encode(data.getvalue()).decode()}
    assert api.custom_post("png-info", payload, baseurl=True).info == ""


def util_get_model_names(api: Any) -> None:
    assert [name.split(" ")[0] for name in api.util_get_model_names()] == ["first", "second"]


def util_get_sampler_names(api: Any) -> None:
    assert "DPM++ 2M" in api.util_get_sampler_names()


def util_get_scheduler_names(api: Any) -> None:
    assert "sgm_uniform" in api.util_get_scheduler_names()


def util_set_model(api: Any) -> None:
    """The chosen model draws, until another is chosen."""
    for name in ("second", "firs"):
        api.util_set_model(name)
        assert api.util_get_current_model().startswith(name)
        drawn = api.txt2img(prompt="red", seed=1, steps=2, width=64, height=64)
        assert drawn.info["sd_model_name"].startswith(name)


def util_get_current_model(api: Any) -> None:
    assert api.util_get_current_model() in api.util_get_model_names()


def util_wait_for_ready(api: Any) -> None:
    api.util_wait_for_ready(check_interval=0.05)


def set_auth(api: Any) -> None:
    """Without the password nothing is answered."""
    other = webuiapi.WebUIApi(baseurl=api.baseurl)
    assert requests.get(f"{api.baseurl}/samplers", timeout=SOON).status_code == 401
    other.set_auth(*BOT)
    assert names(other.get_samplers()) == names(api.get_samplers())


def post_and_get_api_result(api: Any) -> None:
    payload = {"prompt": "green", "steps": 2, "width": 64, "height": 64}
    result = api.post_and_get_api_result(f"{api.baseurl}/txt2img", payload, use_async=False)
    assert colour_of(result.image) == (30, 160, 60)


def async_post(api: Any) -> None:
    """Several requests of one client at once."""

    async def draw() -> list[Any]:
        wanted = [api.txt2img(prompt=c, steps=2, width=64, height=64, use_async=True)
                  for c in ("red", "blue", "green")]  # fmt: skip
        return await asyncio.gather(*wanted)

    drawn = loops.run(draw())
    assert [colour_of(r.image) for r in drawn] == [(220, 30, 30), (40, 70, 220), (30, 160, 60)]


def check_extensions(api: Any) -> None:
    api.check_extensions()
    assert api.has_controlnet is False


def get_endpoint(api: Any) -> None:
    assert requests.get(api.get_endpoint("internal/ping", False), timeout=SOON, auth=BOT).ok


def busy(api: Any) -> dict[str, Any]:
    """The progress once something is being drawn."""
    end = time.monotonic() + SOON
    while (found := api.get_progress())["state"]["job_count"] == 0:
        assert time.monotonic() < end, "nothing is drawn"
        time.sleep(0.02)
    return found


def drawn_meanwhile(api: Any, act: Callable[[], Any]) -> Any:
    """The result of a long drawing during which ``act`` is called."""
    with ThreadPoolExecutor(1) as pool:
        drawing = pool.submit(
            api.txt2img, prompt="!slow red", steps=20, n_iter=40, width=64, height=64
        )
        busy(api)
        act()
        return drawing.result(SOON)


CALLS: dict[str, Callable[[Any], None]] = {
    call.__name__: call
    for call in (
        txt2img, img2img, extra_single_image, extra_batch_images, png_info, interrogate,
        interrupt, skip, get_options, set_options, get_cmd_flags, get_progress, get_samplers,
        get_schedulers, get_sd_vae, get_upscalers, get_latent_upscale_modes, get_loras,
        get_sd_models, get_hypernetworks, get_face_restorers, get_realesrgan_models,
        get_prompt_styles, refresh_checkpoints, get_scripts, get_embeddings, get_memory,
        custom_get, custom_post, util_get_model_names, util_get_sampler_names,
        util_get_scheduler_names, util_set_model, util_get_current_model, util_wait_for_ready,
        set_auth, post_and_get_api_result, async_post, check_extensions, get_endpoint,
    )
}  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
def test_call(api: Any, name: str) -> None:
    CALLS[name](api)


def test_no_call_was_forgotten() -> None:
    public = {
        name
        for name, _ in inspect.getmembers(webuiapi.WebUIApi, inspect.isfunction)
        if not name.startswith("_")
    }
    assert public == set(CALLS) | OF_EXTENSIONS | GONE


def test_calls_that_extensions_answer_say_that_nothing_is_there(api: Any) -> None:
    with pytest.raises((RuntimeError, KeyError, requests.JSONDecodeError)):
        api.controlnet_detect([picture()])
    assert requests.get(f"{api.baseurl}/artists", timeout=SOON, auth=BOT).status_code == 404
