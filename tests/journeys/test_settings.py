"""The settings tab: found, changed, saved, refused, reset, and another installation taken over."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from tests.journeys.actions import control, expect_note, fill, wait_remembered
from tests.journeys.conftest import FULL_VIEW, STEP_MS, Picture, wait_usable
from tests.journeys.serving import Server, running, write_checkpoint


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of its own: these journeys change it."""
    with running(tmp_path_factory.mktemp("settings"), "--dtype=float32") as server:
        yield server


@pytest.fixture
def settings(own: Server, context: BrowserContext) -> Page:
    """The open settings tab."""
    return open_settings(own, context.new_page())


def open_settings(server: Server, page: Page) -> Page:
    page.goto(server.url)
    wait_usable(page)
    page.get_by_role("tab", name="Settings", exact=True).click()
    expect(page.locator("#easel_settings_groups .easel-setting").first).to_be_visible()
    return page


def row(page: Page, name: str) -> Locator:
    """The row of a setting."""
    return page.locator(f".easel-setting:has(#setting_{name})")


def field(page: Page, name: str) -> Locator:
    return page.locator(f"#setting_{name}")


def kept(server: Server) -> dict:
    path = server.folder / "data" / "settings.toml"
    return tomllib.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def save(page: Page) -> None:
    page.locator("#easel_settings_save").click()
    expect(page.locator("#easel_settings_bar")).to_be_hidden()


def test_search_by_label_help_and_a1111_name(settings: Page) -> None:
    search = settings.get_by_label("Search settings")
    for query, name in (
        ("Preview every N", "jobs_preview_every"),
        ("jpeg_qual", "saving_quality"),
        ("drawn again from its file", "saving_embed_metadata"),
        ("HOST names", "server_allowed_hosts"),
    ):
        search.fill(query)
        expect(settings.locator(".easel-setting:visible")).to_have_count(1)
        expect(field(settings, name)).to_be_visible()
        expect(settings.locator("#easel_settings_found")).to_have_text("Settings that fit: 1")
    search.fill("zzz")
    expect(settings.locator(".easel-setting:visible")).to_have_count(0)
    expect(settings.locator("#easel_settings_found")).to_have_text("No setting fits “zzz”.")
    search.fill("")
    assert settings.locator(".easel-setting:visible").count() > 15


def test_change_save_reload_reset(settings: Page, own: Server, picture: Picture) -> None:
    expect(settings.locator("#easel_settings_bar")).to_be_hidden()
    field(settings, "saving_quality").fill("55")
    field(settings, "saving_format").select_option("webp")
    expect(settings.locator("#easel_settings_unsaved")).to_have_text("2 changes are not saved")
    expect(row(settings, "saving_quality")).to_contain_text("Default: 92")
    picture(settings, "settings-unsaved")
    settings.get_by_role("tab", name="Text to image").click()
    settings.get_by_role("tab", name="Settings", exact=True).click()
    expect(field(settings, "saving_quality")).to_have_value("55")
    save(settings)
    assert kept(own)["saving"] == {"format": "webp", "quality": 55}
    settings.reload()
    open_settings(own, settings)
    expect(field(settings, "saving_quality")).to_have_value("55")
    reset = row(settings, "saving_quality").get_by_role("button", name="go back to its default")
    reset.click()
    expect(field(settings, "saving_quality")).to_have_value("92")
    expect(settings.locator("#easel_settings_unsaved")).to_have_text("1 change is not saved")
    expect(reset).to_be_hidden()
    save(settings)
    assert kept(own)["saving"] == {"format": "webp"}


def test_discard_brings_back_what_was_saved(settings: Page) -> None:
    before = field(settings, "jobs_preview_every").input_value()
    field(settings, "jobs_preview_every").fill("77")
    field(settings, "saving_embed_metadata").uncheck()
    settings.get_by_role("button", name="Discard").click()
    expect(field(settings, "jobs_preview_every")).to_have_value(before)
    expect(field(settings, "saving_embed_metadata")).to_be_checked()
    expect(settings.locator("#easel_settings_bar")).to_be_hidden()


def test_a_bad_value_is_said_beside_its_field(
    settings: Page, own: Server, picture: Picture
) -> None:
    before = kept(own)
    field(settings, "saving_quality").fill("400")
    field(settings, "saving_name_pattern").fill("mine-[seed]")
    settings.locator("#easel_settings_save").click()
    error = row(settings, "saving_quality").get_by_role("alert")
    expect(error).to_have_text(re.compile("Quality .* is 400; the most is 100."))
    expect(field(settings, "saving_quality")).to_be_focused()
    expect(field(settings, "saving_quality")).to_have_attribute("aria-invalid", "true")
    picture(settings, "settings-refused")
    assert kept(own) == before
    field(settings, "saving_quality").fill("60")
    expect(error).to_be_hidden()
    save(settings)
    assert kept(own)["saving"]["name_pattern"] == "mine-[seed]"


def test_what_needs_a_restart_says_so(settings: Page) -> None:
    field(settings, "jobs_batching").select_option("shared")
    expect(row(settings, "jobs_batching")).to_contain_text("Counts from the next start on")
    save(settings)
    expect_note(settings, "Start Easel anew")
    expect(row(settings, "jobs_batching")).to_contain_text("start Easel anew for this to count")
    field(settings, "jobs_batching").select_option("exact")
    save(settings)
    expect(row(settings, "jobs_batching")).not_to_contain_text("start Easel anew")


def test_what_a_flag_fixes_cannot_be_changed(settings: Page) -> None:
    expect(field(settings, "device_dtype")).to_be_disabled()
    expect(row(settings, "device_dtype")).to_contain_text("Given as a flag")


def test_passwords_are_not_shown(settings: Page, own: Server) -> None:
    users = field(settings, "server_auth")
    expect(users).to_have_attribute("type", "password")
    users.fill("ann:hunter-two")
    save(settings)
    expect(users).to_have_value("")
    expect(users).to_have_attribute("placeholder", "Set; it is not shown. Type a new value to "
                                    "replace it.")  # fmt: skip
    assert kept(own)["server"]["auth"] == ["ann:hunter-two"]
    assert "hunter-two" not in settings.content()
    settings.get_by_role("button", name="Let “Users” go back to its default").click()
    save(settings)
    assert "auth" not in kept(own).get("server", {})


def test_keyboard_alone_and_every_control_has_a_name(settings: Page) -> None:
    settings.get_by_label("Search settings").focus()
    settings.keyboard.type("samples_format")
    chosen = field(settings, "saving_format")
    for _ in range(6):
        settings.keyboard.press("Tab")
        if chosen.evaluate("(e) => e === document.activeElement"):
            break
    expect(chosen).to_be_focused()
    before = chosen.input_value()
    settings.keyboard.type("j")
    expect(chosen).to_have_value("jpeg")
    expect(settings.locator("#easel_settings_unsaved")).to_have_text("1 change is not saved")
    assert before != "jpeg"
    settings.get_by_label("Search settings").fill("")
    nameless = settings.evaluate(
        """() => [...document.querySelectorAll("#easel_settings :is(button, input, select)")]
            .filter((e) => !(e.getAttribute("aria-label") || e.textContent.trim() && e.matches(
                "button") || e.labels?.[0]?.textContent.trim()))
            .map((e) => e.outerHTML.slice(0, 120))"""
    )
    assert nameless == []
    described = settings.evaluate(
        """() => [...document.querySelectorAll("#easel_settings [aria-describedby]")].flatMap(
            (e) => e.getAttribute("aria-describedby").split(" ")
        ).filter((id) => !document.getElementById(id))"""
    )
    assert described == []


@pytest.mark.parametrize("width", [360, 1440])
def test_fits_the_window(settings: Page, picture: Picture, width: int) -> None:
    settings.set_viewport_size({"width": width, "height": 900})
    field(settings, "saving_quality").fill("33")
    picture(settings, f"settings-{width}")
    assert settings.evaluate("document.documentElement.scrollWidth") <= width
    settings.emulate_media(color_scheme="light")


# ---- what the form begins with


def test_saved_defaults_fill_the_form_of_a_new_browser(
    own: Server, settings: Page, picture: Picture
) -> None:
    settings.get_by_role("tab", name="Text to image").click()
    fill(settings, steps=37, prompt="a lighthouse")
    settings.get_by_role("tab", name="Settings", exact=True).click()
    settings.get_by_role("button", name="Make these my defaults").click()
    expect(settings.locator("#easel_defaults_now")).to_contain_text("Sampling steps")
    browser = settings.context.browser
    assert browser is not None
    stranger = browser.new_context()
    stranger.add_init_script(FULL_VIEW)
    stranger.set_default_timeout(STEP_MS)
    page = stranger.new_page()
    page.goto(own.url)
    wait_usable(page)
    expect(control(page, "steps")).to_have_value("37")
    expect(control(page, "prompt")).to_have_value("a lighthouse")
    fill(page, steps=12)
    wait_remembered(page, steps=12)
    page.reload()
    wait_usable(page)
    expect(control(page, "steps")).to_have_value("12")
    stranger.close()
    settings.get_by_role("button", name="Forget them").click()
    expect(settings.locator("#easel_defaults_now")).to_have_text(
        "None are saved: the built-in values count."
    )
    assert not (own.folder / "data" / "defaults.json").exists()


# ---- another installation


def test_import_of_an_installation(
    own: Server, settings: Page, tmp_path: Path, picture: Picture
) -> None:
    theirs = tmp_path / "stable-diffusion-webui"
    write_checkpoint(theirs / "models" / "Stable-diffusion" / "their-model", 64)
    options = {"jpeg_quality": 81, "enable_pnginfo": "maybe", "hypernetwork": "x"}
    (theirs / "config.json").write_text(json.dumps(options), encoding="utf-8")
    form = {"customscript/sampler.py/txt2img/Sampling steps/value": 29}
    (theirs / "ui-config.json").write_text(json.dumps(form), encoding="utf-8")
    (theirs / "styles.csv").write_text("name,prompt,negative_prompt\nInk,ink,\n", encoding="utf-8")
    folder = settings.locator("#easel_import_folder")
    folder.fill("/no/such/folder")
    settings.keyboard.press("Enter")
    expect(settings.locator("#easel_import_error")).to_have_text(
        "There is no folder '/no/such/folder'."
    )
    folder.fill(str(theirs))
    settings.locator("#easel_import").click()
    report = settings.locator("#easel_import_report")
    expect(report).to_contain_text("Taken over from A1111")
    for said in ("Checkpoints found: their-model", "Styles added: Ink", "jpeg_quality",
                 "enable_pnginfo: Write", "1 without a counterpart"):  # fmt: skip
        expect(report).to_contain_text(said)
    expect(field(settings, "saving_quality")).to_have_value("81")
    expect(field(settings, "paths_installation")).to_have_value(str(theirs))
    picture(settings, "settings-import")
    settings.reload()
    wait_usable(settings)
    control(settings, "checkpoint").click()
    expect(settings.get_by_role("option", name="their-model")).to_be_visible()


# ---- who may


def test_others_than_administrators_see_why_they_cannot(
    tmp_path: Path, context: BrowserContext, picture: Picture
) -> None:
    with running(tmp_path, "--listen", "--auth=ann:pw-of-ann") as server:
        # Behind a proxy a caller is no longer known to be at this computer.
        context.set_extra_http_headers({"x-forwarded-for": "192.0.2.7"})
        page = context.new_page()
        page.goto(server.url)
        fields = page.locator("input:not([type=hidden])")
        fields.nth(0).fill("ann")
        fields.nth(1).fill("pw-of-ann")
        page.keyboard.press("Enter")
        wait_usable(page)
        page.get_by_role("tab", name="Settings", exact=True).click()
        expect(page.locator("#easel_settings_note")).to_have_text(
            "Only an administrator may change settings."
        )
        expect(field(page, "saving_quality")).to_be_disabled()
        expect(page.locator("#setting_paths_models")).to_have_count(0)
        expect(page.locator("#easel_import_folder")).to_have_count(0)
        expect(page.locator("#easel_language")).to_be_enabled()
        picture(page, "settings-not-admin")
