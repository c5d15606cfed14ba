"""What a transaction on the chain may have to put back: balances, allowances, collateral, rows of activity."""

from __future__ import annotations

from dataclasses import dataclass

from polybot.sandbox.core import Core


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    ledgers: dict[str, dict[str, int]]
    caches: dict[str, dict[str, int]]
    allowances: dict[str, dict[tuple[str, str], int]]
    collateral: dict[str, int]
    funded: int
    rows: int

    @classmethod
    def of(cls, core: Core) -> Checkpoint:
        wallets = core.accounts.wallets
        return cls(
            ledgers={address: dict(wallet.ledger) for address, wallet in wallets.items()},
            caches={address: dict(wallet.cached) for address, wallet in wallets.items()},
            allowances={address: dict(wallet.allowances) for address, wallet in wallets.items()},
            collateral=dict(core.accounts.collateral),
            funded=core.accounts.funded,
            rows=len(core.chain_rows),
        )

    def restore(self, core: Core) -> None:
        """Put everything back. Orders that fell away for want of cover stay cancelled, as they would."""
        accounts = core.accounts
        for address in set(accounts.wallets) - set(self.ledgers):
            del accounts.wallets[address]
        for address, wallet in accounts.wallets.items():
            wallet.ledger = dict(self.ledgers.get(address, {}))
            wallet.cached = dict(self.caches.get(address, {}))
            wallet.allowances = dict(self.allowances.get(address, {}))
        accounts.collateral.clear()
        accounts.collateral.update(self.collateral)
        accounts.funded = self.funded
        while len(core.chain_rows) > self.rows:
            core.chain_rows.pop()
