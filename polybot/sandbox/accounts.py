"""Every wallet's pUSD and shares on the local exchange, to the millionth, house traders included.

Three views of one balance:
  ledger   what a wallet has once everything matched has settled;
  chain    what has settled: incoming parts of unsettled trades are not there yet, outgoing ones still are;
  cached   what the venue last read from the chain; users trade and are answered on this one.
Always true: cash of all wallets plus the collateral behind pairs equals what was ever funded less what was paid
out of nowhere, and each market's YES shares equal its NO shares equal its collateral until it is redeemed.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from polybot.sandbox.messages import CASH

MAX_ALLOWANCE = 2**256 - 1
FEES = "fees"  # the wallet that receives taker fees

Asset = str  # CASH or a token id


@dataclass(slots=True)
class Wallet:
    address: str
    house: bool = False
    ledger: dict[Asset, int] = field(default_factory=dict)
    incoming: dict[Asset, int] = field(default_factory=dict)  # matched, not settled
    outgoing: dict[Asset, int] = field(default_factory=dict)
    reserved: dict[Asset, int] = field(default_factory=dict)  # by open orders
    cached: dict[Asset, int] = field(default_factory=dict)
    allowances: dict[tuple[str, str], int] = field(default_factory=dict)  # (asset class, spender), where not maximal
    owners: set[str] = field(default_factory=set)

    def chain(self, asset: Asset) -> int:
        return self.ledger.get(asset, 0) - self.incoming.get(asset, 0) + self.outgoing.get(asset, 0)

    def available(self, asset: Asset) -> int:
        """Return what a new order may use: the cached balance less what is spoken for."""
        return self.known(asset) - self.outgoing.get(asset, 0) - self.reserved.get(asset, 0)

    def known(self, asset: Asset) -> int:
        """Return the cached balance; the first question fills the cache."""
        if asset not in self.cached:
            self.cached[asset] = self.chain(asset)
        return self.cached[asset]

    def allowance(self, asset_class: str, spender: str) -> int:
        """Return what `spender` may move; `asset_class` is cash or tokens. Wallets start with everything allowed."""
        return self.allowances.get((asset_class, spender.lower()), MAX_ALLOWANCE)

    def refresh(self, asset: Asset) -> None:
        self.cached[asset] = self.chain(asset)


class Accounts:
    """All wallets. Addresses are lower case."""

    def __init__(self) -> None:
        self.wallets: dict[str, Wallet] = {}
        self.collateral: dict[str, int] = defaultdict(int)  # condition id -> dollars behind its pairs
        self.funded = 0

    def wallet(self, address: str, *, house: bool = False) -> Wallet:
        key = address.lower()
        found = self.wallets.get(key)
        if found is None:
            found = self.wallets[key] = Wallet(key, house)
        return found

    def fund(self, wallet: Wallet, amount: int) -> None:
        self.funded += amount
        add(wallet.ledger, CASH, amount)

    def split(self, wallet: Wallet, condition_id: str, tokens: tuple[str, str], amount: int) -> None:
        add(wallet.ledger, CASH, -amount)
        for token in tokens:
            add(wallet.ledger, token, amount)
        self.collateral[condition_id] += amount

    def merge(self, wallet: Wallet, condition_id: str, tokens: tuple[str, str], amount: int) -> None:
        self.split(wallet, condition_id, tokens, -amount)

    def redeem(self, wallet: Wallet, condition_id: str, tokens: tuple[str, str], payouts: tuple[int, int]) -> int:
        """Turn a wallet's shares of a resolved market into cash; return the payout."""
        paid = 0
        for token, payout in zip(tokens, payouts, strict=True):
            paid += wallet.ledger.pop(token, 0) * payout // 1_000_000
        add(wallet.ledger, CASH, paid)
        self.collateral[condition_id] -= paid
        return paid

    def total_cash(self) -> int:
        return sum(w.ledger.get(CASH, 0) for w in self.wallets.values())

    def total_shares(self, token: str) -> int:
        return sum(w.ledger.get(token, 0) for w in self.wallets.values())


def add(amounts: dict[str, int], key: str, delta: int) -> None:
    """Add to one entry; an entry that becomes nothing disappears."""
    after = amounts.get(key, 0) + delta
    if after:
        amounts[key] = after
    else:
        amounts.pop(key, None)
