"""The server: pictures and sockets for the page, on this machine alone."""

import asyncio
import socket as sockets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.routing import Mount, WebSocketRoute
from starlette.websockets import WebSocket

from recolor_torch.errors import UsageError, WeightsMissing
from recolor_torch.pictures import PictureError
from recolor_torch.studio.connection import Connection
from recolor_torch.studio.desk import Desk
from recolor_torch.studio.guard import Address, Gate
from recolor_torch.studio.protocol import LONGEST_MESSAGE
from recolor_torch.studio.routes import make_routes
from recolor_torch.studio.state import Studio

# Pages that are open at a time; a further one is turned away.
MOST_SOCKETS = 16


def make_app(studio: Studio) -> Gate:
    """The application behind its gate."""
    routes = [*make_routes(studio), WebSocketRoute("/socket/{index:int}", _Socket(studio))]

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        yield
        await run_in_threadpool(studio.close)

    app = Starlette(routes=[Mount(f"/{studio.address.token}", routes=routes)], lifespan=lifespan)
    return Gate(app, studio.address)


class _Socket:
    """The socket of a page."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio
        self.open = 0  # those whose picture is being read count too

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        socket = WebSocket(scope, receive, send)
        await socket.accept()
        if self.open >= MOST_SOCKETS:
            await socket.close(1013, f"{MOST_SOCKETS} pages are open already.")
            return
        self.open += 1
        try:
            await self._answer(socket, scope["path_params"]["index"])
        finally:
            self.open -= 1

    async def _answer(self, socket: WebSocket, index: int) -> None:
        studio = self.studio
        try:
            session = await studio.session(index)
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
