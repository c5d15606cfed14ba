"""`manage.py status`: how the desk does, answered within two seconds by any Python, desk up or down.

Processes come from desk.json and /proc, figures from Postgres through the environment's
own Python. While the desk is down the figures are those of its last moments, and say so.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from polybot.supervisor import bootstrap, runtime
from polybot.supervisor.options import parse_status

FIGURES_FILE = "figures.json"
FIGURES_LIMIT_S = 1.4
WATCH_EVERY_S = 2.0
FEED_QUIET_AFTER_S = 30.0  # an older report of the feed says nothing about now


def run_status(arguments: list[str], *, project: Path) -> int:
    """Print the status; return 0 when the desk runs and 3 when it does not."""
    options = parse_status(arguments, project=project)
    while True:
        status = status_get(options.data, project=project)
        if options.watch and not options.as_json and sys.stdout.isatty():
            print("\x1b[H\x1b[2J", end="")
        print(json.dumps(status) if options.as_json else as_words(status), flush=True)
        if not options.watch:
            return 0 if status["running"] else 3
        try:
            time.sleep(WATCH_EVERY_S)
        except KeyboardInterrupt:
            return 0


def status_get(data: Path, *, project: Path) -> dict[str, Any]:
    """Return everything `status` knows, ready for JSON."""
    desk = runtime.desk_read(data) or {}
    running = bool(desk) and runtime.process_is_alive(int(desk.get("pid", 0)))
    now = time.time()
    children = {"up": desk, **desk.get("children", {})} if running else {}
    status: dict[str, Any] = {
        "running": running,
        "ready": running and bool(desk.get("ready")),
        "data": str(data),
        "note": _note(desk, running=running, data=data),
        "mode": desk.get("mode"),
        "venue": desk.get("venue"),
        "url": desk.get("url") if running else None,
        "version": desk.get("version"),
        "uptime_s": round(now - desk["started_at"], 1) if running else None,
        "processes": {name: _process(child, now, alone=name == "up") for name, child in children.items()},
    }
    figures = figures_refresh(data, desk.get("environment", {}), project=project) if running else {}
    live = bool(figures) and "error" not in figures
    if not live:
        status["figures_error"] = figures.get("error") if running else None
        figures = _remembered(data)
    status["figures_at"] = figures.get("at")
    status["figures_live"] = live
    return status | _figures(figures, live=live)


def figures_refresh(
    data: Path, environment: dict[str, str], *, project: Path, timeout_s: float = FIGURES_LIMIT_S
) -> dict[str, Any]:
    """Ask the running desk's Postgres, remember the answer beside the data, return it."""
    if "DATABASE_URL" not in environment:
        return {"error": "the desk has not said yet where its database is"}
    python = Path(sys.executable)
    if not bootstrap.is_inside(project):
        python = bootstrap.environment_folder(project) / "bin" / "python"
    if not python.exists():
        return {"error": "no virtual environment yet: run `python3 manage.py up`"}
    asked = figures_ask(environment["DATABASE_URL"], python=python)
    return figures_keep(data, asked, timeout_s=timeout_s)


def figures_ask(database_url: str, *, python: Path) -> subprocess.Popen[str]:
    """Start the process that reads the figures; its answer is kept with `figures_keep`."""
    return subprocess.Popen(
        [str(python), "-m", "polybot.supervisor.figures"],
        cwd=Path(__file__).resolve().parents[2],
        env={**os.environ, "DATABASE_URL": database_url},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )


def figures_keep(data: Path, asked: subprocess.Popen[str], *, timeout_s: float) -> dict[str, Any]:
    """Return the figures and remember them for the time the desk is down."""
    try:
        figures: dict[str, Any] = json.loads(asked.communicate(timeout=timeout_s)[0])
    except subprocess.TimeoutExpired:
        asked.kill()
        asked.communicate()
        return {"error": f"the database did not answer within {timeout_s:g} s"}
    except ValueError:
        return {"error": "the database could not be asked"}
    if "error" not in figures:
        figures["at"] = time.time()
        part = data / f"{FIGURES_FILE}.part"
        try:
            part.write_text(json.dumps(figures))
            part.replace(data / FIGURES_FILE)
        except OSError:
            return figures  # a full disk, or somebody else's desk: the answer is still good
    return figures


def as_words(status: dict[str, Any]) -> str:
    lines = [f"polybot  {status['note']}"]
    for name, process in status["processes"].items():
        words = f"up {_span(process['uptime_s'])}" if process["state"] == "running" else process["state"]
        restarts = f", {process['restarts']} restarts" if process["restarts"] else ""
        lines.append(f"  {name:<9} {words}{restarts}, {process['memory_mb']} MB")
    if status["processes"]:
        lines.append(f"  {'in all':<9} {sum(p['memory_mb'] for p in status['processes'].values())} MB")
    if status["figures_at"] is None:
        return "\n".join([*lines, status.get("figures_error") or "no figures yet"])
    if not status["figures_live"]:
        error = f" ({status['figures_error']})" if status.get("figures_error") else ""
        lines.append(f"figures of {_clock(status['figures_at'])}{error}")
    lines.append(
        f"markets {_n(status['markets_open'])} open of {_n(status['markets'])} · "
        f"fresh books {_n(status['fresh_books'])} · {_n(status['messages_per_s'])} messages/s"
    )
    lines.append(
        f"strategies {_n(status['strategies_running'])} running · ticks {_n(status['ticks'])} · "
        f"orders {_n(status['orders'])} · fills {_n(status['fills'])}"
    )
    for account in status["accounts"] or []:
        equity = account["equity"] or "not valued yet"
        lines.append(
            f"account {account['name']} ({account['environment']}, {account['trading_state']}): equity {equity}"
        )
    lines.append(f"ledger sum {status['ledger_sum']}")
    for halt in status["halts"] or []:
        lines.append(f"HALT {halt['kind']}: {halt['reason']} (by {halt['by']})")
    if status["killed"]:
        lines.append("KILL SWITCH SET: no order leaves until a person releases it")
    return "\n".join(lines)


def _note(desk: dict[str, Any], *, running: bool, data: Path) -> str:
    if running:
        ready = "running" if desk.get("ready") else "starting"
        return f"{ready} at {desk.get('url')}, {desk.get('mode')} on {desk.get('venue')} (process {desk.get('pid')})"
    if desk:
        return f"not running; it ended without a clean stop. Start it: python3 manage.py up --data {data}"
    return f"not running on {data}. Start it: python3 manage.py up"


def _process(child: dict[str, Any], now: float, *, alone: bool) -> dict[str, Any]:
    pid = child.get("pid")
    alive = pid is not None and runtime.process_is_alive(pid)
    return {
        "state": "running" if alive else "down",
        "pid": pid if alive else None,
        "restarts": child.get("restarts", 0),
        "uptime_s": round(now - child["started_at"], 1) if alive else None,
        "memory_mb": memory_mb(pid, alone=alone) if alive else 0,
    }


def memory_mb(pid: int, *, alone: bool = False) -> int:
    """Return a process's share of memory (PSS) in MB, with its children's unless `alone`; 0 if the kernel is silent."""
    total = 0
    for member in [pid, *([] if alone else _children(pid))]:
        try:
            lines = Path(f"/proc/{member}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        total += next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)
    return round(total * 1024 / 1e6)


def _children(pid: int) -> list[int]:
    try:
        direct = [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except (OSError, ValueError):
        return []
    return [*direct, *(grandchild for child in direct for grandchild in _children(child))]


def _figures(found: dict[str, Any], *, live: bool) -> dict[str, Any]:
    heartbeats = {row["name"]: row for row in found.get("heartbeats") or []}
    feed = heartbeats.get("process:feed", {})
    current = live and feed.get("age_s", 1e9) < FEED_QUIET_AFTER_S
    details = feed.get("details", {}) if current else {}
    off = found.get("ledger_off")
    equity: dict[str, Any] = {}
    for account in found.get("accounts") or []:
        equity.setdefault(account["environment"], []).append(account["equity"] or account["cash"])
    names = ("markets", "markets_open", "strategies_running", "ticks", "orders", "orders_by_state", "fills", "accounts")
    return {name: found.get(name) for name in (*names, "halts", "killed")} | {
        "fresh_books": details.get("fresh", 0),
        "messages_per_s": float(details.get("messages_per_s", 0)),
        "equity": {name: _sum(values) for name, values in equity.items()},  # never across environments
        "ledger_sum": None if off is None else _sum([row["amount"].lstrip("-") for row in off]),
        "ledger_off": off,
        "heartbeats": {name: round(row["age_s"], 1) for name, row in heartbeats.items()} if live else {},
        "errors": found.get("errors", {}),
    }


def _remembered(data: Path) -> dict[str, Any]:
    try:
        found = json.loads((data / FIGURES_FILE).read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _sum(amounts: list[str]) -> str:
    from decimal import Decimal

    total = sum((Decimal(amount) for amount in amounts), Decimal(0))
    return format(total.normalize() if total else Decimal(0), "f")


def _n(value: object) -> str:
    return "unknown" if value is None else f"{value:,}" if isinstance(value, int | float) else str(value)


def _span(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _clock(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(at))
