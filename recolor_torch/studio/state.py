"""All that the server of the studio holds: open pictures, references, threads."""

import asyncio
import os
from collections import OrderedDict
from pathlib import Path

import torch
from starlette.concurrency import run_in_threadpool

from recolor_torch.methods.network import NetworkColorization
from recolor_torch.studio.connection import Connection
from recolor_torch.studio.desk import Desk
from recolor_torch.studio.guard import Address
from recolor_torch.studio.library import Library
from recolor_torch.studio.protocol import Recipe
from recolor_torch.studio.session import Session
from recolor_torch.studio.worker import Stale, Worker

PAGE = Path(__file__).with_name("page")
# Pictures that are open at a time, where no page shows them.
MOST_SESSIONS = 3


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
        # Recipes of files of hints, which the first page that shows the picture asks for.
        self.started: dict[int, Recipe] = {}
        self.thumbs: OrderedDict[int, bytes] = OrderedDict()
        self.live = Worker("studio-live", _one_of_two)
        self.slow = Worker("studio-slow", lambda: torch.set_num_threads(1))
        self.quick = Worker("studio-quick", lambda: torch.set_num_threads(1))
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
        session.marks = self.library.adopt(index, session.marks)
        start = self.desk.load_start(index)
        session.saved = session.marks, start
        self.started[index] = self.library.recipe_of(index, start)

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
                folder = self.desk.items[session.index].output.parent
                self.library.keep(self.library.linked(session.index, marks.links), folder)
                session.save(marks, self.library.start_of(session.index, session.recipe))
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
        for worker in (self.live, self.slow, self.quick, self.disk):
            worker.close()
        self.library.close()


def _one_of_two() -> None:
    """Small solves gain little from many threads, and lose much where the machine is busy."""
    torch.set_num_threads(max(1, (os.cpu_count() or 1) // 2))
