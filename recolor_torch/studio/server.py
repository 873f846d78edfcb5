"""The server: pictures and sockets for the page, on this machine alone."""

import asyncio
import json
import logging
import mimetypes
import os
import socket as sockets
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import torch
import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.websockets import WebSocket

from recolor_torch.errors import UsageError, WeightsMissing
from recolor_torch.methods.network import NetworkColorization
from recolor_torch.pictures import PictureError
from recolor_torch.studio.connection import Connection
from recolor_torch.studio.desk import Desk, process_line, shell_line
from recolor_torch.studio.engine import PROPOSALS
from recolor_torch.studio.gate import Address, Gate
from recolor_torch.studio.library import LARGEST_UPLOAD, Library
from recolor_torch.studio.protocol import LONGEST_MESSAGE, parse_recipe
from recolor_torch.studio.session import Session, copy_of, thumbnail
from recolor_torch.studio.worker import Stale, Worker

PAGE = Path(__file__).with_name("page")
# Pictures that are open at a time, and pages; a further page is turned away.
MOST_SESSIONS, MOST_SOCKETS = 3, 16
MOST_THUMBS = 2000

_LOG = logging.getLogger(__name__)


class Studio:
    """All that the server holds.

    Args:
        desk: the pictures.
        address: where it listens.
    """

    def __init__(self, desk: Desk, address: Address) -> None:
        self.desk, self.address = desk, address
        self.library = Library(desk)
        self.network = NetworkColorization()
        self.sessions: OrderedDict[int, Session] = OrderedDict()
        self.opening: dict[int, asyncio.Lock] = {}
        self.connections: set[Connection] = set()
        self.exporting = asyncio.Lock()
        self.process: asyncio.subprocess.Process | None = None
        self.thumbs: OrderedDict[int, bytes] = OrderedDict()
        self.live = Worker("studio-live", _one_of_two)
        self.slow = Worker("studio-slow", lambda: torch.set_num_threads(1))
        self.disk = Worker("studio-disk")
        self.page = {p.name: p for p in PAGE.iterdir() if p.suffix in (".html", ".js", ".css", ".svg")}

    async def session(self, index: int) -> Session:
        """An open picture; opened where it is not.

        Raises:
            IndexError: there is no such picture.
            PictureError: it, or its hints, cannot be read.
        """
        if not 0 <= index < len(self.desk.items):
            raise IndexError("There is no such picture.")
        async with self.opening.setdefault(index, asyncio.Lock()):
            if index not in self.sessions:
                self.sessions[index] = await run_in_threadpool(self._open, index)
            self.sessions.move_to_end(index)
            used = {c.session.index for c in self.connections} | {index}
            for old in [i for i in self.sessions if i not in used][: max(0, len(self.sessions) - MOST_SESSIONS)]:
                del self.sessions[old]
            return self.sessions[index]

    def _open(self, index: int) -> Session:
        session = Session(self.desk, index, self.network)

        def job(_stale: Stale) -> None:
            with session.lock, torch.no_grad():
                session.engine.prepare()

        self.live.submit(("prepare", index), job)
        return session

    def keep(self, connection: Connection) -> None:
        """Save the marks of a page, and show them to others that have the same picture open."""
        session, marks = connection.session, connection.marks
        session.marks = marks

        def job(_stale: Stale) -> None:
            try:
                if session.save(marks):
                    connection.tell({"type": "saved", "state": self.desk.items[session.index].state()})
            except OSError as error:
                text = f"The hints cannot be saved: {self.desk.items[session.index].hints}: {error.strerror}."
                connection.tell({"type": "error", "text": text})

        self.disk.submit(("save", session.index), job)
        for other in self.connections:
            if other is not connection and other.session is session and other.marks != marks:
                other.marks = marks
                other.tell({"type": "marks", "marks": marks.to_page()})
                other.paint(moving=False)

    def close(self) -> None:
        """End the threads and remove what was dropped."""
        for worker in (self.live, self.slow, self.disk):
            worker.close()
        self.library.close()


def _one_of_two() -> None:
    """Small solves gain little from many threads, and lose much where the machine is busy."""
    torch.set_num_threads(max(1, (os.cpu_count() or 1) // 2))


def make_app(studio: Studio) -> Gate:
    """The application behind its gate."""
    routes = [
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
        WebSocketRoute("/socket/{index:int}", _Socket(studio)),
    ]

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        yield
        await run_in_threadpool(studio.close)

    app = Starlette(routes=[Mount(f"/{studio.address.token}", routes=routes)], lifespan=lifespan)
    return Gate(app, studio.address)


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
        studio.thumbs[index] = await run_in_threadpool(thumbnail, item.target.path, studio.desk.max_pixels)
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
    image = await run_in_threadpool(studio.library.read, key)
    side = 176 if "thumb" in request.query_params else 1024
    return Response(await run_in_threadpool(copy_of, image, side), media_type="image/jpeg")


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
    return JSONResponse({"reference": entry.to_page()})


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
    await run_in_threadpool(session.save, session.marks)
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


class _Socket:
    """The socket of a page."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        socket = WebSocket(scope, receive, send)
        studio = self.studio
        await socket.accept()
        if len(studio.connections) >= MOST_SOCKETS:
            await socket.close(1013, f"{MOST_SOCKETS} pages are open already.")
            return
        try:
            session = await studio.session(scope["path_params"]["index"])
        except (IndexError, PictureError, WeightsMissing, UsageError) as error:
            await socket.send_json({"type": "refused", "text": str(error)})
            await socket.close(1011)
            return
        connection = Connection(socket, session, studio)
        studio.connections.add(connection)
        try:
            await connection.run()
        finally:
            studio.connections.discard(connection)


def bind(host: str, port: int) -> sockets.socket:
    """A socket that listens.

    Raises:
        UsageError: the port is taken, or the host is not of this machine.
    """
    try:
        family = sockets.AF_INET6 if ":" in host else sockets.AF_INET
        bound = sockets.socket(family, sockets.SOCK_STREAM)
        bound.setsockopt(sockets.SOL_SOCKET, sockets.SO_REUSEADDR, 1)
        bound.bind((host, port))
        return bound
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UsageError(f"Cannot listen on {host}, port {port}: {reason}.") from error


def serve(desk: Desk, bound: sockets.socket, host: str, on_ready: Callable[[str], None]) -> None:
    """Serve until interrupted.

    Args:
        desk: the pictures.
        bound: the socket to listen on.
        host: that it was bound to.
        on_ready: told the address once pages can be opened.
    """
    address = Address(host, bound.getsockname()[1])
    app = make_app(Studio(desk, address))
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        ws="websockets-sansio",
        ws_max_size=LONGEST_MESSAGE,
        server_header=False,
        timeout_graceful_shutdown=2,
        timeout_keep_alive=30,
        h11_max_incomplete_event_size=65536,
    )
    server = uvicorn.Server(config)

    async def run() -> None:
        task = asyncio.create_task(server.serve(sockets=[bound]))
        while not server.started and not task.done():
            await asyncio.sleep(0.02)
        if server.started:
            on_ready(address.url)
        await task

    asyncio.run(run())
