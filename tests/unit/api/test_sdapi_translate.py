"""A1111's request fields as ours: tables of what clients send."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from webui.api.a1111 import body, translate
from webui.api.a1111.axes import axis_labels, axis_name
from webui.api.a1111.translate import Asked, World
from webui.api.errors import BadRequest, NotSupported
from webui.catalog import Catalog
from webui.core.axes import axis_kinds
from webui.core.errors import InvalidRequest
from webui.core.requests import Series, Txt2Img
from webui.library.inputs import Inputs
from webui.prompt.styles import Style

STYLES = (
    Style("Oil", "oil painting of {prompt}, thick", "photo"),
    Style("Dusk", "at dusk"),
    Style("Bomb", "{prompt}" * 3000),
)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(STYLES, {}, Catalog(tmp_path), Inputs(tmp_path / "inputs"))


def asked(world: World, **values: Any) -> Asked:
    return translate.txt2img(values, world)


def request(world: World, **values: Any) -> Txt2Img:
    found = asked(world, **values).request
    assert isinstance(found, Txt2Img)
    return found


def test_the_defaults_are_a1111s(world: World) -> None:
    drawn = request(world)
    assert (drawn.steps, drawn.cfg_scale, drawn.width, drawn.height) == (50, 7.0, 512, 512)
    assert (drawn.sampler, drawn.scheduler, drawn.seed) == ("Euler", "Automatic", -1)
    assert (drawn.batch_count, drawn.batch_size, drawn.eta) == (1, 1, None)


@pytest.mark.parametrize(
    ("given", "sampler", "schedule", "changed"),
    [
        ({"sampler_name": "DPM++ 2M Karras"}, "DPM++ 2M", "Karras", ""),
        ({"sampler_name": "DPM++ 2M SDE Heun Exponential"}, "DPM++ 2M SDE Heun", "Exponential", ""),
        ({"sampler_index": "DDIM"}, "DDIM", "Automatic", ""),
        ({"sampler_name": "Heun", "sampler_index": "Euler"}, "Heun", "Automatic", ""),
        ({"sampler_name": "", "sampler_index": "LMS"}, "LMS", "Automatic", ""),
        ({"sampler_name": None}, "Euler", "Automatic", ""),
        ({"sampler_name": "k_euler_a"}, "Euler a", "Automatic", ""),
        ({"sampler_name": "Euler a", "scheduler": "automatic"}, "Euler a", "Automatic", ""),
        ({"sampler_name": "Euler", "scheduler": "sgm_uniform"}, "Euler", "SGM Uniform", ""),
        ({"sampler_name": "Euler", "scheduler": "SGM Uniform"}, "Euler", "SGM Uniform", ""),
        ({"sampler_name": "Euler Karras", "scheduler": "beta"}, "Euler", "Karras", ""),
        ({"sampler_name": "Nonsense"}, "DPM++ 2M", "Automatic", "sampler_name=DPM++ 2M"),
        ({"sampler_name": "Non sense Karras"}, "DPM++ 2M", "Karras", "sampler_name=DPM++ 2M"),
        ({"sampler_name": "x " * 50_000}, "DPM++ 2M", "Automatic", "sampler_name=DPM++ 2M"),
        ({"scheduler": "nonsense"}, "Euler", "Automatic", "scheduler=Automatic"),
    ],
)
def test_samplers_and_schedules(
    world: World, given: dict[str, Any], sampler: str, schedule: str, changed: str
) -> None:
    found = asked(world, **given)
    assert isinstance(found.request, Txt2Img)
    assert (found.request.sampler, found.request.scheduler) == (sampler, schedule)
    assert ", ".join(found.notes.changed) == changed


@pytest.mark.parametrize(
    ("given", "field", "value"),
    [
        ({"subseed": 3}, "variation_seed", 3),
        ({"subseed_strength": "0.5"}, "variation_strength", 0.5),
        ({"seed_resize_from_w": 256}, "seed_resize_width", 256),
        ({"seed_resize_from_h": -1}, "seed_resize_height", 0),
        ({"n_iter": 3}, "batch_count", 3),
        ({"steps": "20"}, "steps", 20),
        ({"steps": 20.0}, "steps", 20),
        ({"tiling": "true"}, "tiling", True),
        ({"width": None}, "width", 512),
        ({"height": 517}, "height", 512),
        ({"s_min_uncond": 2}, "ngms", 2.0),
        ({"s_churn": 1.5}, "s_churn", 1.5),
        ({"eta": 0.3}, "eta", 0.3),
        ({"override_settings": {"CLIP_stop_at_last_layers": 2}}, "clip_skip", 2),
        ({"override_settings": {"eta_noise_seed_delta": 31337}}, "ensd", 31337),
        ({"override_settings": {"sd_model_checkpoint": "x [12345678]"}}, "checkpoint",
         "x [12345678]"),
        ({"override_settings": {"randn_source": "CPU"}}, "noise_source", "CPU"),
        ({"override_settings": {"always_discard_next_to_last_sigma": "True"}},
         "discard_penultimate", True),
        ({"override_settings": {"eta_ancestral": 0.4}, "sampler_name": "Euler a"}, "eta", 0.4),
        ({"override_settings": {"eta_ddim": 0.4}, "sampler_name": "Euler a"}, "eta", None),
        ({"override_settings": {"eta_ddim": 0.4}, "sampler_name": "DDIM"}, "eta", 0.4),
        ({"override_settings": {"s_churn": 2.0}, "s_churn": 1.0}, "s_churn", 1.0),
        ({"override_settings": {"emphasis": "No norm"}}, "emphasis", "No norm"),
    ],
)  # fmt: skip
def test_fields_and_overrides(
    world: World, given: dict[str, Any], field: str, value: object
) -> None:
    assert getattr(request(world, **given), field) == value


def test_extra_seeds_count_only_where_they_are_enabled(world: World) -> None:
    extras = {"subseed": 3, "subseed_strength": 0.5, "seed_resize_from_w": 256}
    drawn = request(world, **extras, seed_enable_extras=False)
    assert (drawn.variation_seed, drawn.variation_strength, drawn.seed_resize_width) == (-1, 0, 0)


def test_what_a_field_is_when_several_say_so(tmp_path: Path) -> None:
    saved = {"clip_skip": 3, "tiling": True, "s_churn": 9.0}
    world = World(STYLES, saved, Catalog(tmp_path), Inputs(tmp_path))
    last = "Steps: 33, Sampler: Heun, CFG scale: 4, Seed: 5, Size: 256x128, Clip skip: 2"
    text = f"a cat\nNegative prompt: dog\n{last}"
    drawn = request(world, infotext=text, steps=11, width=64, prompt="")
    assert (drawn.prompt, drawn.negative_prompt, drawn.sampler) == ("", "dog", "Heun")
    assert (drawn.steps, drawn.width, drawn.height, drawn.seed) == (11, 64, 128, 5)
    assert drawn.clip_skip == 2, "the text says more than the saved options"
    overrides = {"CLIP_stop_at_last_layers": 1}
    assert request(world, infotext=text, override_settings=overrides).clip_skip == 1
    assert request(world).clip_skip == 3
    assert request(world).tiling
    assert not request(world, tiling=False).tiling


def test_styles_are_written_into_the_prompts(world: World) -> None:
    found = asked(world, prompt="cat", styles=["Oil", "Dusk", "Not there"], negative_prompt="bad")
    assert isinstance(found.request, Txt2Img)
    assert found.request.prompt == "oil painting of cat, thick, at dusk"
    assert found.request.negative_prompt == "bad, photo"
    assert found.parameters["prompt"] == "cat"
    assert found.notes.ignored == ["styles.Not there"]
    with pytest.raises(InvalidRequest, match="too long"):
        asked(world, prompt="a long prompt of a cat " * 100, styles=["Bomb"])
    both = asked(world, prompt="cat", styles=["Oil"], enable_hr=True, hr_prompt="dog").request
    assert isinstance(both, Txt2Img)
    assert both.hires_prompt == both.prompt.replace("cat", "dog") != "dog"
    assert both.hires_negative_prompt == "", "the first one's"


def test_what_changes_nothing_is_named(world: World) -> None:
    given = {
        "unheard_of": 1,
        "comments": {"a": "b"},
        "disable_extra_networks": True,
        "override_settings_restore_afterwards": False,
        "override_settings": {"live_previews_enable": False},
        "hr_upscaler": "Latent",
        "denoising_strength": 0.7,
        "do_not_save_samples": True,
    }
    assert set(asked(world, **given).notes.ignored) == {
        "unheard_of", "comments", "disable_extra_networks",
        "override_settings.live_previews_enable",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"enable_hr": True, "hr_checkpoint_name": "other"}, "hr_checkpoint_name"),
        ({"restore_faces": True}, "restore_faces"),
        ({"refiner_checkpoint": "x", "refiner_switch_at": 0.8}, "refiner_checkpoint"),
        ({"script_name": "x/y/z plot", "script_args": [29, "a"]}, "script_args.x_type"),
    ],
)
def test_what_is_not_there_yet(world: World, given: dict[str, Any], field: str) -> None:
    with pytest.raises(NotSupported) as caught:
        asked(world, **given)
    assert caught.value.field == field


def test_neutral_values_of_what_is_not_there_are_fine(world: World) -> None:
    asked(world, enable_hr=False, restore_faces=False, refiner_checkpoint="None")
    asked(world, refiner_checkpoint="x", refiner_switch_at=1)


# ---- scripts


def script(world: World, name: str, args: list[Any], **more: Any) -> tuple[Series, Asked]:
    found = asked(world, script_name=name, script_args=args, **more)
    assert isinstance(found.request, Series)
    return found.request, found


def cells(series: Series, name: str) -> list[Any]:
    return [dict(cell).get(name, getattr(series.base, name)) for cell in series.cells]


def test_the_axes_have_a1111s_places() -> None:
    labels = axis_labels()
    known = {1: "Seed", 4: "Steps", 7: "Prompt S/R", 9: "Sampler", 11: "Checkpoint name",
             17: "Schedule type", 23: "Eta", 24: "Clip skip", 29: "VAE", 41: "Size"}  # fmt: skip
    assert {place: labels[place] for place in known} == known
    reachable = {axis_name("x", place) for place, _ in enumerate(labels) if _has(place)}
    assert reachable == {"", *(kind.name for kind in axis_kinds())}


def _has(place: int) -> bool:
    try:
        axis_name("x", place)
    except NotSupported:
        return False
    return True


def test_a_plot_takes_places_labels_text_and_lists(world: World) -> None:
    args = [4, "1-3", [], "sampler", "LMS", ["Euler", "DPM++ 2M"], 0, "", []]
    series, found = script(world, "X/Y/Z plot", args, seed=5)
    assert cells(series, "steps") == [1, 2, 3, 1, 2, 3]
    assert cells(series, "sampler") == ["Euler"] * 3 + ["DPM++ 2M"] * 3
    assert cells(series, "seed") == [5] * 6
    assert series.recipe
    assert found.script is not None
    assert (found.script.grids, found.script.pictures) == (True, False)
    series, found = script(world, "x/y/z PLOT", ["4", "2,4", [], 0, "", [], 0, "", [], True, True])
    assert cells(series, "steps") == [2, 4]
    assert found.script is not None
    assert found.script.pictures


def test_a_plots_seeds_vary_along_its_axes(world: World) -> None:
    args = [4, "1-2", [], 6, "3,4", [], 0, "", [], True, False, False, False]
    series, _ = script(world, "x/y/z plot", [*args, True, True], seed=10)
    assert cells(series, "seed") == [10, 11, 12, 13]
    series, _ = script(world, "x/y/z plot", [*args, False, True], seed=10)
    assert cells(series, "seed") == [10, 10, 11, 11]
    series, _ = script(world, "x/y/z plot", [*args[:12], True])
    assert len(set(cells(series, "seed"))) == 4


def test_the_prompt_matrix(world: World) -> None:
    series, found = script(world, "prompt matrix", [], prompt="cat|red|big")
    assert cells(series, "prompt") == ["cat", "cat, red", "cat, big", "cat, red, big"]
    assert found.script is not None
    assert (found.script.grids, found.script.pictures) == (True, True)
    args = [True, True, "negative", "space", 4]
    series, found = script(world, "Prompt matrix", args, negative_prompt="a|b", seed=1)
    assert cells(series, "negative_prompt") == ["a", "b a"]
    assert cells(series, "seed") == [1, 2]
    assert found.notes.ignored == ["script_args.margin_size"]


@pytest.mark.parametrize(
    ("args", "prompts"),
    [
        ([False, True, "start", "a\nb"], ["a cat", "b cat"]),
        ([False, True, "end", "a\nb"], ["cat a", "cat b"]),
        ([False, True, "a\nb"], ["a cat", "b cat"]),
    ],
)
def test_prompts_from_a_text_box(world: World, args: list[Any], prompts: list[str]) -> None:
    series, found = script(world, "Prompts from file or textbox", args, prompt="cat")
    assert cells(series, "prompt") == prompts
    assert len(set(cells(series, "seed"))) == 1
    assert found.script is not None
    assert not found.script.grids


def test_lines_have_seeds_of_their_own_unless_told_otherwise(world: World) -> None:
    name = "prompts from file or textbox"
    series, _ = script(world, name, [False, False, "start", "a\nb"])
    assert len(set(cells(series, "seed"))) == 2
    series, _ = script(world, name, [True, False, "start", "a\nb"], seed=4)
    assert cells(series, "seed") == [4, 5]
    series, _ = script(world, name, [False, False, "start", "a\nb"], seed=4)
    assert cells(series, "seed") == [4, 4]


OFF = [
    {"ControlNet": {"args": []}},
    {"controlnet": {"args": [{"enabled": False, "model": "x"}]}},
    {"ADetailer": {"args": [False]}},
    {"animatediff": {"args": [False]}},
    {"Self Attention Guidance": {"args": {"enable": False}}},
    {"Sampler": {"args": [20, "Euler", "Automatic"]}},
    {"Refiner": {}},
]


@pytest.mark.parametrize("scripts", OFF)
def test_extensions_that_are_switched_off_are_let_in(world: World, scripts: Any) -> None:
    assert asked(world, alwayson_scripts=scripts).parameters["alwayson_scripts"] == scripts


BAD = [
    ({"alwayson_scripts": {"Nothing known": {"args": []}}}, "Nothing known"),
    ({"alwayson_scripts": {"ControlNet": {"args": [{"model": "x"}]}}}, "ControlNet"),
    ({"alwayson_scripts": {"ADetailer": {"args": [True, {}]}}}, "ADetailer"),
    ({"alwayson_scripts": {"X/Y/Z plot": {"args": []}}}, "selectable"),
    ({"alwayson_scripts": {"Sampler": 5}}, "5"),
    ({"alwayson_scripts": []}, "object"),
    ({"script_name": "Nothing known"}, "Nothing known"),
    ({"script_name": "x/y/z plot", "script_args": [10**30, "1"]}, "axis"),
    ({"script_name": "x/y/z plot", "script_args": [-1, "1"]}, "axis"),
    ({"script_name": "x/y/z plot", "script_args": [True, "1"]}, "axis"),
    ({"script_name": "x/y/z plot", "script_args": [[4], "1"]}, "axis"),
    ({"script_name": "x/y/z plot", "script_args": ["Stepps", "1"]}, "Stepps"),
    ({"script_name": "x/y/z plot", "script_args": [4, 5]}, "text"),
    ({"script_name": "x/y/z plot", "script_args": [4, "a"]}, "not a number"),
    ({"script_name": "x/y/z plot", "script_args": [9, "", [5]]}, "text"),
    ({"script_name": "x/y/z plot", "script_args": []}, "Choose"),
    ({"script_name": "prompt matrix", "script_args": [0, 0, "neither"]}, "positive"),
    ({"script_name": "prompts from file or textbox"}, "prompt"),
    ({"steps": "many"}, "many"),
    ({"steps": 1.5}, "whole"),
    ({"steps": True}, "whole"),
    ({"steps": [20]}, "whole"),
    ({"steps": 10**400}, "whole"),
    ({"steps": "1" * 5000}, "whole"),
    ({"cfg_scale": "nan"}, "number"),
    ({"denoising_strength": "inf"}, "number"),
    ({"prompt": 5}, "text"),
    ({"prompt": "x" * 30_000}, "30000"),
    ({"styles": "Oil"}, "list"),
    ({"styles": [5]}, "text"),
    ({"styles": ["a"] * 1000}, "styles"),
    ({"tiling": 2}, "true or false"),
    ({"width": 0}, "least"),
    ({"width": -512}, "least"),
    ({"n_iter": 10**6}, "most"),
    ({"override_settings": "x"}, "object"),
    ({"override_settings": {"CLIP_stop_at_last_layers": 99}}, "most"),
    ({"override_settings": {"sd_model_checkpoint": 5}}, "text"),
    ({"override_settings": {"return_grid": "maybe"}}, "true or false"),
    ({"infotext": "x" * 300_000}, "300000"),
    ({"force_task_id": "x" * 300}, "300"),
]


@pytest.mark.parametrize(("given", "word"), BAD)
def test_bad_values_name_their_field(world: World, given: dict[str, Any], word: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        asked(world, **given)
    said = f"{caught.value.field}: {caught.value.message}"
    assert word in said
    assert len(said) < 400
    if "override_settings" in given or "alwayson_scripts" in given:
        assert str(caught.value.field).startswith(next(iter(given)))


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (b"{", BadRequest),
        (b"\xff\xfe", BadRequest),
        (b'{"a": NaN}', BadRequest),
        (b'{"a": Infinity}', BadRequest),
        (b"[" * 100_000, BadRequest),
        (b"[]", InvalidRequest),
        (b'{"a": 1e999}', InvalidRequest),
        (b'{"a": ' + b"[" * 40 + b"]" * 40 + b"}", InvalidRequest),
        (b'{"a": "\\ud800"}', InvalidRequest),
        (b'{"\\ud800": 1}', InvalidRequest),
    ],
)
def test_a_body_that_is_no_object_of_values(text: bytes, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        body.parse(text)


def test_an_empty_body_is_no_fields() -> None:
    assert body.parse(b"") == {}
