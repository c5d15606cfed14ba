"""What must be true before a desk starts: its folder, its lock, room on the disk, its port, its secrets."""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import socket
from pathlib import Path

MARKER = "polybot-data"
LOCK = "up.lock"
MINIMUM_FREE_BYTES = 500 * 1000 * 1000


class ClaimError(RuntimeError):
    """The desk cannot start here; the message is one line that says what to do."""


def data_directory_claim(data: Path, *, version: str) -> None:
    """Make `data` ours, or raise when it holds somebody else's files.

    The first start leaves a marker with polybot's version; a folder that is not empty
    and has no marker is never written to.
    """
    marker = data / MARKER
    try:
        data.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not marker.exists():
            if any(data.iterdir()):
                raise ClaimError(f"{data} is not empty and not a polybot data directory: name another with --data DIR")
            marker.write_text(f"{version}\n")
        elif not os.access(data, os.W_OK):
            raise ClaimError(f"{data} cannot be written by you: name another with --data DIR")
    except OSError as error:
        raise ClaimError(f"{data} cannot be used: {error.strerror or error}; name another with --data DIR") from error


def lock_take(data: Path) -> int:
    """Return the held lock's descriptor; it is released when this process ends, however it ends."""
    lock = os.open(data / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(lock, 32).decode(errors="replace").strip()
        os.close(lock)
        raise ClaimError(
            f"a desk already runs on {data} (process {holder or 'unknown'}): stop it, or use --data DIR"
        ) from None
    os.ftruncate(lock, 0)
    os.write(lock, f"{os.getpid()}\n".encode())
    return lock


def disk_check(data: Path) -> None:
    free = shutil.disk_usage(data).free
    if free < MINIMUM_FREE_BYTES:
        raise ClaimError(
            f"only {free // 1_000_000} MB free at {data}, polybot needs 500 MB: make room, or use --data DIR"
        )


def port_check(port: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except PermissionError:
            raise ClaimError(f"port {port} needs more rights than you have: use --port with 1024 or more") from None
        except OSError:
            raise ClaimError(f"port {port} is in use: stop what listens there, or use --port N") from None


def port_reserve() -> int:
    """Return a free port of the loopback interface, so that a restarted child can have the same one again."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def secret_file(data: Path, name: str) -> Path:
    """Return the file that holds the installation's secret `name`, made with 64 random characters at first use."""
    folder = data / "secrets"
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / name
    if not path.exists():
        part = folder / f"{name}.part"
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as out:
            out.write(secrets.token_urlsafe(48))
        part.replace(path)
    return path
