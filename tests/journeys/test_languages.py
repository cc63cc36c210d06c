"""The page in Simplified Chinese, in a language of one's own, and the switch between them."""

from __future__ import annotations

import gzip
import json
import re
import urllib.request
from collections.abc import Iterator

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.journeys.actions import fill, generate, wait_state
from tests.journeys.conftest import FULL_VIEW, STEP_MS, Picture, wait_usable
from tests.journeys.serving import Server
from tests.journeys.start_pictures import as_png, drop
from webui.core.choices import CHOICES
from webui.core.params import fields_of
from webui.core.requests import Img2Img, Txt2Img
from webui.settings import describe
from webui.ui.languages import fields
from webui.ui.texts import TEXTS

# What is written alike in both languages: names, and what people call things by.
NAMES = {"Easel", "English", "CFG Scale", "A1111", "CLIP"}


@pytest.fixture
def chinese(browser: Browser, server: Server) -> Iterator[Page]:
    """A page opened by a browser whose person reads Simplified Chinese."""
    context = browser.new_context(locale="zh-CN", viewport={"width": 1440, "height": 900})
    context.add_init_script(FULL_VIEW)
    context.set_default_timeout(STEP_MS)
    page = context.new_page()
    page.goto(server.url)
    wait_usable(page)
    yield page
    context.close()


def english_words() -> set[str]:
    """Every label, button and explanation of the English page that has a word in it."""
    said = {f.param.label for f in (*fields_of(Txt2Img), *fields_of(Img2Img))}
    said |= {text for s in describe() for text in (s.param.label, s.param.help, s.group)}
    said |= {text for text in TEXTS.values() if "{" not in text}
    return {text for text in said if re.search(r"[A-Za-z]{3}", text)} - NAMES


def shown(page: Page, inside: str) -> set[str]:
    """Every visible piece of text, placeholder and title below an element."""
    found = page.evaluate(
        """(inside) => [...document.querySelectorAll(inside + ", " + inside + " *")]
            .filter((e) => e.checkVisibility() && !e.matches("option, input, script, style"))
            .flatMap((e) => [...e.childNodes].filter((n) => n.nodeType === 3)
                .map((n) => n.textContent.trim())
                .concat([e.title, e.placeholder, e.getAttribute("aria-label")]))
            .filter(Boolean)""",
        inside,
    )
    return set(found)


def test_a_chinese_browser_gets_a_chinese_page(chinese: Page, picture: Picture) -> None:
    expect(chinese.get_by_role("tab", name="文生图")).to_be_visible()
    expect(chinese.get_by_role("button", name="生成", exact=True)).to_be_visible()
    assert chinese.evaluate("document.documentElement.lang") == "zh-CN"
    opener = chinese.locator("#txt2img_section_advanced button").first
    if opener.count():
        opener.click()
    picture(chinese, "zh-txt2img")
    assert shown(chinese, "#tab_txt2img") & english_words() == set()
    assert "采样步数" in shown(chinese, "#tab_txt2img")
    chinese.get_by_role("tab", name="设置").click()
    expect(chinese.locator("#easel_settings_groups .easel-setting").first).to_be_visible()
    picture(chinese, "zh-settings")
    assert shown(chinese, "#tab_settings") & english_words() == set()
    assert "图片格式" in shown(chinese, "#tab_settings")


def test_drawing_is_told_in_chinese(chinese: Page, picture: Picture) -> None:
    fill(chinese, prompt="红色的圆", steps=2)
    generate(chinese)
    wait_state(chinese, "done")
    expect(chinese.locator("#easel_state")).to_contain_text("用时")
    picture(chinese, "zh-drawn")
    assert shown(chinese, "#txt2img_results") & english_words() == set()


def test_choices_are_named_in_chinese_and_meant_as_ever(
    chinese: Page, server: Server, picture: Picture
) -> None:
    chinese.get_by_role("tab", name="图生图").click()
    drop(chinese, as_png(np.zeros((64, 64, 3), np.uint8)))
    chinese.get_by_role("button", name="局部重绘", exact=True).click()
    chinese.get_by_role("radio", name="裁剪后缩放").check()
    chinese.get_by_role("radio", name="潜空间噪声").check()
    chinese.get_by_role("radio", name="仅蒙版区域").check()
    picture(chinese, "zh-inpaint")
    names = {name for known in CHOICES.values() for name in known.names()} & set(fields.ZH)
    assert shown(chinese, "#tab_img2img") & (english_words() | names) == set()
    fill(chinese, "img2img", prompt="红色的圆", steps=1)
    with chinese.expect_response("**/api/v1/img2img") as posted:
        generate(chinese, "img2img")
    request = json.loads(posted.value.request.post_data or "{}")
    asked = {name: request[name] for name in ("resize_mode", "masked_content", "inpaint_area")}
    assert asked == {
        "resize_mode": "Crop and resize",
        "masked_content": "latent noise",
        "inpaint_area": "Only masked",
    }
    assert posted.value.ok
    chinese.get_by_role("tab", name="文生图").click()
    chinese.locator("#txt2img_section_hires button").first.click()
    upscaler = chinese.locator("#txt2img_hr_upscaler input")
    expect(upscaler).to_have_value("潜空间")
    upscaler.click()
    expect(chinese.get_by_role("option", name="最近邻", exact=True)).to_be_visible()
    chinese.get_by_role("tab", name="后期处理").click()
    expect(chinese.locator("#easel_extras_upscaler_2")).to_have_value("None")
    expect(chinese.locator("#easel_extras_upscaler_2 option[value=None]")).to_have_text("无")


def test_no_other_language_is_shown_first(browser: Browser, server: Server) -> None:
    """The answer itself is in the language: nothing has to be put right by scripts."""
    context = browser.new_context(locale="zh-CN", java_script_enabled=False)
    page = context.new_page()
    answer = page.goto(server.url)
    assert answer is not None
    body = answer.text()
    context.close()
    assert '<html\n\tlang="zh-CN"' in body
    assert answer.headers["content-language"] == "zh-CN"
    assert "采样步数" in body
    assert '"label":"Sampling steps"' not in body
    assert '"generate": "生成"' in body
    assert '"generate": "Generate"' not in body


def test_the_switch_is_remembered_by_the_browser(
    browser: Browser, server: Server, picture: Picture
) -> None:
    context = browser.new_context(locale="en-US")
    context.add_init_script(FULL_VIEW)
    context.set_default_timeout(STEP_MS)
    page = context.new_page()
    page.goto(server.url)
    wait_usable(page)
    page.get_by_role("tab", name="Settings", exact=True).click()
    page.get_by_label("Language").select_option("zh-CN")
    expect(page.get_by_role("tab", name="文生图")).to_be_visible()
    page.reload()
    wait_usable(page)
    expect(page.get_by_role("tab", name="文生图")).to_be_visible()
    assert page.evaluate("document.documentElement.lang") == "zh-CN"
    assert page.evaluate("navigator.language") == "zh-CN"
    page.get_by_role("tab", name="设置").click()
    page.get_by_label("语言").select_option("")
    expect(page.get_by_role("tab", name="Text to image")).to_be_visible()
    assert page.evaluate("document.documentElement.lang") == "en"
    context.close()


def test_a_language_of_ones_own(browser: Browser, server: Server, picture: Picture) -> None:
    folder = server.folder / "data" / "languages"
    folder.mkdir()
    german = {
        "name": "Deutsch",
        "texts": {"generate": "Zeichnen", "step": "Schritt {nummer}", "nonsense": "x"},
        "fields": {"Sampling steps": "Schritte"},
    }
    (folder / "de.json").write_text(json.dumps(german), encoding="utf-8")
    context = browser.new_context(locale="de-AT")
    context.add_init_script(FULL_VIEW)
    context.set_default_timeout(STEP_MS)
    page = context.new_page()
    try:
        page.goto(server.url)
        wait_usable(page)
        expect(page.get_by_role("button", name="Zeichnen", exact=True)).to_be_visible()
        expect(page.locator("#txt2img_steps")).to_contain_text("Schritte")
        expect(page.locator("#txt2img_cfg_scale")).to_contain_text("CFG Scale")
        expect(page.get_by_role("tab", name="Settings", exact=True)).to_be_visible()
    finally:
        context.close()
        (folder / "de.json").unlink()
        folder.rmdir()


@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_weight_of_the_page_in_every_language(server: Server, language: str) -> None:
    headers = {"Accept-Encoding": "gzip", "Accept-Language": language}
    with urllib.request.urlopen(urllib.request.Request(server.url, headers=headers)) as answer:
        body = answer.read()
    assert "easel_config" in gzip.decompress(body).decode("utf-8")
    assert len(body) <= 150_000
