"""Session keys: a second key that may trade for a deposit wallet until a date, as the wallet's owner allowed it.

Only deposit wallets have them. A session key signs orders exactly as the owner does, with its own API key, and sees
its own orders and trades alone. Addresses are lower case, `valid_until_s` is Unix seconds.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

LONGEST_S = 180 * 24 * 3600
ALL, CLOB = "ALL", "CLOB"


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    wallet: str
    signer: str
    scopes: tuple[str, ...]
    valid_until_s: int


class Sessions:
    """What owners granted. `state` names a directory to survive restarts in, or None."""

    def __init__(self, state: Path | None = None) -> None:
        self._path = state / "sessions.json" if state is not None else None
        self._grants: dict[tuple[str, str], Grant] = {}
        if self._path is not None and self._path.exists():
            try:
                rows = [Grant(**{**row, "scopes": tuple(row["scopes"])}) for row in json.loads(self._path.read_text())]
            except (KeyError, TypeError, ValueError):
                raise ValueError(
                    f"{self._path} is not a list of session keys: move it away to start with none"
                ) from None
            self._grants = {(row.wallet, row.signer): row for row in rows}

    def grant(self, grant: Grant) -> None:
        self._grants[grant.wallet, grant.signer] = grant
        self._save()

    def revoke(self, wallet: str, signer: str) -> bool:
        found = self._grants.pop((wallet, signer), None) is not None
        self._save()
        return found

    def of_wallet(self, wallet: str, *, now_s: float) -> list[Grant]:
        return [g for g in self._grants.values() if g.wallet == wallet and g.valid_until_s > now_s]

    def may_trade(self, wallet: str, signer: str, *, now_s: float) -> bool:
        found = self._grants.get((wallet, signer))
        return found is not None and found.valid_until_s > now_s and bool({ALL, CLOB}.intersection(found.scopes))

    def wallet_of(self, signer: str, *, now_s: float) -> str | None:
        """Return the wallet that the session key trades for: the one granted last."""
        wallets = [g.wallet for g in self._grants.values() if g.signer == signer and g.valid_until_s > now_s]
        return wallets[-1] if wallets else None

    def _save(self) -> None:
        if self._path is None:
            return
        part = self._path.with_suffix(".part")
        part.write_text(json.dumps([asdict(grant) for grant in self._grants.values()]))
        part.replace(self._path)
