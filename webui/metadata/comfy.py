"""ComfyUI's node graphs, read as the text A1111 would have written.

A file carries the graph twice: "prompt" is what was run (``{id: {"class_type", "inputs"}}``, an
input being a value or a link ``[id, output]``), "workflow" what the page showed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, cast

from webui.metadata.infotext import NEGATIVE, quote

MAX_CHARS = 4_000_000
"""A graph longer than this is not read."""

_MAX_DEPTH = 100
_SAMPLERS = {
    "euler": "Euler",
    "euler_ancestral": "Euler a",
    "heun": "Heun",
    "lms": "LMS",
    "ddim": "DDIM",
    "dpm_2": "DPM2",
    "dpm_2_ancestral": "DPM2 a",
    "dpmpp_2s_ancestral": "DPM++ 2S a",
    "dpmpp_sde": "DPM++ SDE",
    "dpmpp_sde_gpu": "DPM++ SDE",
    "dpmpp_2m": "DPM++ 2M",
    "dpmpp_2m_sde": "DPM++ 2M SDE",
    "dpmpp_2m_sde_gpu": "DPM++ 2M SDE",
    "dpmpp_3m_sde": "DPM++ 3M SDE",
    "dpmpp_3m_sde_gpu": "DPM++ 3M SDE",
    "uni_pc": "UniPC",
    "lcm": "LCM",
}
_SCHEDULES = {
    "normal": "Normal",
    "karras": "Karras",
    "exponential": "Exponential",
    "sgm_uniform": "SGM Uniform",
    "simple": "Simple",
    "ddim_uniform": "DDIM",
    "beta": "Beta",
}
_KSAMPLERS = ("KSampler", "KSamplerAdvanced")
_MODEL_KEYS = ("ckpt_name", "unet_name", "model_name")
_TEXT_KEYS = ("text", "text_g", "text_l", "t5xxl", "clip_l")
_PLAIN_KEYS = ("value", "string", "text", "seed", "noise_seed", "int", "float")
_WIDGETS = {
    "KSampler": ("seed", "", "steps", "cfg", "sampler_name", "scheduler", "denoise"),
    "KSamplerAdvanced": ("", "noise_seed", "", "steps", "cfg", "sampler_name", "scheduler"),
    "CLIPTextEncode": ("text",),
    "CheckpointLoaderSimple": ("ckpt_name",),
    "UNETLoader": ("unet_name",),
    "EmptyLatentImage": ("width", "height", "batch_size"),
    "EmptySD3LatentImage": ("width", "height", "batch_size"),
    "LoraLoader": ("lora_name", "strength_model", "strength_clip"),
    "LoraLoaderModelOnly": ("lora_name", "strength_model"),
}

_Node = Mapping[str, Any]
_Graph = dict[str, _Node]


def to_infotext(prompt: str | None, workflow: str | None = None) -> str | None:
    """The infotext of a picture that carries these graphs; None when they hold no sampler.

    Any text is accepted. LoRAs stand behind the prompt as ``<lora:name:weight>``.
    """
    for graph in (_run(prompt), _shown(workflow)):
        sampler = _sampler(graph)
        if sampler is not None:
            return _infotext(graph, sampler)
    return None


def _infotext(graph: _Graph, sampler: _Node) -> str:
    model, loras = _model(graph, sampler)
    positive = " ".join([_text(graph, sampler, "positive"), *loras]).strip()
    negative = _text(graph, sampler, "negative")
    latent = _linked(graph, sampler, "latent_image") or {}
    width, height = (_value(graph, latent, key) for key in ("width", "height"))
    name = _value(graph, sampler, "sampler_name")
    schedule = _value(graph, sampler, "scheduler")
    seed = _value(graph, sampler, "seed") or _value(graph, sampler, "noise_seed")
    pairs = {
        "Steps": _value(graph, sampler, "steps"),
        "Sampler": _SAMPLERS.get(name, name),
        "Schedule type": _SCHEDULES.get(schedule, schedule),
        "CFG scale": _value(graph, sampler, "cfg"),
        "Seed": seed,
        "Size": f"{width}x{height}" if width and height else "",
        "Model": model,
        "Version": "ComfyUI",
    }
    last = ", ".join(f"{key}: {quote(value)}" for key, value in pairs.items() if value)
    head = f"{positive}\n{NEGATIVE} {negative}" if negative else positive
    return f"{head}\n{last}".strip()


# ---- following the graph


def _sampler(graph: _Graph) -> _Node | None:
    """The node that drew the picture first: where there are several, one that began with an empty
    latent, not one that went on with another's."""
    found = [node for node in graph.values() if node["class_type"] in _KSAMPLERS]
    fresh = (n for n in found if "width" in _inputs(_linked(graph, n, "latent_image") or {}))
    return next(fresh, found[0] if found else None)


def _text(graph: _Graph, sampler: _Node, side: str) -> str:
    """The text that a sampler's "positive" or "negative" was made of."""
    texts: list[str] = []
    for node in _upstream(graph, sampler, side, ("conditioning", side)):
        for key in _TEXT_KEYS:
            text = _value(graph, node, key)
            if text and text not in texts:
                texts.append(text)
    return "\n".join(texts)


def _model(graph: _Graph, sampler: _Node) -> tuple[str, list[str]]:
    """The model's name without its ending, and the LoRAs on the way to it."""
    loras: list[str] = []
    for node in _upstream(graph, sampler, "model", ("model",)):
        lora = _value(graph, node, "lora_name")
        if lora:
            weight = _value(graph, node, "strength_model") or "1"
            loras.append(f"<lora:{_plain_name(lora)}:{weight}>")
        for key in _MODEL_KEYS:
            name = _value(graph, node, key)
            if name:
                return _plain_name(name), loras[::-1]
    return "", loras[::-1]


def _upstream(graph: _Graph, node: _Node, first: str, others: tuple[str, ...]) -> Iterator[_Node]:
    """The nodes behind an input: first the one it is linked to, then those behind inputs whose
    names begin as one of ``others``. Each once, so that a graph in a circle ends."""
    waiting = [_linked(graph, node, first)]
    seen: list[_Node] = []
    while waiting and len(seen) < _MAX_DEPTH:
        found = waiting.pop(0)
        if found is None or any(found is other for other in seen):
            continue
        seen.append(found)
        yield found
        waiting += [_linked(graph, found, key) for key in _inputs(found) if key.startswith(others)]


def _linked(graph: _Graph, node: _Node, key: str) -> _Node | None:
    link = _inputs(node).get(key)
    if isinstance(link, list) and link:
        return graph.get(str(cast("list[Any]", link)[0]))
    return None


def _value(graph: _Graph, node: _Node, key: str) -> str:
    """An input as text; one that is linked is looked up in the node it comes from."""
    for _ in range(_MAX_DEPTH):
        value = _inputs(node).get(key)
        if not isinstance(value, list):
            return _as_text(value)
        source = _linked(graph, node, key)
        if source is None:
            return ""
        node = source
        key = next((k for k in (key, *_PLAIN_KEYS) if k in _inputs(node)), "")
    return ""


def _as_text(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()


def _inputs(node: _Node) -> dict[str, Any]:
    return node.get("inputs", {})


def _plain_name(name: str) -> str:
    """A model's name as prompts write it: no ending, ``/`` between folders."""
    stem, dot, ending = name.replace("\\", "/").rpartition(".")
    known = ending.lower() in ("safetensors", "ckpt", "pt", "pth", "bin", "gguf", "sft")
    return stem if dot and known else name.replace("\\", "/")


# ---- reading the graph


def _run(text: str | None) -> _Graph:
    """The graph that was run, without what is no node of one."""
    nodes = ((key, _dict(node)) for key, node in _object(text).items())
    return {
        key: {"class_type": str(node.get("class_type")), "inputs": _dict(node["inputs"])}
        for key, node in nodes
        if isinstance(node.get("inputs"), dict)
    }


def _shown(text: str | None) -> _Graph:
    """The graph that the page showed, as one that could be run, as far as its nodes are known."""
    whole = _object(text)
    links = [link for link in map(_list, _list(whole.get("links"))) if len(link) >= 3]
    sources = {str(link[0]): [str(link[1]), link[2]] for link in links}
    graph: _Graph = {}
    for node in map(_dict, _list(whole.get("nodes"))):
        kind = str(node.get("type"))
        inputs = _widgets(kind, node) | _links(node, sources)
        graph[str(node.get("id"))] = {"class_type": kind, "inputs": inputs}
    return graph


def _widgets(kind: str, node: _Node) -> dict[str, Any]:
    found = zip(_WIDGETS.get(kind, ()), _list(node.get("widgets_values")), strict=False)
    return {name: value for name, value in found if name}


def _links(node: _Node, sources: Mapping[str, list[Any]]) -> dict[str, Any]:
    entries = map(_dict, _list(node.get("inputs")))
    found = ((str(entry.get("name")), sources.get(str(entry.get("link")))) for entry in entries)
    return {name: source for name, source in found if source is not None}


def _object(text: str | None) -> dict[str, Any]:
    if not text or len(text) > MAX_CHARS:
        return {}
    try:
        return _dict(json.loads(text))
    except (ValueError, RecursionError):
        return {}


def _dict(value: Any) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return cast("list[Any]", value) if isinstance(value, list) else []
