"""A wire that can be troubled: TCP from the desk to the exchange, delayed, stalled, reset, half-closed or refused."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from enum import StrEnum


class Trouble(StrEnum):
    NONE = "none"
    REFUSE = "refuse"  # new connections are reset at once
    RESET = "reset"  # every connection is reset now, new ones work
    DELAY = "delay"  # every piece waits
    STALL = "stall"  # nothing moves, nothing ends
    ANSWERS_LOST = "answers_lost"  # requests arrive, answers do not come back


class Relay:
    """Listens on a free port of this machine. `target` is asked for each connection: it may be known late."""

    def __init__(self, target: Callable[[], tuple[str, int]]) -> None:
        self._target = target
        self._trouble = Trouble.NONE
        self._open: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self.port = 0
        self._thread = threading.Thread(target=self._run, daemon=True, name="relay")
        self._thread.start()
        if not self._ready.wait(10):
            raise RuntimeError("the relay does not listen")

    def trouble(self, kind: Trouble) -> None:
        self._trouble = kind
        if kind in (Trouble.RESET, Trouble.REFUSE):
            self._loop.call_soon_threadsafe(self._reset_all)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._accept, "127.0.0.1", 0))
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()
        server.close()

    def _reset_all(self) -> None:
        for writer in list(self._open):
            writer.transport.abort()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._trouble is Trouble.REFUSE:
            writer.transport.abort()
            return
        try:
            there_in, there_out = await asyncio.open_connection(*self._target())
        except OSError:
            writer.transport.abort()
            return
        self._open |= {writer, there_out}
        try:
            await asyncio.gather(
                self._carry(reader, there_out, answers=False), self._carry(there_in, writer, answers=True)
            )
        finally:
            self._open -= {writer, there_out}
            for each in (writer, there_out):
                with contextlib.suppress(Exception):
                    each.close()

    async def _carry(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, answers: bool) -> None:
        with contextlib.suppress(ConnectionError, OSError):
            while piece := await source.read(65_536):
                while self._trouble is Trouble.STALL:
                    await asyncio.sleep(0.05)
                if self._trouble is Trouble.DELAY:
                    await asyncio.sleep(0.5)
                if answers and self._trouble is Trouble.ANSWERS_LOST:
                    continue
                sink.write(piece)
                await sink.drain()
        with contextlib.suppress(Exception):
            sink.close()
