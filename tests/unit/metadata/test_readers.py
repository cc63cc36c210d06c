"""Pictures of other programs, in those programs' own formats."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.metadata.pictures import hidden, png, unicode_comment, with_exif
from webui.core.requests import Txt2Img
from webui.metadata import parse, read_picture, read_text, usable
from webui.metadata.novelai import weights
from webui.metadata.reading import Told, read_mapping


def told(data: bytes) -> Told:
    found = read_picture(data)
    assert found is not None
    return found


def values(found: Told) -> dict[str, Any]:
    """What the picture says that is not as usual."""
    usual = {name: getattr(Txt2Img(), name) for name in usable(parse(found.infotext)).values}
    said = usable(parse(found.infotext)).values
    return {name: value for name, value in said.items() if value != usual[name]}


# ---- NovelAI

NOVELAI = {
    "prompt": "1girl, {{blue}} hair, [sky] (x)",
    "steps": 28,
    "height": 1216,
    "width": 832,
    "scale": 5.0,
    "uncond_scale": 1.0,
    "cfg_rescale": 0.2,
    "seed": 3735928559,
    "n_samples": 1,
    "noise_schedule": "karras",
    "sampler": "k_dpmpp_2s_ancestral",
    "uc": "lowres, {bad}",
    "request_type": "PromptGenerateRequest",
}
NOVELAI_CHUNKS = {
    "Title": "NovelAI generated image",
    "Description": NOVELAI["prompt"],
    "Software": "NovelAI",
    "Source": "NovelAI Diffusion V4.5 4BDE2A90",
    "Comment": json.dumps(NOVELAI),
}


@pytest.mark.parametrize(
    "data",
    [
        png(**NOVELAI_CHUNKS),
        hidden(json.dumps(NOVELAI_CHUNKS), packed=True, size=(128, 128)),
        with_exif("WEBP", json.dumps(NOVELAI_CHUNKS).encode()),
    ],
    ids=["chunks", "hidden", "exif"],
)
def test_novelai(data: bytes) -> None:
    found = told(data)
    assert found.program == "NovelAI"
    assert found.infotext == (
        "1girl, ((blue:1.05):1.05) hair, (sky:0.9524) \\(x\\)\n"
        "Negative prompt: lowres, (bad:1.05)\n"
        "Steps: 28, Sampler: DPM++ 2S a, Schedule type: Karras, CFG scale: 5, Seed: 3735928559, "
        "Size: 832x1216, Clip skip: 2, ENSD: 31337, CFG rescale: 0.2, "
        "Source: NovelAI Diffusion V4.5 4BDE2A90, Version: NovelAI"
    )
    said = values(found)
    assert (said["seed"], said["clip_skip"], said["ensd"]) == (3735928559, 2, 31337)


def test_novelai_s_fourth_model_has_characters() -> None:
    caption = {"base_caption": "two girls", "char_captions": [
        {"char_caption": "1.2::red hair::", "centers": []}, {"char_caption": "a hat"}]}  # fmt: skip
    comment = {**NOVELAI, "v4_prompt": {"caption": caption}, "v4_negative_prompt": {"caption": 5}}
    found = told(png(Software="NovelAI", Comment=json.dumps(comment)))
    assert values(found)["prompt"] == "two girls\n(red hair:1.2)\na hat"
    assert values(found)["negative_prompt"] == "lowres, (bad:1.05)"


@pytest.mark.parametrize(
    ("theirs", "schedule"),
    [("native", "Uniform"), ("exponential", "Exponential"), ("", "Automatic")],
)
def test_novelai_s_schedules(theirs: str, schedule: str) -> None:
    comment = {**NOVELAI, "noise_schedule": theirs, "sampler": "k_dpmpp_2m"}
    found = told(png(Software="NovelAI", Comment=json.dumps(comment)))
    assert parse(found.infotext)["Schedule type"] == schedule
    assert "Sampler: DPM++ 2M" in found.infotext


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("plain, words", "plain, words"),
        ("{a", "{a"),
        ("a}", "a}"),
        ("[a", "\\[a"),
        ("{a]}", "(a\\]:1.05)"),
        ("-0.5::a, b:: c", "(a, b:-0.5) c"),
        ("1.3::{a}::", "((a:1.05):1.3)"),
        ("a :: b", "a :: b"),
        ("back\\slash", "back\\\\slash"),
        ("", ""),
    ],
)
def test_novelai_s_weights(theirs: str, ours: str) -> None:
    assert weights(theirs) == ours


# ---- InvokeAI

INVOKE = {
    "app_version": "5.4.2",
    "generation_mode": "sdxl_txt2img",
    "positive_prompt": "a lighthouse",
    "negative_prompt": "fog",
    "width": 1024,
    "height": 768,
    "seed": 42,
    "rand_device": "cpu",
    "cfg_scale": 7.5,
    "cfg_rescale_multiplier": 0,
    "steps": 30,
    "scheduler": "dpmpp_2m_k",
    "clip_skip": 1,
    "seamless_x": False,
    "model": {"key": "1-2", "hash": "blake3:ab", "name": "sdxl-base", "base": "sdxl"},
    "loras": [{"model": {"name": "ink"}, "weight": 0.75}, {"lora": {"model_name": "old"}}],
}


def test_invokeai() -> None:
    found = told(png(invokeai_metadata=json.dumps(INVOKE), invokeai_graph="{}"))
    assert (found.program, found.place) == ("InvokeAI", "invokeai_metadata")
    assert found.infotext == (
        "a lighthouse <lora:ink:0.75> <lora:old:1>\nNegative prompt: fog\n"
        "Steps: 30, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 7.5, Seed: 42, "
        "Size: 1024x768, Model: sdxl-base, Clip skip: 2, RNG: CPU, Version: InvokeAI 5.4.2"
    )


def test_a_sampler_of_diffusers_without_karras_is_uniform() -> None:
    plain = {**INVOKE, "scheduler": "dpmpp_2m", "model": {"model_name": "old.safetensors"}}
    found = told(png(invokeai_metadata=json.dumps(plain)))
    assert values(found)["scheduler"] == "Uniform"
    assert values(found)["checkpoint"] == "old"


def test_invokeai_2() -> None:
    old = {
        "model": "stable diffusion", "model_weights": "stable-diffusion-1.5",
        "model_hash": "cc6cb2", "app_id": "invoke-ai/InvokeAI", "app_version": "2.3.5",
        "image": {"prompt": [{"prompt": "a barn [night] [rain]", "weight": 1}], "steps": 50,
                  "cfg_scale": 7.5, "height": 512, "width": 640, "seed": 7, "seamless": True,
                  "sampler": "k_lms", "type": "txt2img"},
    }  # fmt: skip
    found = told(png(**{"sd-metadata": json.dumps(old), "Dream": "ignored"}))
    assert found.program == "InvokeAI"
    assert found.infotext == (
        "a barn\nNegative prompt: night, rain\n"
        "Steps: 50, Sampler: LMS, Schedule type: Automatic, CFG scale: 7.5, Seed: 7, "
        "Size: 640x512, Model: stable-diffusion-1.5, RNG: CPU, Tiling: True, "
        "Version: InvokeAI 2.3.5"
    )


def test_invokeai_s_first_command_line() -> None:
    found = told(png(Dream='"a barn" -s 50 -S 7 -W640 -H 512 -C7.5 -A k_euler_a --gfpgan'))
    said = values(found)
    assert (said["prompt"], said["steps"], said["seed"]) == ("a barn", 50, 7)
    assert (said["width"], said["height"], said["cfg_scale"]) == (640, 512, 7.5)
    assert "Sampler: Euler a" in found.infotext


# ---- Fooocus

FOOOCUS = {
    "adm_guidance": "(1.5, 0.8, 0.3)",
    "base_model": "juggernautXL_v8Rundiffusion",
    "base_model_hash": "aeb7e9e689",
    "clip_skip": 2,
    "full_negative_prompt": ["ugly"],
    "full_prompt": ["cinematic a fox", "highly detailed"],
    "guidance_scale": 4,
    "lora_combined_1": "sd_xl_offset : 0.1",
    "lora_combined_2": "False : off : 0.5",
    "metadata_scheme": "fooocus",
    "negative_prompt": "",
    "performance": "Speed",
    "prompt": "a fox",
    "refiner_model": "None",
    "resolution": "(1152, 896)",
    "sampler": "dpmpp_2m_sde_gpu",
    "scheduler": "karras",
    "seed": "8045",
    "sharpness": 2,
    "steps": 30,
    "styles": "['Fooocus V2', 'Cinematic']",
    "version": "Fooocus v2.5.5",
}
FOOOCUS_TEXT = (
    "cinematic a fox\nhighly detailed <lora:sd_xl_offset:0.1>\nNegative prompt: ugly\n"
    "Steps: 30, Sampler: DPM++ 2M SDE, Schedule type: Karras, CFG scale: 4, Seed: 8045, "
    "Size: 1152x896, Model hash: aeb7e9e689, Model: juggernautXL_v8Rundiffusion, Clip skip: 2, "
    'RNG: CPU, Sharpness: 2, ADM Guidance: "(1.5, 0.8, 0.3)", Performance: Speed, '
    "Styles: \"['Fooocus V2', 'Cinematic']\", Version: Fooocus v2.5.5"
)


@pytest.mark.parametrize(
    "data",
    [
        png(parameters=json.dumps(FOOOCUS), fooocus_scheme="fooocus"),
        with_exif("JPEG", unicode_comment(json.dumps(FOOOCUS)), b"fooocus", Software="Fooocus v2"),
    ],
    ids=["png", "jpeg"],
)
def test_fooocus_in_its_own_scheme(data: bytes) -> None:
    found = told(data)
    assert (found.program, found.infotext) == ("Fooocus", FOOOCUS_TEXT)


def test_fooocus_in_a1111_s_scheme() -> None:
    text = (
        "a fox\nNegative prompt: ugly\nSteps: 30, Sampler: DPM++ 2M SDE, Scheduler: karras, "
        'Seed: 8045, Size: 1152x896, CFG scale: 4, Sharpness: 2, ADM Guidance: "(1.5, 0.8, 0.3)", '
        "Model: juggernautXL, Model hash: aeb7e9e689, Version: Fooocus v2.5.5"
    )
    found = told(png(parameters=text, fooocus_scheme="a1111"))
    assert (found.program, found.infotext) == ("Fooocus", text)
    assert values(found)["scheduler"] == "Karras"


def test_fooocus_s_log() -> None:
    log = {"Prompt": "a fox", "Negative Prompt": "", "Performance": "Speed", "Guidance Scale": 4,
           "Resolution": "(1152, 896)", "Sampler": "dpmpp_2m_sde_gpu", "Scheduler": "karras",
           "Seed": "8045", "Base Model": "j.safetensors", "LoRA 1": "l.safetensors : 0.5",
           "Version": "Fooocus v2.3"}  # fmt: skip
    found = read_text(json.dumps(log))
    assert found.program == "Fooocus"
    assert values(found)["prompt"] == "a fox <lora:l:0.5>"
    assert (values(found)["steps"], values(found)["checkpoint"]) == (30, "j")


# ---- SD.Next, Forge, Civitai

SDNEXT = (
    "a tree\nNegative prompt: leaf\nSteps: 20, Seed: 5, Sampler: DPM++ 2M, CFG scale: 6, "
    "Size: 512x512, Parser: Full parser, Model: base, Model hash: abc, Backend: Diffusers, "
    "App: SD.Next, Version: c5a3a1f, Operations: txt2img, Variation seed: 8, "
    "Variation strength: 0.5, Sampler eta delta: 31337, Sampler sigma: karras"
)


def test_sdnext() -> None:
    found = told(png(parameters=SDNEXT))
    assert found.program == "SD.Next"
    said = values(found)
    assert (said["scheduler"], said["variation_strength"], said["ensd"]) == ("Karras", 0.5, 31337)


def test_forge() -> None:
    text = (
        "a tree\nSteps: 20, Sampler: Euler, Schedule type: Simple, CFG scale: 1, "
        "Distilled CFG Scale: 3.5, Seed: 5, Size: 896x1152, Model hash: bea01d51bd, Model: flux, "
        "Version: f2.0.1v1.10.1-previous-669-gdfdcbab6, Module 1: ae, Module 2: clip_l"
    )
    found = told(png(parameters=text))
    assert found.program == "Forge"
    assert values(found)["scheduler"] == "Simple"


CIVITAI = (
    "a tree\nNegative prompt: leaf\nSteps: 25, Sampler: Euler a, CFG scale: 7, Seed: 99, "
    "Size: 832x1216, Clip skip: 2, Created Date: 2024-05-01T12:34:56.789Z, "
    'Civitai resources: [{"type":"checkpoint","modelVersionId":1,"modelName":"Pony: a, b: c",'
    '"modelVersionName":"V6"},{"type":"lora","weight":0.8}], Civitai metadata: {"remixOfId":5}'
)


@pytest.mark.parametrize("order", ["be", "le"])
@pytest.mark.parametrize("fmt", ["JPEG", "WEBP", "AVIF"])
def test_civitai_s_exif(fmt: str, order: str) -> None:
    found = told(with_exif(fmt, unicode_comment(CIVITAI, order)))
    assert (found.program, found.place) == ("Civitai", "UserComment")
    parsed = parse(found.infotext)
    assert json.loads(parsed["Civitai resources"])[0]["modelName"] == "Pony: a, b: c"
    assert json.loads(parsed["Civitai metadata"]) == {"remixOfId": 5}
    assert (parsed["Clip skip"], parsed["Created Date"]) == ("2", "2024-05-01T12:34:56.789Z")
    assert "a" not in parsed


def test_civitai_s_graph_in_exif() -> None:
    summary = {"prompt": "a tree", "negativePrompt": "leaf", "steps": 25, "cfgScale": 4,
               "sampler": "euler", "seed": 99, "width": 832, "height": 1216}  # fmt: skip
    graph = {"3": {"class_type": "KSampler", "inputs": {"steps": 1}},
             "extraMetadata": json.dumps(summary)}  # fmt: skip
    found = told(with_exif("JPEG", unicode_comment(json.dumps(graph))))
    assert found.program == "Civitai"
    assert values(found)["prompt"] == "a tree"
    assert values(found)["steps"] == 25


# ---- anything


def test_a_graph_in_webp_s_exif() -> None:
    graph = {"1": {"class_type": "KSampler", "inputs": {
        "steps": 9, "seed": 1, "positive": ["2", 0], "latent_image": ["3", 0]}},
        "2": {"class_type": "CLIPTextEncode", "inputs": {"text": "hi"}}}  # fmt: skip
    text = json.dumps(graph)
    for data in (
        png(prompt=text),
        png(parameters=text),
        with_exif("WEBP", Make="workflow:{}", Model=f"Prompt:{text}"),
        with_exif("JPEG", unicode_comment(text)),
    ):
        assert told(data).program == "ComfyUI"
        assert values(told(data))["prompt"] == "hi"
    assert read_text(text).program == "ComfyUI"


def test_a_text_counts_before_the_graph_beside_it() -> None:
    found = told(png(prompt='{"1": {}}', parameters=SDNEXT))
    assert (found.program, found.infotext) == ("SD.Next", SDNEXT)
    assert set(found.texts or {}) == {"prompt", "parameters"}


def test_a_picture_without_parameters_is_still_told_of() -> None:
    found = told(png(Software="GIMP", Comment="my holiday"))
    assert (found.infotext, found.program) == ("", "")
    assert found.texts == {"Software": "GIMP", "Comment": "my holiday"}
    assert (found.width, found.height, found.format) == (8, 8, "PNG")
    assert read_picture(b"no picture") is None


def test_a_prompt_alone_is_a_prompt() -> None:
    assert read_text(" just a cat ").infotext == "just a cat"
    assert read_text("just a cat").program == ""
    assert read_text('{"some": "json"}').infotext == ""


KEYS = ("parameters", "UserComment", "prompt", "workflow", "Comment", "Software", "Dream",
        "invokeai_metadata", "sd-metadata", "fooocus_scheme", "MakerNote", "stealth")  # fmt: skip
REAL = [CIVITAI, SDNEXT, json.dumps(NOVELAI), json.dumps(INVOKE), json.dumps(FOOOCUS), "fooocus",
        "NovelAI", '"a" -s 5 -S 1', "[" * 5000, '{"a":' * 5000, "{}", "[]", "null", "5", '"x"',
        ]  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["image", "prompt", "uc", "steps", "model", "loras", "inputs", "nodes",
                         "seed", "v4_prompt", "caption", "char_captions", "resolution", "scheduler",
                         "class_type", "links", "extraMetadata", "Guidance Scale"]),
        inner, max_size=5,
    ),
    max_leaves=12,
).map(json.dumps)  # fmt: skip


@given(st.dictionaries(st.sampled_from(KEYS), st.sampled_from(REAL) | JSON | st.text(), max_size=5))
@settings(max_examples=150, deadline=None)
def test_nothing_that_a_file_says_makes_a_reader_fail(texts: dict[str, str]) -> None:
    found = read_mapping(texts)
    Txt2Img.from_mapping(usable(parse(found.infotext)).values)


def test_halves_of_characters_are_no_text() -> None:
    graph = {
        "1": {"class_type": "KSampler", "inputs": {
            "seed": 1, "steps": 3, "positive": ["2", 0], "latent_image": ["3", 0]}},
        "2": {"class_type": "CLIPTextEncode", "inputs": {"text": "a \ud800"}},
    }  # fmt: skip
    for said in (graph, {"prompt": "a \ud800", "uc": "", "steps": 3}):
        found = read_mapping({"prompt": json.dumps(said), "Comment": json.dumps(said)})
        assert parse(found.infotext)["Prompt"] == "a ?"
    text = 'a\nSteps: 3, Sampler: "\\ud800", Seed: 1'
    assert parse(text)["Sampler"] == '"\\ud800"'


@pytest.mark.parametrize(
    "text",
    ["{" * 300_000, '{"prompt":"' + "{[" * 200_000 + '"}', "[" * 1_000_000, '"' * 300_000,
     json.dumps({"Comment": json.dumps({**NOVELAI, "prompt": "{" * 300_000 + "}" * 300_000})}),
     json.dumps({"positive_prompt": "x" * 300_000, "steps": 5}), "9" * 100_000,
     json.dumps({"image": {"steps": 5, "prompt": "[]" * 1_500_000}})],
)  # fmt: skip
def test_hostile_texts_are_read_in_no_time(text: str) -> None:
    for key in KEYS:
        read_mapping({key: text, "Software": "NovelAI", "fooocus_scheme": "fooocus"})
