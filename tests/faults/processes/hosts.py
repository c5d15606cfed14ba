"""What the machine and the stores do to a desk: each trouble starts, lasts, and is undone.

`begin(desk, fault)` returns what ends it. Whatever is not there right now (a store that was just killed) is left
alone: then nothing is counted, and None comes back.
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import socket
import subprocess
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import psycopg
import redis

from tests.faults.processes.desk import RelayedDesk
from tests.faults.processes.schedule import Fault

Undo = Callable[[], None]
AHEAD_S = {"ahead": 8.0, "behind": -8.0, "hour": 3_600.0}
FEW = 3  # descriptors more than a process has open
READERS = 100
BACKLOG = 500
_TRADED = "orders_order, orders_account, orders_position"


def begin(desk: RelayedDesk, fault: Fault) -> Undo | None:
    """Start one trouble of schedule.STORES or schedule.HOST."""
    if fault.who == "valkey":
        return _valkey(desk, fault)
    if fault.who == "postgres":
        return _postgres(desk, fault)
    starts: dict[str, Callable[[RelayedDesk, Fault], Undo | None]] = {
        "disk": _disk, "clock": _clock, "descriptors": _descriptors, "end": _end, "second": _second,
        "backlog": _backlog, "slow": _slow_readers, "race": _race,
    }  # fmt: skip
    return starts[fault.kind](desk, fault)


def _nothing() -> None:
    return None


# The stores -----------------------------------------------------------------------------------------------------


def _valkey(desk: RelayedDesk, fault: Fault) -> Undo | None:
    address = desk.told()["environment"]["REDIS_URL"]

    def ask(*commands: tuple[str | int, ...]) -> None:
        with redis.Redis.from_url(address, socket_timeout=5) as client:
            for command in commands:
                client.execute_command(*command)

    said: dict[str, list[tuple[str | int, ...]]] = {
        "flush": [("FLUSHALL",)],
        "drop": [("CLIENT", "KILL", "TYPE", "normal"), ("CLIENT", "KILL", "TYPE", "pubsub")],
        "hold": [("CLIENT", "PAUSE", int(fault.lasts_s * 1000), "ALL")],
        "fill": [("CONFIG", "SET", "maxmemory-policy", "noeviction"), ("CONFIG", "SET", "maxmemory", "1mb")],
    }
    try:
        ask(*said[fault.kind])
    except redis.RedisError:
        return None

    def undo() -> None:
        if fault.kind == "fill":
            with contextlib.suppress(redis.RedisError):  # one that was killed meanwhile forgot it
                ask(("CONFIG", "SET", "maxmemory", 0))

    return undo


def _connection(desk: RelayedDesk) -> psycopg.Connection[tuple[Any, ...]]:
    address = urlsplit(desk.told()["environment"]["DATABASE_URL"])
    return psycopg.connect(
        host=parse_qs(address.query)["host"][0], user=address.username, dbname=address.path.lstrip("/"),
        autocommit=True, connect_timeout=3,
    )  # fmt: skip


def _postgres(desk: RelayedDesk, fault: Fault) -> Undo | None:
    held: list[psycopg.Connection[tuple[Any, ...]]] = []

    def undo() -> None:
        for each in held:
            with contextlib.suppress(psycopg.Error):
                each.close()

    try:
        held.append(_connection(desk))
        if fault.kind == "terminate":
            held[0].execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
            )
        elif fault.kind == "lock":
            held[0].execute("SET lock_timeout = '3s'")
            held[0].execute("BEGIN")
            held[0].execute(f"LOCK TABLE {_TRADED} IN EXCLUSIVE MODE")
        else:
            with contextlib.suppress(psycopg.OperationalError):
                while len(held) < 500:
                    held.append(_connection(desk))
    except psycopg.Error:
        undo()
        return None
    return undo


# The machine ----------------------------------------------------------------------------------------------------


def _disk(desk: RelayedDesk, fault: Fault) -> Undo | None:
    if not desk.has_small_disk:
        return None
    desk.disk_fill()
    return desk.disk_free


def _clock(desk: RelayedDesk, fault: Fault) -> Undo:
    desk.clock_set(AHEAD_S[fault.who])
    return lambda: desk.clock_set(0.0)


def _descriptors(desk: RelayedDesk, fault: Fault) -> Undo | None:
    pid = desk.pid(fault.who)
    try:
        assert pid is not None
        before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (len(os.listdir(f"/proc/{pid}/fd")) + FEW, before[1]))
    except (AssertionError, OSError):
        return None

    def undo() -> None:
        with contextlib.suppress(OSError):  # another process has taken its place
            resource.prlimit(pid, resource.RLIMIT_NOFILE, before)

    return undo


def _end(desk: RelayedDesk, fault: Fault) -> Undo | None:
    """Tell a process to stop, as a new version's start does."""
    return None if desk.send(fault.who, signal.SIGTERM) is None else _nothing


def _second(desk: RelayedDesk, fault: Fault) -> Undo:
    """Start another beat, or another trader, beside the one that runs."""
    other = desk.start_inside(f"second({fault.who!r})", keys="trader" if fault.who == "trader" else "")

    def undo() -> None:
        other.send_signal(signal.SIGKILL)
        other.communicate()

    return undo


def _backlog(desk: RelayedDesk, fault: Fault) -> Undo:
    return _waited_for(desk.start_inside(f"backlog({BACKLOG})"))


def _race(desk: RelayedDesk, fault: Fault) -> Undo:
    return _waited_for(desk.start_inside(f"race({desk.account_id}, {fault.lasts_s})"))


def _waited_for(process: subprocess.Popen[str]) -> Undo:
    """Wait a little for one that ends by itself; what hangs with a store that was stopped is ended."""

    def undo() -> None:
        try:
            process.communicate(timeout=5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()

    return undo


def _slow_readers(desk: RelayedDesk, fault: Fault) -> Undo:
    """Dashboards that ask and never read."""
    readers = []
    for _ in range(READERS):
        each = socket.socket()
        each.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        each.settimeout(2)
        with contextlib.suppress(OSError):
            each.connect(("127.0.0.1", desk.port))
            each.sendall(b"GET /accounts/login/ HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        readers.append(each)

    def undo() -> None:
        for each in readers:
            each.close()

    return undo
