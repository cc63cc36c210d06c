"""OpenAI's image API as its clients use it: same words, same shapes, our pictures."""

from __future__ import annotations

import base64
import io
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from starlette.testclient import TestClient

from tests.fakes.jobs import eventually
from tests.fakes.services import HERE, client
from tests.fakes.worker import COLOURS
from tests.journeys.serving import write_checkpoint
from webui.api import create_app
from webui.app import open_services
from webui.metadata import read_picture
from webui.services import Services
from webui.settings import load_settings

USERS = (("ann", "right"), ("bob", "other"), ("cat", "twin"), ("dan", "twin"))
BASIC = {"prompt": "a red ball", "n": 1, "size": "64x32"}


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    """Two checkpoints, drawn with by the fake worker in this process."""
    folder = tmp_path_factory.mktemp("home")
    for name, size in (("first", 64), ("second", 128)):
        write_checkpoint(folder / "models" / "checkpoints" / name, size)
    settings = load_settings({"device.inline": True}, environ={}, home=folder)
    with open_services(settings, worker="tests.fakes.worker") as opened:
        yield opened


@pytest.fixture(scope="module")
def here(services: Services) -> Iterator[TestClient]:
    with client(create_app(services, services.settings)) as local:
        yield local


@pytest.fixture(scope="module")
def guarded(services: Services) -> Iterator[TestClient]:
    """The same with logins; the client is on another machine."""
    app = create_app(services, services.settings, auth=USERS)
    with client(app), client(app, HERE, "10.0.0.5") as away:
        yield away


def generate(by: TestClient, headers: Any = None, **fields: Any) -> Any:
    return by.post("/v1/images/generations", json={**BASIC, **fields}, headers=headers)


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


def refused(answer: Any, status: int, code: str, param: str | None) -> str:
    """The sentence of an error, which has OpenAI's shape and nothing else."""
    assert answer.status_code == status, answer.text
    assert set(answer.json()) == {"error"}
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert (error["code"], error["param"]) == (code, param)
    return error["message"]


def test_pictures_come_as_addresses_that_can_be_fetched(here: TestClient) -> None:
    before = int(time.time())
    answer = generate(here, n=2)
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert before <= told["created"] <= time.time() + 1
    assert told["size"] == "64x32"
    assert told["output_format"] == "png"
    assert len(told["data"]) == 2
    for datum in told["data"]:
        assert set(datum) == {"url"}
        assert datum["url"].startswith(f"{HERE}/v1/images/files/")
        file = here.get(datum["url"])
        assert file.headers["content-type"] == "image/png"
        with opened(file.content) as picture:
            assert picture.size == (64, 32)
            assert picture.getpixel((1, 1)) == COLOURS["red"]
    job = here.get(f"/api/v1/jobs/{answer.headers['x-easel-job']}").json()
    assert job["request"]["batch_count"] == 2
    assert job["request"]["checkpoint"] == "first"


def test_usage_counts_the_prompts_tokens(here: TestClient) -> None:
    short, longer = (generate(here, prompt=p).json()["usage"] for p in ("red", "red " * 20))
    assert longer["input_tokens"] - short["input_tokens"] == 19
    assert short["total_tokens"] == short["input_tokens"]
    assert short["input_tokens_details"] == {"text_tokens": short["input_tokens"],
                                             "image_tokens": 0}  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({}, "PNG"),
        ({"output_format": "png"}, "PNG"),
        ({"output_format": "jpeg"}, "JPEG"),
        ({"output_format": "webp", "output_compression": 20}, "WEBP"),
    ],
)
def test_pictures_come_as_base64_in_the_format_asked_for(
    here: TestClient, fields: dict[str, Any], kind: str
) -> None:
    answer = generate(here, response_format="b64_json", prompt="blue", **fields)
    [datum] = answer.json()["data"]
    data = base64.b64decode(datum["b64_json"], validate=True)
    with opened(data) as picture:
        assert picture.format == kind
    told = read_picture(data)
    assert told is not None
    assert "Steps: 20" in told.infotext


def test_a_gpt_image_model_answers_with_base64(here: TestClient) -> None:
    [datum] = generate(here, model="gpt-image-1").json()["data"]
    assert set(datum) == {"b64_json"}


def test_an_address_gives_the_format_it_ends_with(here: TestClient) -> None:
    fields = {"output_format": "jpeg", "output_compression": 30}
    [datum] = generate(here, **fields).json()["data"]
    assert ".jpg?compression=30" in datum["url"]
    file = here.get(datum["url"])
    assert file.headers["content-type"] == "image/jpeg"
    with opened(file.content) as picture:
        assert picture.format == "JPEG"


def test_pictures_are_written_anew_a_few_at_a_time(
    here: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who asks for a hundred at once leaves threads and memory for the others."""
    monkeypatch.setattr("webui.api.few.MAX_WAITING", 3)
    go, most, at_once = threading.Event(), [0], [0]

    def slow(*_: Any) -> bytes:
        at_once[0] += 1
        most[0] = max(most[0], at_once[0])
        go.wait(10)
        at_once[0] -= 1
        return b"picture"

    monkeypatch.setattr("webui.api.openai.pictures.data", slow)
    [datum] = generate(here, output_format="webp").json()["data"]
    statuses: list[int] = []
    threads = [
        threading.Thread(target=lambda: statuses.append(here.get(datum["url"]).status_code))
        for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    assert eventually(lambda: len(statuses) == 3)
    assert set(statuses) == {429}
    go.set()
    for thread in threads:
        thread.join(10)
    assert (sorted(statuses), most[0]) == ([200, 200, 200, 429, 429, 429], 2)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"model": "second"}, {"checkpoint": "second"}),
        ({"model": "dall-e-3", "size": "auto"}, {"checkpoint": "first", "width": 64, "height": 64}),
        ({"quality": "hd"}, {"steps": 40}),
        ({"quality": "low"}, {"steps": 12}),
        ({"quality": "standard", "style": "vivid", "user": "u-1"}, {"steps": 20}),
        ({"quality": "high", "steps": 3}, {"steps": 3}),
        ({"seed": 9, "negative_prompt": "rain"}, {"seed": 9, "negative_prompt": "rain"}),
        ({"n": None, "size": None, "model": None, "quality": None}, {"batch_count": 1}),
    ],
)
def test_each_field_means_what_the_page_says(
    here: TestClient, fields: dict[str, Any], expected: dict[str, Any]
) -> None:
    answer = generate(here, **fields)
    assert answer.status_code == 200, answer.text
    request = here.get(f"/api/v1/jobs/{answer.headers['x-easel-job']}").json()["request"]
    assert {name: request[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("fields", "status", "code", "param"),
    [
        ({"model": "nowhere"}, 404, "model_not_found", "model"),
        ({"model": "../../etc/passwd"}, 404, "model_not_found", "model"),
        ({"model": 3}, 400, "invalid_request", "model"),
        ({"prompt": None}, 400, "invalid_request", "prompt"),
        ({"prompt": 3}, 400, "invalid_request", "prompt"),
        ({"prompt": "x" * 30_000}, 400, "invalid_request", "prompt"),
        ({"n": 0}, 400, "invalid_request", "n"),
        ({"n": 11}, 400, "invalid_request", "n"),
        ({"n": True}, 400, "invalid_request", "n"),
        ({"n": 1.5}, 400, "invalid_request", "n"),
        ({"size": "huge"}, 400, "invalid_request", "size"),
        ({"size": "65x64"}, 400, "invalid_request", "size"),
        ({"size": "99999x8"}, 400, "invalid_request", "size"),
        ({"size": "4096x4096"}, 400, "invalid_request", "size"),
        ({"size": [64, 64]}, 400, "invalid_request", "size"),
        ({"quality": "best"}, 400, "invalid_request", "quality"),
        ({"quality": ["hd"]}, 400, "invalid_request", "quality"),
        ({"style": "loud"}, 400, "invalid_request", "style"),
        ({"response_format": "xml"}, 400, "invalid_request", "response_format"),
        ({"output_format": "gif"}, 400, "invalid_request", "output_format"),
        ({"output_compression": 50}, 400, "invalid_request", "output_compression"),
        ({"output_format": "webp", "output_compression": 101}, 400, "invalid_request",
         "output_compression"),
        ({"background": "transparent"}, 400, "invalid_request", "background"),
        ({"stream": True}, 400, "invalid_request", "stream"),
        ({"steps": 0}, 400, "invalid_request", "steps"),
        ({"seed": "x"}, 400, "invalid_request", "seed"),
        ({"frobnicate": 1}, 400, "invalid_request", "frobnicate"),
    ],
)  # fmt: skip
def test_a_bad_value_is_one_sentence_that_names_openais_field(
    here: TestClient, fields: dict[str, Any], status: int, code: str, param: str
) -> None:
    sentence = refused(generate(here, **fields), status, code, param)
    assert len(sentence) < 400
    assert "Traceback" not in sentence


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("POST", "/v1/images/edits", 501, "not_implemented"),
        ("POST", "/v1/images/variations", 501, "not_implemented"),
        ("POST", "/v1/chat/completions", 404, "not_found"),
        ("GET", "/v1/images/generations", 404, "not_found"),
        ("GET", "/v1/models/nowhere", 404, "model_not_found"),
        ("GET", "/v1/images/files/none.png", 404, "not_found"),
        ("GET", "/v1/images/files/..%2f..%2fx.png", 404, "not_found"),
    ],
)
def test_what_is_not_there_says_so_in_the_same_shape(
    here: TestClient, method: str, path: str, status: int, code: str
) -> None:
    error = here.request(method, path).json()["error"]
    assert here.request(method, path).status_code == status
    assert error["code"] == code
    assert set(error) == {"message", "type", "param", "code"}


def test_what_is_no_json_is_refused(here: TestClient) -> None:
    for body in (b"{", b"[1]", b'{"n": NaN}'):
        answer = here.post("/v1/images/generations", content=body)
        assert answer.status_code == 400
        assert answer.json()["error"]["type"] == "invalid_request_error"


def test_a_job_that_fails_is_an_error(here: TestClient) -> None:
    sentence = refused(generate(here, prompt="!fail"), 400, "invalid_request", None)
    assert sentence == "The fake was told to fail."


def test_a_cancelled_job_is_an_error_that_is_not_asked_for_again(
    here: TestClient, services: Services
) -> None:
    answers: list[Any] = []
    fields = {"prompt": "!slow one", "steps": 150}
    thread = threading.Thread(target=lambda: answers.append(generate(here, **fields)))
    thread.start()
    while not (live := services.queue.jobs(None, ["queued", "running"])):
        time.sleep(0.01)
    services.queue.cancel(live[0].id)
    thread.join(30)
    refused(answers[0], 400, "cancelled", None)


def test_a_request_that_is_sent_again_with_its_key_draws_once(here: TestClient) -> None:
    key = {"idempotency-key": "retry-1"}
    jobs = {generate(here, key).headers["x-easel-job"] for _ in range(2)}
    assert len(jobs) == 1
    refused(generate(here, key, prompt="other"), 400, "invalid_request", "Idempotency-Key")


def test_models_are_the_checkpoints(here: TestClient) -> None:
    told = here.get("/v1/models").json()
    assert told["object"] == "list"
    assert [m["id"] for m in told["data"]] == ["first", "second"]
    one = here.get("/v1/models/second").json()
    assert one in told["data"]
    assert one["object"] == "model"
    assert one["created"] > 1_500_000_000


@pytest.mark.parametrize("key", ["right", "ann:right"])
def test_a_key_is_a_password(guarded: TestClient, services: Services, key: str) -> None:
    headers = {"authorization": f"Bearer {key}"}
    answer = generate(guarded, headers)
    assert answer.status_code == 200, answer.text
    assert services.queue.get(answer.headers["x-easel-job"]).owner == "ann"
    [datum] = answer.json()["data"]
    assert guarded.get(datum["url"], headers=headers).status_code == 200
    assert guarded.get(datum["url"]).status_code == 401
    other = guarded.get(datum["url"], auth=("bob", "other"))
    refused(other, 404, "not_found", None)


@pytest.mark.parametrize("key", ["", "twin", "wrong", "ann:other", ":", "ann:"])
def test_a_wrong_key_is_refused_in_openais_shape(services: Services, key: str) -> None:
    app = create_app(services, services.settings, auth=USERS)
    away = client(app, HERE, "10.0.0.6")
    answer = generate(away, {"authorization": f"Bearer {key}"})
    refused(answer, 401, "invalid_api_key", None)


def test_guessing_keys_is_slowed_down(services: Services) -> None:
    app = create_app(services, services.settings, auth=USERS)
    away = client(app, HERE, "10.0.0.7")
    tried = [away.get("/v1/models", headers={"authorization": f"Bearer {n}"}) for n in range(8)]
    assert [a.status_code for a in tried[:5]] == [401] * 5
    assert tried[-1].status_code == 429
    assert int(tried[-1].headers["retry-after"]) >= 1
    right = away.get("/v1/models", headers={"authorization": "Bearer right"})
    assert right.status_code == 429


def test_a_picture_whose_file_is_gone_is_not_there(here: TestClient, services: Services) -> None:
    [datum] = generate(here).json()["data"]
    image_id = Path(datum["url"]).stem
    services.library.file(image_id).unlink()
    for url in (datum["url"], datum["url"].replace(".png", ".webp")):
        assert here.get(url).status_code == 404
