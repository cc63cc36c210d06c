"""Writing a prompt: keys, history, completion, brackets, tokens, styles, parameters taken over."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.journeys.actions import (
    control,
    expect_toast,
    fill,
    generate,
    wait_remembered,
    wait_state,
)
from tests.journeys.conftest import Open, Picture, wait_usable
from tests.journeys.serving import Server, running

INFOTEXT = """a lighthouse, dusk
Negative prompt: fog
Steps: 31, Sampler: Euler, CFG scale: 4.5, Seed: 123, Size: 128x64, Model: elsewhere"""
STYLES = '\ufeffname,prompt,negative_prompt\nOil,"oil painting of {prompt}, thick",photo\n'
TAGS = 'lighthouse,0,5000,"beacon,pharos"\nlight_rays,0,900,\nlittle_(name),4,50,\n'


@pytest.fixture(scope="module")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with styles and tags."""
    folder = tmp_path_factory.mktemp("furnished")
    (folder / "data" / "tags").mkdir(parents=True)
    (folder / "data" / "tags" / "words.csv").write_text(TAGS, encoding="utf-8")
    (folder / "data" / "styles.csv").write_text(STYLES, encoding="utf-8")
    for name in ("data/wildcards/sky/night.txt", "models/lora/Sky Detail.safetensors",
                 "models/embeddings/skyline-neg.safetensors"):  # fmt: skip
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("one\ntwo\n", encoding="utf-8")
    with running(folder) as server:
        yield server


def edit(page: Page, expression: str) -> object:
    """Ask the page's module of editing functions."""
    return page.evaluate(
        """async (expression) => {
            const place = [...document.querySelectorAll("link[rel=modulepreload]")]
                .map((link) => link.href).find((href) => href.endsWith("/prompt_edit.js"));
            const edit = await import(place);
            return new Function("edit", `return ${expression}`)(edit);
        }""",
        expression,
    )


def marked(value: str) -> tuple[str, int, int]:
    """A text whose selection stands between bars."""
    start, end = value.index("|"), value.rindex("|") - 1
    return value.replace("|", ""), start, max(start, end)


WEIGHED = [
    ("a red| circle", 1, "a (|red|:1.1) circle"),
    ("a (|red|:1.1) circle", 1, "a (|red|:1.2) circle"),
    ("a (|red|:1.1) circle", -1, "a |red| circle"),
    ("a |red circle|, x", -1, "a (|red circle|:0.9), x"),
    ("a |red circle |, x", 1, "a (|red circle|:1.1) , x"),
    ("a |(red circle:1.3)|", 1, "a (|red circle|:1.4)"),
    ("a (red| circle:1.3)", 1, "a (|red circle|:1.4)"),
    ("(|red|)", 1, "(|red|:1.2)"),
    ("x \\(re|d\\)", 1, "x \\((|red|:1.1)\\)"),
    ("(|a|:0.1)", -1, "(|a|:0)"),
]
MOVED = [
    ("one, t|wo, three", -1, "t|wo, one, three"),
    ("one, t|wo, three", 1, "one, three, t|wo"),
    ("t|wo, one", -1, None),
    ("(a, b), c|d", -1, "c|d, (a, b)"),
    ("one,\nt|wo", -1, "t|wo,\none"),
    ("a, |b, c|, d", 1, "a, d, |b, c|"),
    ("\\(a, b|c", -1, "b|c, \\(a"),
]


def test_editing_functions(page: Page) -> None:
    for before, direction, after in WEIGHED:
        text, start, end = marked(before)
        got = edit(page, f"edit.weigh({text!r}, {start}, {end}, {direction})")
        text, start, end = marked(after)
        assert got == {"text": text, "start": start, "end": end}, before
    for before, direction, after in MOVED:
        text, start, end = marked(before)
        got = edit(page, f"edit.movePhrase({text!r}, {start}, {end}, {direction})")
        wanted = marked(after) if after else None
        expected = dict(zip(("text", "start", "end"), wanted, strict=True)) if wanted else None
        assert got == expected, before
    for text, places in ((r"(a [b) c]", []), ("(a", [0]), ("a)) {", [1, 2, 4]), (r"\(a", [])):
        assert edit(page, f"edit.unmatched({text!r})") == places


def test_keys_in_the_prompt(page: Page) -> None:
    prompt = control(page, "prompt")
    prompt.fill("red circle, blue star")
    prompt.press("End")
    page.keyboard.press("Control+ArrowUp")
    page.keyboard.press("Control+ArrowUp")
    expect(prompt).to_have_value("red circle, blue (star:1.2)")
    page.keyboard.press("Alt+ArrowLeft")
    expect(prompt).to_have_value("blue (star:1.2), red circle")
    page.keyboard.press("Control+z")
    expect(prompt).to_have_value("red circle, blue (star:1.2)")
    fill(page, steps=2)
    prompt.focus()
    page.keyboard.press("Control+Enter")
    wait_state(page, "done")
    expect(page.locator("#easel_infotext")).to_contain_text("red circle, blue (star:1.2)")


def test_history(page: Page) -> None:
    fill(page, steps=2)
    for prompt in ("red one", "green two"):
        fill(page, prompt=prompt)
        generate(page)
        expect(page.locator("#easel_infotext")).to_contain_text(prompt)
    page.reload()
    wait_usable(page)
    prompt = control(page, "prompt")
    prompt.fill("")
    prompt.press("ArrowUp")
    expect(prompt).to_have_value("green two")
    prompt.press("ArrowUp")
    expect(prompt).to_have_value("red one")
    prompt.press("ArrowDown")
    expect(prompt).to_have_value("green two")
    prompt.press("ArrowDown")
    expect(prompt).to_have_value("")


def test_brackets_without_partner_are_underlined(page: Page, picture: Picture) -> None:
    prompt = control(page, "prompt")
    prompt.fill("a (red circle, [white background)")
    marks = page.locator("#txt2img_prompt .easel-mirror u")
    expect(marks).to_have_text(["["])
    told = page.locator("#txt2img_prompt [role=status]").filter(has_text="Brackets")
    expect(told).to_have_text("Brackets without a partner: 1")
    picture(page, "form-brackets")
    prompt.fill("(\n" * 30)
    prompt.press("Control+End")
    mirror = page.locator("#txt2img_prompt .easel-mirror")
    scrolled = prompt.evaluate("(area) => area.scrollTop")
    assert scrolled > 0
    expect(mirror).to_have_js_property("scrollTop", scrolled)
    prompt.fill("a (red circle)")
    expect(marks).to_have_count(0)


def test_tokens_are_counted_with_styles(furnished: Server, open_page: Open) -> None:
    page = open_page(furnished)
    counter = page.locator("#txt2img_token_counter")
    fill(page, prompt="a (red:1.3) circle")
    expect(counter).to_have_text("3/75")
    fill(page, prompt="circle " * 80)
    expect(counter).to_have_text("80/150")
    fill(page, prompt="circle")
    choose_style(page, "Oil")
    expect(counter).to_have_text("6/75")


def choose_style(page: Page, name: str) -> None:
    page.locator("#txt2img_styles").click()
    page.locator(".easel-style-list").get_by_text(name, exact=True).click()
    page.keyboard.press("Escape")


def test_completion(furnished: Server, open_page: Open, picture: Picture) -> None:
    page = open_page(furnished)
    prompt = control(page, "prompt")
    prompt.fill("")
    prompt.press_sequentially("red, li")
    options = page.get_by_role("option")
    expect(options).to_have_count(3)
    expect(options.nth(0)).to_contain_text("lighthouse")
    expect(prompt).to_have_attribute("aria-expanded", "true")
    picture(page, "form-completion")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    expect(options.nth(2)).to_have_attribute("aria-selected", "true")
    active = prompt.get_attribute("aria-activedescendant")
    assert active == options.nth(2).get_attribute("id")
    page.keyboard.press("Enter")
    expect(prompt).to_have_value("red, little \\(name\\), ")
    expect(options).to_have_count(0)
    prompt.press_sequentially("pha")
    expect(options.nth(0)).to_contain_text("pharos → lighthouse")
    page.keyboard.press("Tab")
    expect(prompt).to_have_value("red, little \\(name\\), lighthouse, ")
    prompt.press_sequentially("oi")
    expect(options).to_have_count(1)
    page.keyboard.press("Tab")
    expect(prompt).to_have_value("red, little \\(name\\), lighthouse, ")
    expect(page.locator("#txt2img_style_chips button")).to_have_text(["Oil×"])
    prompt.press_sequentially("li")
    expect(options).to_have_count(3)
    page.keyboard.press("Escape")
    expect(options).to_have_count(0)
    expect(prompt).not_to_have_attribute("aria-expanded", "true")


TYPE_ON = """area => {
    const real = window.fetch;
    window.fetch = async (...call) => {
        const answer = await real(...call);
        if (!String(call[0]?.url ?? call[0]).includes("/names")) return answer;
        window.fetch = real;
        area.value += "_";
        const typed = { bubbles: true, inputType: "insertText", data: "_" };
        area.dispatchEvent(new InputEvent("input", typed));
        return answer;
    };
}"""
"""Once the server has told the names, and before they are shown, one more character is typed."""


def test_what_is_typed_while_names_come_is_completed(furnished: Server, open_page: Open) -> None:
    page = open_page(furnished)
    prompt = control(page, "prompt")
    prompt.evaluate(TYPE_ON)
    prompt.press_sequentially("a _")
    expect(prompt).to_have_value("a __")
    expect(page.get_by_role("option")).to_have_text(["sky/nightwildcard"])


def test_completion_of_what_prompts_call(furnished: Server, open_page: Open) -> None:
    page = open_page(furnished)
    prompt = control(page, "prompt")
    options = page.get_by_role("option")
    for typed, found, taken in (
        ("a __ni", ["sky/nightwildcard"], "a __sky/night__"),
        ("__", ["sky/nightwildcard"], "__sky/night__"),
        ("tree <lora:sk", ["Sky DetailLoRA"], "tree <lora:Sky Detail:1>"),
        ("fog, skyl", ["skyline-negembedding"], "fog, skyline-neg, "),
    ):
        prompt.fill("")
        prompt.press_sequentially(typed)
        expect(options).to_have_text(found)
        page.keyboard.press("Tab")
        expect(prompt).to_have_value(taken)
    prompt.press_sequentially("__sky/night__ and")
    expect(options).to_have_count(0)


def test_styles_are_written_into_what_is_drawn(furnished: Server, open_page: Open) -> None:
    page = open_page(furnished)
    fill(page, prompt="a red lighthouse", neg_prompt="fog", steps=2)
    choose_style(page, "Oil")
    generate(page)
    wait_state(page, "done")
    drawn = page.locator("#easel_infotext")
    expect(drawn).to_contain_text("oil painting of a red lighthouse, thick")
    expect(drawn).to_contain_text("Negative prompt: fog, photo")
    expect(control(page, "prompt")).to_have_value("a red lighthouse")
    page.locator("#txt2img_style_apply").click()
    expect(control(page, "prompt")).to_have_value("oil painting of a red lighthouse, thick")
    expect(page.locator("#txt2img_style_chips button")).to_have_count(0)


def test_styles_are_saved_changed_and_deleted(server: Server, page: Page, picture: Picture) -> None:
    fill(page, prompt='with "quotes", and commas', neg_prompt="bad")
    page.locator("#txt2img_styles").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Save style").click()
    expect(dialog.get_by_role("alert")).to_have_text("A style needs a name.")
    dialog.get_by_role("button", name="Copy current prompts").click()
    dialog.get_by_label("Name").fill("n" * 10_000)
    dialog.get_by_role("button", name="Save style").click()
    expect(dialog.get_by_role("alert")).to_contain_text("the most is 200")
    expect(dialog.get_by_label("Prompt (")).to_have_value('with "quotes", and commas')
    dialog.get_by_label("Name").fill("mine")
    dialog.get_by_role("button", name="Save style").click()
    row = dialog.locator(".easel-style-list").get_by_text("mine", exact=True)
    expect(row).to_be_visible()
    picture(page, "form-styles")
    path = server.folder / "data" / "styles.csv"
    assert '"with ""quotes"", and commas","bad"' in path.read_text(encoding="utf-8")
    dialog.get_by_role("button", name="Edit: mine").click()
    dialog.get_by_label("Name").fill("yours")
    dialog.get_by_role("button", name="Save style").click()
    expect(dialog.get_by_role("button", name="Edit: yours")).to_be_visible()
    dialog.get_by_role("button", name="Edit: yours").click()
    dialog.get_by_role("button", name="Delete").click()
    expect(dialog.locator(".easel-style-list")).to_contain_text("There are no styles yet")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()


def paste(page: Page, words: str) -> None:
    control(page, "prompt").evaluate(
        """(area, words) => {
            const data = new DataTransfer();
            data.setData("text/plain", words);
            const event = { clipboardData: data, bubbles: true, cancelable: true };
            area.dispatchEvent(new ClipboardEvent("paste", event));
        }""",
        words,
    )


def test_pasted_parameters_fill_the_form_and_can_be_undone(page: Page) -> None:
    fill(page, prompt="before", steps=7)
    wait_remembered(page, prompt="before", steps=7)
    paste(page, INFOTEXT)
    for name, value in {
        "prompt": "a lighthouse, dusk",
        "neg_prompt": "fog",
        "steps": "31",
        "cfg_scale": "4.5",
        "seed": "123",
        "width": "128",
        "height": "64",
        "sampling": "Euler",
        "checkpoint": "first",
    }.items():
        expect(control(page, name)).to_have_value(value)
    note = page.locator("#easel_toasts [role=status]")
    expect(note).to_contain_text("There is no checkpoint 'elsewhere'")
    note.get_by_role("button", name="Undo").click()
    expect(control(page, "prompt")).to_have_value("before")
    expect(control(page, "steps")).to_have_value("7")


def test_the_paste_button(page: Page) -> None:
    fill(page, prompt=INFOTEXT)
    page.locator("#paste").click()
    expect(control(page, "steps")).to_have_value("31")
    expect(control(page, "prompt")).to_have_value("a lighthouse, dusk")
    page.locator("#paste").click()
    expect_toast(page, "holds no parameters")
    fill(page, prompt="green", neg_prompt="", steps=4, width=64, seed=9)
    generate(page)
    wait_state(page, "done")
    fill(page, prompt="", steps=50)
    page.locator("#paste").click()
    expect(control(page, "prompt")).to_have_value("green")
    expect(control(page, "steps")).to_have_value("4")


def drop(page: Page, data: bytes, name: str, padding: int = 0) -> None:
    """Drop a file of ``data`` and so many zero bytes on the prompts."""
    page.locator("#txt2img_prompts").evaluate(
        """(pane, [data, name, padding]) => {
            const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
            const carried = new DataTransfer();
            carried.items.add(new File([bytes, new Uint8Array(padding)], name));
            const event = { dataTransfer: carried, bubbles: true, cancelable: true };
            pane.dispatchEvent(new DragEvent("dragover", event));
            pane.dispatchEvent(new DragEvent("drop", event));
        }""",
        [base64.b64encode(data).decode(), name, padding],
    )


def test_a_dropped_picture_fills_the_form(page: Page, server: Server, tmp_path: Path) -> None:
    fill(page, prompt="blue sea", steps=6, seed=44)
    generate(page)
    wait_state(page, "done")
    data = server.pictures()[-1].read_bytes()
    before = sorted(p for p in server.folder.rglob("*") if p.is_file())
    fill(page, prompt="other", steps=20, seed=1)
    wait_remembered(page, prompt="other", steps=20, seed=1)
    drop(page, data, "picture.png")
    expect(control(page, "prompt")).to_have_value("blue sea")
    expect(control(page, "steps")).to_have_value("6")
    expect(control(page, "seed")).to_have_value("44")
    assert sorted(p for p in server.folder.rglob("*") if p.is_file()) == before
    drop(page, b"not a picture at all", "picture.png")
    expect_toast(page, "This file is no picture")
    drop(page, b"\x89PNG\r\n\x1a\n", "huge.png", padding=33_600_000)
    expect_toast(page, "larger than 32 MiB")
    expect(control(page, "prompt")).to_have_value("blue sea")


def test_garbage_is_one_sentence_and_nothing_is_lost(page: Page) -> None:
    garbage = "\ufffd(((\\[<script>alert(1)</script>\U0001f4a5" * 700
    fill(page, prompt=garbage, neg_prompt=garbage, steps=9)
    generate(page)
    expect_toast(page, "the most is 20000")
    expect(control(page, "prompt")).to_have_value(garbage)
    expect(control(page, "steps")).to_have_value("9")
    fill(page, neg_prompt="")
    paste(page, "Steps: 1, Sampler: <b>, Seed: 99999999999999999999, Size: 1x1, CFG scale: x")
    note = page.locator("#easel_toasts [role=status]")
    expect(note).to_contain_text("There is no sampler '<b>'")
    expect(note).to_contain_text("Seed is")
    fill(page, prompt="red", steps=2)
    generate(page)
    wait_state(page, "done")


def test_clearing_can_be_undone(page: Page) -> None:
    fill(page, prompt="one", neg_prompt="two")
    page.locator("#txt2img_clear_prompt").click()
    expect(control(page, "prompt")).to_have_value("")
    page.get_by_role("button", name="Undo").click()
    expect(control(page, "prompt")).to_have_value("one")
    expect(control(page, "neg_prompt")).to_have_value("two")
