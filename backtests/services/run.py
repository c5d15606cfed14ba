"""One backtest from claim to result: opens the tapes, replays, tells how far it is, and stores what came out.

Safe to call any number of times and from several processes: whoever does not get the claim does nothing. Every
end is written down: done, failed with the reason, cancelled by a person, or back in the queue when the process was
asked to stop. What was replayed by then is kept.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.db import DatabaseError, connection
from django.utils import timezone

from backtests.domain.options import request_load
from backtests.domain.request import BacktestRequest, DataRef, Mode, QueueAssumption, RequestError
from backtests.models import BacktestRun
from backtests.services.claims import Answer, Claim, State, claim_end, claim_renew, claim_return, claim_write, run_claim
from backtests.services.code_version import code_digest, code_words
from markets.domain.units import decimal_from_micro
from risk.domain.limits import Limits

if TYPE_CHECKING:  # numpy is loaded by the process that replays, when it has something to replay
    from backtests.domain.result import BacktestResult
    from markets.domain.tape import Tape

log = logging.getLogger(__name__)

TELL_EVERY_S = 0.5
LONGEST_S = 6 * 3600.0
STEPPED_BACK = 800  # of 1000: when memory ends, the kernel takes this process and not the desk
BANDS = tuple(QueueAssumption)
LOOKAHEAD_S, LOOKAHEAD_REPLAYS = 40.0, 4  # how long the check may take, and how many replays it makes

Replay = Callable[..., "BacktestResult"]


@dataclass(slots=True)
class Following:
    """Between replay and database: tells progress at most twice a second and asks whether to go on."""

    claim: Claim
    began: float = field(default_factory=time.monotonic)
    answer: Answer = Answer.GO_ON
    stop_asked: bool = False  # this process shall end
    told: Callable[[float, str], None] | None = None
    part: tuple[float, float] = (0.0, 1.0)  # the share of the whole that runs now: from, length
    words: str = "starting"
    _last: float = 0.0

    def __call__(self, fraction: float) -> bool:
        """Return whether to go on. The signature that replays want."""
        now = time.monotonic()
        if now - self._last >= TELL_EVERY_S:
            self._last = now
            self.tell(fraction)
        return not self.stopped

    def tell(self, fraction: float) -> None:
        start, length = self.part
        done = start + length * min(1.0, max(0.0, fraction))
        if self.told is not None:
            self.told(done, self.words)
        try:
            self.answer = claim_renew(self.claim, progress=done, words=self.words, now=timezone.now())
        except DatabaseError as error:  # the replay needs no database: it goes on, and tells later
            log.warning("progress not told", extra={"run": self.claim.run_id, "problem": str(error)[:200]})
            with contextlib.suppress(DatabaseError):
                connection.close()

    def begin(self, words: str, start: float, length: float) -> None:
        self.words, self.part, self._last = words, (start, length), time.monotonic()
        self.tell(0.0)

    @property
    def stopped(self) -> bool:
        return self.stop_asked or self.answer is not Answer.GO_ON or time.monotonic() - self.began > LONGEST_S


def backtest_run(run_id: int, *, told: Callable[[float, str], None] | None = None) -> bool:
    """Run a queued backtest to its end; False when it was not ours to run. `told` hears (progress, words) too."""
    claim = run_claim(run_id, now=timezone.now())
    if claim is None:
        return False
    follow = Following(claim, told=told)
    with _stop_signals(follow):
        try:
            _run(claim, follow)
        except RequestError as error:
            _end(claim, State.FAILED, follow, error=str(error))
        except MemoryError:
            _end(claim, State.FAILED, follow, error="the memory was not enough; choose fewer markets or days")
        except Exception as error:  # the edge of a job: whatever it is, the run says so
            log.exception("backtest failed", extra={"run": run_id})
            _end(claim, State.FAILED, follow, error=f"{type(error).__name__}: {error}"[:2000])
    return True


def _run(claim: Claim, follow: Following) -> None:
    row = BacktestRun.objects.get(pk=claim.run_id)
    request = request_load(row.request)
    limits = Limits(**row.limits)
    claim_write(claim, code=code_words(), code_digest=code_digest())
    follow.begin(f"opening {len(request.data)} recordings", 0.0, 0.0)
    tapes, data = tapes_open(request)
    claim_write(claim, data=data, data_digest=_digest_of(data))
    runs = _runs_of(request)
    result = _replay(request, tapes, limits, follow, label=_label(request, runs), place=(0, len(runs)))
    figures = _keep(claim, request, result, band="") | {"replay_s": time.monotonic() - follow.began}
    if follow.stopped or result.stopped:
        report = _report_of_part(claim, request, result, tapes)
        _end(claim, State.FAILED, follow, error=result.stopped, partial=True, report=report, **figures)
        return
    bands: dict[str, BacktestResult] = {}
    for number, band in enumerate(runs[1:], start=1):
        asked = replace(request, queue=band)
        found = _replay(asked, tapes, limits, follow, label=_label(asked, runs), place=(number, len(runs)))
        if follow.stopped or found.stopped:
            report = _report_of_part(claim, request, result, tapes)
            _end(claim, State.FAILED, follow, error=f"the {band} band: {found.stopped}", report=report, **figures)
            return
        bands[str(band)] = found
        _keep(claim, asked, found, band=str(band))
    lookahead = _lookahead(request, tapes, limits, follow, took_s=float(figures["replay_s"]))
    follow.begin("writing the report", 0.98, 0.02)
    if report := _report(request, result, bands, tapes):
        report["lookahead"] = lookahead
    claim_end(claim, State.DONE, now=timezone.now(), partial=False, report=report, **figures)


def _replay(
    request: BacktestRequest,
    tapes: tuple[Tape, ...],
    limits: Limits,
    follow: Following,
    *,
    label: str,
    place: tuple[int, int],
) -> BacktestResult:
    number, count = place
    follow.begin(label, 0.98 * number / count, 0.98 / count)
    return engine_of(request.mode)(tapes, request, limits=limits, progress=follow)


def _lookahead(
    request: BacktestRequest, tapes: tuple[Tape, ...], limits: Limits, follow: Following, *, took_s: float
) -> dict[str, Any]:
    """Replay changed futures, and say whether any decision or fill before the change was another one.

    A run that took long is not checked: it says so, and a shorter span can be.
    """
    from backtests.domain.search.lookahead import lookahead_check

    if took_s * LOOKAHEAD_REPLAYS > LOOKAHEAD_S:
        return {
            "checked": False,
            "reason": f"the run took {took_s:.0f} s; spans up to {LOOKAHEAD_S / 4:.0f} s are checked",
        }
    follow.begin("checking for look-ahead", 0.98, 0.0)
    replay = engine_of(request.mode)
    probes = lookahead_check(
        lambda changed: replay(tuple(changed), request, limits=limits, progress=follow), tapes, cuts=1
    )
    if follow.stopped:
        return {"checked": False, "reason": "the check was interrupted"}
    return {
        "checked": True,
        "passed": all(probe.passed for probe in probes),
        "probes": [
            {
                "change": str(probe.change),
                "cut_ns": probe.cut_ns,
                "compared": probe.compared,
                "differs_ns": probe.differs_ns,
            }
            for probe in probes
        ],
    }


def engine_of(mode: Mode) -> Replay:
    """Return the replay of a mode; both take and give the same."""
    if mode is Mode.FAST:
        from backtests.domain.fast import replay_fast

        return replay_fast
    from backtests.domain.replay import replay_exact

    return replay_exact


def _runs_of(request: BacktestRequest) -> tuple[QueueAssumption, ...]:
    """Return the queue assumptions to replay, the one that was asked for first."""
    others = tuple(band for band in BANDS if band is not request.queue) if request.bands else ()
    return (request.queue, *others)


def _label(request: BacktestRequest, runs: tuple[QueueAssumption, ...]) -> str:
    if len(runs) == 1:
        return "replaying"
    return f"replaying, {request.queue} queue, {runs.index(request.queue) + 1} of {len(runs)}"


def tapes_open(request: BacktestRequest) -> tuple[tuple[Tape, ...], list[dict[str, Any]]]:
    """Return the tapes and what is remembered of them. Raises RequestError that names what is missing."""
    from markets.selectors import archive

    tapes, data = [], []
    for ref in request.data:
        try:
            tape = archive.tape_open(ref.market, ref.day)
        except archive.ArchiveError as error:
            raise RequestError(str(error), field="data") from None
        if ref.digest and ref.digest != tape.digest:
            words = f"{ref.market} of {ref.day} has the digest {tape.digest[:12]}, not {ref.digest[:12]} as asked"
            raise RequestError(words, field="data")
        tapes.append(tape)
        data.append(_remembered(ref, tape))
    return tuple(tapes), data


def _remembered(ref: DataRef, tape: Tape) -> dict[str, Any]:
    return {
        "market": ref.market,
        "day": ref.day,
        "digest": tape.digest,
        "rows": len(tape),
        "fidelity": str(tape.fidelity),
        "question": tape.facts.question,
        "source": tape.source,
    }


def _digest_of(data: list[dict[str, Any]]) -> str:
    return hashlib.sha256("\n".join(item["digest"] for item in data).encode()).hexdigest()


def _keep(claim: Claim, request: BacktestRequest, result: BacktestResult, *, band: str) -> dict[str, Any]:
    """Store the columns at once, so that whatever happens later keeps them; return the run's figures."""
    from backtests.services import columns, trades

    columns.result_save(claim.run_id, result, band=band)
    if band:
        return {}
    columns.file_write(claim.run_id, "trades.csv", trades.trades_csv(result).encode())
    equity = equity_end(result)
    return {
        "events": result.events,
        "orders": len(result.orders),
        "fills": len(result.fills),
        "cash": decimal_from_micro(result.cash),
        "fees": decimal_from_micro(result.fees),
        "rebates": decimal_from_micro(result.rebates),
        "equity_end": decimal_from_micro(equity),
        "pnl": decimal_from_micro(equity - result.capital),
        "result_digest": columns.result_digest(result),
    }


def equity_end(result: BacktestResult) -> int:
    """Return cash and what is held at its last known bid, at cost where no bid was known. Millionths."""
    held = sum(h.cost if h.mark is None else h.size * h.mark // 1_000_000 for h in result.holdings)
    return int(result.cash + held)


def _report(
    request: BacktestRequest, result: BacktestResult, bands: dict[str, BacktestResult], tapes: tuple[Tape, ...]
) -> dict[str, Any]:
    from backtests.domain.report import report_of

    return json.loads(json.dumps(report_of(request, result, bands=bands, tapes=tapes), allow_nan=False))


def _report_of_part(
    claim: Claim, request: BacktestRequest, result: BacktestResult, tapes: tuple[Tape, ...]
) -> dict[str, Any] | None:
    """Return the report of what a stopped run has; the reason of the stop matters more than a report of half a run."""
    try:
        return _report(request, result, {}, tapes)
    except Exception:
        log.exception("no report of a stopped run", extra={"run": claim.run_id})
        return None


def _end(claim: Claim, state: str, follow: Following, *, error: str, **figures: Any) -> None:
    """Write the end, whatever led to it: a stop that was asked for counts before what it caused."""
    if follow.answer is Answer.LOST:
        return
    if follow.answer is Answer.CANCEL:
        state, error = State.CANCELED, "cancelled by hand; what was replayed until then is kept"
    elif follow.stop_asked:
        claim_return(claim, words="its process was stopped: it starts again")
        return
    elif time.monotonic() - follow.began > LONGEST_S:
        error = f"it ran longer than {LONGEST_S / 3600:.0f} h; choose fewer markets or days, or the fast mode"
    claim_end(claim, state, error=error, now=timezone.now(), **figures)


@contextlib.contextmanager
def _stop_signals(follow: Following) -> Iterator[None]:
    """While a run is at work, SIGTERM lets it end in order and go back into the queue."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread hears signals; whoever runs us in another one cancels through the row
        return

    def asked(*_: object) -> None:
        follow.stop_asked = True

    before = signal.signal(signal.SIGTERM, asked)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def process_step_back() -> None:
    """Offer this process first when the machine runs out of memory, and let its niceness count."""
    with contextlib.suppress(OSError, ValueError):  # not every system lets us, and the run does not depend on it
        path = Path("/proc/self/oom_score_adj")
        if int(path.read_text()) < STEPPED_BACK:
            path.write_text(str(STEPPED_BACK))
    # Where the kernel groups processes by session, niceness only counts inside a session: a niced worker in one of its
    # own would get as much as the trader. Then the whole session is niced, if it is the worker's and nobody else's.
    if os.getsid(0) in (os.getpid(), os.getppid()):
        with contextlib.suppress(OSError):
            Path("/proc/self/autogroup").write_text(str(os.nice(0)))
