"""The files that prompts call by name."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from webui.catalog import Catalog
from webui.catalog.adapters import reference
from webui.catalog.networks import Kind
from webui.core.models import AdapterKind


def put(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"")
    return path


def test_networks_are_found_by_name_ours_first(tmp_path: Path) -> None:
    models, other = tmp_path / "models", tmp_path / "webui"
    ours = put(models / "lora" / "style" / "Ink.safetensors")
    theirs = put(other / "models" / "Lora" / "fur.safetensors")
    put(other / "models" / "Lora" / "sub" / "Ink.safetensors")
    for name in (".hidden.safetensors", "notes.txt", "old.pt", ".cache/x.safetensors"):
        put(models / "lora" / name)
    (models / "lora" / "folder.safetensors").mkdir()
    word = put(other / "embeddings" / "bad hand.safetensors")
    catalog = Catalog(models, installation=str(other))
    assert [(n.name, n.path) for n in catalog.networks("lora")] == [("fur", theirs), ("Ink", ours)]
    assert [(n.name, n.path) for n in catalog.networks("embeddings")] == [("bad hand", word)]
    assert Catalog(tmp_path / "nowhere").networks("lora") == ()


def write(path: Path, metadata: dict[str, str] | None = None, body: bytes = bytes(8)) -> Path:
    """A safetensors file of one tensor."""
    tensor = {"dtype": "F32", "shape": [len(body) // 4], "data_offsets": [0, len(body)]}
    header = json.dumps({"x": tensor, "__metadata__": metadata or {}}).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(len(header).to_bytes(8, "little") + header + body)
    return path


def test_loras_are_called_by_file_or_by_what_their_trainer_called_them(tmp_path: Path) -> None:
    folder = tmp_path / "lora"
    ink = write(folder / "sub" / "ink_v2.safetensors", {"ss_output_name": "Ink"})
    twin = write(folder / "a.safetensors", {"ss_output_name": "twin"})
    write(folder / "b.safetensors", {"ss_output_name": "twin"})
    own = write(folder / "Own.safetensors", {"ss_output_name": "ink_v2"})
    put(folder / "broken.safetensors")
    catalog = Catalog(tmp_path)
    found = {
        name: network.path if (network := catalog.lora(name)) else None
        for name in ("ink_v2", "INK_V2", "Ink", "ink", "own", "a", "twin", "gone", "broken")
    }
    assert found == {
        "ink_v2": ink, "INK_V2": ink, "Ink": ink, "ink": ink, "own": own, "a": twin, "twin": None,
        "gone": None, "broken": folder / "broken.safetensors",
    }  # fmt: skip


def test_hashes_are_a1111s(tmp_path: Path) -> None:
    body = bytes(range(64))
    told = "0123456789AB" + "c" * 52
    plain = write(tmp_path / "lora" / "plain.safetensors", {"note": "x"}, body)
    write(tmp_path / "lora" / "told.safetensors", {"sshs_model_hash": told}, body)
    write(tmp_path / "lora" / "lies.safetensors", {"sshs_model_hash": "zz<b>"}, body[:32])
    word = write(tmp_path / "embeddings" / "word.safetensors", None, body)
    catalog = Catalog(tmp_path)
    kinds: tuple[tuple[Kind, AdapterKind], ...] = (("lora", "lora"), ("embeddings", "embedding"))
    refs = {n.name: reference(a, n.name, n) for kind, a in kinds for n in catalog.networks(kind)}
    hashes = {name: catalog.adapter_hash(ref, wait=5) for name, ref in refs.items()}
    assert hashes == {
        "plain": hashlib.sha256(body).hexdigest()[:12],
        "told": "0123456789ab",
        "lies": hashlib.sha256(body[:32]).hexdigest()[:12],
        "word": hashlib.sha256(word.read_bytes()).hexdigest()[:12],
    }
    known = catalog.lora_by_hash(str(hashes["plain"]))
    assert known is not None
    assert known.path == plain
    assert getattr(catalog.lora_by_hash("0123456789ab"), "name", "") == "told"
    assert catalog.lora_by_hash("01234567") is None
    catalog.close()
