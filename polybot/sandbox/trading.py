"""Users' orders: taken, matched, rested, cancelled, expired; and what each does to money and records.

Order of things on arrival: admission (amounts, tick, size), the plan against the book, the rules that depend
on it (post-only, FOK, FAK, one dollar), money, then effect. A refusal therefore changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from markets.domain.instruments import MarketState, Side
from markets.domain.units import ONE, notional_up, text_from_micro
from markets.venues.simulated import refusals
from markets.venues.simulated.fees import taker_fee
from markets.venues.simulated.matching import BookOrder, Match, OrderType
from polybot.sandbox.accounts import Wallet, add
from polybot.sandbox.admission import GTD_EARLY_S, Admitted, admit
from polybot.sandbox.announce import Announcer
from polybot.sandbox.catalogue import Market
from polybot.sandbox.core import Core
from polybot.sandbox.engine_rules import EngineFault
from polybot.sandbox.execution import Execution, Taker
from polybot.sandbox.messages import CASH, NewOrder, OrderRecord, PlaceResult, Refusal
from polybot.sandbox.wire import order_event

KEEP_KILLED = 5_000
NOT_FOUND = "Order not found or already canceled"
ALREADY_MATCHED = "Order already matched"
DELAYED = "order match delayed due to market conditions"  # why an order in its delay is not cancelled


@dataclass(frozen=True, slots=True, kw_only=True)
class _Judged:
    """An order that passed every check, and what it would do."""

    record: OrderRecord
    market: Market
    terms: Admitted
    matches: list[Match]
    wallet: Wallet


class Trading:
    def __init__(self, core: Core, announcer: Announcer, execution: Execution) -> None:
        self._core = core
        self._announcer = announcer
        self._execution = execution
        self._dated: dict[str, int] = {}  # order id -> when it is taken off, Unix ms
        self._phantoms: list[tuple[int, str, str, int]] = []  # (when, address, asset, amount) still set aside
        self._killed: dict[str, None] = {}  # hashes of killed FOK and FAK orders, oldest first
        self.delay: Callable[..., None] | None = None  # holds a marketable order; set by who owns delays

    # Arrival ----------------------------------------------------------------------------------------

    def place(self, order: NewOrder) -> PlaceResult:
        core = self._core
        try:
            return self._place(order)
        except Refusal:
            core.counts["refused"] += 1
            raise

    def _place(self, order: NewOrder) -> PlaceResult:
        core = self._core
        judged = self._judge(order)
        record, market = judged.record, judged.market
        judged.wallet.owners.add(order.owner)
        core.record_add(record)
        core.counts["orders"] += 1
        core.dirty = True
        if judged.matches and market.seconds_delay and self.delay is not None:
            record.status = "DELAYED"
            self._tell(record, "PLACEMENT")
            self.delay(order, record, seconds=market.seconds_delay)
            return PlaceResult(order_id=order.order_id, status="delayed")
        self._tell(record, "PLACEMENT")
        return self._effect(order, judged)

    def is_marketable(self, order: NewOrder) -> bool:
        """Check an order without taking it; return whether it would match now. Raises Refusal like `place`."""
        return bool(self._judge(order).matches)

    def mature(self, order: NewOrder, record: OrderRecord) -> None:
        """Match or rest an order whose delay is over. Raises Refusal when a check no longer passes."""
        judged = self._judge(order, record=record)
        if not judged.matches:
            record.status = "UNMATCHED"
            self._tell(record, "UPDATE")
        record.status = "LIVE"
        self._effect(order, judged)

    def _judge(self, order: NewOrder, *, record: OrderRecord | None = None) -> _Judged:
        """Check everything about an order and change nothing. `record` is one that is already known."""
        core = self._core
        market = core.catalogue.by_token.get(order.token_id)
        if market is None:
            raise Refusal(404, refusals.NO_BOOK)
        if market.state is not MarketState.OPEN:
            raise Refusal(400, refusals.NOT_READY)
        if record is None and self._is_known(order.order_id):
            raise Refusal(400, refusals.duplicated(order.order_id))
        terms = admit(order, market, now_ms=core.now)
        outcome = market.index_of(order.token_id)
        engine = core.engines[market.condition_id]
        if not engine.ready(outcome):
            raise Refusal(400, refusals.NOT_READY)
        size = terms.size if terms.cash is None else None
        matches = engine.plan(outcome, order.side, terms.limit, size=size, cash=terms.cash)
        record = record or self._record(order, market, outcome, terms)
        self._check_book(order, record, terms, matches)
        wallet = core.accounts.wallet(order.maker)
        self._check_money(order, market, wallet, matches)
        return _Judged(record=record, market=market, terms=terms, matches=matches, wallet=wallet)

    def _is_known(self, order_id: str) -> bool:
        """Whether this hash is a duplicate: it was taken before, or (as a fault may say) killed before."""
        core = self._core
        known = core.records.get(order_id)
        if known is None:
            refuses = order_id in self._killed and core.rules.strike(EngineFault.REFUSE_KILLED, core.now) is not None
            return refuses
        if known.status == "CANCELED":
            return core.rules.strike(EngineFault.REPOST_CANCELED, core.now) is None
        return True

    def _effect(self, order: NewOrder, judged: _Judged) -> PlaceResult:
        record, market, terms = judged.record, judged.market, judged.terms
        matches, wallet = judged.matches, judged.wallet
        outcome = market.index_of(order.token_id)
        taker = Taker(
            order_id=order.order_id, owner=order.owner, wallet=wallet, outcome=outcome, side=order.side, record=record
        )
        done = self._execution.take(market, taker, matches)
        left = terms.size - record.matched
        if order.order_type in (OrderType.GTC, OrderType.GTD) and left > 0:
            self._rest(record, market)
        elif not _is_full(terms, matches, record.matched):
            record.status = "CANCELED"
            record.ended_ms = self._core.now
            self._tell(record, "CANCELLATION")
        else:
            record.size = max(record.size, record.matched)
            record.status = "MATCHED"
            record.ended_ms = self._core.now
        self._execution.announce_books(market, traded=bool(matches))
        return PlaceResult(
            order_id=order.order_id,
            status="matched" if matches else "live",
            making=done.dollars if order.side is Side.BUY else done.shares,
            taking=done.shares if order.side is Side.BUY else done.dollars,
            trade_ids=tuple(done.trade_ids),
        )

    def _record(self, order: NewOrder, market: Market, outcome: int, terms: Admitted) -> OrderRecord:
        return OrderRecord(
            order_id=order.order_id,
            owner=order.owner,
            maker=order.maker,
            market=market.condition_id,
            token_id=order.token_id,
            outcome=market.outcomes[outcome],
            side=order.side,
            price=terms.limit,
            size=terms.size,
            order_type=order.order_type,
            expiration_s=order.expiration_s,
            created_ms=self._core.now,
        )

    def _check_book(self, order: NewOrder, record: OrderRecord, terms: Admitted, matches: list[Match]) -> None:
        matched = sum(match.size for match in matches)
        if matched and order.post_only:
            raise Refusal(400, refusals.POST_ONLY_CROSSES)
        if matched and order.side is Side.BUY and order.maker_amount < ONE:
            raise Refusal(400, refusals.marketable_too_small(text_from_micro(order.maker_amount)))
        if order.order_type is OrderType.FOK and not _is_full(terms, matches, matched):
            self._tell_killed(order, record, terms, refusals.FOK_NOT_FILLED)
            raise Refusal(400, refusals.FOK_NOT_FILLED)
        if order.order_type is OrderType.FAK and not matched:
            self._tell_killed(order, record, terms, refusals.FAK_NO_MATCH)
            raise Refusal(400, refusals.FAK_NO_MATCH)

    def _check_money(self, order: NewOrder, market: Market, wallet: Wallet, matches: list[Match]) -> None:
        asset = CASH if order.side is Side.BUY else order.token_id
        need = order.maker_amount
        if order.side is Side.BUY:  # the fee of what is taken at once comes on top
            need += sum(taker_fee(match.price, match.size, market.fee) for match in matches)
        if order.spender:
            kind = CASH if asset == CASH else ("positions" if market.version == "v2" else "tokens")
            allowance = wallet.allowance(kind, order.spender)
            if allowance < need:
                raise Refusal(400, refusals.short_of_allowance(order.spender, allowance, need))
        if wallet.available(asset) < need:
            held = wallet.reserved.get(asset, 0) + wallet.outgoing.get(asset, 0)
            raise Refusal(400, refusals.short_of_balance(wallet.known(asset), held, need))

    def _rest(self, record: OrderRecord, market: Market) -> None:
        core = self._core
        wallet = core.accounts.wallet(record.maker)
        book_order = BookOrder(
            order_id=record.order_id,
            account=wallet.address,
            outcome=market.index_of(record.token_id),
            side=record.side,
            price=record.price,
            left=record.remaining,
        )
        core.engines[market.condition_id].rest(book_order, core.now)
        record.status = "LIVE"
        core.open[record.order_id] = record
        if record.expiration_s:
            self._dated[record.order_id] = (record.expiration_s - GTD_EARLY_S) * 1000
        asset, amount = reservation(record)
        add(wallet.reserved, asset, amount)

    # Departure --------------------------------------------------------------------------------------

    def cancel(self, order_ids: list[str], *, owner: str) -> tuple[list[str], dict[str, str]]:
        canceled: list[str] = []
        refused: dict[str, str] = {}
        for order_id in dict.fromkeys(order_ids):
            record = self._core.open.get(order_id)
            if record is not None and record.owner == owner:
                self.take_off(record, "CANCELED")
                canceled.append(order_id)
                continue
            waiting = self._core.delayed.get(order_id)
            if waiting is not None and waiting.owner == owner:
                refused[order_id] = DELAYED
                continue
            known = self._core.records.get(order_id)
            matched = known is not None and known.owner == owner and known.status == "MATCHED"
            refused[order_id] = ALREADY_MATCHED if matched else NOT_FOUND
        return canceled, refused

    def take_off(self, record: OrderRecord, status: str) -> None:
        """Remove an open order, release its money, tell its owner and the market."""
        core = self._core
        market = core.catalogue.by_condition[record.market]
        self._release(record, phantom=status == "CANCELED")
        core.engines[market.condition_id].remove(record.order_id)
        del core.open[record.order_id]
        self._dated.pop(record.order_id, None)
        record.status = status
        record.ended_ms = core.now
        core.dirty = True
        self._tell(record, "CANCELLATION")
        self._execution.announce_books(market, traded=False)

    def _release(self, record: OrderRecord, *, phantom: bool) -> None:
        """Give back what the order had set aside, later when a fault keeps it as a phantom."""
        core = self._core
        asset, amount = reservation(record)
        lag = core.rules.lag(EngineFault.PHANTOM_RESERVATION, core.now) if phantom else 0
        if lag:
            self._phantoms.append((core.now + lag, record.maker, asset, amount))
        else:
            add(core.accounts.wallet(record.maker).reserved, asset, -amount)

    def expire(self) -> None:
        """Take off GTD orders, a minute before their stated expiration as the venue does."""
        core = self._core
        if self._phantoms:
            for entry in [p for p in self._phantoms if p[0] <= core.now]:
                self._phantoms.remove(entry)
                add(core.accounts.wallet(entry[1]).reserved, entry[2], -entry[3])
        if not self._dated:
            return
        due = [order_id for order_id, at in self._dated.items() if at <= core.now]
        for order_id in due:
            del self._dated[order_id]
            record = core.open.get(order_id)
            if record is not None:
                self.take_off(record, "CANCELED_EXPIRED_ORDER")

    def drop_unfunded(self, wallet: Wallet, asset: str) -> None:
        """Cancel a wallet's newest orders on an asset until the rest is covered, as when money was moved away."""
        core = self._core
        mine = [r for r in core.open.values() if r.maker.lower() == wallet.address and reservation(r)[0] == asset]
        while mine and wallet.available(asset) < 0:
            self.take_off(mine.pop(), "CANCELED_NOT_ENOUGH_BALANCE")

    def restore(self, record: OrderRecord) -> None:
        """Put an order of an earlier run back into its market, behind nobody but older ones of its kind."""
        core = self._core
        market = core.catalogue.by_condition.get(record.market)
        if market is None or market.state is not MarketState.OPEN:
            record.status = "INVALID"
            return
        self._rest(record, market)
        self._execution.announce_books(market, traded=False)

    # Words ------------------------------------------------------------------------------------------

    def _tell(self, record: OrderRecord, kind: str) -> None:
        self._core.emit_user(record.owner, record.market, order_event(record, kind, self._core.now))

    def _tell_killed(self, order: NewOrder, record: OrderRecord, terms: Admitted, reason: str) -> None:
        record.status = f"CANCELED_{reason}"
        self._killed[order.order_id] = None
        if len(self._killed) > KEEP_KILLED:
            del self._killed[next(iter(self._killed))]
        if terms.cash is not None:
            record.size = terms.cash  # the venue states a killed market BUY in dollars
        self._tell(record, "CANCELLATION")


def _is_full(terms: Admitted, matches: list[Match], matched: int) -> bool:
    if terms.cash is None:
        return matched >= terms.size
    spent = sum(-(-match.size * match.price // ONE) for match in matches)
    return terms.cash - spent <= 1  # what is left buys nothing


def reservation(record: OrderRecord) -> tuple[str, int]:
    """Return the asset and amount that an open order sets aside."""
    if record.side is Side.BUY:
        return CASH, notional_up(record.price, record.remaining)
    return record.token_id, record.remaining
