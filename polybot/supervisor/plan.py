"""Which processes make a desk, per mode and venue, and the environment they share.

Stages are the order of stopping: first what places orders, then what serves and listens,
then the local exchange, last the stores. The feed stops before the exchange it listens to.
"""

from __future__ import annotations

import hashlib
import signal
import sys
from pathlib import Path

from polybot.supervisor.children import ChildPlan
from polybot.supervisor.options import UpOptions

FIRST = ("web", "feed")  # READY waits for these
CELERY = ("worker", "trader", "backtests")  # watched by the signs of life of their queues
STAGE_APPS, STAGE_SANDBOX, STAGE_STORES = 1, 2, 3

# What each mode runs beside web, worker, beat and backtests. Nothing that can place an order runs outside the first
# group.
_TRADING = ("feed", "trader", "fills")
PROCESSES: dict[str, tuple[str, ...]] = {
    "full": _TRADING,
    "trade": _TRADING,
    "arbitrage": _TRADING,
    "monitor": ("feed",),
    "scrape": ("feed",),
    "backtest": (),
    "server": (),
}

# Which key files a process is told of (I17); `prepare` makes them and ends. Nobody else learns where they are.
_KEYS: dict[str, tuple[str, ...]] = {
    "trader": ("trader", "stream", "install"),
    "fills": ("stream",),
    "prepare": ("trader", "stream", "install"),
}

# Arrays are walked by one thread: a pool of them would only take memory.
_ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}

# Celery warns root because of pickled messages, which are refused here (polybot.E005).
_ROOT_IS_FINE = {"PYTHONWARNINGS": "ignore:You're running the worker with superuser"}


def application_plans(options: UpOptions, *, project: Path) -> list[ChildPlan]:
    """Return the processes that need a migrated database, the slowest to start first."""
    python, manage = sys.executable, str(project / "manage.py")
    celery = (python, "-m", "celery", "--quiet", "-A", "polybot", "worker", "--without-gossip")
    celery += ("--without-mingle", "--without-heartbeat", "--loglevel", "INFO")
    threads = (*celery, "--pool", "threads", "-c", "4")
    # One process that gives way to everything else, and is made anew after a replay that took much memory.
    alone = ("nice", "-n", "10", *celery, "--pool", "prefork", "-c", "1", "--max-memory-per-child", "300000")
    web = (python, "-m", "daphne", "-v", "0", "-b", "127.0.0.1", "-p", str(options.port))
    commands: dict[str, tuple[str, ...]] = {
        "web": (*web, "--application-close-timeout", "2", "polybot.asgi:application"),
        "feed": (python, manage, "run_feed", *(("--record", str(options.record)) if options.record else ())),
        "trader": (*threads, "-Q", "trading", "-n", "trader@%h"),
        "fills": (python, manage, "run_fills"),
        "worker": (*threads, "-Q", "default", "-n", "worker@%h"),
        "beat": (python, manage, "run_beat"),
        "backtests": (*alone, "-Q", "backtests", "-n", "backtests@%h"),
    }
    wanted = {"web", "worker", "beat", "backtests", *PROCESSES[options.mode]}
    return [
        ChildPlan(
            name=name,
            command=command,
            stage=STAGE_APPS,
            watched=name in CELERY,
            environment=(_ROOT_IS_FINE if name in CELERY else {})
            | (_ONE_THREAD if name == "backtests" else {})
            | ({"POLYBOT_RECORD_DIR": str(options.record)} if options.record else {})  # the worker makes tapes of it
            | keys_environment(name, options.data),
        )
        for name, command in commands.items()
        if name in wanted
    ]


def sandbox_plan(options: UpOptions, *, project: Path, port: int) -> ChildPlan:
    command = [sys.executable, str(project / "manage.py"), "run_sandbox", "--port", str(port)]
    folder = options.data / "sandbox" / exchange_name(options)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    command += ["--state", str(folder)]
    for path in options.replay:
        command += ["--replay", str(path)]
    for word, value in (("--seed", options.seed), ("--rate", options.rate), ("--speed", options.speed)):
        if value is not None:
            command += [word, f"{value:g}"]
    return ChildPlan(name="sandbox", command=tuple(command), stage=STAGE_SANDBOX, grace_s=1.0)


def exchange_name(options: UpOptions) -> str:
    """Name the exchange this desk trades at. Another seed or recording is another one: its wallets are kept apart."""
    if options.venue != "sandbox":
        return options.venue
    if options.replay:
        return "replay-" + hashlib.sha256("\0".join(str(path) for path in options.replay).encode()).hexdigest()[:8]
    return f"seed-{1 if options.seed is None else options.seed}"


def store_plan(name: str, command: list[str], stop_signal: signal.Signals, run_as: int | None) -> ChildPlan:
    return ChildPlan(
        name=name, command=tuple(command), stage=STAGE_STORES, stop_signal=stop_signal, grace_s=2.0, run_as=run_as
    )


def prepare_plan(*, project: Path, data: Path, admin_password: str | None) -> ChildPlan:
    """The one Django start that migrates, collects, schedules, syncs and seeds; it ends by itself."""
    return ChildPlan(
        name="prepare",
        command=(sys.executable, str(project / "manage.py"), "prepare_desk"),
        stage=STAGE_APPS,
        restarts=False,
        environment=({"POLYBOT_ADMIN_PASSWORD": admin_password} if admin_password else {})
        | keys_environment("prepare", data),
    )


def kernels_plan(*, project: Path) -> ChildPlan:
    """Compiles the loops of fast backtests once, behind everything else; with all of them kept it ends at once."""
    command = ("nice", "-n", "19", sys.executable, str(project / "manage.py"), "compile_kernels")
    return ChildPlan(name="kernels", command=command, stage=STAGE_APPS, restarts=False, environment=_ONE_THREAD)


def keys_environment(name: str, data: Path) -> dict[str, str]:
    """Return the role and the key files of one process; nothing for most."""
    files = {f"POLYBOT_{key.upper()}_KEY_FILE": str(data / "keys" / f"{key}.key") for key in _KEYS.get(name, ())}
    return files | ({"POLYBOT_ROLE": name} if name in ("trader", "fills") else {})


def shared_environment(options: UpOptions, *, inherited: dict[str, str], secret_key_file: Path) -> dict[str, str]:
    """Return what every child gets. The administrator's first password and key files are not part of it."""
    for_one_process = {"POLYBOT_ADMIN_PASSWORD", "POLYBOT_ROLE"}
    environment = {
        key: value for key, value in inherited.items() if key not in for_one_process and not key.endswith("_KEY_FILE")
    } | {key: value for key, value in inherited.items() if key == "SECRET_KEY_FILE"}
    if named := environment.pop("DATABASE_URL_FILE", None):  # other commands need the address itself
        environment["DATABASE_URL"] = Path(named).read_text().strip()
    environment |= {
        "DJANGO_SETTINGS_MODULE": "polybot.settings.base",
        "POLYBOT_DATA": str(options.data),
        "POLYBOT_MODE": options.mode,
        "POLYBOT_VENUE": options.venue,
        "POLYBOT_EXCHANGE": exchange_name(options),
        "PYTHONUNBUFFERED": "1",
        "MALLOC_ARENA_MAX": "2",  # threads otherwise keep one heap each: about a third more memory
    }
    if not (environment.get("SECRET_KEY") or environment.get("SECRET_KEY_FILE")):
        environment["SECRET_KEY_FILE"] = str(secret_key_file)
    return environment


def desk_environment(environment: dict[str, str]) -> dict[str, str]:
    """Return the part other commands need to find this desk (kept in desk.json)."""
    names = (
        "DATABASE_URL",
        "REDIS_URL",
        "SECRET_KEY_FILE",
        "POLYBOT_DATA",
        "POLYBOT_MODE",
        "POLYBOT_VENUE",
        "POLYBOT_EXCHANGE",
    )
    return {key: value for key, value in environment.items() if key in names or key.startswith("POLYMARKET_")}


def venue_environment(hosts: dict[str, str]) -> dict[str, str]:
    """Turn the local exchange's JSON line into the settings that name venue hosts."""
    names = ("clob", "gamma", "data", "ws_market", "ws_user", "relayer", "rpc")
    environment = {f"POLYMARKET_{name.upper()}_URL": hosts[name] for name in names if hosts.get(name)}
    if "control" in hosts:
        environment["POLYMARKET_CONTROL_URL"] = hosts["control"]
    return environment
