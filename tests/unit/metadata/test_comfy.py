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
    "Size: 512x768, Model: sub/v1-5, Version: ComfyUI"
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
        noise_source=request.noise_source,
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
    assert text.endswith("Model: sub/v1-5, Version: ComfyUI")


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
    assert text.endswith("Schedule type: Karras, Size: 512x768, Model: sub/v1-5, Version: ComfyUI")
