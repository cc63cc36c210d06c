"""A1111's generation API, from its clients' side: what they send, get, and can find again."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image
from starlette.testclient import TestClient

from tests.fakes.jobs import eventually
from tests.fakes.services import client
from tests.fakes.worker import COLOURS
from tests.journeys.serving import running, write_checkpoint
from webui.api import create_app
from webui.api.a1111.fields import TXT2IMG
from webui.api.a1111.unkept import KEPT_SECONDS, Unkept
from webui.api.native import answer
from webui.app import open_services
from webui.metadata import parse
from webui.services import Services
from webui.settings import load_settings

PATH = "/sdapi/v1/txt2img"
STYLES = 'name,prompt,negative_prompt\nOil,"oil painting of {prompt}, thick",photo\n'
INFO_KEYS = [
    "prompt", "all_prompts", "negative_prompt", "all_negative_prompts", "seed", "all_seeds",
    "subseed", "all_subseeds", "subseed_strength", "width", "height", "sampler_name", "cfg_scale",
    "steps", "batch_size", "restore_faces", "face_restoration_model", "sd_model_name",
    "sd_model_hash", "sd_vae_name", "sd_vae_hash", "seed_resize_from_w", "seed_resize_from_h",
    "denoising_strength", "extra_generation_params", "index_of_first_image", "infotexts",
    "styles", "job_timestamp", "clip_skip", "is_using_inpainting_conditioning", "version",
]  # fmt: skip


class Here:
    """Services with a worker that draws flat colours at once, and a client of theirs."""

    def __init__(self, services: Services, local: TestClient) -> None:
        self.services = services
        self.local = local

    def post(self, **fields: Any) -> Any:
        size = {"width": 32, "height": 16, "steps": 2}
        return self.local.post(PATH, json={**size, **fields})

    def drawn(self, **fields: Any) -> tuple[list[Image.Image], dict[str, Any], Any]:
        """Pictures, info and the whole answer of a request that must succeed."""
        answer = self.post(**fields)
        assert answer.status_code == 200, answer.text
        found = answer.json()
        return [decoded(text) for text in found["images"]], json.loads(found["info"]), answer

    def saved(self) -> set[str]:
        listed = self.local.get("/api/v1/images").json()["images"]
        return {image["id"] for image in listed}


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Here]:
    folder = tmp_path_factory.mktemp("home")
    for name, size in (("first", 64), ("second", 128)):
        write_checkpoint(folder / "models" / "checkpoints" / name, size)
    (folder / "data").mkdir()
    (folder / "data" / "styles.csv").write_text(STYLES, encoding="utf-8")
    settings = load_settings({"device.inline": True}, environ={}, home=folder)
    with (
        open_services(settings, worker="tests.fakes.worker") as services,
        client(create_app(services, settings)) as local,
    ):
        yield Here(services, local)


def decoded(text: str) -> Image.Image:
    image = Image.open(io.BytesIO(base64.b64decode(text, validate=True)))
    image.load()
    return image


def colour(image: Image.Image) -> Any:
    return image.convert("RGB").getpixel((image.width // 2, image.height // 2))


# ---- what is answered


def test_an_answer_has_what_a1111s_clients_read(here: Here) -> None:
    images, info, answer = here.drawn(prompt="a red ball", negative_prompt="blue", seed=5, n_iter=2)
    assert [image.size for image in images] == [(32, 16)] * 2
    assert [colour(image) for image in images] == [COLOURS["red"]] * 2
    assert list(info) == INFO_KEYS
    assert (info["all_seeds"], info["seed"]) == ([5, 6], 5)
    assert info["all_prompts"] == ["a red ball"] * 2
    assert (info["sampler_name"], info["sd_model_name"], info["clip_skip"]) == ("Euler", "first", 1)
    assert (info["width"], info["height"], info["index_of_first_image"]) == (32, 16, 0)
    assert len(info["job_timestamp"]) == 14
    texts = [image.info["parameters"] for image in images]
    assert texts == info["infotexts"]
    said = parse(texts[1])
    assert (said["Seed"], said["Steps"], said["Negative prompt"]) == ("6", "2", "blue")
    assert said["Model hash"] == info["sd_model_hash"]
    parameters = answer.json()["parameters"]
    assert set(parameters) == {name for name, known in TXT2IMG.items() if known.echoed}
    assert (parameters["steps"], parameters["cfg_scale"], parameters["seed"]) == (2, 7.0, 5)
    assert float(answer.headers["x-process-time"]) >= 0
    job = here.local.get(f"/api/v1/jobs/{answer.headers['x-easel-job']}").json()
    assert job["state"] == "done"


def test_what_was_passed_over_or_changed_is_named(here: Here) -> None:
    _, info, answer = here.drawn(sampler_name="Eular", width=39, unheard_of=1, styles=["Nope"])
    assert answer.headers["x-easel-changed"] == "sampler_name=DPM++ 2M, width=32"
    assert answer.headers["x-easel-ignored"] == "unheard_of, styles.Nope"
    assert info["sampler_name"] == "DPM++ 2M"
    _, _, answer = here.drawn()
    assert not {"x-easel-changed", "x-easel-ignored"} & set(answer.headers)


def test_pictures_are_kept_only_where_that_is_asked_for(here: Here) -> None:
    before = here.saved()
    _, _, answer = here.drawn(prompt="red")
    assert here.saved() == before
    job = here.local.get(f"/api/v1/jobs/{answer.headers['x-easel-job']}").json()
    again = here.local.get(job["images"][0]["url"])
    assert again.content == base64.b64decode(answer.json()["images"][0]), "not yet gone for good"
    _, _, answer = here.drawn(prompt="red", save_images=True)
    assert len(here.saved()) == len(before) + 1
    answer = here.post(prompt="red", send_images=False)
    assert answer.json()["images"] == []
    assert len(here.saved()) == len(before) + 2, "neither sent nor saved would be lost"


def test_a_grid_comes_first_where_pictures_are_saved(here: Here) -> None:
    fields: dict[str, Any] = {"prompt": "red", "n_iter": 2, "batch_size": 2, "seed": 1}
    images, info, _ = here.drawn(**fields, save_images=True)
    assert [image.size for image in images] == [(64, 32)] + [(32, 16)] * 4
    assert info["index_of_first_image"] == 1
    assert info["all_seeds"] == [1, 2, 3, 4]
    assert len(info["infotexts"]) == 5
    assert info["infotexts"][0] == info["infotexts"][1]
    images, info, _ = here.drawn(
        **fields, save_images=True, override_settings={"return_grid": False}
    )
    assert (len(images), info["index_of_first_image"]) == (4, 0)
    images, _, _ = here.drawn(prompt="red", save_images=True)
    assert len(images) == 1
    images, _, _ = here.drawn(**fields)
    assert len(images) == 4


def test_overrides_hold_for_one_request(here: Here) -> None:
    overrides = {"sd_model_checkpoint": "second", "CLIP_stop_at_last_layers": 2}
    _, info, _ = here.drawn(override_settings=overrides)
    assert (info["sd_model_name"], info["clip_skip"]) == ("second", 2)
    assert parse(info["infotexts"][0])["Clip skip"] == "2"
    _, info, _ = here.drawn()
    assert (info["sd_model_name"], info["clip_skip"]) == ("first", 1)
    answer = here.post(override_settings={"sd_model_checkpoint": "nowhere"})
    assert answer.status_code == 404
    assert "override_settings.sd_model_checkpoint: There is no checkpoint" in answer.text


def test_overrides_stay_where_that_is_asked_for(here: Here) -> None:
    overrides = {"sd_model_checkpoint": "second", "CLIP_stop_at_last_layers": 2}
    kept = {"override_settings": overrides, "override_settings_restore_afterwards": False}
    _, info, answer = here.drawn(**kept)
    assert info["sd_model_name"] == "second"
    assert "x-easel-ignored" not in answer.headers
    _, info, _ = here.drawn()
    assert (info["sd_model_name"], info["clip_skip"]) == ("second", 2)
    assert here.local.get("/sdapi/v1/options").json()["CLIP_stop_at_last_layers"] == 2
    refused = {**kept, "override_settings": {**overrides, "sd_model_checkpoint": "nowhere"}}
    assert here.post(**refused).status_code in (404, 422)
    back = {"sd_model_checkpoint": None, "CLIP_stop_at_last_layers": None}
    assert here.local.post("/sdapi/v1/options", json=back).status_code == 200
    _, info, _ = here.drawn()
    assert (info["sd_model_name"], info["clip_skip"]) == ("first", 1)


def test_styles_and_infotext_fill_the_request(here: Here) -> None:
    text = "a green tree\nSteps: 2, Sampler: Heun, CFG scale: 4, Seed: 77, Size: 512x512, Model: x"
    images, info, answer = here.drawn(infotext=text, styles=["Oil"], seed=78)
    assert colour(images[0]) == COLOURS["green"]
    assert info["prompt"] == "oil painting of a green tree, thick"
    assert (info["negative_prompt"], info["styles"]) == ("photo", ["Oil"])
    assert (info["sampler_name"], info["cfg_scale"], info["seed"]) == ("Heun", 4.0, 78)
    assert (info["width"], info["height"]) == (32, 16)
    assert answer.headers["x-easel-ignored"] == "infotext", "its model is not there"


def test_extra_parameters_are_told_apart(here: Here) -> None:
    _, info, _ = here.drawn(
        sampler_name="DPM++ 2M Karras", s_churn=2, subseed=9, subseed_strength=0.5
    )
    assert info["extra_generation_params"] == {"Schedule type": "Karras", "Sigma churn": "2"}
    assert (info["subseed"], info["subseed_strength"]) == (9, 0.5)


def test_prompts_that_vary_are_told_as_they_were_drawn(here: Here) -> None:
    images, info, _ = here.drawn(prompt="{red|blue} ball", n_iter=6, seed=1, save_images=True)
    colours = [COLOURS[prompt.split()[0]] for prompt in info["all_prompts"]]
    assert [colour(image) for image in images[1:]] == colours
    assert len(set(colours)) == 2
    assert info["all_seeds"] == list(range(1, 7))


# ---- scripts


def test_a_plot_answers_its_grid_and_its_pictures_if_asked(here: Here) -> None:
    args = [7, "red, blue", [], 6, "3,4", [], 0, "", [], True]
    fields = {"prompt": "a red ball", "seed": 3, "script_name": "X/Y/Z plot"}
    images, info, _ = here.drawn(**fields, script_args=args)
    assert len(images) == 1
    assert images[0].width > 64, "the legend stands beside the pictures"
    assert info["index_of_first_image"] == 1
    assert info["all_prompts"] == ["a red ball", "a blue ball"] * 2
    assert "X Type: Prompt S/R" in info["infotexts"][0]
    images, info, _ = here.drawn(**fields, script_args=[*args, True])
    assert [colour(image) for image in images[1:]] == [COLOURS["red"], COLOURS["blue"]] * 2
    assert len(info["infotexts"]) == 5


def test_the_other_scripts(here: Here) -> None:
    images, _, _ = here.drawn(prompt="a red|big", script_name="prompt matrix")
    assert len(images) == 3
    images, info, _ = here.drawn(
        script_name="prompts from file or textbox",
        script_args=[False, False, "start", "red\n--prompt blue --seed 4"],
    )
    assert [colour(image) for image in images] == [COLOURS["red"], COLOURS["blue"]]
    assert info["all_seeds"][1] == 4


# ---- what is refused

REFUSED = [
    ({"enable_hr": True, "hr_checkpoint_name": "other"}, 501, "hr_checkpoint_name"),
    ({"enable_hr": True, "hr_upscaler": "nonesuch"}, 422, "nonesuch"),
    ({"enable_hr": True, "denoising_strength": 2}, 422, "denoising_strength"),
    ({"enable_hr": True, "hr_scale": 4, "width": 2048, "height": 2048}, 422, "hr_scale"),
    ({"restore_faces": True}, 501, "restore_faces"),
    ({"script_name": "nowhere"}, 422, "Script 'nowhere' not found"),
    ({"alwayson_scripts": {"nowhere": {"args": []}}}, 422, "Script 'nowhere' not found"),
    ({"steps": "many"}, 422, "steps"),
    ({"steps": 10_000}, 422, "steps"),
    ({"cfg_scale": [7]}, 422, "cfg_scale"),
    ({"seed": 2**70}, 422, "seed"),
    ({"subseed": -5}, 422, "subseed"),
    ({"n_iter": 0}, 422, "n_iter"),
    ({"batch_size": 64, "n_iter": 100}, 422, "n_iter"),
    ({"width": 4096, "height": 4096}, 422, "width"),
    ({"prompt": {"a": 1}}, 422, "prompt"),
]


@pytest.mark.parametrize(("fields", "status", "word"), REFUSED)
def test_what_is_refused_is_one_sentence(
    here: Here, fields: dict[str, Any], status: int, word: str
) -> None:
    answer = here.post(**fields)
    assert answer.status_code == status
    told = answer.json()
    assert set(told) == {"error", "detail", "body", "errors"}
    assert word in told["detail"]
    assert "Traceback" not in answer.text
    assert "x-process-time" in answer.headers


def test_addresses_and_methods_that_are_not_there(here: Here) -> None:
    for path, status in (("/sdapi/v1/nowhere", 404), ("/internal/nowhere", 404), (PATH, 405)):
        answer = here.local.get(path)
        assert answer.status_code == status
        assert set(answer.json()) == {"error", "detail", "body", "errors"}
    assert here.local.get(PATH).headers["allow"] == "POST"
    answer = here.local.post(PATH, content=b"{")
    assert (answer.status_code, answer.json()["error"]) == (400, "BadRequest")
    told = here.local.get("/api/v1/nowhere").json()
    assert set(told["error"]) == {"code", "message", "field"}, "Easel's own shape elsewhere"


def test_a_second_pass(here: Here) -> None:
    images, info, _ = here.drawn(
        prompt="red", enable_hr=True, hr_scale=1.5, hr_upscaler="Lanczos",
        denoising_strength=0.4, hr_second_pass_steps=3, hr_sampler_name="DPM++ 2M Karras",
    )  # fmt: skip
    assert images[0].size == (48, 24)
    assert info["denoising_strength"] == 0.4
    assert info["extra_generation_params"] == {
        "Schedule type": "Automatic",
        "Hires sampler": "DPM++ 2M",
        "Hires schedule type": "Karras",
        "Hires upscale": "1.5",
        "Hires steps": "3",
        "Hires upscaler": "Lanczos",
    }
    assert "Denoising strength: 0.4" in info["infotexts"][0]
    again, _, _ = here.drawn(infotext=info["infotexts"][0], width=None, height=None)
    assert again[0].size == (48, 24)
    images, info, _ = here.drawn(
        prompt="red", denoising_strength=0.4, hr_scale=1.5, hr_upscaler="?"
    )
    assert images[0].size == (32, 16), "without enable_hr nothing of it counts"
    sized, _, _ = here.drawn(prompt="red", enable_hr=True, hr_resize_x=45, hr_upscaler=None)
    assert sized[0].size == (40, 16)


def picture_of(colour: str, size: tuple[int, int] = (24, 16)) -> str:
    out = io.BytesIO()
    Image.new("RGB", size, colour).save(out, "PNG")
    return base64.b64encode(out.getvalue()).decode()


def over(here: Here, **fields: Any) -> Any:
    size = {"width": 32, "height": 16, "steps": 2}
    return here.local.post("/sdapi/v1/img2img", json={**size, **fields})


def test_drawing_over_pictures(here: Here) -> None:
    given = {"prompt": "blue", "seed": 5, "denoising_strength": 0.5, "n_iter": 2}
    answer = over(here, init_images=[f"data:image/png;base64,{picture_of('lime')}"], **given)
    assert answer.status_code == 200, answer.text
    found = answer.json()
    for text in found["images"]:
        image = decoded(text)
        assert image.size == (32, 16)
        assert image.getpixel((0, 0)) == (0, 255, 0), "the worker was given the picture"
        assert image.getpixel((0, 15)) == COLOURS["blue"]
        parameters = parse(image.text["parameters"])  # type: ignore[attr-defined]
        assert parameters["Denoising strength"] == "0.5"
        assert "Mask blur" not in parameters
    info = json.loads(found["info"])
    assert (info["all_seeds"], info["denoising_strength"]) == ([5, 6], 0.5)
    assert found["parameters"]["init_images"] is None
    both = over(here, init_images=[picture_of("lime")], include_init_images=True, **given).json()
    assert both["parameters"]["init_images"] == [picture_of("lime")]


def test_a_mask_is_drawn_over_as_a1111s_api_says(here: Here) -> None:
    given = {"init_images": [picture_of("lime")], "mask": picture_of("white"), "prompt": "blue"}
    answer = over(here, **given, mask_blur_x=2, mask_blur_y=6, inpainting_mask_invert=1)
    assert answer.headers["x-easel-changed"] == "mask_blur=6"
    text = json.loads(answer.json()["info"])["infotexts"][0]
    assert (
        "Mask blur: 6, Mask mode: Inpaint not masked, Masked content: fill, "
        "Inpaint area: Only masked, Masked area padding: 0" in text
    )
    answer = over(here, **given, inpainting_fill=2, inpaint_full_res=False, mask_blur=1)
    text = json.loads(answer.json()["info"])["infotexts"][0]
    assert "Mask blur: 1, Masked content: latent noise, " in text
    assert "Inpaint area" not in text


def test_several_pictures_are_drawn_over_one_after_the_other(here: Here) -> None:
    colours = {"lime": (0, 255, 0), "red": (255, 0, 0), "white": (255, 255, 255)}
    answer = over(here, init_images=[picture_of(name) for name in colours], prompt="blue", seed=9)
    found = answer.json()
    assert [decoded(text).getpixel((0, 0)) for text in found["images"]] == [*colours.values()]
    assert json.loads(found["info"])["all_seeds"] == [9, 10, 11]


TOLD = (
    "a green tree\nSteps: 2, Sampler: Heun, CFG scale: 4, Seed: 77, Size: 64x64, "
    "Denoising strength: 0.4, {}Version: v1.10.1"
)


def test_an_infotext_says_how_a_picture_is_drawn_over(here: Here) -> None:
    given = {"init_images": [picture_of("lime")], "mask": picture_of("white")}
    keys = (
        "Mask blur: 7, Mask mode: Inpaint not masked, Masked content: latent noise, "
        "Inpaint area: Only masked, Masked area padding: 48, "
    )
    answer = over(here, **given, infotext=TOLD.format(keys + "Noise multiplier: 0.9, ")).json()
    info = json.loads(answer["info"])
    assert keys in info["infotexts"][0]
    assert "Noise multiplier: 0.9" in info["infotexts"][0]
    assert (info["denoising_strength"], info["seed"]) == (0.4, 77)
    assert info["prompt"] == "a green tree"
    own = {
        "denoising_strength": 0.6, "mask_blur_x": 2, "mask_blur_y": 2, "inpainting_mask_invert": 0,
        "inpainting_fill": 0, "inpaint_full_res_padding": 8, "initial_noise_multiplier": 1,
    }  # fmt: skip
    answer = over(here, **given, **own, infotext=TOLD.format(keys)).json()
    text = json.loads(answer["info"])["infotexts"][0]
    assert (
        "Mask blur: 2, Masked content: fill, Inpaint area: Only masked, Masked area padding: 8, "
    ) in text
    assert "Denoising strength: 0.6" in text


def test_an_infotext_that_is_silent_about_the_mask_means_the_pages_values(here: Here) -> None:
    given = {"init_images": [picture_of("lime")], "mask": picture_of("white")}
    text = json.loads(over(here, **given, infotext=TOLD.format("")).json()["info"])["infotexts"][0]
    assert "Mask blur: 4, Version" in text  # original, the whole picture
    answer = over(here, **given, infotext="only a prompt").json()
    assert "Masked content: fill, Inpaint area: Only masked" in answer["info"]


def test_a_script_draws_over_one_picture(here: Here) -> None:
    plot = {"script_name": "x/y/z plot", "script_args": [4, "1-2", [], 0, "", [], 0, "", []]}
    answer = over(here, init_images=[picture_of("lime")], **plot)
    assert answer.status_code == 200, answer.text
    answer = over(here, init_images=[picture_of("lime"), picture_of("red")], **plot)
    assert answer.status_code == 422
    assert answer.json()["detail"] == "init_images: A script draws over one picture; send one."


def test_pictures_that_cannot_be_drawn_over_are_refused(here: Here) -> None:
    for none in ({}, {"init_images": None}, {"init_images": []}):
        answer = over(here, **none)
        assert answer.status_code == 404
        assert "Init image not found" in answer.text
    picture = picture_of("red")
    bad: list[tuple[dict[str, Any], str]] = [
        ({"init_images": ["no picture"]}, "init_images"),
        ({"init_images": ["/etc/passwd"]}, "init_images"),
        ({"init_images": ["AAAA"]}, "init_images"),
        ({"init_images": [5]}, "init_images"),
        ({"init_images": [picture], "mask": "AAAA"}, "mask"),
        ({"init_images": [picture], "resize_mode": "x"}, "resize_mode"),
        ({"init_images": [picture], "resize_mode": 4}, "resize_mode"),
        ({"init_images": [picture], "inpainting_fill": -1}, "inpainting_fill"),
        ({"init_images": [picture], "denoising_strength": 1.1}, "denoising_strength"),
        ({"init_images": [picture], "steps": 0}, "steps"),
        ({"init_images": [picture] * 65}, "65"),
    ]
    for fields, word in bad:
        answer = over(here, **fields)
        assert answer.status_code == 422, fields
        assert word in answer.json()["detail"]


# ---- several at once


def test_several_calls_at_once_are_not_mixed_up(here: Here) -> None:
    names = [name for name in COLOURS for _ in range(3)]
    answers: dict[int, Any] = {}

    def ask(number: int) -> None:
        answers[number] = here.drawn(prompt=f"{names[number]} {number}", seed=number)

    threads = [threading.Thread(target=ask, args=(i,)) for i in range(len(names))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    for number, name in enumerate(names):
        images, info, _ = answers[number]
        assert colour(images[0]) == COLOURS[name]
        assert (info["prompt"], info["seed"]) == (f"{name} {number}", number)
    assert len({answer.headers["x-easel-job"] for _, _, answer in answers.values()}) == len(names)


# ---- pictures that are not to be saved


def test_pictures_in_the_trash_go_when_their_time_is_over(here: Here) -> None:
    now = [0.0]
    unkept = Unkept(here.services.library, now=lambda: now[0])
    make: Callable[[], str] = lambda: _saved_picture(here)  # noqa: E731
    gone, restored = make(), make()
    unkept.put([gone, restored])
    assert not {gone, restored} & here.saved()
    here.services.library.gallery.act("restore", [restored], None)
    now[0] = KEPT_SECONDS - 1
    assert unkept.sweep() == 0
    now[0] = KEPT_SECONDS + 1
    assert unkept.sweep() == 1
    assert here.local.get(f"/api/v1/images/{gone}").status_code == 404
    assert here.local.get(f"/api/v1/images/{restored}").status_code == 200
    assert unkept.sweep() == 0


def _saved_picture(here: Here) -> str:
    before = here.saved()
    here.drawn(prompt="red", save_images=True)
    [image_id] = here.saved() - before
    return image_id


def test_pictures_in_the_trash_go_also_when_nobody_calls(
    here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("webui.api.a1111.unkept.KEPT_SECONDS", 0.2)
    library = here.services.library
    before = set((library.outputs / ".trash").rglob("*.png"))
    with client(create_app(here.services, here.services.settings)) as local:
        answer = local.post(PATH, json={"prompt": "red", "width": 16, "height": 16, "n_iter": 2})
        images = here.services.queue.get(answer.headers["x-easel-job"]).images
        ids = [image.id for image in images]
        assert len(ids) == 2
        assert eventually(lambda: not library.gallery.pictures(ids))
    assert set((library.outputs / ".trash").rglob("*.png")) <= before


def test_pictures_that_are_not_kept_leave_no_grid(
    here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = here.services.library
    monkeypatch.setattr(library, "saving", replace(library.saving, grid=True))
    grids = lambda: set(library.outputs.rglob("grid-*.png"))  # noqa: E731
    before = grids()
    here.drawn(prompt="red", n_iter=2)
    assert grids() == before
    here.drawn(prompt="red", n_iter=2, save_images=True)
    assert len(grids() - before) == 1


def test_an_override_of_null_is_as_if_it_were_not_sent(here: Here) -> None:
    overrides = {"return_grid": None, "CLIP_stop_at_last_layers": None, "sd_model_checkpoint": None}
    images, info, answer = here.drawn(
        prompt="red", n_iter=2, save_images=True, override_settings=overrides
    )
    assert (len(images), info["clip_skip"]) == (3, 1)
    assert answer.json()["parameters"]["override_settings"] == overrides


def test_calls_wait_while_the_drawing_process_is_started_again(tmp_path: Path) -> None:
    """A1111's and OpenAI's clients know no job: told to come again, they would draw it twice."""
    answers: dict[str, httpx.Response] = {}
    with running(tmp_path) as server, httpx.Client(base_url=server.url, timeout=60) as here:

        def ask(path: str, **fields: Any) -> None:
            answers[path] = here.post(path, json=fields)

        asked = [
            (PATH, {"prompt": "a red ball !die-once", "width": 64, "height": 64, "steps": 4}),
            ("/v1/images/generations", {"prompt": "a blue ball", "size": "64x64"}),
        ]
        threads = [threading.Thread(target=ask, args=(path,), kwargs=to) for path, to in asked]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert {answer.status_code for answer in answers.values()} == {200}
        assert here.get("/api/v1/status").json()["worker"]["restarts"] == 1
        assert here.get("/api/v1/jobs").json()["total"] == len(asked)


def test_large_answers_hold_up_nobody(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    """JSON of many pictures takes long to write, so it is not written in the event loop."""
    places: list[str] = []

    def noted(*args: Any, **more: Any) -> Any:
        with suppress(RuntimeError):
            asyncio.get_running_loop()
            places.append("loop")
        return answer(*args, **more)

    monkeypatch.setattr("webui.api.a1111.generation.answer", noted)
    monkeypatch.setattr("webui.api.openai.answer", noted)
    here.drawn(prompt="red")
    told = here.local.post("/v1/images/generations", json={"prompt": "red", "size": "16x16"})
    assert told.status_code == 200
    assert places == []
