"""The OpenAPI document is true: its examples work, answers are as it says, and it is kept.

``python -m webui.api.document`` renews the stored copy.
"""

from __future__ import annotations

import copy
import json
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import schemathesis
import schemathesis.specs.openapi.checks as checks
from hypothesis import HealthCheck, Phase, given, seed
from hypothesis import settings as hypothesis_settings
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error

from tests.fakes.services import HERE, Site, open_site
from tests.journeys.serving import write_checkpoint
from webui.api.breaking import breaking
from webui.api.described import OPERATIONS
from webui.api.described.shapes import BOARD, FOLDER, IMAGE, INPUT, JOB, PRESET, STYLE, WAITING
from webui.api.document import STORED, blank_document, renew
from webui.api.native import PREFIX
from webui.api.openapi import operations, text

SHADOWED = {("DELETE", "/api/v1/settings/import")}  # is a setting's name there


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return json.loads(STORED.read_text(encoding="utf-8"))


# ---- the stored copy


def test_the_stored_copy_is_what_the_routes_say(document: dict[str, Any]) -> None:
    now = blank_document()
    assert breaking(document, now) == [], "this would break clients: it needs another prefix"
    assert STORED.read_text(encoding="utf-8") == text(now), "renew it: python -m webui.api.document"


def test_a_copy_is_not_renewed_with_what_breaks_clients(
    tmp_path: Path, document: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "openapi.json"
    path.write_text(text(document))
    richer, poorer = copy.deepcopy(document), copy.deepcopy(document)
    richer["components"]["schemas"]["Job"]["properties"]["colour"] = {"type": "string"}
    del poorer["components"]["schemas"]["Job"]["properties"]["state"]
    poorer["components"]["schemas"]["Txt2Img"]["properties"]["steps"]["maximum"] = 100
    monkeypatch.setattr("webui.api.document.blank_document", lambda: richer)
    assert renew(path) == []
    assert json.loads(path.read_text()) == richer
    monkeypatch.setattr("webui.api.document.blank_document", lambda: poorer)
    said = renew(path)
    assert "GET /api/v1/jobs/{job_id} answer 200.state is gone." in said
    assert "POST /api/v1/txt2img body.steps has maximum 100 now." in said
    assert json.loads(path.read_text()) == richer
    assert renew(path, may_break=True) == []
    assert json.loads(path.read_text()) == poorer


def test_every_route_is_described_and_nothing_else(document: dict[str, Any]) -> None:
    there = {(method, path.removeprefix(PREFIX)) for method, path, _ in operations(document)}
    assert there == set(OPERATIONS)
    for method, path, operation in operations(document):
        assert operation["summary"], path
        assert operation["x-codeSamples"], path
        assert {"400", "401", "403"} <= set(operation["responses"]), path
        assert any(status < "300" for status in operation["responses"]), path
        for parameter in operation.get("parameters", []):
            assert parameter["description"], (path, parameter["name"])
            assert parameter["schema"], (path, parameter["name"])
        if method in ("put", "patch"):
            assert operation["requestBody"]["content"], path


# ---- its examples


def examples(document: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    for method, path, operation in operations(document):
        content = operation.get("requestBody", {}).get("content", {})
        names = list(content.get("application/json", {}).get("examples", {})) or [""]
        yield from ((method, path, name) for name in names)


def everything() -> list[tuple[str, str, str]]:
    return list(examples(json.loads(STORED.read_text(encoding="utf-8"))))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    with open_site(folder) as opened:
        opened.queue.start()
        write_checkpoint(opened.services.settings.paths.models / "checkpoints" / "first", 64)
        yield opened


def lively(site: Site, folder: Path) -> dict[str, str]:
    """Have one of everything; what the examples' ids are."""
    site.queue.settle()
    for job in site.queue.jobs(states=["queued", "running"]):
        site.queue.cancel(job.id)
    for job_id in list(site.executor.running):
        site.executor.finish(job_id, stopped=True)
    for board in site.local.get("/api/v1/boards").json()["boards"]:
        site.local.delete(f"/api/v1/boards/{board['id']}")
    site.queue.settle()
    done = site.submit(prompt="a red circle")
    image = site.draw(done)
    site.submit()
    waiting = site.submit()
    board = site.local.post("/api/v1/boards", json={"name": "Round"}).json()["id"]
    site.local.put("/api/v1/styles", json={"name": STYLE, "prompt": "watercolour"})
    site.local.put(f"/api/v1/presets/{PRESET}", json={"steps": 4})
    other = folder / "stable-diffusion-webui"
    (other / "models" / "Stable-diffusion").mkdir(parents=True)
    (other / "config.json").write_text("{}")
    (other / "webui.py").write_text("")
    sent = site.services.inputs.put(site.services.library.file(image).read_bytes()).id
    ids = {JOB: done, WAITING: waiting, IMAGE: image, BOARD: board, INPUT: sent}
    return {**ids, FOLDER: str(other)}


@pytest.mark.parametrize(("method", "path", "name"), everything(), ids=str)
def test_an_example_works_and_its_answer_is_as_described(
    tmp_path: Path, site: Site, document: dict[str, Any], method: str, path: str, name: str
) -> None:
    operation = document["paths"][path][method]
    answer = ask(site, method, path, operation, name, lively(site, tmp_path))
    assert answer.status_code < 300, answer.text
    check(document, operation, answer)


def ask(
    site: Site, method: str, path: str, operation: dict[str, Any], name: str, ids: dict[str, str]
) -> Any:
    """Make the request of an example, with the site's ids in the places of the example's."""
    query: dict[str, Any] = {}
    headers: dict[str, str] = {}
    for parameter in operation.get("parameters", []):
        value = real(parameter.get("example"), ids)
        if parameter["in"] == "path":
            assert value, f"{path} has no example for {parameter['name']}"
            path = path.replace(f"{{{parameter['name']}}}", str(value))
        elif value is not None:
            (query if parameter["in"] == "query" else headers)[parameter["name"]] = value
    body: dict[str, Any] = {}
    content = operation.get("requestBody", {}).get("content", {})
    if "application/octet-stream" in content:
        image = site.services.library.file(ids[IMAGE])
        body = {"content": image.read_bytes()}
    elif name:
        body = {"json": real(content["application/json"]["examples"][name]["value"], ids)}
    texts = {k: str(v) for k, v in headers.items()}
    if "Idempotency-Key" in texts:  # another one for each example
        texts["Idempotency-Key"] += f"-{ids[JOB]}"
    return site.local.request(method.upper(), path, params=query, headers=texts, **body)


def real(value: Any, ids: dict[str, str]) -> Any:
    """An example's value with the ids that there are."""
    if isinstance(value, dict):
        return {k: real(v, ids) for k, v in value.items()}
    if isinstance(value, list):
        return [real(v, ids) for v in value]
    return ids.get(value, value) if isinstance(value, str) else value


def check(document: dict[str, Any], operation: dict[str, Any], answer: Any) -> None:
    """The answer's status and body are described; it has no field that is not."""
    described = operation["responses"][str(answer.status_code)]
    if "content" not in described:
        assert answer.content == b""
        return
    [(media, content)] = described["content"].items()
    kind = answer.headers["content-type"].partition(";")[0]
    assert kind == media or (media.endswith("/*") and kind.startswith(media[:-1]))
    if media == "application/json":
        schema = {**closed(content["schema"]), "components": closed(document["components"])}
        jsonschema.Draft202012Validator(schema).validate(answer.json())


# ---- whatever is asked


MODES = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
CHECKS = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]


def explore(site: Site, folder: Path, document: dict[str, Any], count: int) -> Counter[int]:
    """Make ``count`` fitting and ``count`` unfitting requests of each operation; the statuses."""
    ids = lively(site, folder)
    named = {"job_id": JOB, "image_id": IMAGE, "board_id": BOARD, "input_id": INPUT}
    known = {name: ids[example] for name, example in named.items()}
    told: Counter[int] = Counter()

    def ask_it(case: Case) -> None:
        given_ids = case.path_parameters or {}
        if told.total() % 2:  # every other time about something that is there
            there = {name: known[name] for name in known if name in given_ids}
            case.path_parameters = {**given_ids, **there}
        if any(parameter.name == "wait" for parameter in case.operation.query):
            case.query = {**(case.query or {}), "wait": "false"}
        if "timeout" in (case.query or {}):
            case.query = {**case.query, "timeout": 0}
        call = case.as_transport_kwargs(base_url=HERE)
        call.pop("cookies", None)
        if "data" in call:
            call["content"] = call.pop("data")
        answer = site.local.request(**call)
        told[answer.status_code] += 1
        case.validate_response(answer, checks=CHECKS)

    limits = hypothesis_settings(
        max_examples=count,
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=[*HealthCheck],  # type: ignore[list-item]
    )
    found: Any
    for found in schemathesis.openapi.from_dict(document).get_all_operations():
        for mode in MODES:
            cases = found.ok().as_strategy(generation_mode=mode)
            with suppress(Unsatisfiable):  # nothing unfitting can be asked of it
                seed(4711)(limits(given(case=cases)(ask_it)))()
    return told


def test_no_request_breaks_it_and_every_answer_is_as_described(
    site: Site, tmp_path: Path, document: dict[str, Any]
) -> None:
    told = explore(site, tmp_path, document, 2)
    assert told[200] > 50
    assert told[422] > 20


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_no_request_breaks_it_for_longer(
    site: Site, tmp_path: Path, document: dict[str, Any]
) -> None:
    told = explore(site, tmp_path, document, 150)
    assert told[200] > 1000


def test_a_method_that_an_address_does_not_know_is_405(
    site: Site, tmp_path: Path, document: dict[str, Any]
) -> None:
    for path, each in document["paths"].items():
        known = {method.upper() for method in each}
        address = re.sub(r"\{\w+\}", "x", path)
        for method in {"GET", "POST", "PUT", "PATCH", "DELETE"} - known:
            if (method, path) in SHADOWED:
                continue
            answer = site.local.request(method, address)
            assert answer.status_code == 405, (method, path)
            assert set(answer.headers["allow"].split(", ")) == known, (method, path)
            assert answer.json()["error"]["code"] == "method_not_allowed"


def closed(schema: Any) -> Any:
    """A schema whose objects have no other properties than it says."""
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: closed(value) for key, value in schema.items()}
    if isinstance(schema.get("properties"), dict) and "type" in schema:
        found.setdefault("additionalProperties", False)
    return found
