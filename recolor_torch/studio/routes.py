"""What the page asks for and sends by HTTP: its own files, pictures, references, commands and exports."""

import asyncio
import json
import mimetypes
import time
from collections.abc import Callable
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from recolor_torch.errors import UsageError, WeightsMissing
from recolor_torch.pictures import PictureError
from recolor_torch.studio.desk import process_line, shell_line
from recolor_torch.studio.engine import PROPOSALS
from recolor_torch.studio.library import LARGEST_UPLOAD
from recolor_torch.studio.protocol import parse_recipe
from recolor_torch.studio.session import THUMB, Session, jpeg_thumbnail
from recolor_torch.studio.state import Studio

# Thumbnails of the folder's pictures that are kept.
MOST_THUMBS = 2000


def make_routes(studio: Studio) -> list[Route]:
    """What can be asked for, below the token."""
    return [
        Route("/", _answer(studio, _index)),
        Route("/page/{name}", _answer(studio, _page)),
        Route("/api/desk", _answer(studio, _desk)),
        Route("/api/picture/{index:int}/tile/{column:int}/{row:int}", _answer(studio, _tile)),
        Route("/api/picture/{index:int}/original", _answer(studio, _original)),
        Route("/api/picture/{index:int}/thumb", _answer(studio, _thumb)),
        Route("/api/picture/{index:int}/proposal/{sample:int}", _answer(studio, _proposal)),
        Route("/api/picture/{index:int}/gallery", _answer(studio, _gallery)),
        Route("/api/picture/{index:int}/command", _answer(studio, _command), methods=["POST"]),
        Route("/api/picture/{index:int}/export", _answer(studio, _export), methods=["POST"]),
        Route("/api/stop", _answer(studio, _stop), methods=["POST"]),
        Route("/api/reference", _answer(studio, _upload), methods=["POST"]),
        Route("/api/reference/{key}", _answer(studio, _reference)),
    ]


Handler = Callable[[Studio, Request], Any]


def _answer(studio: Studio, handler: Handler) -> Callable[[Request], Any]:
    """A handler whose failures are one sentence."""

    async def endpoint(request: Request) -> Response:
        try:
            return await handler(studio, request)
        except (IndexError, KeyError) as error:
            return _problem(str(error).strip("'") or "There is no such thing.", 404)
        except (PictureError, UsageError, WeightsMissing, ValueError) as error:
            return _problem(str(error), 400)
        except OSError as error:
            return _problem(f"{error.filename or 'A file'}: {error.strerror or error}.", 500)

    return endpoint


def _problem(text: str, status: int, hang_up: bool = False) -> Response:
    """A sentence; with ``hang_up`` what is still being sent is not read."""
    return JSONResponse({"error": " ".join(text.split())}, status, {"connection": "close"} if hang_up else None)


async def _index(studio: Studio, _request: Request) -> Response:
    return Response(studio.page["index.html"].read_bytes(), media_type="text/html; charset=utf-8")


async def _page(studio: Studio, request: Request) -> Response:
    file = studio.page.get(request.path_params["name"])
    if file is None:
        return PlainTextResponse("There is no such file.\n", 404)
    kind = {".js": "text/javascript", ".css": "text/css"}.get(file.suffix) or mimetypes.guess_type(file.name)[0]
    return Response(file.read_bytes(), media_type=kind)


async def _desk(studio: Studio, _request: Request) -> Response:
    items = [{"index": i, "name": item.name, "state": item.state()} for i, item in enumerate(studio.desk.items)]
    return JSONResponse({"pictures": items, "gallery": bool(studio.desk.galleries)})


async def _tile(studio: Studio, request: Request) -> Response:
    session = await studio.session(request.path_params["index"])
    where = request.path_params["column"], request.path_params["row"]
    return Response(await run_in_threadpool(session.tile, *where), media_type="image/png")


async def _original(studio: Studio, request: Request) -> Response:
    session = await studio.session(request.path_params["index"])
    return Response(session.original, media_type="image/jpeg")


async def _thumb(studio: Studio, request: Request) -> Response:
    index = request.path_params["index"]
    item = studio.desk.items[index]
    if index not in studio.thumbs:
        studio.thumbs[index] = await run_in_threadpool(jpeg_thumbnail, item.target.path, studio.desk.max_pixels)
        if len(studio.thumbs) > MOST_THUMBS:
            studio.thumbs.popitem(last=False)
    return Response(studio.thumbs[index], media_type="image/jpeg")


async def _proposal(studio: Studio, request: Request) -> Response:
    session = await studio.session(request.path_params["index"])
    sample = request.path_params["sample"]
    if sample >= len(PROPOSALS):
        raise IndexError("There is no such proposal.")
    return Response(await run_in_threadpool(session.proposal, sample), media_type="image/jpeg")


async def _gallery(studio: Studio, request: Request) -> Response:
    index = request.path_params["index"]
    await studio.session(index)
    await run_in_threadpool(studio.library.search, index)
    return JSONResponse({"references": studio.library.listed(index)})


async def _reference(studio: Studio, request: Request) -> Response:
    key = request.path_params["key"]
    if key not in studio.library.entries:
        raise KeyError("There is no such reference.")
    side = THUMB if "thumb" in request.query_params else 1024
    return Response(await run_in_threadpool(studio.library.copy, key, side), media_type="image/jpeg")


async def _upload(studio: Studio, request: Request) -> Response:
    length = request.headers.get("content-length", "0")
    large = f"A dropped picture may have {LARGEST_UPLOAD // 2**20} MB."
    if not length.isdecimal() or int(length) > LARGEST_UPLOAD:
        return _problem(large, 413, hang_up=True)
    data = bytearray()
    try:
        async for chunk in request.stream():
            data += chunk
            if len(data) > LARGEST_UPLOAD:
                return _problem(large, 413, hang_up=True)
    except ClientDisconnect:
        return _problem("The upload broke off.", 400)
    entry = await run_in_threadpool(
        studio.library.add, bytes(data), request.query_params.get("name", "dropped picture")
    )
    index = request.query_params.get("picture", "0")
    if not index.isdecimal() or int(index) >= len(studio.desk.items):
        raise IndexError("There is no such picture.")
    return JSONResponse({"reference": entry.to_page() | {"file": studio.library.file(int(index), entry)}})


async def _args(studio: Studio, request: Request) -> tuple[list[str], Session]:
    """The command for the picture as it is now, its hints saved."""
    body = await _small_body(request)
    session = await studio.session(request.path_params["index"])
    recipe = parse_recipe(body.get("recipe", {}))
    for key in recipe.references:
        if key not in studio.library.entries:
            raise KeyError("There is no such reference.")
    folder = studio.desk.items[session.index].output.parent
    paths = await run_in_threadpool(studio.library.keep, recipe.references, folder)
    start = studio.library.start_of(session.index, recipe)
    await run_in_threadpool(session.save, session.marks, start)
    return studio.desk.command(session.index, session.marks, recipe, paths), session


async def _small_body(request: Request) -> dict[str, Any]:
    data = bytearray()
    async for chunk in request.stream():
        data += chunk
        if len(data) > 65536:
            raise ValueError("The request is too long.")
    try:
        body = json.loads(bytes(data) or b"{}")
    except (ValueError, RecursionError) as error:
        raise ValueError("The request is not JSON.") from error
    if not isinstance(body, dict):
        raise ValueError("The request must be an object.")
    return body


async def _command(studio: Studio, request: Request) -> Response:
    args, _ = await _args(studio, request)
    return JSONResponse({"command": shell_line(args)})


async def _export(studio: Studio, request: Request) -> Response:
    args, session = await _args(studio, request)
    if studio.exporting.locked():
        return _problem("Another picture is being exported.", 409)
    async with studio.exporting:
        start = time.perf_counter()
        item = studio.desk.items[session.index]
        item.output.parent.mkdir(parents=True, exist_ok=True)
        studio.process = await asyncio.create_subprocess_exec(
            *process_line([*args, "-q"]),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            _, errors = await studio.process.communicate()
            code = studio.process.returncode
        except asyncio.CancelledError:
            studio.process.kill()
            raise
        finally:
            studio.process = None
    if code:
        stopped = code < 0
        last = errors.decode(errors="replace").strip().splitlines()[-1:] or ["the command failed"]
        return _problem("The export was stopped." if stopped else last[0], 409 if stopped else 500)
    seconds = round(time.perf_counter() - start, 1)
    done = {"output": str(item.output), "seconds": seconds, "command": shell_line(args), "state": item.state()}
    return JSONResponse(done)


async def _stop(studio: Studio, _request: Request) -> Response:
    if studio.process is not None:
        studio.process.terminate()
    return JSONResponse({"stopped": True})
