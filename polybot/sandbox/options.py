"""How one local exchange is started: what it lists, how busy it is, how long its settlement takes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeOptions:
    seed: int = 1
    rate: float = 50.0  # market-channel messages per second that life aims at, all markets together
    state_dir: Path | None = None  # None: nothing is kept
    replay: tuple[Path, ...] = ()  # recordings (files or folders) instead of life
    speed: float = 1.0
    replay_wait_ms: int = 30_000  # a replay begins when somebody first asks for a book, or after this
    opening_cash: int = 1_000_000_000  # pUSD a new wallet is given on first use (1,000 dollars)
    mined_ms: int = 800  # MATCHED to MINED
    confirmed_ms: int = 2_000  # MATCHED to CONFIRMED
    protocol_v2: bool = False  # also list events whose outcomes are position ids, traded on Exchange V3
    fair_game: bool = False  # the house's opinion is a martingale: nobody who knows nothing can expect to win
    auto_redeem_ms: int = 60_000  # from resolution until users' winning shares are paid without their doing
