"""The library over HTTP, as the page and other programs use it."""

from __future__ import annotations

import io
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.fakes.services import Site, open_site
from webui.core.results import Pixels
from webui.metadata import encode, read_infotext

ANN, BOB, ADMIN = ("ann", "right"), ("bob", "other"), ("eve", "chief")
PIXELS = Pixels(16, 8, bytes(3 * 16 * 8))


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """One local user, who is an administrator."""
    with open_site(tmp_path) as opened:
        yield opened


@pytest.fixture
def shared(tmp_path: Path) -> Iterator[Site]:
    """Three users from afar, one of them an administrator."""
    users = [ANN, BOB, ADMIN]
    with open_site(tmp_path, auth=users, host="0.0.0.0", admins=["eve"]) as opened:
        yield opened


def save(site: Site, prompt: str = "a cat", owner: str = "local", number: int = 0) -> str:
    saved = site.services.library.save(
        PIXELS, infotext=prompt, job_id=f"{owner}{prompt}{number}", index=0, seed=5,
        prompt=prompt, model="m", owner=owner,
    )  # fmt: skip
    return saved.id


def file_of(site: Site, image_id: str) -> Path:
    return site.services.library.file(image_id)


def ask(site: Site, method: str, path: str, body: Any = None, by: Any = None) -> Any:
    client = site.away("http://10.0.0.1:7860") if by else site.local
    return client.request(method, f"/api/v1/{path}", json=body, auth=by)


def found(site: Site, query: str = "", by: Any = None) -> list[str]:
    answer = ask(site, "GET", f"library{query}", by=by)
    assert answer.status_code == 200, answer.text
    return [image["infotext"] for image in answer.json()["images"]]


def refused(answer: Any, status: int, says: str, field: str | None = None) -> None:
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert says in error["message"]
    assert len(error["message"]) < 400
    if field:
        assert error["field"] == field


def test_the_whole_life_of_a_picture(site: Site) -> None:
    image_id = save(site)
    answer = ask(site, "GET", "library?q=cat").json()
    assert (answer["total"], answer["offset"]) == (1, 0)
    [image] = answer["images"]
    fresh = {"favourite": False, "tags": [], "boards": [], "missing": False, "imported": False}
    assert {key: image[key] for key in fresh} == fresh
    assert image["deleted"] is None
    assert image["url"] == f"/api/v1/images/{image_id}"
    assert image["thumbnail"] == f"/api/v1/images/{image_id}/thumbnail"
    assert image["name"] == Path(image["path"]).name

    marked = ask(
        site, "PATCH", f"images/{image_id}", {"favourite": True, "tags": [" a  b ", "A B"]}
    )
    assert (marked.json()["favourite"], marked.json()["tags"]) == (True, ["a b"])
    assert found(site, "?favourite=true") == found(site, "?tag=a+b") == ["a cat"]
    assert ask(site, "GET", "library").json()["revision"] > answer["revision"]

    board = ask(site, "POST", "boards", {"name": "Cats"})
    assert board.status_code == 201
    body = {"ids": [image_id], "action": "add_to_board", "board": board.json()["id"]}
    done = ask(site, "POST", "library/bulk", body).json()
    assert (done["changed"], done["missing"]) == (1, [])
    [seen] = ask(site, "GET", "boards").json()["boards"]
    assert seen == {"id": board.json()["id"], "name": "Cats", "count": 1, "cover": image_id}
    assert found(site, f"?board={seen['id']}") == ["a cat"]
    assert ask(site, "GET", "library/facets").json()["tags"] == [{"value": "a b", "count": 1}]

    deleted = ask(site, "DELETE", f"images/{image_id}").json()
    assert (deleted["deleted"], deleted["file_kept"]) == (True, False)
    assert found(site) == []
    assert found(site, "?deleted=true") == ["a cat"]
    back = ask(site, "POST", f"images/{image_id}/restore").json()
    assert (back["deleted"], back["favourite"], back["boards"]) == (None, True, [seen["id"]])
    assert found(site) == ["a cat"]
    ask(site, "DELETE", f"images/{image_id}")
    assert ask(site, "POST", "library/empty-trash").json()["removed"] == 1
    refused(ask(site, "GET", f"images/{image_id}"), 404, "no such picture")


def test_marks_show_wherever_the_picture_does(site: Site) -> None:
    job_id = site.submit(prompt="red")
    image_id = site.draw(job_id)
    ask(site, "PATCH", f"images/{image_id}", {"favourite": True})
    [listed] = ask(site, "GET", "images").json()["images"]
    [of_job] = ask(site, "GET", f"jobs/{job_id}").json()["images"]
    [of_jobs] = ask(site, "GET", "jobs").json()["jobs"][0]["images"]
    assert listed["favourite"] is True
    assert listed == of_job == of_jobs


def test_other_pages_are_told(site: Site) -> None:
    image_id = save(site)
    with site.socket() as socket:
        assert socket.receive_json()["type"] == "snapshot"
        ask(site, "PATCH", f"images/{image_id}", {"favourite": True})
        message = socket.receive_json()
        revision = ask(site, "GET", "library").json()["revision"]
        assert message == {"type": "library", "revision": revision}


def test_windows_sort_and_limits(site: Site) -> None:
    for n in range(5):
        save(site, f"cat {n}")
    assert found(site, "?limit=2&offset=1") == ["cat 3", "cat 2"]
    assert found(site, "?q=cat&limit=2&offset=1&sort=oldest") == ["cat 1", "cat 2"]
    assert found(site, "?offset=999999999") == []
    for query in ("sort=best", "limit=-1", "limit=5000", "offset=-1", f"offset={10**30}",
                  "deleted=perhaps"):  # fmt: skip
        refused(ask(site, "GET", f"library?{query}"), 422, "", query.split("=", 1)[0])
    refused(ask(site, "GET", "library?board=nosuch"), 404, "no such board")
    nasty = "".join(f"%{n:02x}" for n in range(256))
    assert ask(site, "GET", f"library?q={nasty}").status_code == 200


def test_all_ids_of_a_search_come_at_once(site: Site) -> None:
    for n in range(5):
        save(site, f"{'red' if n % 2 else 'blue'} {n}")
    for search in ("", "?q=red", "?sort=oldest", "?q=blue&sort=oldest", "?deleted=true"):
        listed = ask(site, "GET", f"library{search}").json()
        every = ask(site, "GET", f"library/ids{search}").json()
        assert every["ids"] == [image["id"] for image in listed["images"]]
        assert every["revision"] == listed["revision"]
    assert len(ask(site, "GET", "library/ids?q=red").json()["ids"]) == 2
    refused(ask(site, "GET", "library/ids?sort=x"), 422, "newest or oldest", "sort")


def test_people_see_and_change_only_their_own(shared: Site) -> None:
    mine, theirs = save(shared, "mine", "ann"), save(shared, "theirs", "bob")
    assert found(shared, by=ANN) == ["mine"]
    assert found(shared, "?q=theirs", by=ANN) == []
    assert found(shared, by=ADMIN) == ["theirs", "mine"]
    assert ask(shared, "GET", "library/ids", by=ANN).json()["ids"] == [mine]
    assert ask(shared, "GET", "library/facets", by=ANN).json()["models"][0]["count"] == 1
    for method, path, body in (
        ("GET", f"images/{theirs}", None),
        ("GET", f"images/{theirs}/thumbnail", None),
        ("PATCH", f"images/{theirs}", {"favourite": True}),
        ("DELETE", f"images/{theirs}", None),
        ("POST", f"images/{theirs}/restore", None),
        ("POST", "library/export", {"ids": [theirs]}),
    ):
        refused(ask(shared, method, path, body, by=ANN), 404, "")
    for action in ("delete", "restore", "favourite", "tag"):
        body = {"ids": [theirs, mine], "action": action, "tag": "x"}
        assert ask(shared, "POST", "library/bulk", body, by=ANN).json()["missing"] == [theirs]
    assert found(shared, by=BOB) == ["theirs"]
    board = ask(shared, "POST", "boards", {"name": "B"}, by=BOB).json()["id"]
    for method, body in (("PATCH", {"name": "x"}), ("DELETE", None)):
        refused(ask(shared, method, f"boards/{board}", body, by=ANN), 404, "no such board")
    refused(ask(shared, "GET", f"library?board={board}", by=ANN), 404, "no such board")
    assert ask(shared, "GET", "boards", by=ANN).json() == {"boards": []}
    ask(shared, "DELETE", f"images/{theirs}", by=BOB)
    assert ask(shared, "POST", "library/empty-trash", by=ANN).json()["removed"] == 0
    view = ask(shared, "GET", "library", by=ANN).json()["images"]
    assert all("/" not in image["path"] for image in view)


def test_bad_values_are_sentences(site: Site) -> None:
    image_id = save(site)
    path = f"images/{image_id}"
    for body, field in (
        ({"favourite": "yes"}, "favourite"),
        ({"tags": "x"}, "tags"),
        ({"tags": [5]}, "tags"),
        ({"tags": [""]}, "tags"),
        ({"tags": ["x" * 10_000]}, "tags"),
        ({"tags": ["a\0b"]}, "tags"),
        ({"tags": [f"t{n}" for n in range(101)]}, "tags"),
        ({"tags": ["x"] * 5000}, "tags"),
        ({"seed": 5}, "seed"),
    ):
        refused(ask(site, "PATCH", path, body), 422, "", field)
    assert ask(site, "PATCH", path, {}).json()["tags"] == []
    for body, field in (
        ({}, "ids"),
        ({"ids": [], "action": "delete"}, "ids"),
        ({"ids": [5], "action": "delete"}, "ids"),
        ({"ids": ["x"] * 5001, "action": "delete"}, "ids"),
        ({"ids": [image_id], "action": "explode"}, "action"),
        ({"ids": [image_id], "action": ["delete"]}, "action"),
        ({"ids": [image_id], "action": "tag"}, "tag"),
        ({"ids": [image_id], "action": "add_to_board"}, "board"),
    ):
        refused(ask(site, "POST", "library/bulk", body), 422, "", field)
    body = {"ids": [image_id], "action": "add_to_board", "board": "nosuch"}
    refused(ask(site, "POST", "library/bulk", body), 404, "no such board")
    for name in (None, "", "x" * 101, 5):
        refused(ask(site, "POST", "boards", {"name": name}), 422, "board's name", "name")
    ask(site, "POST", "boards", {"name": "Cats"})
    refused(ask(site, "POST", "boards", {"name": "cats"}), 409, "already")
    assert found(site) == ["a cat"]


def test_thumbnails(site: Site) -> None:
    image_id = save(site)
    answer = ask(site, "GET", f"images/{image_id}/thumbnail?size=128")
    assert answer.headers["content-type"] == "image/webp"
    assert "immutable" in answer.headers["cache-control"]
    assert Image.open(io.BytesIO(answer.content)).size == (16, 8)
    tag = {"if-none-match": answer.headers["etag"]}
    path = f"/api/v1/images/{image_id}/thumbnail?size=128"
    assert site.local.get(path, headers=tag).status_code == 304
    refused(ask(site, "GET", f"images/{image_id}/thumbnail?size=100"), 422, "not 100", "size")
    refused(ask(site, "GET", f"images/{image_id}/thumbnail?size=x"), 422, "size", "size")
    refused(ask(site, "GET", "images/..%2f..%2fx/thumbnail"), 404, "")

    file = file_of(site, image_id)
    data = file.read_bytes()
    file.unlink()
    refused(site.local.get(path, headers=tag), 404, "no longer in the output folder")
    assert ask(site, "GET", "library").json()["images"][0]["missing"] is True
    file.write_bytes(data)
    assert site.local.get(path).status_code == 200
    assert ask(site, "GET", "library").json()["images"][0]["missing"] is False

    file.write_bytes(data[: len(data) // 2])
    refused(ask(site, "GET", f"images/{image_id}/thumbnail?size=256"), 422, "damaged")
    assert ask(site, "GET", "library").json()["images"][0]["missing"] is False


def test_import_over_http(site: Site, tmp_path: Path) -> None:
    folder = tmp_path / "old"
    folder.mkdir()
    text = "a tower\nSteps: 30, Sampler: Euler, Seed: 41, Size: 16x8"
    (folder / "x.png").write_bytes(encode(PIXELS, "png", 80, text))
    (folder / "bad.png").write_bytes(b"x")
    assert ask(site, "GET", "library/import").json()["state"] == "idle"
    answer = ask(site, "POST", "library/import", {"folder": str(folder)})
    assert answer.status_code == 202
    end = time.monotonic() + 30
    while (now := ask(site, "GET", "library/import").json())["state"] == "running":
        assert time.monotonic() < end
        time.sleep(0.02)
    assert {k: now[k] for k in ("state", "folder", "done", "total", "added", "skipped")} == {
        "state": "done", "folder": str(folder), "done": 2, "total": 2, "added": 1, "skipped": 0,
    }  # fmt: skip
    assert len(now["problems"]) == 1
    [image] = ask(site, "GET", "library?q=seed:41").json()["images"]
    assert (image["imported"], image["infotext"]) == (True, text)
    assert site.local.get(image["url"]).content == (folder / "x.png").read_bytes()
    deleted = ask(site, "DELETE", f"images/{image['id']}").json()
    assert deleted["file_kept"] is True
    assert "its file stays where it is" in deleted["message"]
    assert ask(site, "POST", "library/empty-trash").json()["removed"] == 1
    assert (folder / "x.png").is_file()
    refused(ask(site, "POST", "library/import", {"folder": str(folder / "no")}), 422, "no folder")
    assert ask(site, "DELETE", "library/import").json()["state"] == "done"


def test_only_administrators_import(shared: Site, tmp_path: Path) -> None:
    for method, body in (("GET", None), ("POST", {"folder": str(tmp_path)}), ("DELETE", None)):
        refused(ask(shared, method, "library/import", body, by=ANN), 403, "administrator")
    assert ask(shared, "GET", "library/import", by=ADMIN).status_code == 200


def test_export(site: Site) -> None:
    ids = [save(site, f"cat {n}") for n in range(3)]
    file_of(site, ids[2]).unlink()
    answer = ask(site, "POST", "library/export", {"ids": [*ids, "unknown"]})
    assert answer.headers["content-type"] == "application/zip"
    assert "content-encoding" not in answer.headers
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        names = archive.namelist()
        assert len(names) == 3
        assert read_infotext(archive.read(names[0])) == "cat 0"
        assert names[-1] == "missing.txt"
    refused(ask(site, "POST", "library/export", {"ids": [ids[2], "unknown"]}), 404, "None of")
    refused(ask(site, "POST", "library/export", {"ids": "x"}), 422, "", "ids")


def test_a_trash_that_cannot_be_made_loses_nothing(site: Site) -> None:
    image_id = save(site)
    (site.services.library.outputs / ".trash").write_text("a file in its place")
    refused(ask(site, "DELETE", f"images/{image_id}"), 507, "failed (")
    assert found(site) == ["a cat"]
    assert file_of(site, image_id).is_file()


def test_a_vanished_output_folder(site: Site, tmp_path: Path) -> None:
    image_id = save(site)
    outputs = site.services.library.outputs
    outputs.rename(tmp_path / "away")
    assert ask(site, "GET", "library").json()["images"][0]["missing"] is True
    refused(ask(site, "GET", f"images/{image_id}"), 404, "no longer in the output folder")
    refused(ask(site, "GET", f"images/{image_id}/thumbnail"), 404, "no longer")
    (tmp_path / "away").rename(outputs)
    assert ask(site, "GET", f"images/{image_id}").status_code == 200
    assert list(outputs.iterdir())
