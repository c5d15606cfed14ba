"""The words of `manage.py up` and `manage.py status`."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from polybot.supervisor.runtime import data_directory

MODES = ("full", "trade", "monitor", "arbitrage", "scrape", "backtest", "server")
VENUES = ("sandbox", "polymarket")


@dataclass(frozen=True, slots=True, kw_only=True)
class UpOptions:
    """What `up` was asked to run."""

    port: int
    data: Path
    venue: str
    mode: str
    replay: tuple[Path, ...]
    speed: float | None
    seed: int | None
    rate: float | None
    record: Path | None = None
    compiles: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusOptions:
    data: Path
    as_json: bool
    watch: bool


def parse_up(arguments: list[str], *, project: Path, environment: dict[str, str]) -> UpOptions:
    """Return the options. Wrong words end the process with a usage line, as argparse does."""
    parser = argparse.ArgumentParser(prog="manage.py up", description="Start the whole desk and keep it running.")
    parser.add_argument("--port", type=_port, default=8000, help="where the web pages answer, on 127.0.0.1 (8000)")
    parser.add_argument("--data", metavar="DIR", help="where everything is kept (var/ in the project)")
    parser.add_argument("--venue", choices=VENUES, default=environment.get("POLYBOT_VENUE") or "sandbox")
    parser.add_argument("--mode", choices=MODES, default=environment.get("POLYBOT_MODE") or "full")
    parser.add_argument(
        "--replay", action="append", default=[], metavar="PATH", help="replay this recording (repeatable)"
    )
    parser.add_argument("--speed", type=_positive, metavar="X", help="replay speed; 1 is as recorded")
    parser.add_argument("--seed", type=int, metavar="N", help="seed of the local exchange's order flow")
    parser.add_argument("--rate", type=_positive, metavar="N", help="messages per second of the local exchange")
    parser.add_argument("--record", metavar="DIR", help="write what the feed hears into files there")
    parser.add_argument(
        "--no-compile",
        action="store_true",
        help="leave the loops of fast backtests uncompiled: the first fast backtest then waits for them",
    )
    words = parser.parse_args(arguments)
    replay = tuple(Path(word).expanduser().resolve() for word in words.replay)
    for path in replay:
        if not path.exists():
            parser.error(f"--replay: {path} does not exist")
    if words.venue != "sandbox" and (replay or words.speed or words.seed is not None or words.rate):
        parser.error("--replay, --speed, --seed and --rate belong to the local exchange: use --venue sandbox")
    if words.speed and not replay:
        parser.error("--speed needs --replay")
    return UpOptions(
        port=words.port,
        data=data_directory(words.data, project=project),
        venue=words.venue,
        mode=words.mode,
        replay=replay,
        speed=words.speed,
        seed=words.seed,
        rate=words.rate,
        record=Path(words.record).expanduser().resolve() if words.record else None,
        compiles=not words.no_compile,
    )


def parse_status(arguments: list[str], *, project: Path) -> StatusOptions:
    parser = argparse.ArgumentParser(prog="manage.py status", description="Say how the desk does, running or not.")
    parser.add_argument("--data", metavar="DIR", help="the desk's data directory (var/ in the project)")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of words")
    parser.add_argument("--watch", action="store_true", help="again every two seconds, until Ctrl-C")
    words = parser.parse_args(arguments)
    return StatusOptions(data=data_directory(words.data, project=project), as_json=words.json, watch=words.watch)


def _port(text: str) -> int:
    number = int(text)
    if not 1 <= number <= 65535:
        raise argparse.ArgumentTypeError(f"a port is 1 to 65535, not {number}")
    return number


def _positive(text: str) -> float:
    number = float(text)
    if not 0 < number < 1e6:
        raise argparse.ArgumentTypeError(f"must be above 0 and below a million, not {text}")
    return number
