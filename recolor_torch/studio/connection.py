"""One socket: a page and the picture that it shows."""

import asyncio
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import torch
from starlette.websockets import WebSocket, WebSocketDisconnect

from recolor_torch.errors import UsageError, WeightsMissing
from recolor_torch.methods.levin.live import Cancelled
from recolor_torch.pictures import PictureError
from recolor_torch.studio.painted import Marks
from recolor_torch.studio.protocol import Choose, Paint, Recipe, Stop, Suggest, encode_chroma, parse_message
from recolor_torch.studio.session import Session
from recolor_torch.studio.worker import Stale
from recolor_torch.text_guidance.phrases import parse

if TYPE_CHECKING:
    from recolor_torch.studio.state import Studio

# Messages that wait for a slow page; older ones are dropped.
MOST_WAITING = 64
BROKEN = (RuntimeError, ValueError, KeyError)


class Connection:
    """What one page has asked for, and what it is still to be told."""

    def __init__(self, socket: WebSocket, session: Session, studio: "Studio") -> None:
        self.socket, self.session, self.studio = socket, session, studio
        self.loop = asyncio.get_running_loop()
        self.marks: Marks = session.marks
        self.recipe: Recipe = session.recipe
        self.asked = self.recipe
        self.noted: tuple[str, ...] = ()
        self.seq = 0
        self.frame: bytes | None = None
        self.texts: list[dict[str, Any]] = []
        self.news = asyncio.Event()
        self.closed = False

    async def run(self) -> None:
        """Serve until the page goes."""
        hello = {
            "type": "hello",
            **self.session.describe(),
            "references": self.studio.library.listed(self.session.index),
        }
        await self.socket.send_json(hello)
        sender = asyncio.create_task(self._send())
        try:
            self.paint(moving=False)
            started = self.studio.started.pop(self.session.index, Recipe())
            if started != Recipe():
                self._choose(started)
            while True:
                await self._receive()
        except (WebSocketDisconnect, RuntimeError):
            pass
        finally:
            self.closed = True
            self.studio.live.cancel(("paint", id(self)))
            self.studio.slow.cancel(("learn", id(self)))
            sender.cancel()

    def tell(self, message: dict[str, Any]) -> None:
        """Send a message; from any thread."""

        def put() -> None:
            self.texts.append(message)
            del self.texts[:-MOST_WAITING]
            self.news.set()

        self._later(put)

    def show(self, frame: bytes) -> None:
        """Send colors; older ones that still wait are dropped. From any thread."""

        def put() -> None:
            self.frame = frame
            self.news.set()

        self._later(put)

    def _later(self, put: Any) -> None:
        if not self.closed and not self.loop.is_closed():
            self.loop.call_soon_threadsafe(put)

    async def _send(self) -> None:
        while True:
            await self.news.wait()
            self.news.clear()
            texts, self.texts = self.texts, []
            frame, self.frame = self.frame, None
            for text in texts:
                await self.socket.send_json(text)
            if frame is not None:
                await self.socket.send_bytes(frame)

    async def _receive(self) -> None:
        raw = await self.socket.receive()
        if raw["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(raw.get("code", 1000))
        text = raw.get("text")
        try:
            if text is None:
                raise ValueError("Messages are text.")
            # Reading a long message takes a while: the other pages go on.
            size = (self.session.width, self.session.height)
            message = await asyncio.to_thread(parse_message, text, size)
        except ValueError as error:
            self.tell({"type": "error", "text": str(error)})
            return
        if isinstance(message, Paint):
            self._paint(message)
        elif isinstance(message, Choose):
            self.seq, self.asked = message.seq, message.recipe
            self._choose(message.recipe)
        elif isinstance(message, Suggest):
            self._suggest(message)
        elif isinstance(message, Stop):
            self.studio.slow.cancel(("learn", id(self)))
            self._stay()

    def _paint(self, message: Paint) -> None:
        try:
            self.studio.library.linked(self.session.index, message.marks.links)
        except KeyError as error:
            self.tell({"type": "error", "text": error.args[0]})
            return
        self.seq, self.marks = message.seq, message.marks
        self.paint(message.moving)
        if not message.moving:
            self.studio.keep(self)
            if not self.session.engine.knows(self.recipe, self.marks.links):
                self._learn(self.recipe)

    def _stay(self) -> None:
        """What was chosen last does not come: the page goes back to the recipe that holds."""
        self.tell({"type": "progress", "text": ""})
        self.tell({"type": "recipe", "recipe": asdict(self.recipe)})

    def paint(self, moving: bool) -> None:
        """Solve for the marks and the recipe as they are."""
        session, marks, recipe, seq = self.session, self.marks, self.recipe, self.seq

        def job(stale: Stale) -> None:
            with session.lock, torch.no_grad():
                try:
                    for answer in session.engine.solve(marks, recipe, moving, stale):
                        header = {
                            "seq": seq,
                            "side": answer.side,
                            "final": answer.final,
                            "ms": round(1e3 * answer.seconds),
                        }
                        self.show(encode_chroma(header, answer.chroma))
                    self._note(session.engine.notes)
                except (ArithmeticError, RuntimeError, ValueError) as error:
                    self.tell({"type": "error", "text": f"The colors could not be computed: {_sentence(error)}"})

        self.studio.live.submit(("paint", id(self)), job, gentle=moving)

    def _note(self, notes: tuple[str, ...]) -> None:
        """Say what of a text is not to be seen, once."""
        if notes and notes != self.noted:
            self.tell({"type": "error", "text": " ".join(notes)})
        self.noted = notes

    def _choose(self, recipe: Recipe) -> None:
        if recipe.text:
            try:
                parse(recipe.text)
            except ValueError as error:
                self._stay()
                self.tell({"type": "error", "text": str(error)})
                return
        unknown = [key for key in recipe.references if key not in self.studio.library.entries]
        if unknown:
            self.tell({"type": "error", "text": f"There is no reference {unknown[0]}."})
        elif recipe.kind == "reference" and not (recipe.references or self.marks.links):
            self._stay()
            self.tell({"type": "error", "text": "There is neither a reference nor a link: choose a reference."})
        elif self.session.engine.knows(recipe, self.marks.links):
            self.studio.slow.cancel(("learn", id(self)))
            self.tell({"type": "progress", "text": ""})
            self._take(recipe)
        else:
            self._learn(recipe)

    def _learn(self, recipe: Recipe) -> None:
        """Match the references of a recipe and the links as they are, then solve by it."""
        library, session, links = self.studio.library, self.session, self.marks.links
        marks = self.marks
        what = "references" if len(recipe.references) > 1 else "reference" if recipe.references else "links"
        self.tell({"type": "progress", "text": f"Matching the {what} …"})

        def job(stale: Stale) -> None:
            try:
                guide = library.guide(session.index, recipe.references, marks, session.engine.finest.size)
                session.engine.learn((recipe.references, links), guide, self.studio.desk.weights, stale)
            except Cancelled:
                return
            except (PictureError, UsageError, WeightsMissing, ArithmeticError, OSError, *BROKEN) as error:
                self._stay()
                self.tell({"type": "error", "text": f"The reference cannot be used: {_sentence(error)}"})
                return
            if not stale():
                self.tell({"type": "progress", "text": ""})
                self._later(lambda: self._take(recipe))

        self.studio.slow.submit(("learn", id(self)), job)

    def _take(self, recipe: Recipe) -> None:
        self.recipe = self.session.recipe = recipe
        if recipe != self.asked:
            self.tell({"type": "recipe", "recipe": asdict(recipe)})
        self.paint(moving=False)
        if self.marks.items or self.marks.links:
            self.studio.keep(self)

    def _suggest(self, message: Suggest) -> None:
        session = self.session

        def job(stale: Stale) -> None:
            if not stale():
                colors = session.suggest(message.x, message.y)
                self.tell({"type": "suggestions", "id": message.id, "colors": colors})

        # Its own thread: a place is pointed at while the brush paints, or while a reference is matched.
        self.studio.quick.submit(("suggest", id(self)), job)


def _sentence(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
