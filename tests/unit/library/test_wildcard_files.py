"""Wildcard files: names are paths below the folder, and never lead out of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from webui.library.wildcards import WildcardFolder
from webui.prompt.wildcards import resolve


def test_files_and_folders_give_names(tmp_path: Path) -> None:
    folder = tmp_path / "wildcards"
    found = WildcardFolder(folder)
    assert found.wildcards().names == ()
    (folder / "animals").mkdir(parents=True)
    (folder / "colour.txt").write_text("red\n", encoding="utf-8")
    (folder / "animals" / "cats.txt").write_text("# none\ntabby\n", encoding="utf-8")
    (folder / "animals" / "more.yaml").write_text("wild:\n  big: [lion]\n", encoding="utf-8")
    (folder / "notes.md").write_text("no", encoding="utf-8")
    names = ("animals/cats", "animals/more/wild/big", "animals/wild/big", "colour")
    assert found.wildcards().names == names
    template = "__colour__ __animals/cats__ __animals/wild/big__"
    assert resolve(template, 1, found.wildcards()) == "red tabby lion"


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "colour.txt"
    path.write_text("red", encoding="utf-8")
    found = WildcardFolder(tmp_path)
    before = found.wildcards()
    assert resolve("__colour__", 1, before) == "red"
    assert found.wildcards() is before
    path.write_text("green", encoding="utf-8")
    assert resolve("__colour__", 1, found.wildcards()) == "green"


def test_nothing_outside_is_read(tmp_path: Path) -> None:
    folder = tmp_path / "wildcards"
    (folder / "sub").mkdir(parents=True)
    (tmp_path / "secret.txt").write_text("secret", encoding="utf-8")
    (folder / "link.txt").symlink_to(tmp_path / "secret.txt")
    (folder / "out").symlink_to(tmp_path, target_is_directory=True)
    wildcards = WildcardFolder(folder).wildcards()
    for name in ("../secret", "sub/../../secret", "link", "out/secret", str(tmp_path / "secret")):
        assert resolve(f"__{name}__", 1, wildcards) == f"__{name}__"
    assert resolve("__**__", 1, wildcards) == "__**__"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.txt")
    (tmp_path / "bad.yaml").write_text("a: !!timestamp x", encoding="utf-8")
    (tmp_path / "colour.txt").write_text("red", encoding="utf-8")
    assert WildcardFolder(tmp_path).wildcards().names == ("colour",)
