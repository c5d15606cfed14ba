"""`python -m tests.coverage [--area NAME]`: which branches of each area its own tests take; exit code 1 below 95 %.

Each area's tests run under coverage.py with branches, on stores of their own, one area after the other: tracing makes
tests about twice as slow, and several at once would make those that watch a clock fail.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from polybot.supervisor import stores
from tests.coverage.areas import AREAS, PROJECT, Area

LEAST = 95.0  # per cent, of branches and of lines
ENOUGH = "enough"


@dataclass(frozen=True, slots=True)
class Taken:
    """Statements and branches of one module, and those that the tests ran."""

    module: str
    statements: int
    statements_run: int
    branches: int
    branches_taken: int
    missing: tuple[str, ...] = ()


def percent(part: int, whole: int) -> float:
    """Return the share in per cent; a module without branches has taken all of them."""
    return 100.0 if whole == 0 else 100.0 * part / whole


def area_taken(modules: list[Taken]) -> tuple[float, float]:
    """Return the area's statements run and branches taken in per cent, each over all its modules together."""
    return (
        percent(sum(m.statements_run for m in modules), sum(m.statements for m in modules)),
        percent(sum(m.branches_taken for m in modules), sum(m.branches for m in modules)),
    )


def area_row(name: str, modules: list[Taken], *, took_s: float) -> str:
    """Return the area's line of the table; it ends with `ENOUGH` when lines and branches both are."""
    lines, branches = area_taken(modules)
    taken, whole = sum(m.branches_taken for m in modules), sum(m.branches for m in modules)
    verdict = ENOUGH if min(lines, branches) >= LEAST else "too few"
    return f"{name:<12}{branches:7.1f} %{taken:8} of {whole:<6}{lines:7.1f} %{took_s:8.0f} s   {verdict}"


def modules_read(report: dict[str, dict]) -> list[Taken]:  # type: ignore[type-arg]
    """Read coverage.py's JSON report."""
    found = []
    for path, told in sorted(report["files"].items()):
        numbers = told["summary"]
        missing = [str(line) for line in told["missing_lines"]]
        missing += [
            f"{a}->{'end' if b < 0 else b}" for a, b in told["missing_branches"] if b not in told["missing_lines"]
        ]
        found.append(
            Taken(
                module=str(Path(path).with_suffix("")).replace(os.sep, "."),
                statements=numbers["num_statements"],
                statements_run=numbers["covered_lines"],
                branches=numbers["num_branches"],
                branches_taken=numbers["covered_branches"],
                missing=tuple(missing),
            )
        )
    return found


def area_measure(area: Area, environment: dict[str, str], folder: Path) -> list[Taken]:
    """Run the area's tests under coverage. Raises RuntimeError when they fail: figures of a failing run say nothing."""
    files = [str(path.relative_to(PROJECT)) for path in area.files()]
    data, told = folder / "data", folder / "told.json"
    coverage = [sys.executable, "-m", "coverage"]
    run = [*coverage, "run", "--branch", f"--data-file={data}", f"--include={','.join(files)}"]
    run += ["-m", "pytest", *(["-k", f"not {area.without}"] if area.without else []), *area.tests]
    if code := subprocess.run(run, cwd=PROJECT, env=environment).returncode:
        raise RuntimeError(f"the tests failed (pytest says {code})")
    report = [*coverage, "json", "-q", f"--data-file={data}", "-o", str(told), *files]
    subprocess.run(report, cwd=PROJECT, env=environment, check=True)
    return modules_read(json.loads(told.read_text()))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.coverage", description=__doc__)
    parser.add_argument("--area", action="append", choices=list(AREAS), help="only these areas")
    parser.add_argument("--list", action="store_true", help="say which modules make up the areas, and measure nothing")
    options = parser.parse_args()
    chosen = {name: AREAS[name] for name in options.area or AREAS}
    for name, area in chosen.items():
        print(f"{name}: {area.about}\n    {' '.join(area.modules)}", flush=True)
    if options.list:
        return 0
    rows: list[str] = []
    for name, area in chosen.items():
        began = time.monotonic()
        try:
            modules = _on_own_stores(area)
        except (RuntimeError, stores.StoreError) as error:
            rows.append(f"{name:<12}{error}")
            print(f"\n{rows[-1]}", flush=True)
            continue
        print(f"\n{name}")
        for module in modules:
            share = percent(module.branches_taken, module.branches)
            counts = f"{module.branches_taken:>4} of {module.branches:<4}"
            print(f"    {share:6.1f} % {counts} {module.module}  {' '.join(module.missing)}")
        rows.append(area_row(name, modules, took_s=time.monotonic() - began))
        print(rows[-1], flush=True)
    print(f"\n{'area':<12}{'branches':>9}{'taken':>14}{'lines':>13}{'took':>9}")
    print("\n".join(rows))
    return 0 if all(row.endswith(ENOUGH) for row in rows) else 1


def _on_own_stores(area: Area) -> list[Taken]:
    folder = Path(tempfile.mkdtemp(prefix="pbc-"))
    started: list[stores.Store] = []
    try:
        for make in (stores.postgres_store, stores.valkey_store):
            store = make(data=folder, sockets=folder, throwaway=True)
            store.start()
            started.append(store)
        for store in started:
            stores.store_wait(store)
        environment = dict(os.environ, DJANGO_SETTINGS_MODULE="polybot.settings.test")
        return area_measure(area, environment | dict(stores.store_url(store) for store in started), folder)
    finally:
        for store in reversed(started):
            store.stop()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
