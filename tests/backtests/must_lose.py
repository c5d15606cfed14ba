"""Two strategies that know nothing, where nobody can expect to win: what is left must be minus the fees.

    python -m tests.backtests.must_lose                 200 seeded fair markets of the local exchange
    python -m tests.backtests.must_lose --sample FILE   labelled markets, top of book (parquet of quotes with `y`)

Parameters and seeds stand here and were fixed before the first run. For each strategy the mean profit per market gets
a 95 % bootstrap interval; it must contain, or lie below, minus the mean of the fees. An interval above that would mean
that the replay gives something away.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import django
import numpy as np

SEED = 20_261_001
US_TAKER_PPM = 69_500  # of Polymarket US since 2026-09-25 (protocol); what held in July was not recorded
DRAWS = 10_000
STRATEGIES: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "random_entry": {
            "seed": 7,
            "chance": "0.1",
            "period_s": 20,
            "size": "100",
            "lowest_price": "0.02",
            "highest_price": "0.98",
            "maximum_book_age_s": 60,
        },
        "longshots": {"highest_price": "0.2", "lowest_price": "0.01", "size": "100", "maximum_book_age_s": 60},
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Per market in which the strategy traded: profit and fees in dollars."""

    strategy: str
    markets: int
    profits: tuple[float, ...]
    fees: tuple[float, ...]

    @property
    def interval(self) -> tuple[float, float]:
        """Return the 95 % bootstrap interval of the mean profit per market."""
        values = np.asarray(self.profits)
        rng = np.random.default_rng(SEED)
        means = values[rng.integers(0, len(values), (DRAWS, len(values)))].mean(axis=1)
        low, high = np.percentile(means, [2.5, 97.5])
        return float(low), float(high)

    @property
    def mean_fee(self) -> float:
        return float(np.mean(self.fees))

    @property
    def loses(self) -> bool:
        """Whether the interval contains, or lies below, minus the fees. Who never traded has shown nothing."""
        return len(self.profits) > 1 and self.interval[0] <= -self.mean_fee

    def words(self) -> str:
        if len(self.profits) < 2:
            return f"{self.strategy}: traded in {len(self.profits)} of {self.markets} markets, which shows nothing"
        low, high = self.interval
        return (
            f"{self.strategy}: traded in {len(self.profits)} of {self.markets} markets, mean profit"
            f" {np.mean(self.profits):+.3f} $ [{low:+.3f}, {high:+.3f}], fees {self.mean_fee:.3f} $ a market:"
            f" {'as it must be' if self.loses else 'TOO GOOD'}"
        )


def judged(groups: Sequence[Sequence[Any]], *, interval_ms: int, fee_rate_ppm: int | None = None) -> list[Outcome]:
    """Replay every strategy over each market's tapes by itself; `fee_rate_ppm` where the recording knows no fee."""
    from backtests.domain.replay import replay_exact
    from backtests.domain.request import BacktestRequest, DataRef, Fees
    from markets.domain.units import ONE, Usd
    from tests.factories.risk import limits

    # Short markets are entered to their end, and one market at a time needs no cap on their number.
    held = replace(limits(), minimum_seconds_to_close=0, order_size=Usd(200 * ONE), order_minimum=Usd(0))
    out = []
    for name, params in STRATEGIES.items():
        profits, fees = [], []
        for tapes in groups:
            request = BacktestRequest(
                strategy=name,
                params=params,
                data=(DataRef(market="-", day="-"),),
                interval_ms=interval_ms,
                bands=False,
                fees=Fees.BY_DATE if fee_rate_ppm is None else Fees.FIXED,
                fee_rate_ppm=fee_rate_ppm or 0,
            )
            result = replay_exact(tapes, request, limits=held)
            if len(result.fills):
                left = sum(h.size * (h.mark or 0) // ONE for h in result.holdings)
                profits.append((result.cash + left - result.capital) / ONE)
                fees.append(result.fees / ONE)
        out.append(Outcome(strategy=name, markets=len(groups), profits=tuple(profits), fees=tuple(fees)))
    return out


def archived(paths: Iterable[Path], **options: Any) -> list[list[Any]]:
    """Import files into the archive of the settings; return the tapes of each market, oldest first."""
    from markets.selectors import archive
    from markets.services.archive.importing import data_import

    for report in data_import(list(paths), **options):
        print(f"  {report.kind}: {report.read:,} read, {report.kept:,} kept, {report.refused.total():,} refused")
    groups: dict[str, list[Any]] = {}
    for info in sorted(archive.tapes_list(), key=lambda info: (info.market, info.day)):
        groups.setdefault(info.market, []).append(archive.tape_open(info.market, info.day))
    return [groups[market] for market in sorted(groups)]


def fair(folder: Path, *, markets: int, seed: int) -> list[Outcome]:
    from tests.backtests.fair_markets import fair_recording

    path = folder / "fair.jsonl.gz"
    fair_recording(path, markets=markets, seed=seed)
    return judged(archived([path]), interval_ms=1_000)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--markets", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--sample", type=Path, help="a parquet file of labelled quotes instead")
    options = parser.parse_args()
    from django.conf import settings

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        settings.ARCHIVE_DIR = folder / "archive"
        if options.sample:
            outcomes = judged(archived([options.sample]), interval_ms=60_000, fee_rate_ppm=US_TAKER_PPM)
        else:
            outcomes = fair(folder, markets=options.markets, seed=options.seed)
        for outcome in outcomes:
            print(outcome.words(), flush=True)
    return 0 if all(outcome.loses for outcome in outcomes) else 1


if __name__ == "__main__":
    import os

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "polybot.settings.test")
    django.setup()
    raise SystemExit(main())
