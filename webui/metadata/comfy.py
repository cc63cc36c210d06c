"""ComfyUI's node graphs, read as the text A1111 would have written.

There is no one place for anything: the sampler is found first, then what it is linked to is
followed for prompts, model, LoRAs, size and seed. Noise came from the processor. Civitai's own
generator puts such a graph into EXIF, with a summary of its own ("extraMetadata").
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from webui.metadata.graph import (
    Graph,
    Node,
    inputs,
    linked,
    run_graph,
    shown_graph,
    upstream,
    value,
)
from webui.metadata.infotext import compose
from webui.metadata.json_text import as_object, as_text, load_object
from webui.metadata.names import model_name, sampler_name, schedule_name

_MODEL_KEYS = ("ckpt_name", "unet_name", "model_name", "gguf_name")
_TEXT_KEYS = ("text", "text_g", "text_l", "t5xxl", "clip_l", "prompt", "populated_text")
_HELPERS = ("guider", "noise", "sampler", "sigmas", "basic_pipe", "sdxl_tuple")
"""Inputs of a sampler behind which a part of its settings lies."""
_SIDES = {"positive": ("positive", "conditioning", "cond1"), "negative": ("negative",)}
_CLASS_SCHEDULES = {
    "KarrasScheduler": "karras",
    "ExponentialScheduler": "exponential",
    "PolyexponentialScheduler": "polyexponential",
    "SDTurboScheduler": "turbo",
    "AlignYourStepsScheduler": "align_your_steps",
    "BetaSamplingScheduler": "beta",
}
_CLASS_SAMPLERS = {
    "SamplerEulerAncestral": "euler_ancestral",
    "SamplerLMS": "lms",
    "SamplerDPMPP_2M_SDE": "dpmpp_2m_sde",
    "SamplerDPMPP_SDE": "dpmpp_sde",
    "SamplerDPMPP_3M_SDE": "dpmpp_3m_sde",
    "SamplerDPMPP_2S_Ancestral": "dpmpp_2s_ancestral",
    "SamplerDPMAdaptative": "dpm_adaptive",
}
_STACKED = re.compile(r"lora_(?:name_)?(\d{1,2})")
_MOST_LORAS = 50


def read(texts: Mapping[str, str]) -> str | None:
    """A1111's text of a picture with ComfyUI's graphs; None when its texts hold no sampler."""
    comment = texts.get("UserComment", "")
    summary = load_object(load_object(comment).get("extraMetadata"))
    return (
        _summarised(summary)
        or to_infotext(texts.get("prompt"), texts.get("workflow"))
        or to_infotext(comment)
    )


def to_infotext(prompt: str | None, workflow: str | None = None) -> str | None:
    """The infotext of a picture that carries these graphs; None when they hold no sampler.

    Any text is accepted. LoRAs stand behind the prompt as ``<lora:name:weight>``.
    """
    for graph in (run_graph(prompt), shown_graph(workflow)):
        sampler = _sampler(graph)
        if sampler is not None:
            return _infotext(graph, sampler)
    return None


def _infotext(graph: Graph, sampler: Node) -> str:
    nodes = [sampler, *_helpers(graph, sampler)]
    model, loras = _model(graph, nodes)
    positive = " ".join([_text(graph, nodes, "positive"), *loras]).strip()
    name = _sampler_of(graph, nodes)
    pairs = {
        "Steps": _any(graph, nodes, "steps"),
        "Sampler": sampler_name(name),
        "Schedule type": _schedule(graph, nodes),
        "CFG scale": _any(graph, nodes, "cfg"),
        "Seed": _any(graph, nodes, "seed", "noise_seed"),
        "Size": _size(graph, sampler),
        "Model": model,
        "Denoising strength": _unless(_any(graph, nodes, "denoise"), "1"),
        "Clip skip": _clip_skip(graph, nodes),
        "RNG": "CPU",
        "UniPC variant": "bh2" if name == "uni_pc_bh2" else "",
        "Distilled CFG Scale": _guidance(graph, nodes),
        "Version": "ComfyUI",
    }
    written = {key: text for key, text in pairs.items() if text}
    return compose(positive, _text(graph, nodes, "negative"), written)


# ---- the sampler and what lies around it


def _sampler(graph: Graph) -> Node | None:
    """The node that drew the picture first: where there are several, one that began with an empty
    latent, not one that went on with another's."""
    found = [node for node in graph.values() if _is_sampler(node)]
    fresh = (n for n in found if _is_empty(linked(graph, n, "latent_image") or {}))
    return next(fresh, found[0] if found else None)


def _is_sampler(node: Node) -> bool:
    """Known by what goes in: conditionings or a guider, a latent, and steps or noise levels."""
    given = inputs(node)
    told = "guider" in given or "positive" in given
    return told and "latent_image" in given and ("steps" in given or "sigmas" in given)


def _is_empty(latent: Node) -> bool:
    given = inputs(latent)
    sized = "width" in given or "empty_latent_width" in given
    return sized and not {"samples", "pixels", "latent"} & set(given)


def _helpers(graph: Graph, sampler: Node) -> Iterator[Node]:
    for key in _HELPERS:
        node = linked(graph, sampler, key)
        if node is not None:
            yield node


def _any(graph: Graph, nodes: list[Node], *keys: str) -> str:
    """The first of these values that one of the nodes has."""
    found = (value(graph, node, key) for key in keys for node in nodes if key in inputs(node))
    return next((text for text in found if text), "")


def _sampler_of(graph: Graph, nodes: list[Node]) -> str:
    by_class = (_CLASS_SAMPLERS.get(str(node.get("class_type")), "") for node in nodes)
    return _any(graph, nodes, "sampler_name") or next((name for name in by_class if name), "")


def _schedule(graph: Graph, nodes: list[Node]) -> str:
    by_class = (_CLASS_SCHEDULES.get(str(node.get("class_type")), "") for node in nodes)
    name = _any(graph, nodes, "scheduler") or next((name for name in by_class if name), "")
    return schedule_name(name)


def _size(graph: Graph, sampler: Node) -> str:
    for node in upstream(graph, sampler, "latent_image", ("samples", "latent")):
        for prefix in ("", "empty_latent_"):
            width, height = (value(graph, node, f"{prefix}{side}") for side in ("width", "height"))
            if width and height:
                return f"{width}x{height}"
    return ""


# ---- prompts


def _text(graph: Graph, nodes: list[Node], side: str) -> str:
    """The text that a sampler's "positive" or "negative" was made of."""
    texts: list[str] = []
    for node in _conditionings(graph, nodes, side):
        for key in (*_TEXT_KEYS, side):
            text = value(graph, node, key) if _may_hold_text(graph, node, key) else ""
            if text and text not in texts:
                texts.append(text)
    return "\n".join(texts)


def _conditionings(graph: Graph, nodes: list[Node], side: str) -> list[Node]:
    """The nodes behind one side of a sampler; none when that side was made zero."""
    for node in nodes:
        for key in _SIDES[side]:
            if key in inputs(node):
                found = list(upstream(graph, node, key, ("conditioning", side)))
                zero = any(n.get("class_type") == "ConditioningZeroOut" for n in found)
                return [] if zero else found
    return []


def _may_hold_text(graph: Graph, node: Node, key: str) -> bool:
    """Whether an input is a text or comes from one: "positive" may be a conditioning, too."""
    source = linked(graph, node, key)
    return source is None or not ({"clip", "positive", "conditioning"} & set(inputs(source)))


def _clip_skip(graph: Graph, nodes: list[Node]) -> str:
    for node in _conditionings(graph, nodes, "positive"):
        for clip in upstream(graph, node, "clip", ("clip",)):
            layer = value(graph, clip, "stop_at_clip_layer")
            if layer.startswith("-"):
                return _unless(layer[1:], "1")
    return ""


def _guidance(graph: Graph, nodes: list[Node]) -> str:
    found = (value(graph, n, "guidance") for n in _conditionings(graph, nodes, "positive"))
    return next((text for text in found if text), "")


def _unless(text: str, usual: str) -> str:
    return "" if text == usual else text


# ---- the model


def _model(graph: Graph, nodes: list[Node]) -> tuple[str, list[str]]:
    """The model's name without its ending, and the LoRAs on the way to it."""
    loras: list[str] = []
    for start in nodes:
        for node in upstream(graph, start, "model", ("model",)):
            loras += reversed(list(_loras(graph, node)))
            for key in _MODEL_KEYS:
                name = value(graph, node, key)
                if name:
                    return model_name(name), loras[::-1][:_MOST_LORAS]
    return "", loras[::-1][:_MOST_LORAS]


def _loras(graph: Graph, node: Node) -> Iterator[str]:
    """``<lora:name:weight>`` of a node with one LoRA, or with numbered ones."""
    if "lora_name" in inputs(node):
        weight = value(graph, node, "strength_model")
        yield from _lora(value(graph, node, "lora_name"), weight)
    for key, given in inputs(node).items():
        number = _STACKED.fullmatch(key)
        entry = as_object(given)
        if number and entry.get("on"):
            yield from _lora(as_text(entry.get("lora")), as_text(entry.get("strength")))
        elif number and isinstance(given, str):
            names = (f"strength_{number[1]}", f"model_str_{number[1]}", f"lora_wt_{number[1]}")
            yield from _lora(given, _any(graph, [node], *names))


def _lora(name: str, weight: str) -> Iterator[str]:
    if name and name != "None":
        yield f"<lora:{model_name(name)}:{weight or '1'}>"


# ---- Civitai's summary


def _summarised(said: Mapping[str, Any]) -> str | None:
    """The text of what Civitai's generator says of itself beside the graph it ran."""
    if "steps" not in said or "prompt" not in said:
        return None
    width, height = (as_text(said.get(key)) for key in ("width", "height"))
    pairs = {
        "Steps": as_text(said["steps"]),
        "Sampler": sampler_name(as_text(said.get("sampler"))),
        "CFG scale": as_text(said.get("cfgScale")),
        "Seed": as_text(said.get("seed")),
        "Size": f"{width}x{height}" if width and height else "",
        "Clip skip": as_text(said.get("clipSkip")),
        "RNG": "CPU",
        "Version": "Civitai",
    }
    written = {key: text for key, text in pairs.items() if text}
    return compose(as_text(said["prompt"]), as_text(said.get("negativePrompt")), written)
