"""ComfyUI's node graphs: made of a file's texts, and followed from node to node.

A file carries the graph twice: "prompt" is what was run (``{id: {"class_type", "inputs"}}``, an
input being a value or a link ``[id, output]``), "workflow" what the page showed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from webui.metadata.json_text import as_list, as_object, as_text, load_object

MOST_NODES = 300
"""So many nodes are looked at to answer one question: a graph in a circle ends."""

Node = Mapping[str, Any]
Graph = dict[str, Node]

_MOST_CHARS = 100_000
_MOST_BETWEEN = 100
_TOGETHER = re.compile(r"(?:string|text|prompt|str)_?(?:[a-h]|\d{1,2})")
_SHOWN = ("populated_text", "text_0", "output_text")
_PLAIN = ("value", "string", "text", "seed", "noise_seed", "int", "float", "number", "prompt",
          "wildcard_text", "text1", "string1")  # fmt: skip
_WIDGETS = {
    "KSampler": ("seed", "", "steps", "cfg", "sampler_name", "scheduler", "denoise"),
    "KSamplerAdvanced": ("", "noise_seed", "", "steps", "cfg", "sampler_name", "scheduler"),
    "SamplerCustom": ("", "noise_seed", "", "cfg"),
    "RandomNoise": ("noise_seed",),
    "KSamplerSelect": ("sampler_name",),
    "BasicScheduler": ("scheduler", "steps", "denoise"),
    "KarrasScheduler": ("steps", "sigma_max", "sigma_min", "rho"),
    "CFGGuider": ("cfg",),
    "FluxGuidance": ("guidance",),
    "CLIPTextEncode": ("text",),
    "CLIPSetLastLayer": ("stop_at_clip_layer",),
    "CheckpointLoaderSimple": ("ckpt_name",),
    "UNETLoader": ("unet_name",),
    "EmptyLatentImage": ("width", "height", "batch_size"),
    "EmptySD3LatentImage": ("width", "height", "batch_size"),
    "LoraLoader": ("lora_name", "strength_model", "strength_clip"),
    "LoraLoaderModelOnly": ("lora_name", "strength_model"),
    "PrimitiveNode": ("value",),
    "PrimitiveString": ("value",),
    "PrimitiveStringMultiline": ("value",),
    "PrimitiveInt": ("value",),
    "PrimitiveFloat": ("value",),
    "StringConcatenate": ("string_a", "string_b", "delimiter"),
}


def run_graph(text: object) -> Graph:
    """The graph that was run, without what is no node of one; {} for any other text."""
    nodes = ((key, as_object(node)) for key, node in load_object(text).items())
    return {
        key: {"class_type": str(node.get("class_type")), "inputs": as_object(node["inputs"])}
        for key, node in nodes
        if isinstance(node.get("inputs"), dict)
    }


def shown_graph(text: object) -> Graph:
    """The graph that the page showed, as one that could be run, as far as its nodes are known."""
    whole = load_object(text)
    links = [link for link in map(as_list, as_list(whole.get("links"))) if len(link) >= 3]
    sources = {str(link[0]): [str(link[1]), link[2]] for link in links}
    graph: Graph = {}
    for node in map(as_object, as_list(whole.get("nodes"))):
        kind = str(node.get("type"))
        inputs = _widgets(kind, node) | _links(node, sources)
        graph[str(node.get("id"))] = {"class_type": kind, "inputs": inputs}
    return graph


def inputs(node: Node) -> dict[str, Any]:
    """A node's inputs by name."""
    return node.get("inputs", {})


def linked(graph: Graph, node: Node, key: str) -> Node | None:
    """The node an input is linked to."""
    link = as_list(inputs(node).get(key))
    return graph.get(str(link[0])) if link else None


def upstream(graph: Graph, node: Node, first: str, others: tuple[str, ...]) -> Iterator[Node]:
    """The nodes behind an input: first the one it is linked to, then those behind inputs whose
    names begin as one of ``others`` ("Reroute" nodes: any). Each once."""
    waiting = [linked(graph, node, first)]
    seen: set[int] = set()
    while waiting and len(seen) < MOST_NODES:
        found = waiting.pop(0)
        if found is None or id(found) in seen:
            continue
        seen.add(id(found))
        yield found
        names = [k for k in inputs(found) if k.startswith(others) or _is_reroute(found)]
        waiting += [linked(graph, found, key) for key in names[:MOST_NODES]]


def value(graph: Graph, node: Node, key: str) -> str:
    """An input as text; one that is linked is put together from the nodes it comes from.

    Those may join texts, choose from wildcards (then what they chose is taken) or hold one value.
    """
    pieces: list[str] = []
    waiting: list[tuple[Node, str] | str] = [(node, key)]
    for _ in range(MOST_NODES):
        if not waiting:
            break
        item = waiting.pop()
        if isinstance(item, str):
            pieces.append(item)
            continue
        source = linked(graph, *item)
        if source is not None:
            waiting += reversed(_parts(source, item[1]))
        elif not isinstance(inputs(item[0]).get(item[1]), list):
            pieces.append(as_text(inputs(item[0]).get(item[1]))[:_MOST_CHARS])
    return "".join(pieces)[:_MOST_CHARS]


def _parts(source: Node, key: str) -> list[tuple[Node, str] | str]:
    """What a node's output, asked for as ``key``, is made of."""
    given = inputs(source)
    shown = next((name for name in _SHOWN if as_text(given.get(name))), None)
    if shown is not None:
        return [(source, shown)]
    together = [name for name in given if _TOGETHER.fullmatch(name)]
    if len(together) > 1:
        between = as_text(given.get("delimiter", given.get("separator")), strip=False)
        between = between[:_MOST_BETWEEN].replace("\\n", "\n")
        parts: list[tuple[Node, str] | str] = []
        for name in together:
            empty = not given[name]
            parts += [] if empty else [between, (source, name)]
        return parts[1:]
    only = list(given)[:1] if len(given) == 1 or _is_reroute(source) else []
    named = next((name for name in (key, *_PLAIN, *only) if name in given), None)
    return [(source, named)] if named is not None else []


def _is_reroute(node: Node) -> bool:
    return str(node.get("class_type")).startswith("Reroute")


def _widgets(kind: str, node: Node) -> dict[str, Any]:
    found = zip(_WIDGETS.get(kind, ()), as_list(node.get("widgets_values")), strict=False)
    return {name: value for name, value in found if name}


def _links(node: Node, sources: Mapping[str, list[Any]]) -> dict[str, Any]:
    entries = map(as_object, as_list(node.get("inputs")))
    found = ((str(entry.get("name")), sources.get(str(entry.get("link")))) for entry in entries)
    return {name: source for name, source in found if source is not None}
