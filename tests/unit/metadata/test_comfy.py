"""ComfyUI's graphs, read as infotexts."""

from __future__ import annotations

import json
from typing import Any

import pytest

from webui.core.requests import Txt2Img
from webui.metadata import parse, to_request
from webui.metadata.comfy import to_infotext


def graph(**changes: Any) -> dict[str, Any]:
    """The graph of ComfyUI's first page: checkpoint, two texts, sampler."""
    nodes = {
        "3": {
            "class_type": "KSampler",
            "inputs": {
                "seed": 156680208700286,
                "steps": 20,
                "cfg": 8.0,
                "sampler_name": "euler_ancestral",
                "scheduler": "karras",
                "denoise": 1.0,
                "model": ["4", 0],
                "positive": ["6", 0],
                "negative": ["7", 0],
                "latent_image": ["5", 0],
            },
        },
        "4": {"class_type": "CheckpointLoaderSimple",
              "inputs": {"ckpt_name": "sub\\v1-5.safetensors"}},
        "5": {"class_type": "EmptyLatentImage",
              "inputs": {"width": 512, "height": 768, "batch_size": 1}},
        "6": {"class_type": "CLIPTextEncode", "inputs": {"text": "a glass, bottle"}},
        "7": {"class_type": "CLIPTextEncode", "inputs": {"text": "watermark", "clip": ["4", 1]}},
    }  # fmt: skip
    return nodes | changes


WHOLE = (
    "a glass, bottle\nNegative prompt: watermark\n"
    "Steps: 20, Sampler: Euler a, Schedule type: Karras, CFG scale: 8, Seed: 156680208700286, "
    "Size: 512x768, Model: sub/v1-5, RNG: CPU, Version: ComfyUI"
)


def test_the_plain_graph() -> None:
    assert to_infotext(json.dumps(graph())) == WHOLE


def test_what_it_says_can_be_drawn_here() -> None:
    changed = graph()
    changed["3"]["inputs"]["seed"] = 7
    request = to_request(parse(to_infotext(json.dumps(changed)) or ""))
    assert request == Txt2Img(
        prompt="a glass, bottle", negative_prompt="watermark", steps=20, sampler="Euler a",
        scheduler="Karras", cfg_scale=8.0, seed=7, width=512, height=768, checkpoint="sub/v1-5",
        noise_source="CPU",
    )  # fmt: skip


def test_loras_controlnets_and_linked_values() -> None:
    changed = graph()
    changed["3"]["inputs"] |= {"model": ["10", 0], "positive": ["12", 0], "seed": ["14", 0]}
    changed |= {
        "10": {"class_type": "LoraLoader", "inputs": {
            "lora_name": "line.safetensors", "strength_model": 0.8, "model": ["11", 0]}},
        "11": {"class_type": "LoraLoader", "inputs": {
            "lora_name": "ink.pt", "strength_model": 1.0, "model": ["4", 0]}},
        "12": {"class_type": "ControlNetApply", "inputs": {
            "conditioning": ["6", 0], "strength": 1.0}},
        "13": {"class_type": "PrimitiveString", "inputs": {"value": "from afar"}},
        "14": {"class_type": "Seed", "inputs": {"seed": 99}},
    }  # fmt: skip
    changed["6"]["inputs"]["text"] = ["13", 0]
    text = to_infotext(json.dumps(changed)) or ""
    assert text.startswith("from afar <lora:ink:1> <lora:line:0.8>\nNegative prompt: watermark\n")
    assert "Seed: 99," in text
    assert text.endswith("Model: sub/v1-5, RNG: CPU, Version: ComfyUI")


def test_of_several_samplers_the_one_that_began() -> None:
    second = json.loads(json.dumps(graph()["3"]))
    second["inputs"] |= {"seed": 5, "latent_image": ["3", 0]}
    assert to_infotext(json.dumps({"1": second, **graph()})) == WHOLE


def test_the_graph_of_the_page() -> None:
    workflow = {
        "nodes": [
            {"id": 3, "type": "KSampler",
             "inputs": [{"name": "model", "link": 1}, {"name": "positive", "link": 4},
                        {"name": "negative", "link": 6}, {"name": "latent_image", "link": 2}],
             "widgets_values": [
                 156680208700286, "randomize", 20, 8, "euler_ancestral", "karras", 1]},
            {"id": 4, "type": "CheckpointLoaderSimple",
             "widgets_values": ["sub\\v1-5.safetensors"]},
            {"id": 5, "type": "EmptyLatentImage", "widgets_values": [512, 768, 1]},
            {"id": 6, "type": "CLIPTextEncode", "widgets_values": ["a glass, bottle"]},
            {"id": 7, "type": "CLIPTextEncode", "widgets_values": ["watermark"]},
        ],
        "links": [[1, 4, 0, 3, 0, "MODEL"], [2, 5, 0, 3, 3, "LATENT"],
                  [4, 6, 0, 3, 1, "CONDITIONING"], [6, 7, 0, 3, 2, "CONDITIONING"]],
    }  # fmt: skip
    assert to_infotext(None, json.dumps(workflow)) == WHOLE
    assert to_infotext("broken {", json.dumps(workflow)) == WHOLE


def circle() -> str:
    changed = graph()
    changed["6"] = {"class_type": "A", "inputs": {"text": ["6", 0], "conditioning": ["6", 0]}}
    changed["4"] = {"class_type": "B", "inputs": {"model": ["4", 0]}}
    return json.dumps(changed)


@pytest.mark.parametrize(
    "text",
    ["", "null", "[]", "5", "{", "[" * 100_000, '{"a": 1}', '{"a": {"inputs": 5}}', "{}",
     '{"nodes": 5, "links": "x"}',
     '{"nodes": [1, {}, {"id": [], "inputs": [5]}], "links": [5, []]}'],
)  # fmt: skip
def test_what_is_no_graph(text: str) -> None:
    assert to_infotext(text, text) is None


def test_a_graph_in_a_circle_ends() -> None:
    text = to_infotext(circle())
    assert text is not None
    assert text.startswith("Negative prompt: watermark\nSteps: 20")


def test_odd_values_are_left_out() -> None:
    changed = graph()
    changed["3"]["inputs"] |= {"steps": {"x": 1}, "cfg": None, "seed": True, "sampler_name": ["x"]}
    text = to_infotext(json.dumps(changed)) or ""
    assert text.endswith(
        "Schedule type: Karras, Size: 512x768, Model: sub/v1-5, RNG: CPU, Version: ComfyUI"
    )


def custom() -> dict[str, Any]:
    """ComfyUI's graph for Flux: noise, guider, sampler and noise levels are nodes of their own."""
    link = lambda number: [number, 0]  # noqa: E731
    return {
        "1": {"class_type": "SamplerCustomAdvanced", "inputs": {
            "noise": link("2"), "guider": link("3"), "sampler": link("4"), "sigmas": link("5"),
            "latent_image": link("6")}},
        "2": {"class_type": "RandomNoise", "inputs": {"noise_seed": 77}},
        "3": {"class_type": "BasicGuider", "inputs": {
            "model": link("8"), "conditioning": link("7")}},
        "4": {"class_type": "KSamplerSelect", "inputs": {"sampler_name": "euler"}},
        "5": {"class_type": "BasicScheduler", "inputs": {
            "scheduler": "simple", "steps": 8, "denoise": 1.0, "model": link("8")}},
        "6": {"class_type": "EmptySD3LatentImage", "inputs": {
            "width": link("10"), "height": 512, "batch_size": 1}},
        "7": {"class_type": "FluxGuidance", "inputs": {
            "guidance": 3.5, "conditioning": link("9")}},
        "8": {"class_type": "UNETLoader", "inputs": {"unet_name": "flux\\dev.sft"}},
        "9": {"class_type": "CLIPTextEncodeFlux", "inputs": {
            "clip_l": link("11"), "t5xxl": link("11"), "clip": link("12")}},
        "10": {"class_type": "PrimitiveInt", "inputs": {"value": 768}},
        "11": {"class_type": "StringConcatenate", "inputs": {
            "string_a": link("13"), "string_b": "at night", "delimiter": ", "}},
        "12": {"class_type": "CLIPSetLastLayer", "inputs": {"stop_at_clip_layer": -2}},
        "13": {"class_type": "ImpactWildcardProcessor", "inputs": {
            "wildcard_text": "{a|b} owl", "populated_text": "b owl", "mode": "populate"}},
    }  # fmt: skip


CUSTOM = (
    "b owl, at night\nSteps: 8, Sampler: Euler, Schedule type: Simple, Seed: 77, Size: 768x512, "
    "Model: flux/dev, Clip skip: 2, RNG: CPU, Distilled CFG Scale: 3.5, Version: ComfyUI"
)


def test_a_sampler_whose_parts_are_nodes() -> None:
    assert to_infotext(json.dumps(custom())) == CUSTOM


def test_a_guider_with_two_sides_and_levels_of_a_node() -> None:
    changed = custom()
    changed["3"] = {"class_type": "CFGGuider", "inputs": {
        "model": ["8", 0], "positive": ["9", 0], "negative": ["20", 0], "cfg": 4.5}}  # fmt: skip
    changed["20"] = {"class_type": "CLIPTextEncode", "inputs": {"text": ["21", 0]}}
    changed["21"] = {"class_type": "JoinStrings", "inputs": {
        "string1": "dull", "string2": "grey", "delimiter": "\\n"}}  # fmt: skip
    changed["4"] = {"class_type": "SamplerEulerAncestral", "inputs": {"eta": 1.0}}
    changed["5"] = {"class_type": "KarrasScheduler", "inputs": {"steps": 9, "rho": 7.0}}
    text = to_infotext(json.dumps(changed)) or ""
    assert "\nNegative prompt: dull\ngrey\n" in text
    assert "Steps: 9, Sampler: Euler a, Schedule type: Karras, CFG scale: 4.5," in text


def test_the_older_custom_sampler() -> None:
    changed = graph()
    changed["3"] = {"class_type": "SamplerCustom", "inputs": {
        "noise_seed": 5, "cfg": 3.0, "model": ["4", 0], "positive": ["6", 0], "negative": ["7", 0],
        "sampler": ["10", 0], "sigmas": ["11", 0], "latent_image": ["5", 0]}}  # fmt: skip
    changed["10"] = {"class_type": "KSamplerSelect", "inputs": {"sampler_name": "uni_pc_bh2"}}
    changed["11"] = {"class_type": "SDTurboScheduler", "inputs": {"steps": 2, "denoise": 1}}
    text = to_infotext(json.dumps(changed)) or ""
    assert "Steps: 2, Sampler: UniPC, Schedule type: Turbo, CFG scale: 3, Seed: 5," in text
    assert "UniPC variant: bh2" in text


def test_an_efficient_loader_holds_the_prompts_itself() -> None:
    nodes = {
        "1": {"class_type": "KSampler (Efficient)", "inputs": {
            "seed": 3, "steps": 12, "cfg": 7.0, "sampler_name": "dpmpp_2m", "scheduler": "karras",
            "denoise": 0.6, "model": ["2", 0], "positive": ["2", 1], "negative": ["2", 2],
            "latent_image": ["2", 3]}},
        "2": {"class_type": "Efficient Loader", "inputs": {
            "ckpt_name": "m.ckpt", "lora_name": "None", "positive": "a hill", "negative": "a town",
            "empty_latent_width": 640, "empty_latent_height": 448}},
    }  # fmt: skip
    assert to_infotext(json.dumps(nodes)) == (
        "a hill\nNegative prompt: a town\nSteps: 12, Sampler: DPM++ 2M, Schedule type: Karras, "
        "CFG scale: 7, Seed: 3, Size: 640x448, Model: m, Denoising strength: 0.6, RNG: CPU, "
        "Version: ComfyUI"
    )


def test_a_negative_that_was_made_zero_is_none() -> None:
    changed = graph()
    changed["3"]["inputs"]["negative"] = ["30", 0]
    changed["30"] = {"class_type": "ConditioningZeroOut", "inputs": {"conditioning": ["6", 0]}}
    assert "Negative prompt" not in (to_infotext(json.dumps(changed)) or "")


def test_loras_in_a_stack() -> None:
    changed = graph()
    changed["3"]["inputs"]["model"] = ["40", 0]
    changed["40"] = {"class_type": "Power Lora Loader (rgthree)", "inputs": {
        "PowerLoraLoaderHeaderWidget": {"type": "x"}, "model": ["41", 0],
        "lora_1": {"on": True, "lora": "a.safetensors", "strength": 0.5},
        "lora_2": {"on": False, "lora": "b.safetensors", "strength": 0.5}}}  # fmt: skip
    changed["41"] = {"class_type": "Lora Loader Stack (rgthree)", "inputs": {
        "model": ["4", 0], "lora_01": "c.safetensors", "strength_01": 0.7,
        "lora_02": "None", "strength_02": 1}}  # fmt: skip
    text = to_infotext(json.dumps(changed)) or ""
    assert text.startswith("a glass, bottle <lora:c:0.7> <lora:a:0.5>\n")
    assert "Model: sub/v1-5" in text


def test_texts_and_reroutes_of_the_page_s_graph() -> None:
    workflow = {
        "nodes": [
            {"id": 1, "type": "KSampler", "widgets_values": [5, "fixed", 9, 8, "euler", "normal"],
             "inputs": [{"name": "positive", "link": 1}, {"name": "latent_image", "link": 9}]},
            {"id": 2, "type": "Reroute", "inputs": [{"name": "", "link": 2}]},
            {"id": 3, "type": "CLIPTextEncode", "widgets_values": ["old"],
             "inputs": [{"name": "text", "link": 3}]},
            {"id": 4, "type": "Reroute", "inputs": [{"name": "", "link": 4}]},
            {"id": 5, "type": "PrimitiveNode", "widgets_values": ["from afar", "fixed"]},
            {"id": 6, "type": "EmptyLatentImage", "widgets_values": [64, 32, 1]},
        ],
        "links": [[1, 2, 0, 1, 1, "*"], [2, 3, 0, 2, 0, "*"], [3, 4, 0, 3, 0, "*"],
                  [4, 5, 0, 4, 0, "*"], [9, 6, 0, 1, 2, "LATENT"]],
    }  # fmt: skip
    assert (to_infotext(None, json.dumps(workflow)) or "").startswith("from afar\nSteps: 9,")


def test_endless_joins_end() -> None:
    changed = graph()
    changed["6"]["inputs"]["text"] = ["50", 0]
    changed["50"] = {"class_type": "StringConcatenate", "inputs": {
        "string_a": ["50", 0], "string_b": ["50", 0], "delimiter": "x" * 1_000_000}}  # fmt: skip
    text = to_infotext(json.dumps(changed)) or ""
    assert len(text) < 200_000
