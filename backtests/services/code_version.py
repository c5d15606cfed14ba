"""Which code a run stood on: a version for people, and a digest of every file that can change a result.

The digest, not the commit, says whether a rerun is exact: a new page changes the commit and no replay.
"""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from django.conf import settings

# What a replay executes, from the columns to the result; the compiled kernels are made from it.
CORE = (
    "markets/domain",
    "markets/venues/simulated",
    "orders/domain",
    "risk/domain",
    "risk/rules",
    "strategies/domain",
    "strategies/library",
    "backtests/domain",
)


@cache
def code_digest() -> str:
    """Return the SHA-256 of the core's files, names and contents. Read once: a running process runs what it loaded."""
    digest = hashlib.sha256()
    for folder in CORE:
        for path in sorted((Path(settings.BASE_DIR) / folder).rglob("*.py")):
            content = path.read_bytes()
            digest.update(f"{path.relative_to(settings.BASE_DIR)}\n{len(content)}\n".encode())
            digest.update(content)
    return digest.hexdigest()


@cache
def code_words() -> str:
    """Return the version in words: the commit where there is one."""
    words = f"core {code_digest()[:12]}"
    commit = _commit(Path(settings.BASE_DIR) / ".git")
    return f"commit {commit[:12]}, {words}" if commit else words


def _commit(git: Path) -> str:
    """Return the commit that is checked out, or nothing outside of a repository."""
    try:
        head = (git / "HEAD").read_text().strip()
        if not head.startswith("ref: "):
            return head
        name = head.removeprefix("ref: ")
        if (git / name).exists():
            return (git / name).read_text().strip()
        packed = (git / "packed-refs").read_text().splitlines()
        return next((line.split()[0] for line in packed if line.endswith(f" {name}")), "")
    except OSError:
        return ""
