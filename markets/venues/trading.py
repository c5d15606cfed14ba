"""The trading side of a venue: how an order is made, signed, sent, found again and ended.

Ports only. An implementation lives in the venue's folder and is named in `markets.venues.trading_registry`.
Money is in millionths, times are Unix milliseconds. Three hands touch an order and none does another's work:
the maker computes (pure), the signer signs (the trader's process alone), the gateway speaks to the venue.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from markets.domain.answers import OrderAnswer
from markets.domain.instruments import Side
from markets.domain.trading import CancelAnswer, VenueBalances, VenueLeg, VenueOrder
from markets.venues.base import VenueRefused


@dataclass(frozen=True, slots=True, kw_only=True)
class WalletFacts:
    """Whose order it is. `api_key` is the id of the API key, which the request names; no secret is in here."""

    wallet_address: str  # where the money is
    signer_address: str  # the key that signs
    wallet_kind: str
    chain_id: int
    api_key: str
    builder_code: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderTerms:
    """Everything that decides an order's bytes. The same terms always make the same order and the same id."""

    client_key: str
    created_ms: int
    condition_id: str
    token_id: str
    neg_risk: bool
    tick: int
    side: Side
    price: int
    size: int
    order_type: str  # gtc, gtd, fok, fak
    post_only: bool = False
    expires_at_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsigned:
    """An order ready to be signed. `order_id` is final already; `fields` belongs to the venue's folder."""

    order_id: str
    exchange: str  # standard, neg_risk, v3
    contract: str  # the address that it is signed for: the signer allows few
    chain_id: int
    salt: int
    timestamp_ms: int
    side: Side
    gives: int  # dollars of a buy, shares of a sell
    asks: int
    fields: object


class OrderMaker(Protocol):
    """Pure. Raises AmountError or PayloadError for terms that the venue would refuse."""

    def prepare(self, terms: OrderTerms, wallet: WalletFacts, *, salt_key: bytes) -> Unsigned: ...
    def body(self, unsigned: Unsigned, signature: bytes, terms: OrderTerms, wallet: WalletFacts) -> bytes: ...
    def id_of(self, body: bytes, *, exchange: str, chain_id: int) -> str:
        """Recompute the id from stored bytes (I1)."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """How a request went besides its meaning. Monotonic-free: wall clock milliseconds, for the record."""

    answer: OrderAnswer
    first_byte_ms: int | None  # None: no byte left
    answered_ms: int


class OrderGateway(Protocol):
    """One account at one venue. Nothing here retries. Reads raise VenueUnavailable, VenueRefused or ParseError.

    `deadline_ms` is the wall-clock moment after which the request is given up, and before which no first
    byte may leave any more: a late send is worse than none.
    """

    def send(self, body: bytes, *, order_id: str, unknown_attempts: int, deadline_ms: int) -> Sent: ...
    def send_batch(
        self, bodies: Sequence[bytes], *, order_ids: Sequence[str], unknown_attempts: Sequence[int], deadline_ms: int
    ) -> list[Sent]:
        """One answer per order, matched by its recomputed id, never by place alone (V17)."""
        ...

    def cancel(self, order_ids: Sequence[str], *, deadline_ms: int) -> CancelAnswer: ...
    def cancel_market(self, condition_id: str, *, token_id: str = "", deadline_ms: int) -> CancelAnswer: ...
    def cancel_everything(self, *, deadline_ms: int) -> CancelAnswer: ...

    def order(self, order_id: str) -> VenueOrder | None:
        """Return the order, or None where the venue lists none: absence proves nothing by itself (V7)."""
        ...

    def open_orders(self) -> list[VenueOrder]: ...
    def legs(self, *, since_ms: int) -> list[VenueLeg]:
        """Return our parts in all trades since then: by maker address, every page, without an asset filter (V6)."""
        ...

    def balances(self, token_ids: Sequence[str] = ()) -> VenueBalances: ...
    def balances_refresh(self, token_id: str = "") -> None:
        """Ask the venue to look at the chain again: its balance cache lags behind fills (V10)."""
        ...

    def positions(self) -> Mapping[str, int]:
        """Return all shares of the wallet by token id, from the venue's data service (it lags)."""
        ...

    def heartbeat(self, previous_id: str) -> str:
        """Say that we are alive; return the id to name next time. The first one arms the venue's cancel-all (V20).

        Raises HeartbeatRefused where the chain of ids broke: an answer got lost, or somebody else uses the key.
        """
        ...

    def warm(self, count: int = 1) -> int:
        """Open connections ahead, so that the next order need not; return how many wait. Never raises."""
        ...

    def close(self) -> None: ...


class HeartbeatRefused(VenueRefused):
    """The heartbeat named another id than the venue expected, and did not move its deadline."""

    def __init__(self, message: str, *, expected_id: str) -> None:
        super().__init__(message)
        self.expected_id = expected_id


class VenueProbe(Protocol):
    """What a venue tells anybody: its clock, whether it lets this place trade, its version."""

    def clock_ms(self) -> int: ...
    def geoblock(self) -> tuple[bool, str]:
        """Return (blocked, country)."""
        ...

    def version(self) -> str: ...
    def is_up(self) -> bool: ...


# Makes headers for one request: (method, path, body) -> headers. Closes over credentials; never logged.
Authorise = Callable[[str, str, bytes], Mapping[str, str]]

# Handed every object that was read of an account, as it came: (source, decoded object). The drift sentinel compares it.
Look = Callable[[str, object], None]

# Told of every answer to a request that costs something: ("order" or "cancel", HTTP status, headers in lower case).
Heard = Callable[[str, int, Mapping[str, str]], None]
