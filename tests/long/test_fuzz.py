"""Nonsense through every door: always a sentence, never a fault, and the server goes on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fakes.services import HERE, Site, open_site
from webui.core.params import fields_of
from webui.core.requests import Txt2Img
from webui.metadata import parse, usable
from webui.prompt import parse as parse_prompt

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]
FIELDS = [field.name for field in fields_of(Txt2Img)]
JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=60),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=8,
)
PARTS = [
    "..",
    "../",
    "/",
    "\\",
    "%2e%2e",
    "%2f",
    "%5c",
    "%00",
    "data",
    "outputs",
    "secret.png",
    "~",
    ".",
]
SECRET = b"nobody may read this"
MANY = settings(
    max_examples=2000,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with open_site(tmp_path_factory.mktemp("site")) as site:
        yield site


@MANY
@given(values=st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=12), JUNK, max_size=5))
def test_any_json_is_accepted_or_refused_with_a_sentence(
    site: Site, values: dict[str, Any]
) -> None:
    answer = site.local.post("/api/v1/txt2img", json=values)
    if answer.status_code == 202:
        site.services.queue.cancel(answer.json()["job"]["id"])
        return
    assert answer.status_code in (404, 413, 422), answer.text
    message = answer.json()["error"]["message"]
    assert message.endswith((".", "?"))
    assert len(message) < 600


@MANY
@given(body=st.binary(max_size=200))
def test_any_bytes_are_refused_with_a_sentence(site: Site, body: bytes) -> None:
    headers = {"content-type": "application/json"}
    answer = site.local.post("/api/v1/txt2img", content=body, headers=headers)
    assert answer.status_code in (202, 400, 422), answer.text


@MANY
@given(parts=st.lists(st.sampled_from(PARTS), min_size=1, max_size=12))
def test_no_path_leads_out_of_the_library(site: Site, parts: list[str]) -> None:
    paths = site.services.settings.paths
    for folder in (paths.data, paths.outputs, paths.data.parent):
        (folder / "secret.png").write_bytes(SECRET)
    for prefix in ("/api/v1/images/", "/api/v1/jobs/", "/"):
        answer = site.local.get(HERE + prefix + "".join(parts))
        assert answer.status_code < 500
        assert SECRET not in answer.content


@MANY
@given(text=st.text(max_size=400))
def test_any_text_is_a_prompt_and_may_be_an_infotext(text: str) -> None:
    spans = parse_prompt(text)
    if not set(text) & set("()[]:\\"):
        assert "".join(span.text for span in spans) == text
    usable(parse(text))
