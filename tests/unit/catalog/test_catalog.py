"""The checkpoints a models folder holds, by the names people use."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from webui.catalog import Catalog
from webui.core.errors import ModelError, NotFound, UnsafeFile

Maker = Callable[..., Path]


@pytest.fixture
def catalog(models: Path, tmp_path: Path) -> Iterator[Catalog]:
    catalog = Catalog(models, tmp_path / "data")
    yield catalog
    catalog.close()


def names(catalog: Catalog) -> list[str]:
    return [ref.name for ref in catalog.checkpoints()]


def test_an_empty_or_missing_folder_has_no_checkpoints(tmp_path: Path, catalog: Catalog) -> None:
    assert catalog.checkpoints() == ()
    assert Catalog(tmp_path / "nowhere").checkpoints() == ()
    assert catalog.default() is None
    with pytest.raises(NotFound, match="There is no checkpoint; put a Stable Diffusion 1") as error:
        catalog.resolve("")
    assert error.value.field == "checkpoint"


def test_files_and_folders_are_found_under_their_names(
    models: Path, catalog: Catalog, safetensors: Maker, diffusers_folder: Maker
) -> None:
    checkpoints = models / "checkpoints"
    path = safetensors(checkpoints / "anime" / "Good Model v1.5.SAFETENSORS")
    folder = diffusers_folder(checkpoints / "easel-starter")
    safetensors(models / "Stable-diffusion" / "from-a1111.safetensors")
    (checkpoints / "notes.txt").write_text("x")
    (checkpoints / "half.safetensors.part").write_text("x")
    safetensors(checkpoints / ".hidden" / "no.safetensors")
    assert names(catalog) == ["anime/Good Model v1.5", "easel-starter", "from-a1111"]
    assert catalog.problems() == ()
    file_ref, folder_ref, _ = catalog.checkpoints()
    assert (file_ref.layout, file_ref.path, file_ref.native_size) == ("file", str(path), 512)
    assert (folder_ref.layout, folder_ref.path, folder_ref.native_size) == (
        "folder",
        str(folder),
        64,
    )


@pytest.mark.parametrize(
    "name",
    [
        "sub/Model A",
        "SUB/model a",
        "sub\\Model A.safetensors",
        "model a",
        "Model A.safetensors",
        "sub_Model A.safetensors",
        " sub/Model A.safetensors [0123456789]",
        "sub_Model A [deadbeef]",
    ],
)
def test_a_checkpoint_answers_to_the_names_people_write(
    models: Path, catalog: Catalog, safetensors: Maker, name: str
) -> None:
    safetensors(models / "checkpoints" / "other.safetensors")
    safetensors(models / "checkpoints" / "sub" / "Model A.safetensors")
    assert catalog.resolve(name).name == "sub/Model A"


def test_an_exact_name_comes_first(models: Path, catalog: Catalog, safetensors: Maker) -> None:
    for name in ("a/m", "m", "z/M"):
        safetensors(models / "checkpoints" / f"{name}.safetensors")
    assert catalog.resolve("m").name == "m"
    assert catalog.resolve("z/M").name == "z/M"
    assert catalog.resolve("M").name == "m"


def test_the_default_is_the_user_s_own_before_the_starter(
    models: Path, catalog: Catalog, safetensors: Maker, diffusers_folder: Maker
) -> None:
    diffusers_folder(models / "checkpoints" / "easel-starter")
    assert catalog.resolve("").name == "easel-starter"
    safetensors(models / "checkpoints" / "zebra.safetensors")
    assert catalog.resolve(" ").name == "zebra"


def test_an_unknown_name_says_what_is_near(
    models: Path, catalog: Catalog, safetensors: Maker
) -> None:
    safetensors(models / "checkpoints" / "dreamer.safetensors")
    with pytest.raises(NotFound, match="no checkpoint 'draemer'; did you mean 'dreamer'") as error:
        catalog.resolve("draemer")
    assert error.value.field == "checkpoint"
    with pytest.raises(NotFound, match="there are: dreamer"):
        catalog.resolve("/etc/passwd")
    with pytest.raises(NotFound) as error:
        catalog.resolve("x" * 100_000)
    assert len(error.value.message) < 200


@pytest.mark.parametrize("name", ["../secret", "../../models/secret", "/secret", "checkpoints/.."])
def test_names_never_become_paths(
    models: Path, catalog: Catalog, safetensors: Maker, name: str
) -> None:
    safetensors(models / "secret.safetensors")
    with pytest.raises(NotFound):
        catalog.resolve(name)


def test_what_cannot_be_used_is_listed_and_says_so_when_asked_for(
    models: Path, catalog: Catalog, safetensors: Maker
) -> None:
    checkpoints = models / "checkpoints"
    (checkpoints / "old.ckpt").write_bytes(b"x")
    (checkpoints / "renamed.safetensors").write_bytes(b"PK\x03\x04" + bytes(100))
    cut = safetensors(checkpoints / "cut.safetensors")
    os.truncate(cut, cut.stat().st_size - 1)
    for part in ("unet", "vae"):
        (checkpoints / "loose" / part).mkdir(parents=True)
    (checkpoints / "dangling.safetensors").symlink_to("nowhere")
    (checkpoints / b"bad\xff.safetensors".decode("utf-8", "surrogateescape")).write_bytes(b"x")
    problems = dict(catalog.problems())
    assert set(problems) == {"old.ckpt", "renamed", "cut", "loose", "dangling", "bad?"}
    assert "is a pickle" in problems["old.ckpt"]
    assert "refused" in problems["renamed"]
    assert "1 of" in problems["cut"]
    assert "no model_index.json" in problems["loose"]
    assert "cannot be read" in problems["dangling"]
    assert "rename the file" in problems["bad?"]
    with pytest.raises(UnsafeFile) as error:
        catalog.resolve("old.ckpt")
    assert error.value.field == "checkpoint"
    with pytest.raises(ModelError, match="cut short"):
        catalog.resolve("CUT")
    with pytest.raises(NotFound, match="What is there cannot be used: "):
        catalog.resolve("")


def test_changes_in_the_folder_are_seen(models: Path, catalog: Catalog, safetensors: Maker) -> None:
    path = safetensors(models / "checkpoints" / "new" / "m.safetensors")
    first = catalog.resolve("new/m")
    assert catalog.resolve("new/m") is first
    os.utime(path, ns=(1, 1))
    touched = catalog.resolve("new/m")
    assert touched.digest != first.digest
    whole = path.read_bytes()
    path.write_bytes(whole[:200])
    assert names(catalog) == []
    path.write_bytes(whole)
    assert names(catalog) == ["new/m"]
    path.rename(path.with_name("renamed.safetensors"))
    assert names(catalog) == ["new/renamed"]
    path.with_name("renamed.safetensors").unlink()
    assert names(catalog) == []


def test_a_file_is_read_once(
    models: Path, catalog: Catalog, safetensors: Maker, bytes_read: Callable[[], int]
) -> None:
    safetensors(models / "checkpoints" / "m.safetensors")
    catalog.checkpoints()
    counted = bytes_read()
    overhead = bytes_read() - counted
    before = bytes_read()
    catalog.checkpoints()
    assert bytes_read() - before <= overhead + 20


def test_the_digest_follows_the_content(
    models: Path, catalog: Catalog, diffusers_folder: Maker
) -> None:
    folder = diffusers_folder(models / "checkpoints" / "m")
    first = catalog.resolve("m").digest
    config = folder / "unet" / "config.json"
    data = json.loads(config.read_text())
    config.write_text(json.dumps(data | {"sample_size": 32}))
    changed = catalog.resolve("m")
    assert changed.digest != first
    assert changed.native_size == 128


def test_links_are_followed_and_loops_end(
    models: Path, catalog: Catalog, safetensors: Maker, tmp_path: Path
) -> None:
    checkpoints = models / "checkpoints"
    safetensors(tmp_path / "elsewhere" / "m.safetensors")
    (checkpoints / "linked").symlink_to(tmp_path / "elsewhere")
    (checkpoints / "loop").symlink_to(checkpoints)
    for name in "abcdefgh":
        (checkpoints / name).mkdir()
        for other in "abcdefgh":
            (checkpoints / name / other).symlink_to(checkpoints / other)
    assert names(catalog) == ["linked/m"]


def test_a_file_and_a_folder_of_one_name_stay_apart(
    models: Path, catalog: Catalog, safetensors: Maker, diffusers_folder: Maker
) -> None:
    safetensors(models / "checkpoints" / "m.safetensors")
    diffusers_folder(models / "checkpoints" / "m")
    assert names(catalog) == ["m", "m.safetensors"]
    assert catalog.resolve("m").layout == "folder"
    assert catalog.resolve("m.safetensors").layout == "file"


def test_hashes_are_a1111_s_and_are_remembered(
    models: Path, catalog: Catalog, tmp_path: Path, safetensors: Maker, diffusers_folder: Maker
) -> None:
    path = safetensors(models / "checkpoints" / "m.safetensors")
    folder = diffusers_folder(models / "checkpoints" / "starter")
    expected = hashlib.sha256(path.read_bytes()).hexdigest()
    assert catalog.model_hash(catalog.resolve("m"), wait=10) == expected[:10]
    unet = (folder / "unet" / "diffusion_pytorch_model.safetensors").read_bytes()
    of_folder = hashlib.sha256(unet).hexdigest()[:10]
    assert catalog.model_hash(catalog.resolve("starter"), wait=10) == of_folder
    for text in (expected[:10], expected, f"whatever [{expected[:10].upper()}]"):
        assert catalog.resolve(text).name == "m"
    catalog.close()
    again = Catalog(models, tmp_path / "data")
    assert again.model_hash(again.resolve("m")) == expected[:10]
    again.close()


def test_hashing_does_not_keep_anyone_waiting(
    models: Path, safetensors: Maker, sd1: dict[str, tuple[int, ...]]
) -> None:
    safetensors(models / "checkpoints" / "m.safetensors", sd1 | {"big": (1024, 1024, 1024)})
    catalog = Catalog(models)
    assert catalog.model_hash(catalog.resolve("m")) is None
    catalog.close()
    assert catalog.model_hash(catalog.resolve("m")) is None


def test_a_damaged_hash_cache_is_begun_anew(
    models: Path, tmp_path: Path, safetensors: Maker
) -> None:
    safetensors(models / "checkpoints" / "m.safetensors")
    for content in ("[1, 2]", "{", '{"a": 1}', "[" * 100_000):
        cache = tmp_path / "cache"
        cache.mkdir(exist_ok=True)
        (cache / "model-hashes.json").write_text(content)
        catalog = Catalog(models, cache)
        assert catalog.model_hash(catalog.resolve("m"), wait=10)
        catalog.close()
