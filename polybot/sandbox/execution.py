"""Executing a plan: shares and dollars move, trades are written, everybody concerned is told.

House traders settle at once; whatever touches a user settles in steps (see settlement).
Amounts are millionths.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import groupby

from markets.domain.instruments import Side
from markets.domain.units import notional_up
from markets.venues.simulated.clearing import clear
from markets.venues.simulated.fees import taker_fee
from markets.venues.simulated.matching import BookOrder, Match, MatchKind
from polybot.sandbox.accounts import FEES, Wallet, add
from polybot.sandbox.announce import Announcer
from polybot.sandbox.catalogue import Market
from polybot.sandbox.core import Core
from polybot.sandbox.engine_rules import EngineFault
from polybot.sandbox.engines import LiveEngine
from polybot.sandbox.messages import CASH, MakerPart, OrderRecord, TradeRecord
from polybot.sandbox.settlement import COLLATERAL, Holds, Moves, Settlement
from polybot.sandbox.wire import order_event, trade_event

HOUSE_FLOAT = 1_000_000_000_000  # a house trader that runs short is given a million dollars


@dataclass(frozen=True, slots=True, kw_only=True)
class Taker:
    order_id: str
    owner: str
    wallet: Wallet
    outcome: int
    side: Side
    record: OrderRecord | None = None  # None: a house trader


@dataclass(slots=True)
class Done:
    shares: int = 0
    dollars: int = 0  # before fees
    trade_ids: list[str] = field(default_factory=list)


class Execution:
    def __init__(self, core: Core, announcer: Announcer, settlement: Settlement) -> None:
        self._core = core
        self._announcer = announcer
        self._settlement = settlement

    def take(self, market: Market, taker: Taker, matches: list[Match]) -> Done:
        """Execute `matches` for the taker: one trade per price, each with its makers."""
        done = Done()
        if not matches:
            return done
        fate = self._fate(market, taker, matches)
        for _, group in groupby(matches, key=lambda match: match.price):
            if fate is EngineFault.PARTIAL:
                first, second = _halves(list(group))
                self._trade(market, taker, first, done)
                if second:
                    self._trade(market, taker, second, done, fate=fate)
            else:
                self._trade(market, taker, list(group), done, fate=fate)
        engine = self._core.engines[market.condition_id]
        engine.execute(matches, outcome=taker.outcome, side=taker.side)
        return done

    def _fate(self, market: Market, taker: Taker, matches: list[Match]) -> EngineFault | None:
        """Choose how the settlement of a user's match goes wrong, None for well."""
        core = self._core
        if taker.record is None and not any(match.maker.order_id in core.open for match in matches):
            return None
        return core.rules.fate(core.now, market=market.condition_id)

    def _trade(
        self,
        market: Market,
        taker: Taker,
        matches: list[Match],
        done: Done,
        *,
        fate: EngineFault | None = None,
        inferred: bool = False,
        told: bool = True,
    ) -> None:
        core = self._core
        moves: Moves = []
        parts: list[MakerPart] = []
        holds: Holds = []
        makers: list[OrderRecord] = []
        dollars = size = 0
        for match in matches:
            size += match.size
            dollars += abs(self._clear(market, taker, match, holds, moves))
            maker = core.open.get(match.maker.order_id)
            if maker is not None:
                self._maker_filled(maker, match.size)
                makers.append(maker)
            parts.append(_part(market, match, maker))
        price = matches[0].price
        fee = taker_fee(price, size, market.fee)
        if fee:
            self._move(taker.wallet, CASH, -fee, holds, moves)
            self._move(core.accounts.wallet(FEES, house=True), CASH, fee, holds, moves)
        done.shares += size
        done.dollars += dollars
        of_user = taker.record is not None or bool(makers)
        trade = TradeRecord(
            trade_id=core.trade_id(taker.order_id),
            taker_order_id=taker.order_id,
            owner=taker.owner,
            maker=taker.record.maker if taker.record else taker.wallet.address,
            market=market.condition_id,
            token_id=market.token_ids[taker.outcome],
            outcome=market.outcomes[taker.outcome],
            side=taker.side,
            price=price,
            size=size,
            fee=fee,
            matched_ms=core.now,
            parts=tuple(parts),
            status="MATCHED" if of_user else "CONFIRMED",
            updated_ms=core.now,
            bucket=1 if fate is EngineFault.PARTIAL else 0,
            inferred=inferred,
        )
        done.trade_ids.append(trade.trade_id)
        core.trade_add(trade, of_user=of_user)
        core.counts["trades" if of_user else "house_trades"] += 1
        if of_user:
            core.dirty = True
            self._settlement.begin(trade, holds, moves, fate=fate)
            self._tell_trade(trade, taker, makers, size)
        if told:
            recorded = not isinstance(core.engines[market.condition_id], LiveEngine)
            self._announcer.trade(
                market, token_id=trade.token_id, side=taker.side, price=price, size=size, alone=recorded
            )

    def maker_fill(self, market: Market, record: OrderRecord, size: int, *, house: Wallet, inferred: bool) -> None:
        """Fill a user's resting order from a recording: a house taker comes and hits it.

        The market was told of the trade, or of the crossing, by the recording itself.
        """
        core = self._core
        outcome = market.index_of(record.token_id)
        taker = Taker(
            order_id=core.house_order_id(), owner="", wallet=house, outcome=outcome, side=record.side.opposite
        )
        maker = BookOrder(
            order_id=record.order_id,
            account=record.maker,
            outcome=outcome,
            side=record.side,
            price=record.price,
            left=size,
        )
        match = Match(maker=maker, size=size, price=record.price, kind=MatchKind.TRANSFER)
        self._trade(market, taker, [match], Done(), inferred=inferred, told=False)

    def announce_books(self, market: Market, *, traded: bool) -> None:
        """Bring the displayed books up to date with the matching core and tell what changed."""
        engine = self._core.engines[market.condition_id]
        if not isinstance(engine, LiveEngine):
            return
        book = engine.book
        if not book.touched:
            return
        touched = sorted(book.touched)
        book.touched.clear()
        sizes = [book.size_at(is_bid, price) for is_bid, price in touched]
        if not traded:
            self._announcer.yes_levels(market, touched, sizes)
            return
        yes, no = (self._core.books[token_id] for token_id in market.token_ids)
        for (is_bid, price), total in zip(touched, sizes, strict=True):
            side = Side.BUY if is_bid else Side.SELL
            yes.set_level(side, price, total)
            no.set_level(side.opposite, 1_000_000 - price, total)
        yes.updated_ms = no.updated_ms = self._core.now
        self._announcer.books(market)

    # Money ------------------------------------------------------------------------------------------

    def _clear(self, market: Market, taker: Taker, match: Match, holds: Holds, moves: Moves) -> int:
        """Move one match's dollars and shares; return the taker's dollars."""
        accounts = self._core.accounts
        maker = match.maker
        result = clear(match.kind, taker_side=taker.side, maker_price=maker.price, size=match.size)
        maker_wallet = accounts.wallet(maker.account)
        taker_token = market.token_ids[taker.outcome]
        maker_token = market.token_ids[maker.outcome]
        self._stock(market, taker.wallet, taker_token, result.taker_shares, result.taker_cash)
        self._stock(market, maker_wallet, maker_token, result.maker_shares, result.maker_cash)
        accounts.collateral[market.condition_id] += result.collateral
        moves.append((COLLATERAL, "", result.collateral))
        self._move(taker.wallet, CASH, result.taker_cash, holds, moves)
        self._move(taker.wallet, taker_token, result.taker_shares, holds, moves)
        self._move(maker_wallet, CASH, result.maker_cash, holds, moves)
        self._move(maker_wallet, maker_token, result.maker_shares, holds, moves)
        return result.taker_cash

    def _stock(self, market: Market, wallet: Wallet, token: str, shares: int, cash: int) -> None:
        """Give a house trader what it is about to hand over: it splits dollars, and is funded when short."""
        if not wallet.house:
            return
        accounts = self._core.accounts
        missing = -shares - wallet.ledger.get(token, 0)
        if missing <= 0 and cash + wallet.ledger.get(CASH, 0) >= 0:
            return
        lot = max(missing * 4, 0)
        short = lot - cash - wallet.ledger.get(CASH, 0)
        if short > 0:
            accounts.fund(wallet, max(short, HOUSE_FLOAT))
        if lot:
            accounts.split(wallet, market.condition_id, market.token_ids, lot)

    def _move(self, wallet: Wallet, asset: str, delta: int, holds: Holds, moves: Moves) -> None:
        add(wallet.ledger, asset, delta)
        moves.append((wallet.address, asset, delta))
        if wallet.house or not delta:
            return
        add(wallet.incoming if delta > 0 else wallet.outgoing, asset, abs(delta))
        holds.append((wallet.address, asset, delta))

    def _maker_filled(self, record: OrderRecord, size: int) -> None:
        """Release what the filled part of a resting order had set aside."""
        core = self._core
        wallet = core.accounts.wallet(record.maker)
        before = notional_up(record.price, record.remaining)
        record.matched += size
        if record.side is Side.BUY:
            add(wallet.reserved, CASH, notional_up(record.price, record.remaining) - before)
        else:
            add(wallet.reserved, record.token_id, -size)
        if record.remaining <= 0:
            record.status = "MATCHED"
            record.ended_ms = core.now
            del core.open[record.order_id]

    # Words ------------------------------------------------------------------------------------------

    def _tell_trade(self, trade: TradeRecord, taker: Taker, makers: list[OrderRecord], size: int) -> None:
        core = self._core
        records = list(makers)
        if taker.record is not None:
            taker.record.matched += size
            if taker.record.matched >= taker.record.size:
                taker.record.status = "MATCHED"
            records.insert(0, taker.record)
        for record in records:
            record.trade_ids.append(trade.trade_id)
            core.emit_user(record.owner, record.market, order_event(record, "UPDATE", core.now))
        for owner in dict.fromkeys(record.owner for record in records):
            core.emit_user(owner, trade.market, trade_event(trade, viewer=owner, now_ms=core.now))


def _halves(matches: list[Match]) -> tuple[list[Match], list[Match]]:
    """Split matches of one price into two transactions of about equal size, share by share."""
    first = [replace(match, size=match.size - match.size // 2) for match in matches]
    return first, [replace(match, size=match.size // 2) for match in matches if match.size > 1]


def _part(market: Market, match: Match, record: OrderRecord | None) -> MakerPart:
    maker = match.maker
    return MakerPart(
        order_id=maker.order_id,
        owner=record.owner if record else "",
        maker=record.maker if record else maker.account,
        token_id=market.token_ids[maker.outcome],
        outcome=market.outcomes[maker.outcome],
        outcome_index=maker.outcome,
        side=maker.side,
        price=maker.price,
        size=match.size,
    )
