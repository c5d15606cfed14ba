"""What the READMEs say exists, exists: commands, options, tasks, links."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest
from django.core.management import get_commands

from manage import WITHOUT_DJANGO
from tests.architecture.files import PROJECT, text, tracked

PAGES = [path for path in tracked() if path.suffix == ".md"]
OURS = {*WITHOUT_DJANGO, "run_sandbox"}


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_command_named_exists(page: Path) -> None:
    named = set(re.findall(r"manage\.py ([a-z_]+)", text(page)))
    assert named <= {*get_commands(), *OURS}


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_task_named_exists(page: Path) -> None:
    for app, name in re.findall(r"\b([a-z]+)\.tasks\.([a-z_]+)", text(page)):
        assert hasattr(importlib.import_module(f"{app}.tasks"), name), f"{page} names {app}.tasks.{name}"


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_link_leads_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#]+)[^)]*\)", text(page))
    missing = [t for t in targets if "://" not in t and not (PROJECT / page.parent / t).exists()]
    assert not missing


def test_the_readme_names_only_options_that_up_and_status_have() -> None:
    source = text(Path("polybot/supervisor/options.py"))
    table = re.search(r"\| you want \| say \|\n(.*?)\n\n", text(Path("README.md")), re.DOTALL)
    assert table is not None
    for option in set(re.findall(r"--[a-z]+", table.group(1))):
        assert f'"{option}"' in source


def test_every_app_has_a_page() -> None:
    missing = [
        app
        for app in ("alerts", "markets", "orders", "risk", "strategies", "backtests")
        if not (PROJECT / app / "README.md").exists()
    ]
    assert not missing
