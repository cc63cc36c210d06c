"""The library over HTTP: finding pictures, marks, boards, the trash, thumbnails, import, export."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response, StreamingResponse
from starlette.concurrency import run_in_threadpool

from webui.api.guard import caller_of
from webui.api.native import PREFIX, answer, read_json
from webui.api.views import image_view
from webui.core.errors import Forbidden, InvalidRequest, NotFound
from webui.core.results import Caller
from webui.library import marks
from webui.library.boards import Board
from webui.library.export import zipped
from webui.library.finding import MAX_WINDOW, Wanted
from webui.library.thumbnails import SIZES

if TYPE_CHECKING:
    from webui.services import Services

_SORTS = ("newest", "oldest")
_TEXT = {"type": "string"}
_IDS = {"type": "array", "items": _TEXT, "description": f"At most {marks.MAX_IDS}."}
_KEPT = (
    "It was imported from another folder: its file stays where it is, only the library forgets it."
)
_MARKS = {
    "favourite": {"type": "boolean"},
    "tags": {"type": "array", "items": _TEXT, "description": "All of the picture's tags."},
}
_BULK = {
    "ids": _IDS,
    "action": {"type": "string", "description": ", ".join(marks.ACTIONS)},
    "board": {**_TEXT, "description": "A board's id, for the two board actions."},
    "tag": {**_TEXT, "description": "For tag and untag."},
}
_NAME = {"name": {**_TEXT, "description": "The board's name, its owner's only one of it."}}
_FOLDER = {"folder": {**_TEXT, "description": "The whole path of a folder on the server."}}


class LibraryRoutes:
    """The routes' functions; each translates between HTTP and one call of the gallery."""

    def __init__(self, services: Services) -> None:
        self._gallery = services.library.gallery

    def router(self) -> APIRouter:
        """The routes."""
        router = APIRouter(prefix=PREFIX)
        routes: tuple[tuple[str, str, Callable[..., Any], Mapping[str, Any] | None], ...] = (
            ("GET", "/library", self.find, None),
            ("GET", "/library/ids", self.ids, None),
            ("GET", "/library/facets", self.facets, None),
            ("POST", "/library/bulk", self.bulk, _BULK),
            ("POST", "/library/empty-trash", self.empty_trash, None),
            ("POST", "/library/export", self.export, {"ids": _IDS}),
            ("GET", "/library/import", self.imported, None),
            ("POST", "/library/import", self.start_import, _FOLDER),
            ("DELETE", "/library/import", self.stop_import, None),
            ("PATCH", "/images/{image_id}", self.mark, _MARKS),
            ("DELETE", "/images/{image_id}", self.delete, None),
            ("POST", "/images/{image_id}/restore", self.restore, None),
            ("GET", "/images/{image_id}/thumbnail", self.thumbnail, None),
            ("GET", "/boards", self.boards, None),
            ("POST", "/boards", self.create_board, _NAME),
            ("PATCH", "/boards/{board_id}", self.rename_board, _NAME),
            ("DELETE", "/boards/{board_id}", self.delete_board, None),
        )
        for method, path, function, fields in routes:
            extra = None if fields is None else _body(fields)
            router.add_api_route(path, function, methods=[method], openapi_extra=extra)
        return router

    # ---- finding

    def find(
        self,
        request: Request,
        q: Annotated[str, Query(description="Words, quoted phrases and filters.")] = "",
        board: Annotated[str, Query(description="Only on the board of this id.")] = "",
        tag: Annotated[str, Query(description="Only with exactly this tag.")] = "",
        favourite: bool = False,
        deleted: Annotated[bool, Query(description="What is in the trash.")] = False,
        sort: Annotated[str, Query(description="newest or oldest first.")] = "newest",
        offset: Annotated[int, Query(ge=0, le=10**9)] = 0,
        limit: Annotated[int, Query(ge=0, le=MAX_WINDOW)] = 100,
    ) -> Response:
        """A window of your pictures, or everybody's for an administrator.

        q takes words and beginnings of words, "quoted phrases", -word, and the filters model:
        sampler: size:512x768 seed: lora: tag: board: date:2026-11 after: before: fav:yes.
        """
        caller = caller_of(request)
        wanted = self._wanted(caller, q, board, tag, favourite, deleted, sort)
        page = self._gallery.find(replace(wanted, offset=offset, limit=limit))
        images = [image_view(picture, caller) for picture in page.pictures]
        return answer(
            {"images": images, "total": page.total, "offset": offset, "revision": page.revision}
        )

    def ids(
        self,
        request: Request,
        q: Annotated[str, Query(description="As for the pictures themselves.")] = "",
        board: str = "",
        tag: str = "",
        favourite: bool = False,
        deleted: bool = False,
        sort: str = "newest",
    ) -> Response:
        """The ids of all of your pictures that fit, to select them all at once."""
        wanted = self._wanted(caller_of(request), q, board, tag, favourite, deleted, sort)
        found, revision = self._gallery.finder.ids(wanted)
        return answer({"ids": found, "revision": revision})

    def _wanted(
        self,
        caller: Caller,
        q: str,
        board: str,
        tag: str,
        favourite: bool,
        deleted: bool,
        sort: str,
    ) -> Wanted:
        if sort not in _SORTS:
            raise InvalidRequest(f"sort is newest or oldest, not {sort[:60]!r}.", field="sort")
        owner = _owner(caller)
        if board:
            board = self._gallery.boards.get(board, owner).id
        return Wanted(q, board, tag, favourite, deleted, sort == "oldest", owner=owner)

    def facets(self, request: Request) -> Response:
        """What a search can choose among: models, samplers, loras, tags, sizes and boards as
        lists of value and count, and the times of the first and last picture."""
        return answer(self._gallery.facets(_owner(caller_of(request))))

    def thumbnail(
        self,
        request: Request,
        image_id: str,
        size: Annotated[int, Query(description="128, 256 or 512 pixels.")] = 256,
    ) -> Response:
        """A picture made small, as WebP."""
        if size not in SIZES:
            sizes = ", ".join(map(str, SIZES[:-1]))
            raise InvalidRequest(f"size is {sizes} or {SIZES[-1]}, not {size}.", field="size")
        owner = _owner(caller_of(request))
        kept = {
            "etag": f'"{image_id}-{size}"',
            "cache-control": "private, max-age=31536000, immutable",
            "content-security-policy": "default-src 'none'; sandbox",
        }
        source = self._gallery.file(image_id, owner)
        if kept["etag"] in request.headers.get("if-none-match", ""):
            return Response(None, 304, headers=kept)
        data = self._gallery.thumbnails.get(image_id, source, size)
        return Response(data, media_type="image/webp", headers=kept)

    # ---- changing

    async def mark(self, request: Request, image_id: str) -> Response:
        """Make a picture a favourite or none, or give it other tags; answers with the picture."""
        caller = caller_of(request)
        values = await read_json(request)
        favourite = values.get("favourite")
        if favourite is not None and not isinstance(favourite, bool):
            raise InvalidRequest("favourite is true or false.", field="favourite")
        tags = marks.checked_tags(values["tags"]) if values.get("tags") is not None else None
        unknown = sorted(set(values) - set(_MARKS))
        if unknown:
            raise InvalidRequest(
                f"A picture's favourite and tags can be changed, not {unknown[0][:60]!r}.",
                field=unknown[0][:60],
            )
        picture = await run_in_threadpool(
            self._gallery.mark, image_id, _owner(caller), favourite=favourite, tags=tags
        )
        return answer(image_view(picture, caller))

    def delete(self, request: Request, image_id: str) -> Response:
        """Move a picture into the trash, from where it can be restored for 30 days.

        The file of a picture that was imported from another folder stays where it is.
        """
        owner = _owner(caller_of(request))
        picture = self._gallery.picture(image_id, owner)
        is_kept = self._gallery.is_kept(image_id)
        self._gallery.act("delete", [picture.id], owner)
        message = _KEPT if is_kept else "It is in the trash for 30 days."
        found = {"id": picture.id, "deleted": True, "file_kept": is_kept, "message": message}
        return answer({**found, "revision": self._gallery.revision})

    def restore(self, request: Request, image_id: str) -> Response:
        """Take a picture out of the trash; answers with the picture."""
        caller = caller_of(request)
        owner = _owner(caller)
        picture = self._gallery.picture(image_id, owner)
        self._gallery.act("restore", [picture.id], owner)
        return answer(image_view(self._gallery.picture(image_id, owner), caller))

    async def bulk(self, request: Request) -> Response:
        """Do the same with many pictures; missing are the ids of those that are not there."""
        owner = _owner(caller_of(request))
        values = await read_json(request)
        ids = marks.checked_ids(values.get("ids"))
        action = values.get("action")
        if action not in marks.ACTIONS:
            raise InvalidRequest(f"action can be {', '.join(marks.ACTIONS)}.", field="action")
        for name in ("board", "tag"):
            if not isinstance(values.get(name), str | None):
                raise InvalidRequest(f"{name} is no text.", field=name)
        board, tag = values.get("board"), None
        if action.endswith("_board") and not isinstance(board, str):
            raise InvalidRequest("board is the id of a board.", field="board")
        if action in ("tag", "untag"):
            tag = marks.checked_tag(values.get("tag"))
        done = await run_in_threadpool(self._gallery.act, action, ids, owner, board=board, tag=tag)
        found: dict[str, Any] = {"changed": len(done.changed), "missing": done.missing}
        if action == "delete":
            kept = sum(map(self._gallery.is_kept, done.changed))
            found |= {"files_kept": kept, "message": f"{kept} × {_KEPT}" if kept else ""}
        return answer({**found, "revision": self._gallery.revision})

    def empty_trash(self, request: Request) -> Response:
        """Delete for good what is in your trash, or in everybody's for an administrator."""
        removed = self._gallery.empty_trash(_owner(caller_of(request)))
        return answer({"removed": removed, "revision": self._gallery.revision})

    # ---- boards

    def boards(self, request: Request) -> Response:
        """Your boards, or everybody's for an administrator; the cover is a picture's id."""
        found = self._gallery.boards.all(_owner(caller_of(request)))
        return answer({"boards": [_board_view(board) for board in found]})

    async def create_board(self, request: Request) -> Response:
        """Make a board."""
        caller = caller_of(request)
        values = await read_json(request)
        name = values.get("name")
        board = await run_in_threadpool(self._gallery.boards.create, name, caller.user)
        self._gallery.tell()
        return answer(_board_view(board), 201)

    async def rename_board(self, request: Request, board_id: str) -> Response:
        """Give a board another name."""
        owner = _owner(caller_of(request))
        name = (await read_json(request)).get("name")
        board = await run_in_threadpool(self._gallery.boards.rename, board_id, name, owner)
        self._gallery.tell()
        return answer(_board_view(board))

    def delete_board(self, request: Request, board_id: str) -> Response:
        """Delete a board; its pictures stay."""
        self._gallery.boards.delete(board_id, _owner(caller_of(request)))
        self._gallery.tell()
        return answer({"id": board_id, "deleted": True})

    # ---- in and out

    async def export(self, request: Request) -> Response:
        """Pictures as one zip file, uncompressed, with what their files say about them."""
        owner = _owner(caller_of(request))
        ids = marks.checked_ids((await read_json(request)).get("ids"))
        files = await run_in_threadpool(self._gallery.files, ids, owner)
        if not any(file for _, file in files):
            raise NotFound("None of these pictures is there.")
        headers = {
            "cache-control": "no-store",
            "content-disposition": 'attachment; filename="easel.zip"',
        }
        return StreamingResponse(zipped(files), media_type="application/zip", headers=headers)

    def imported(self, request: Request) -> Response:
        """How far the last import of a folder is; for administrators."""
        _admin(request)
        return answer(asdict(self._gallery.importer.progress))

    async def start_import(self, request: Request) -> Response:
        """Bring the pictures of a folder on the server into the library, where they lie.

        Reads A1111's parameters and ComfyUI's workflows. For administrators.
        """
        caller = _admin(request)
        folder = (await read_json(request)).get("folder")
        start = self._gallery.importer.start
        return answer(asdict(await run_in_threadpool(start, folder, caller.user)), 202)

    def stop_import(self, request: Request) -> Response:
        """Stop an import; what it has brought in stays."""
        _admin(request)
        return answer(asdict(self._gallery.importer.stop()))


def _board_view(board: Board) -> dict[str, Any]:
    return {"id": board.id, "name": board.name, "count": board.count, "cover": board.cover}


def _owner(caller: Caller) -> str | None:
    """Whose pictures the caller sees: None for everybody's."""
    return None if caller.is_admin else caller.user


def _admin(request: Request) -> Caller:
    caller = caller_of(request)
    if not caller.is_admin:
        raise Forbidden("Only an administrator may import folders of the server.")
    return caller


def _body(fields: Mapping[str, Any]) -> dict[str, Any]:
    schema = {"type": "object", "properties": dict(fields)}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}
