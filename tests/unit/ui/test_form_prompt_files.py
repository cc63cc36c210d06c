"""Styles, tags and tokens: what the form's help with prompts reads and writes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webui.api.assist_files import Counters, StyleFile, TagFiles
from webui.core.errors import ModelError, NotFound
from webui.core.models import ModelRef
from webui.prompt.styles import Style, merge, read_styles, write_styles
from webui.prompt.tags import Tag, TagIndex, read_tags
from webui.prompt.tokens import clip_counter, folder_counter

STARTER = Path("models/checkpoints/easel-starter/tokenizer")
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)


@given(TEXT.map(lambda t: " ".join(t.split())).filter(bool), TEXT, TEXT)
def test_styles_read_back_as_they_are(name: str, prompt: str, negative: str) -> None:
    styles = (Style(name, prompt, negative), Style("last"))
    expected = {style.name: style for style in styles}
    assert read_styles(write_styles(styles)) == tuple(expected.values())


@pytest.mark.parametrize(
    ("text", "styles"),
    [
        ("", ()),
        ("\ufeffname,prompt,negative_prompt\nOil,oil,photo\n", (Style("Oil", "oil", "photo"),)),
        ("Oil,oil,photo\n", (Style("Oil", "oil", "photo"),)),
        ("name,negative_prompt,prompt\nA,bad,good\n", (Style("A", "good", "bad"),)),
        ('name,prompt\nA,"one\ntwo, ""three"""\n\n,ghost\n', (Style("A", 'one\ntwo, "three"'),)),
        ("name,prompt\nA,1\nA,2\n", (Style("A", "2"),)),
        ("name,text\nA,old\n", (Style("A", "old"),)),
    ],
)
def test_styles_of_other_programs(text: str, styles: tuple[Style, ...]) -> None:
    assert read_styles(text) == styles


def test_a_style_goes_where_it_says() -> None:
    assert merge("a cat", "oil of {prompt}, {prompt}") == "oil of a cat, a cat"
    assert merge("a cat", "oil") == "a cat, oil"
    assert merge("", "oil") == "oil"
    assert merge("a cat", "") == "a cat"


def test_the_style_file_keeps_its_order(tmp_path: Path) -> None:
    file = StyleFile(tmp_path / "styles.csv")
    assert file.styles() == ()
    for name in "abc":
        file.put(Style(name, name))
    file.put(Style("B", "new"), replaces="b")
    file.put(Style("a", "other"))
    names = [style.name for style in StyleFile(tmp_path / "styles.csv").styles()]
    assert sorted(names) == ["B", "a", "c"]
    assert file.styles()[0] == Style("a", "other")
    assert names[1] == "B"
    file.remove("c")
    with pytest.raises(NotFound, match="no style 'c'"):
        file.remove("c")
    assert [path.name for path in tmp_path.iterdir()] == ["styles.csv"]


def test_a_failed_write_leaves_the_styles(tmp_path: Path) -> None:
    (tmp_path / "styles.csv").write_bytes("name,prompt\nÄ,\xe9\n".encode("latin-1"))
    assert StyleFile(tmp_path / "styles.csv").styles() == (Style("Ä", "é"),)


def test_tags_are_found_by_how_they_begin() -> None:
    index = TagIndex(read_tags('1girl,0,900,"girl,woman"\nbad row\ngirl_(x),4,5\n^_^,0,3,\n'))
    found = index.search("gir", 5)
    assert [(m.tag.name, m.alias) for m in found] == [("1girl", "girl"), ("girl_(x)", None)]
    assert index.search("Girl (", 5)[0].tag.text == r"girl \(x\)"
    assert index.search("^", 5)[0].tag.text == "^_^"
    assert index.search("", 5) == ()
    assert index.search("zzz", 5) == ()


def test_each_tag_is_found_once_and_the_most_used_first() -> None:
    tags = [Tag(f"tag_{n}", 0, n, (f"tagged_{n}", f"tags_{n}")) for n in range(2000)]
    found = TagIndex(tags).search("tag", 20)
    assert [m.tag.count for m in found] == list(range(1999, 1979, -1))


def test_tag_files_are_read_again_when_they_change(tmp_path: Path) -> None:
    files = TagFiles(tmp_path / "tags")
    assert len(files.index()) == 0
    (tmp_path / "tags").mkdir()
    (tmp_path / "tags" / "a.csv").write_text("cat,0,9,\n", encoding="utf-8")
    assert [m.tag.name for m in files.index().search("c", 5)] == ["cat"]
    assert files.index() is files.index()
    (tmp_path / "tags" / "b.csv").write_text("cow,0,10,\ncat,0,1,\n", encoding="utf-8")
    assert [m.tag.name for m in files.index().search("c", 5)] == ["cow", "cat"]


SAMPLES = [
    "a red circle, it's 1234",
    "Ünï 日本語 \U0001f600",
    "",
    " x\n\ny",
    "don't ^_^ (:",
    "<|x|>",
]


@pytest.mark.parametrize("text", SAMPLES)
def test_tokens_are_those_of_the_text_encoder(text: str) -> None:
    from webui.engine.families.clip import clip_tokenizer, folder_tokenizer

    for counter, reference in (
        (clip_counter(), clip_tokenizer()),
        (folder_counter(STARTER), folder_tokenizer(STARTER)),
    ):
        assert counter.ids(text) == reference(text, add_special_tokens=False).input_ids


def test_emphasis_is_not_counted_and_chunks_are() -> None:
    counter = clip_counter()
    assert (counter.count("(circle:1.3)").tokens, counter.count("").room) == (1, 75)
    assert counter.count("circle " * 76) == counter.count("circle " * 76)
    assert (counter.count("circle " * 76).tokens, counter.count("circle " * 76).room) == (76, 150)


def test_a_checkpoint_counts_with_its_own_tokenizer(tmp_path: Path) -> None:
    def ref(path: Path, layout: str = "folder") -> ModelRef:
        return ModelRef(
            name="m",
            path=str(path),
            layout=layout,  # type: ignore[arg-type]
            family="sd15",
            prediction="epsilon",
            native_size=64,
            digest=str(path),
        )

    counters = Counters()
    word = "astronauts photographing zebras in cathedrals"
    clip = counters.of(None).count(word).tokens
    assert counters.of(ref(STARTER.parent)).count(word).tokens > clip
    assert counters.of(ref(tmp_path)).count(word).tokens == clip
    assert counters.of(ref(tmp_path / "x", "file")).count(word).tokens == clip


def test_a_broken_tokenizer_is_said(tmp_path: Path) -> None:
    (tmp_path / "vocab.json").write_text(json.dumps([1]), encoding="utf-8")
    (tmp_path / "merges.txt").write_text("a b\n", encoding="utf-8")
    with pytest.raises(ModelError, match="tokenizer of the model folder"):
        folder_counter(tmp_path)


def test_a_very_long_cell_does_not_end_a_style_file() -> None:
    styles = (Style("a", "x"), Style("b", "y" * 200_000), Style("c", "z"))
    assert read_styles(write_styles(styles)) == styles
