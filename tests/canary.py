"""Searching a whole desk for planted secrets: logs, database, Redis, pages, in every spelling a leak could have.

with Search(redis_url) as search:
    search.plant("private key", key)          # bytes or text
    ...                                       # whatever the desk does
    search.pages(client, urls)
    assert search.hits() == []
"""

from __future__ import annotations

import base64
import contextlib
import logging
import threading
import time
import traceback
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

import redis
from django.db import connection
from django.test import Client

from polybot.settings import env

SHORTEST = 6


def spellings(secret: bytes) -> set[bytes]:
    """Return how a secret may appear: as it is, in hexadecimal, base64, as a number, quoted for an address."""
    found = {secret, secret.hex().encode(), secret.hex().upper().encode(), str(int.from_bytes(secret, "big")).encode()}
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        found.add(encode(secret).rstrip(b"="))
    written = repr(secret)[2:-1]
    # Redis shows what it was told much as Python does, but has its own signs for the bell and the backspace.
    found |= {
        written.encode(),
        written.replace("\\x07", "\\a").replace("\\x08", "\\b").encode(),
        quote(secret).encode(),
    }
    with contextlib.suppress(ValueError, UnicodeDecodeError):
        found.add(bytes.fromhex(secret.decode().removeprefix("0x")))
    return {each for each in found if len(each) >= SHORTEST}


class _Everything(logging.Handler):
    """Keeps every record whole: message, arguments, extras and the traceback, before anything is redacted."""

    def __init__(self) -> None:
        super().__init__(level=0)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        parts = [record.name, str(record.msg), repr(record.args), repr(sorted(map(repr, vars(record).items())))]
        if record.exc_info and record.exc_info[1] is not None:
            parts += traceback.format_exception(record.exc_info[1])
        self.lines.append(" ".join(parts))


class Search:
    def __init__(self, redis_url: str) -> None:
        self._redis_url = redis_url
        self._planted: dict[str, set[bytes]] = {}
        self._seen: dict[str, list[bytes]] = {"redis traffic": []}
        self._logs = _Everything()
        self._loud: list[tuple[logging.Logger, int]] = []
        self._stop = threading.Event()
        self._mark = ""
        self._caught_up = threading.Event()

    def __enter__(self) -> Search:
        root = logging.getLogger()
        names = [None, *logging.root.manager.loggerDict]
        self._loud = [(logger, logger.level) for logger in map(logging.getLogger, names)]
        for logger, _ in self._loud:
            logger.setLevel(1)
        root.addHandler(self._logs)
        self.client = self._redis(0)
        ready = threading.Event()
        self._thread = threading.Thread(target=self._monitor, args=(ready,), daemon=True)
        self._thread.start()
        assert ready.wait(5)
        return self

    def __exit__(self, *_: object) -> None:
        logging.getLogger().removeHandler(self._logs)
        for logger, level in self._loud:
            logger.setLevel(level)
        self._stop.set()
        self.client.ping()  # one more line ends the monitor's wait
        self._thread.join(5)
        self.client.close()

    def _redis(self, number: int) -> redis.Redis:
        return redis.Redis.from_url(env.redis_url_for(self._redis_url, db=number), socket_timeout=None)

    def _monitor(self, ready: threading.Event) -> None:
        with self._redis(0).monitor() as lines:
            ready.set()
            for line in lines.listen():
                self._seen["redis traffic"].append(str(line["command"]).encode())
                if self._mark and self._mark in line["command"]:
                    self._caught_up.set()
                if self._stop.is_set():
                    return

    def plant(self, name: str, secret: bytes | str) -> None:
        raw = secret.encode() if isinstance(secret, str) else secret
        self._planted[name] = spellings(raw)

    def look_at(self, where: str, content: bytes | str) -> None:
        self._seen.setdefault(where, []).append(content.encode() if isinstance(content, str) else content)

    def pages(self, client: Client, urls: Iterable[str]) -> int:
        """Read pages and API answers; return how many."""
        count = 0
        for url in urls:
            answer: Any = client.get(url)
            body = b"".join(answer.streaming_content) if answer.streaming else answer.content
            # The browser's own cookie is where the session belongs.
            self.look_at(url, body + str({k: v for k, v in answer.headers.items() if k != "Set-Cookie"}).encode())
            count += 1
        return count

    def _database(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT schemaname, tablename FROM pg_tables WHERE schemaname = 'public'")
            for schema, table in cursor.fetchall():
                with cursor.copy(f'COPY "{schema}"."{table}" TO STDOUT') as rows:
                    self.look_at(f"table {table}", b"".join(bytes(row) for row in rows))

    def _redis_now(self) -> None:
        for number in range(16):
            client = self._redis(number)
            for key in client.scan_iter(count=1000):
                self.look_at(f"redis {number}", key + b" " + _value(client, key))
            client.close()

    def _wait_for_the_monitor(self) -> None:
        self._caught_up.clear()
        self._mark = f"mark-{time.monotonic_ns()}"
        self.client.echo(self._mark)
        assert self._caught_up.wait(30), "Redis did not show its traffic to the end"

    def hits(self) -> list[str]:
        """Return "what in where" for every leak, having read the database and Redis once more."""
        self._wait_for_the_monitor()
        self._database()
        self._redis_now()
        self._seen["logs"] = [line.encode() for line in self._logs.lines]
        return sorted(
            {
                f"{name} in {where}"
                for name, forms in self._planted.items()
                for where, contents in self._seen.items()
                for content in contents
                if any(form in content for form in forms)
            }
        )


def _value(client: redis.Redis, key: bytes) -> bytes:
    kind = client.type(key)
    readers = {
        b"string": client.get,
        b"list": lambda k: client.lrange(k, 0, -1),
        b"set": client.smembers,
        b"hash": client.hgetall,
        b"zset": lambda k: client.zrange(k, 0, -1, withscores=True),
        b"stream": lambda k: client.xrange(k, count=1000),
    }
    found = readers.get(kind, lambda k: b"")(key)  # type: ignore[call-overload]
    return found if isinstance(found, bytes) else repr(found).encode()
