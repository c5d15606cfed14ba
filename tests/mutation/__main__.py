"""`python -m tests.mutation --sample 300`: the score of the tests of the pure modules that move money.

Each mutant lives in a child process of its own, where its module is replaced before anything imports it, and
dies when the module's own tests fail. Survivors are printed with their line.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.abc
import importlib.util
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType

from tests.mutation.mutate import Mutant, mutated, places, sample

PROJECT = Path(__file__).resolve().parents[2]
LIMIT_S = 120
MODEL = "tests/orders/model/test_model.py::test_the_protocol_holds_under_every_fault"
# Module, and what must notice: its own tests first, then those that use it.
TARGETS: dict[str, tuple[str, ...]] = {
    "orders.domain.submission": ("tests/orders/domain/test_submission.py", MODEL),
    "orders.domain.exactly_once": ("tests/orders/domain/test_exactly_once.py", MODEL),
    "orders.domain.lifecycle": ("tests/orders/domain/test_lifecycle.py", "tests/orders/domain/test_submission.py"),
    "orders.domain.ledger": ("tests/orders/domain/test_ledger.py", "tests/orders/domain/test_conversions.py"),
    "orders.domain.reserve": ("tests/orders/domain/test_reserve.py",),
    "orders.domain.reconcile": ("tests/orders/domain/test_reconcile.py",),
    "orders.domain.readiness": ("tests/orders/domain/test_readiness.py",),
    "risk.domain.exposure": ("tests/risk/domain/test_exposure.py", "tests/risk/rules"),
    "risk.rules.exposure": ("tests/risk/rules",),
    "risk.rules.size": ("tests/risk/rules",),
    "risk.rules.review": ("tests/risk/rules",),
    "risk.rules.loss": ("tests/risk/rules",),
    "risk.rules.funds": ("tests/risk/rules",),
    "markets.venues.polymarket.amounts": ("tests/markets/venues/polymarket/test_amounts.py",),
    "markets.venues.polymarket.order_payload": (
        "tests/markets/venues/polymarket/test_order_payload.py", "tests/markets/venues/polymarket/test_maker.py",
    ),
    "markets.venues.polymarket.responses": ("tests/markets/venues/polymarket/test_responses.py",),
}  # fmt: skip


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Gives one module a mutated body."""

    def __init__(self, mutant: Mutant) -> None:
        self.mutant = mutant
        self.path = source_path(mutant.module)

    def find_spec(self, name: str, path: object = None, target: object = None):  # type: ignore[no-untyped-def]
        del path, target
        if name != self.mutant.module:
            return None
        return importlib.util.spec_from_file_location(name, self.path, loader=self)

    def create_module(self, spec: object) -> ModuleType | None:
        del spec
        return None

    def exec_module(self, module: ModuleType) -> None:
        tree = mutated(self.path.read_text(), self.mutant.number)
        exec(compile(tree, str(self.path), "exec"), module.__dict__)


def source_path(module: str) -> Path:
    return PROJECT / Path(*module.split(".")).with_suffix(".py")


def run_tests(tests: Sequence[str], mutant: Mutant | None) -> int:
    """Run the tests in a forked child, the module replaced; return pytest's exit code, 99 for one that never ends."""
    child = os.fork()
    if child == 0:
        os.setsid()
        with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
            os._exit(_child(tests, mutant))
    end = time.monotonic() + LIMIT_S
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.02)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return 99


def _child(tests: Sequence[str], mutant: Mutant | None) -> int:
    import django
    import pytest

    if mutant is not None:
        sys.meta_path.insert(0, _Finder(mutant))
    try:
        django.setup()
        options = ["-q", "-x", "-p", "no:django", "-p", "no:cacheprovider", "--noconftest", "-c", os.devnull]
        return int(pytest.main([*options, f"--rootdir={PROJECT}", "--import-mode=importlib", *tests]))
    except BaseException:  # a module that cannot even be imported is noticed
        return 1


def judge(mutant: Mutant) -> tuple[Mutant, bool]:
    return mutant, any(run_tests([test], mutant) != 0 for test in TARGETS[mutant.module])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sample", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--module", action="append", help="only these modules")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--least", type=float, default=85.0, help="per cent that must be noticed")
    options = parser.parse_args()
    os.environ["DJANGO_SETTINGS_MODULE"] = "polybot.settings.test"
    os.environ.setdefault("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")  # never opened
    os.environ.setdefault("REDIS_URL", "redis://127.0.0.1:1/0")
    os.chdir(PROJECT)
    _load_what_is_not_ours()
    modules = options.module or list(TARGETS)
    for tests in dict.fromkeys(TARGETS[module] for module in modules):
        for test in tests:
            if code := run_tests([test], None):
                print(f"{test} fails without any mutant (pytest says {code})")
                return 2
    chosen = list(sample([m for module in modules for m in places(module, source_path(module).read_text())],
                         options.sample, options.seed))  # fmt: skip
    began = time.monotonic()
    noticed: Counter[str] = Counter()
    with ThreadPoolExecutor(options.workers) as pool:
        for mutant, dead in pool.map(judge, chosen):
            noticed[mutant.module] += dead
            if not dead:
                path = source_path(mutant.module).relative_to(PROJECT)
                print(f"lives: {path}:{mutant.line} {mutant.what} (#{mutant.number})", flush=True)
    of = Counter(mutant.module for mutant in chosen)
    for module in modules:
        if of[module]:
            print(f"{module}: {noticed[module]} of {of[module]}")
    score = 100 * sum(noticed.values()) / max(1, len(chosen))
    print(f"{sum(noticed.values())} of {len(chosen)} mutants noticed: {score:.1f} %, {time.monotonic() - began:.0f} s")
    return 0 if score >= options.least else 1


def _load_what_is_not_ours() -> None:
    """Import the libraries once, before any child: none of our own modules, whose bodies must stay replaceable."""
    for name in ("pytest", "hypothesis", "django", "django.test", "django.contrib.auth", "rest_framework", "celery",
                 "msgspec", "httpx", "redis", "psycopg", "coincurve", "eth_account"):  # fmt: skip
        with contextlib.suppress(Exception):
            importlib.import_module(name)


if __name__ == "__main__":
    sys.exit(main())
