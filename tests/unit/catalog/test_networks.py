"""The files that prompts call by name."""

from __future__ import annotations

from pathlib import Path

from webui.catalog import Catalog


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
