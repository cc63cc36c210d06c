"""Both languages are whole, files add others, and the right one is chosen."""

from __future__ import annotations

import importlib
import json
import re
from pathlib import Path

import pytest

from webui.core.choices import CHOICES
from webui.core.params import fields_of
from webui.core.requests import Img2Img, Txt2Img
from webui.settings import describe
from webui.ui import shell
from webui.ui.languages import AREAS, built_in, fields, places_of, texts_of
from webui.ui.languages.files import Languages, accepted_tags
from webui.ui.localised import translate_page

HAN = re.compile(r"[\u4e00-\u9fff]")
# Texts that consist of names and numbers only.
ALIKE = re.compile(r"(\W|\d|\{\w+\}|CFG|CLIP|Easel|A1111|it/s|s/it)*")


@pytest.mark.parametrize("area", AREAS)
def test_every_text_exists_in_both_languages(area: str) -> None:
    module = importlib.import_module(f"webui.ui.languages.{area}")
    assert set(module.EN) == set(module.ZH)
    for key, english in module.EN.items():
        chinese = module.ZH[key]
        assert places_of(english) == places_of(chinese), key
        assert HAN.search(chinese) or ALIKE.fullmatch(english), f"{key}: {chinese!r}"


def test_a_key_of_two_areas_says_the_same_in_both() -> None:
    known: dict[str, tuple[str, str]] = {}
    for area in AREAS:
        module = importlib.import_module(f"webui.ui.languages.{area}")
        for key, english in module.EN.items():
            said = (english, module.ZH.get(key, ""))
            assert known.setdefault(key, said) == said, f"{area}: {key}"


def test_every_field_and_setting_is_said_in_chinese() -> None:
    known = [*fields_of(Txt2Img), *fields_of(Img2Img)]
    english = {t for f in known for t in (f.param.label, f.param.help)}
    english |= {t for s in describe() for t in (s.group, s.param.label, s.param.help)}
    assert {t for t in english if t} - set(fields.ZH) == set()
    names = {name for known in CHOICES.values() for name in known.names()}
    assert set(fields.ZH) - english - names == set()
    forms = ("resize_modes", "mask_modes", "masked_contents", "inpaint_areas", "emphasis_modes")
    assert {n for choices in forms for n in CHOICES[choices].names()} - set(fields.ZH) == set()
    assert [t for t in fields.ZH.values() if not HAN.search(t)] == []


def test_words_of_the_form_mean_one_thing() -> None:
    """Gradio's words are found by their English: what is alike there has to be alike in Chinese."""
    blocks, _ = shell.build_page(["one"])
    props = [b.get_config() for b in blocks.blocks.values()]
    used = {str(p.get(name)) for p in props for name in ("label", "placeholder", "value")}
    english, chinese = texts_of("EN"), texts_of("ZH")
    for word in used:
        meanings = {chinese[key] for key in english if english[key] == word}
        meanings |= {fields.ZH[word]} if word in fields.ZH else set()
        assert len(meanings) <= 1, (word, meanings)


@pytest.mark.parametrize(
    ("wanted", "accepted", "code"),
    [
        ("", "", "en"),
        ("", "zh-CN,zh;q=0.9,en;q=0.8", "zh-CN"),
        ("", "zh", "zh-CN"),
        ("", "zh-Hans-SG", "zh-CN"),
        ("", "en-GB,zh-CN;q=0.5", "en"),
        ("", "fr,zh-CN;q=0.5", "zh-CN"),
        ("", "en;q=0.1,zh-CN;q=0.2", "zh-CN"),
        ("", "zh-CN;q=0,en", "en"),
        ("zh-CN", "en", "zh-CN"),
        ("en", "zh-CN", "en"),
        ("../../etc", "zh-CN", "zh-CN"),
        ("", ";;;,q=x,*", "en"),
        ("", "de-CH", "de"),
    ],
)
def test_the_language_that_is_shown(tmp_path: Path, wanted, accepted, code) -> None:
    (tmp_path / "de.json").write_text('{"texts": {}}', encoding="utf-8")
    assert Languages(tmp_path).choose(wanted, accepted).code == code


def test_accepted_tags_are_ordered_by_weight() -> None:
    assert accepted_tags("a;q=0.1, b, c;q=0.5, d;q=0") == ["b", "c", "a"]


def test_a_file_adds_a_language(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    values = {
        "name": "Deutsch",
        "texts": {"generate": "Zeichnen", "step": "Schritt {nummer}", "zoo": "x", "skip": 5},
        "fields": {"Width": "Breite", "Height": None},
    }
    file = tmp_path / "de.json"
    file.write_text(json.dumps(values), encoding="utf-8")
    languages = Languages(tmp_path)
    german = languages.all()["de"]
    assert (german.code, german.name) == ("de", "Deutsch")
    assert german.texts["generate"] == "Zeichnen"
    assert german.texts["step"] == texts_of("EN")["step"]
    assert "'step'" in caplog.text
    assert german.texts["skip"] == "Skip"
    assert "zoo" not in german.texts
    assert (german.phrase("Width"), german.phrase("Height")) == ("Breite", "Height")
    file.write_text(json.dumps({**values, "name": "Neu"}), encoding="utf-8")
    assert languages.all()["de"].name == "Neu"
    file.unlink()
    assert "de" not in languages.all()


@pytest.mark.parametrize("content", [b"{", b"[]", b"\xff\xfe", b"[" * 100_000])
def test_a_damaged_file_is_no_language(
    tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "de.json").write_bytes(content)
    assert "de" not in Languages(tmp_path).all()
    assert "de.json is ignored" in caplog.text


def test_files_that_are_no_language_are_not_looked_at(tmp_path: Path) -> None:
    for name in ("EN.json", "a b.json", "de.txt", "<x>.json"):
        (tmp_path / name).write_text("{}", encoding="utf-8")
    assert set(Languages(tmp_path).all()) == set(built_in())


def test_a_file_can_correct_a_language_that_comes_along(tmp_path: Path) -> None:
    (tmp_path / "zh-CN.json").write_text('{"texts": {"generate": "绘制"}}', encoding="utf-8")
    chinese = Languages(tmp_path).all()["zh-CN"]
    assert chinese.texts["generate"] == "绘制"
    assert chinese.texts["skip"] == "跳过"


def test_the_form_is_translated_and_nothing_else() -> None:
    config = {
        "components": [
            {"type": "slider", "props": {"label": "Width", "value": "Width", "elem_id": "Width"}},
            {"type": "button", "props": {"value": "Generate"}},
            {"type": "textbox", "props": {"placeholder": "Width", "value": "Generate"}},
            {
                "type": "radio",
                "props": {"choices": [["fill", "fill"], ["Width", 1]], "value": "fill"},
            },
        ]
    }
    page = f"<a>Width</a><script>window.gradio_config = {json.dumps(config)};</script>Width"
    found = translate_page(page, {"Width": "</script>&'宽", "Generate": "生成"}, {"fill": "填充"})
    assert found.count("</script>") == 1
    inside = json.loads(found.split("gradio_config = ")[1].split(";</script>")[0])
    assert [c["props"] for c in inside["components"]] == [
        {"label": "</script>&'宽", "value": "Width", "elem_id": "Width"},
        {"value": "生成"},
        {"placeholder": "</script>&'宽", "value": "Generate"},
        {"choices": [["填充", "fill"], ["Width", 1]], "value": "fill"},
    ]
    assert found.startswith("<a>Width</a>")
    assert found.endswith("Width")
