"""A data directory and an archive of its own for every test that stores something."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def backtest_folder(tmp_path: Path, settings: Any) -> Path:
    settings.POLYBOT_DATA = tmp_path
    settings.ARCHIVE_DIR = tmp_path / "archive"
    return tmp_path
