"""`manage.py backtest STRATEGY --market MARKET[:DAY] …`: a run from the terminal, here or in the backtests process.

Ctrl-C cancels a run and keeps what was replayed. With --json one object goes to stdout and everything else to stderr.
"""

from __future__ import annotations

import getpass
import json
import signal
import sys
import time
from argparse import ArgumentParser
from fnmatch import fnmatchcase
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from backtests.domain.options import PARAMS, RunOptions
from backtests.models import BacktestRun
from backtests.selectors import runs
from backtests.services import jobs, run
from backtests.tasks import run_soon
from strategies.domain import parameters as schema
from strategies.domain.parameters import Kind, ParameterError

LOOK_EVERY_S = 0.5
CANCELED, FAILED = 130, 1
STATES = BacktestRun.State


class Command(BaseCommand):
    help = "Replay recorded days through a strategy, and say what it came to."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("strategy", help="a name in the library")
        parser.add_argument(
            "--market",
            action="append",
            required=True,
            metavar="MARKET[:DAY]",
            help="a recorded market, all of its days or one; * stands for any text (repeatable)",
        )
        parser.add_argument("--param", action="append", default=[], metavar="PATH=VALUE", help="repeatable")
        parser.add_argument("--option", action="append", default=[], metavar="PATH=VALUE", help=_option_help())
        for word in ("mode", "capital", "start", "end", "profile", "seed"):
            parser.add_argument(f"--{word}", help=f"short for --option {word}=…")
        parser.add_argument("--no-bands", action="store_true", help="one replay: the queue assumption asked for alone")
        parser.add_argument("--name", default="")
        parser.add_argument("--tag", action="append", default=[])
        parser.add_argument("--notes", default="")
        parser.add_argument("--job", action="store_true", help="hand it to the backtests process instead of this one")
        parser.add_argument("--wait", action="store_true", help="with --job: follow it to its end")
        parser.add_argument("--json", action="store_true", help="one JSON object instead of words")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            run_id = jobs.backtest_ask(
                strategy=options["strategy"],
                params=_nested(options["param"], "--param"),
                data=_recordings(options["market"]),
                options=_options(options),
                by=getpass.getuser(),
                name=options["name"],
                tags=options["tag"],
                notes=options["notes"],
                now=timezone.now(),
            )
        except ParameterError as error:
            raise CommandError(_readable(error)) from None
        if options["job"]:
            run_soon(run_id)
            if options["wait"]:
                self._follow(run_id)
        else:
            self._run(run_id)
        self._say(BacktestRun.objects.get(pk=run_id), as_json=options["json"])

    def _run(self, run_id: int) -> None:
        """Replay in this process. The first Ctrl-C cancels, the second one ends at once."""

        def interrupted(*_: object) -> None:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            self.stderr.write("\ncancelling; once more ends at once")
            jobs.backtest_cancel(run_id, getpass.getuser(), now=timezone.now())

        before = signal.signal(signal.SIGINT, interrupted)
        try:
            run.backtest_run(run_id, told=self._progress)
        finally:
            signal.signal(signal.SIGINT, before)
        self._progress_end()

    def _follow(self, run_id: int) -> None:
        """Follow a job. Ctrl-C cancels it and goes on following: it ends within a second."""
        while True:
            try:
                row = BacktestRun.objects.only("state", "progress", "words").get(pk=run_id)
                if row.is_over:
                    break
                self._progress(row.progress, row.words)
                time.sleep(LOOK_EVERY_S)
            except KeyboardInterrupt:
                if not jobs.backtest_cancel(run_id, getpass.getuser(), now=timezone.now()):
                    raise
                self.stderr.write("\ncancelling; once more leaves it to itself")
        self._progress_end()

    def _progress(self, share: float, words: str) -> None:
        if sys.stderr.isatty():
            self.stderr.write(f"\r{share:6.1%}  {words:<60.60}", ending="")
            self.stderr.flush()

    def _progress_end(self) -> None:
        if sys.stderr.isatty():
            self.stderr.write("")

    def _say(self, row: BacktestRun, *, as_json: bool) -> None:
        if as_json:
            self.stdout.write(json.dumps(_as_json(row)))
        else:
            for line in _lines(row):
                self.stdout.write(line)
        if row.state == STATES.FAILED:
            sys.exit(FAILED)
        if row.state == STATES.CANCELED:
            sys.exit(CANCELED)


def _recordings(asked: list[str]) -> list[dict[str, str]]:
    """Return the tapes that the patterns name. Raises CommandError for one that names none."""
    from markets.selectors.archive import tapes_list

    infos = tapes_list()
    found: dict[tuple[str, str], dict[str, str]] = {}
    for text in asked:
        market, _, day = text.partition(":")
        named = [i for i in infos if fnmatchcase(i.market, market) and (not day or fnmatchcase(i.day, day))]
        if not named:
            near = sorted({i.market for i in infos if market.strip("*") in i.market})[:5]
            hint = f"; near it: {', '.join(near)}" if near else ""
            raise CommandError(f"nothing is recorded of {text}{hint} (`manage.py data` lists what there is)")
        found |= {(i.market, i.day): {"market": i.market, "day": i.day} for i in named}
    return list(found.values())


def _options(words: dict[str, Any]) -> dict[str, Any]:
    short = [f"{name}={words[name]}" for name in ("mode", "capital", "start", "end", "profile", "seed") if words[name]]
    nested = _nested([*short, *words["option"]], "--option")
    if words["no_bands"]:
        nested["bands"] = False
    return nested


def _nested(pairs: list[str], word: str) -> dict[str, Any]:
    """Return `a.b=c` words as nested values; the schema reads the texts."""
    flat: dict[str, Any] = {}
    for pair in pairs:
        path, sign, value = pair.partition("=")
        if not sign or not path.strip():
            raise CommandError(f"{word} {pair}: write it as path=value")
        flat[path.strip()] = value.strip()
    return schema.unflatten(flat)


def _option_help() -> str:
    names = [
        f"{spec.path} ({'|'.join(value for value, _ in spec.choices)})" if spec.kind is Kind.CHOICE else spec.path
        for spec in schema.fields(RunOptions)
    ]
    return f"repeatable: {', '.join(names)}"


def _readable(error: ParameterError) -> str:
    lines = [f"{path.replace(f'{PARAMS}.', '--param ')}: {words}" for path, words in error.errors.items()]
    return "not started:\n  " + "\n  ".join(lines)


def _as_json(row: BacktestRun) -> dict[str, Any]:
    path = runs.trades_path(row.pk)
    return {
        "id": row.pk,
        "state": row.state,
        "partial": row.partial,
        "error": row.error,
        "strategy": row.strategy,
        "mode": row.mode,
        "seed": row.seed,
        "events": row.events,
        "replay_s": row.replay_s,
        "orders": row.orders,
        "fills": row.fills,
        **{name: _amount(getattr(row, name)) for name in ("cash", "pnl", "fees", "rebates", "equity_end")},
        "data": row.data,
        "code": row.code,
        **{f"{name}_digest": getattr(row, f"{name}_digest") for name in ("request", "data", "code", "result")},
        "trades_csv": str(path) if path else None,
        "report": row.report,
    }


def _amount(value: Any) -> str | None:
    return None if value is None else format(value, "f")


def _lines(row: BacktestRun) -> list[str]:
    part = ", in part" if row.partial else ""
    lines = [f"backtest {row.pk}: {row.state}{part}" + (f": {row.error}" if row.error else "")]
    if row.pnl is not None and row.events is not None and row.fills is not None:
        speed = f", {row.events / row.replay_s:,.0f} a second" if row.replay_s else ""
        lines += [
            f"  P&L {row.pnl:+.2f} $, equity {row.equity_end:.2f} $, fees {row.fees:.2f} $",
            f"  {row.orders:,} orders, {row.fills:,} fills, {row.events:,} events{speed}",
        ]
    verdict = (row.report or {}).get("verdict")
    if isinstance(verdict, str):
        lines.append(f"  {verdict}")
    if row.state == STATES.QUEUED:
        lines.append("  it waits for the backtests process; its page follows it")
    return lines
