"""Run the ledger's campaign: many generated streams against an independent oracle and the venue's own wallet.

    python -m tests.orders.ledger_campaign --streams 100000 --services 1000 [--first 0] [--workers 2]

A difference prints its seed and what differs; `tests.orders.ledger.pure.check(seed)` repeats it.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from multiprocessing import Pool
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
BLOCK = 500


def _block(first: int) -> tuple[int, int, list[tuple[int, str]]]:
    from tests.orders.ledger import pure
    from tests.orders.ledger.streams import stream_make

    wrong, messages = [], 0
    for seed in range(first, first + BLOCK):
        messages += len(stream_make(seed).messages)
        try:
            said = pure.check(seed)
        except Exception as error:  # the edge: a stream that breaks the ledger is a finding, not the end
            said = repr(error)
        if said:
            wrong.append((seed, said))
    return BLOCK, messages, wrong


def main() -> int:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--streams", type=int, default=5_000, help="through the pure ledger")
    words.add_argument("--services", type=int, default=0, help="through the services on Postgres")
    words.add_argument("--first", type=int, default=0, help="seed of the first stream")
    words.add_argument("--workers", type=int, default=2)
    asked = words.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "polybot.settings.test")
    began, done, messages = time.monotonic(), 0, 0
    wrong: list[tuple[int, str]] = []
    with Pool(asked.workers) as pool:
        for streams, told, found in pool.imap_unordered(_block, range(asked.first, asked.first + asked.streams, BLOCK)):
            done, messages = done + streams, messages + told
            wrong += found
    took = time.monotonic() - began
    print(f"pure ledger: {done} streams, {messages} messages, {len(wrong)} differences, {took:.0f} s")
    for seed, said in sorted(wrong)[:20]:
        print(f"  stream {seed}: {said}")
    if asked.services:
        environment = {**os.environ, "LEDGER_SERVICE_STREAMS": str(asked.services)}
        command = [sys.executable, "manage.py", "test", "tests/orders/ledger/test_services.py", "-q", "-s"]
        if subprocess.run(command, cwd=PROJECT, env=environment, check=False).returncode:
            return 1
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
