"""Who may ask: the token, the host and the origin of every request and socket; the headers of every answer."""

import ipaddress
import secrets
import socket
from dataclasses import dataclass, field

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# Nothing but the page's own files, pictures that the page makes itself, and the server's socket.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    b"content-security-policy": POLICY.encode(),
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"no-referrer",
    b"cross-origin-opener-policy": b"same-origin",
    b"cross-origin-resource-policy": b"same-origin",
    b"cache-control": b"no-store",
}


@dataclass(frozen=True)
class Address:
    """Where the server listens, and the secret in its address.

    Args:
        host: that it is bound to.
        port: that it is bound to.
        token: first part of every path.
    """

    host: str
    port: int
    token: str = field(default_factory=lambda: secrets.token_urlsafe(24))

    @property
    def url(self) -> str:
        """What a browser is given."""
        host = "127.0.0.1" if self.host in ("0.0.0.0", "::") else self.host
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}/{self.token}/"

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach it."""
        return self.host in ("127.0.0.1", "localhost", "::1")

    def allows(self, host: str) -> bool:
        """Whether a Host header names this server, and not a name that somebody has pointed at it."""
        name, _, port = host.rpartition(":")
        if not port.isdecimal() or int(port) != self.port:
            return False
        name = name.strip("[]").lower()
        if name in ("127.0.0.1", "localhost", "::1", self.host.lower()):
            return True
        if self.is_local:
            return False
        try:
            ipaddress.ip_address(name)
            return True
        except ValueError:
            return name in (socket.gethostname().lower(), socket.getfqdn().lower())


class Gate:
    """Lets through what has the token, comes from the page itself, and calls the server by its own name."""

    def __init__(self, app: ASGIApp, address: Address) -> None:
        self.app, self.address = app, address

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        problem = self._problem(scope)
        if scope["type"] == "websocket":
            if problem:
                await receive()
                await send({"type": "websocket.close", "code": 1008, "reason": problem})
                return
            await self.app(scope, receive, send)
            return

        async def sealed(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = {name for name, _ in message["headers"]}
                message["headers"] += [(k, v) for k, v in HEADERS.items() if k not in own]
            await send(message)

        if problem:
            await PlainTextResponse(problem + "\n", 403)(scope, receive, sealed)
        else:
            await self.app(scope, receive, sealed)

    def _problem(self, scope: Scope) -> str:
        headers: dict[bytes, list[bytes]] = {}
        for name, value in scope["headers"]:
            headers.setdefault(name.lower(), []).append(value)
        hosts, origins = headers.get(b"host", []), headers.get(b"origin", [])
        if len(hosts) != 1 or not self.address.allows(hosts[0].decode("latin-1")):
            return "This server answers to its own name alone."
        safe = scope["type"] == "http" and scope["method"] in ("GET", "HEAD")
        if origins != [b"http://" + hosts[0]] and (origins or not safe):
            return "Another page may not ask this server."
        token = scope["path"].split("/")[1] if "/" in scope["path"] else ""
        if not secrets.compare_digest(token.encode(), self.address.token.encode()):
            return "The address lacks the token: open the address that recolor studio printed."
        return ""
