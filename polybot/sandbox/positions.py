"""Transactions outside the book: split, merge, convert and redeem, each to the millionth.

Every one leaves the dollars and shares of the exchange balanced. A market's YES and NO shares stay equal, so
the No shares that a conversion uses up go to a wallet of the house, as they go to a burn address on the chain.
"""

from __future__ import annotations

from markets.domain.instruments import MarketState
from polybot.sandbox.accounts import Wallet, add
from polybot.sandbox.catalogue import Market
from polybot.sandbox.core import Core
from polybot.sandbox.messages import CASH, ChainRow, Refusal
from polybot.sandbox.resolution import Resolution
from polybot.sandbox.trading import Trading

TOO_LITTLE = "transfer amount exceeds balance"
BURNT = "burnt"  # the house wallet of used-up No shares


class Positions:
    def __init__(self, core: Core, trading: Trading, resolution: Resolution) -> None:
        self._core = core
        self._trading = trading
        self._resolution = resolution

    def split(self, wallet: Wallet, condition_id: str, amount: int) -> str:
        """Turn `amount` dollars into that many shares of both outcomes; return a transaction hash."""
        market = self._open_market(condition_id)
        if amount <= 0 or free(wallet, CASH) < amount:
            raise Refusal(400, TOO_LITTLE)
        self._core.accounts.split(wallet, market.condition_id, market.token_ids, amount)
        return self._done(wallet, "SPLIT", [market], amount, amount)

    def merge(self, wallet: Wallet, condition_id: str, amount: int) -> str:
        """The inverse of `split`."""
        market = self._market(condition_id)
        if amount <= 0 or min(free(wallet, token) for token in market.token_ids) < amount:
            raise Refusal(400, TOO_LITTLE)
        self._core.accounts.merge(wallet, market.condition_id, market.token_ids, amount)
        return self._done(wallet, "MERGE", [market], amount, amount)

    def convert(self, wallet: Wallet, neg_risk_market_id: str, index_set: int, amount: int) -> str:
        """Turn No shares of some markets of a group into Yes shares of the others, and dollars.

        Bit i of `index_set` names market i of the group. n No shares of distinct markets are worth one Yes share
        of each remaining market plus n - 1 dollars.
        """
        core = self._core
        event = next(
            (e for e in core.catalogue.events.values() if e.neg_risk_market_id == neg_risk_market_id.lower()), None
        )
        if event is None:
            raise Refusal(404, "market not found")
        markets = core.catalogue.markets_of(event)
        if not 0 < index_set < 1 << len(markets):
            raise Refusal(400, "invalid index set")
        if any(m.payouts is not None for m in markets):
            raise Refusal(400, "the group is already resolved")
        given = [m for i, m in enumerate(markets) if index_set >> i & 1]
        others = [m for i, m in enumerate(markets) if not index_set >> i & 1]
        if amount <= 0 or min(free(wallet, m.token_ids[1]) for m in given) < amount:
            raise Refusal(400, TOO_LITTLE)
        burnt, accounts = core.house(BURNT), core.accounts
        for market in given:
            add(wallet.ledger, market.token_ids[1], -amount)
            add(burnt.ledger, market.token_ids[1], amount)
        for market in others:
            yes, no = market.token_ids
            add(wallet.ledger, yes, amount)
            add(burnt.ledger, no, amount)
            accounts.collateral[market.condition_id] += amount
        released = (len(given) - 1) * amount
        add(wallet.ledger, CASH, released)
        accounts.funded += len(others) * amount + released  # lent against the burnt shares, which will be worth it
        return self._done(wallet, "CONVERSION", markets, amount, released)

    def redeem(self, wallet: Wallet, condition_id: str) -> str:
        """Turn the shares of a resolved market into its payout; return a transaction hash."""
        market = self._market(condition_id)
        if market.state is not MarketState.RESOLVED:
            raise Refusal(400, "result for condition not received yet")
        size = sum(wallet.ledger.get(token, 0) for token in market.token_ids)
        paid = self._resolution.redeem(wallet, market)
        return self._note(wallet, "REDEEM", market, size, paid)

    def redeem_outcome(self, wallet: Wallet, condition_id: str, outcome: int, amount: int) -> str:
        """Redeem `amount` shares of one outcome, as the Protocol V2 router does."""
        market = self._market(condition_id)
        if market.payouts is None:
            raise Refusal(400, "result for condition not received yet")
        if outcome not in (0, 1) or amount <= 0 or free(wallet, market.token_ids[outcome]) < amount:
            raise Refusal(400, TOO_LITTLE)
        paid = amount * market.payouts[outcome] // 1_000_000
        add(wallet.ledger, market.token_ids[outcome], -amount)
        add(wallet.ledger, CASH, paid)
        self._core.accounts.collateral[market.condition_id] -= paid
        return self._done(wallet, "REDEEM", [market], amount, paid)

    def transfer(self, wallet: Wallet, receiver: Wallet, asset: str, amount: int) -> str:
        """Send dollars or shares to another wallet."""
        if amount < 0 or free(wallet, asset) < amount:
            raise Refusal(400, TOO_LITTLE)
        add(wallet.ledger, asset, -amount)
        add(receiver.ledger, asset, amount)
        receiver.refresh(asset)
        return self._done(wallet, "TRANSFER", [], amount, amount)

    def pay(self, address: str, kind: str, amount: int, market: Market | None) -> str:
        """Move pUSD in or out as the venue does by itself or its bridge does; `kind` as activity names it."""
        wallet = self._core.accounts.wallet(address)
        if amount <= 0 or (kind == "WITHDRAWAL" and free(wallet, CASH) < amount):
            raise Refusal(400, TOO_LITTLE)
        self._core.accounts.fund(wallet, -amount if kind == "WITHDRAWAL" else amount)
        wallet.refresh(CASH)
        return self._done(wallet, kind, [market] if market else [], 0, amount)

    # Inside -----------------------------------------------------------------------------------------

    def _market(self, condition_id: str) -> Market:
        market = self._core.catalogue.by_condition.get(condition_id)
        if market is None:
            raise Refusal(404, "market not found")
        return market

    def _open_market(self, condition_id: str) -> Market:
        market = self._market(condition_id)
        if market.payouts is not None:
            raise Refusal(400, "the condition is already resolved")
        return market

    def _done(self, wallet: Wallet, kind: str, markets: list[Market], size: int, cash: int) -> str:
        """After a transaction outside the venue: its cache stays old, orders that lost their cover fall away."""
        core = self._core
        core.dirty = True
        for asset in (CASH, *(token for market in markets for token in market.token_ids)):
            if wallet.chain(asset) < wallet.known(asset):
                wallet.refresh(asset)
                self._trading.drop_unfunded(wallet, asset)
        return self._note(wallet, kind, markets[0] if markets else None, size, cash)

    def _note(self, wallet: Wallet, kind: str, market: Market | None, size: int, cash: int) -> str:
        core = self._core
        condition = market.condition_id if market else ""
        made = core.transaction_hash(f"{kind}:{wallet.address}:{condition}:{core.now}:{len(core.chain_rows)}")
        core.chain_rows.append(
            ChainRow(
                wallet=wallet.address, kind=kind, market=condition, size=size, cash=cash, at_ms=core.now, hash=made
            )
        )
        return made


def free(wallet: Wallet, asset: str) -> int:
    """Return what the wallet could send away now: settled, and not promised to a trade."""
    return wallet.chain(asset) - wallet.outgoing.get(asset, 0)
