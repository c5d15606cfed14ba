"""`python -m tests.mutation --sample 300`: the score of the tests of the pure modules that move money.

Each mutant lives in a child process of its own and dies when the module's own tests fail. A lie inside a function
is told in place (`swap`), with everything imported once; one outside every function, and one that lived in place,
because its function may have run at import, needs its module imported anew. Survivors are printed with their line.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.abc
import importlib.util
import multiprocessing
import os
import resource
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import CodeType, ModuleType

from tests.mutation.mutate import Mutant, mutated, places, sample
from tests.mutation.swap import changed_function, swap
from tests.mutation.targets import TARGETS

PROJECT = Path(__file__).resolve().parents[2]
LIMIT_S = 60  # of computing: waiting for a turn on a busy machine proves nothing about a mutant
GIVE_UP_S = 3_600
OPTIONS = ("-q", "-x", "-p", "no:django", "-p", "no:cacheprovider", "--noconftest", "-c", os.devnull,
           f"--rootdir={PROJECT}", "--import-mode=importlib")  # fmt: skip


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


def run_tests(
    tests: Sequence[str], mutant: Mutant | None, body: tuple[str, CodeType] | None = None, *, limit_s: int = LIMIT_S
) -> int:
    """Run the tests in a forked child, the lie told; return pytest's exit code, another one if they never end."""
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)  # its own group, to be ended with all it started; the session's share of the machine stays one
        resource.setrlimit(resource.RLIMIT_CPU, (limit_s, limit_s))
        with _silence():
            os._exit(_child(tests, mutant, body))
    end = time.monotonic() + GIVE_UP_S
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.02)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return 99


@contextlib.contextmanager
def _silence():  # type: ignore[no-untyped-def]
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
        yield


def _child(tests: Sequence[str], mutant: Mutant | None, body: tuple[str, CodeType] | None) -> int:
    import django
    import pytest

    if body is not None and mutant is not None:
        if not swap(mutant.module, *body):
            raise RuntimeError(f"{mutant.module}.{body[0]} is not loaded")
    elif mutant is not None:
        sys.meta_path.insert(0, _Finder(mutant))
    try:
        django.setup()
        return int(pytest.main([*OPTIONS, *tests]))
    except BaseException:  # a module that cannot even be imported is noticed
        return 1


def import_everything(tests: Sequence[str]) -> None:
    """Import the tests and all they use, as every later child will find it."""
    import django
    import pytest

    django.setup()
    with _silence():
        if code := pytest.main([*OPTIONS, "--collect-only", *tests]):
            raise RuntimeError(f"the tests cannot be collected (pytest says {code})")


def judge(mutant: Mutant, body: tuple[str, CodeType] | None = None) -> bool:
    """Return whether a test notices the lie."""
    return any(run_tests([test], mutant, body) != 0 for test in TARGETS[mutant.module])


def judged_in_place(chosen: Sequence[Mutant], tests: Sequence[str], workers: int) -> list[bool]:
    """Return which lies inside functions are noticed. Runs in a process of its own, where all is imported."""
    import_everything(tests)
    sources = {module: source_path(module).read_text() for module in TARGETS}

    def in_place(mutant: Mutant) -> bool:
        body = changed_function(sources[mutant.module], mutant.number)
        return body is not None and judge(mutant, body)

    noticed: list[bool] = []
    with ThreadPoolExecutor(workers) as pool:
        for dead in pool.map(in_place, chosen):
            noticed.append(dead)
            if len(noticed) % 25 == 0:
                print(f"{sum(noticed)} of {len(noticed)} noticed in place, {len(chosen)} in all", flush=True)
    return noticed


def judged(chosen: Sequence[Mutant], tests: Sequence[str], workers: int) -> Iterator[tuple[Mutant, bool]]:
    """Yield each mutant and whether it was noticed: in place first, and what lived there with its module anew."""
    with multiprocessing.get_context("fork").Pool(1) as aside:
        noticed = dict(zip(chosen, aside.apply(judged_in_place, (chosen, tests, workers)), strict=True))
    yield from ((mutant, True) for mutant, dead in noticed.items() if dead)
    rest = [mutant for mutant, dead in noticed.items() if not dead]
    with ThreadPoolExecutor(workers) as pool:
        yield from zip(rest, pool.map(judge, rest), strict=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sample", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--module", action="append", help="only these modules")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--least", type=float, default=85.0, help="per cent that must be noticed")
    options = parser.parse_args()
    os.environ["DJANGO_SETTINGS_MODULE"] = "polybot.settings.test"
    os.environ.setdefault("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")  # never opened
    os.environ.setdefault("REDIS_URL", "redis://127.0.0.1:1/0")
    os.chdir(PROJECT)
    began = time.monotonic()
    _load_what_is_not_ours()
    modules = options.module or list(TARGETS)
    tests = list(dict.fromkeys(test for module in modules for test in TARGETS[module]))
    if code := run_tests(tests, None, limit_s=GIVE_UP_S):
        print(f"the tests fail without any mutant (pytest says {code})")
        return 2
    chosen = list(sample([m for module in modules for m in places(module, source_path(module).read_text())],
                         options.sample, options.seed))  # fmt: skip
    noticed: Counter[str] = Counter()
    for mutant, dead in judged(chosen, tests, options.workers):
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
