"""What a user is told between visits: their orders filled, cancelled or failed, kept until dropped.

The newest `KEPT` per API key, made from the same order events that the user channel sends.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from markets.domain.units import micro_from_text, text_from_micro
from polybot.sandbox.catalogue import Catalogue
from polybot.sandbox.messages import UserEvent

KEPT = 200
CANCELED, FILLED, FAILED = 1, 2, 8


class Notices:
    """`clock` returns Unix milliseconds."""

    def __init__(self, catalogue: Catalogue, *, clock: Callable[[], int]) -> None:
        self._catalogue = catalogue
        self._clock = clock
        self._by_owner: dict[str, deque[dict[str, Any]]] = {}
        self._next_id = 1

    def of(self, owner: str) -> list[dict[str, Any]]:
        return list(self._by_owner.get(owner, ()))

    def drop(self, owner: str, ids: list[str]) -> None:
        wanted = set(ids)
        kept = [n for n in self._by_owner.get(owner, ()) if str(n["id"]) not in wanted]
        self._by_owner[owner] = deque(kept, maxlen=KEPT)

    def on_event(self, event: UserEvent) -> None:
        body = event.body
        if body.get("event_type") == "trade" and body.get("status") == "FAILED":
            body = _failed_fill(event)
        elif body.get("event_type") != "order" or body.get("type") == "PLACEMENT":
            return
        kind = {"CANCELLATION": CANCELED, "FAILURE": FAILED}.get(body["type"], FILLED)
        market = self._catalogue.by_condition.get(event.market)
        if market is None:
            return
        listed = self._catalogue.event_of(market)
        token = str(body["asset_id"])
        self._by_owner.setdefault(event.owner, deque(maxlen=KEPT)).append(
            {
                "id": self._next_id,
                "type": kind,
                "owner": event.owner,
                "timestamp": self._clock() // 1000,
                "payload": {
                    "asset_id": token,
                    "market": event.market,
                    "order_id": body["id"],
                    "side": body["side"],
                    "type": body["order_type"],
                    "price": body["price"],
                    "original_size": body["original_size"],
                    "matched_size": body["size_matched"],
                    "remaining_size": str(_minus(body["original_size"], body["size_matched"])),
                    "outcome": body["outcome"],
                    "outcome_index": market.index_of(token),
                    "transaction_hash": body.get("transaction_hash", ""),
                    "trade_id": (body.get("associate_trades") or [""])[-1],
                    "question": market.question,
                    "market_slug": market.slug,
                    "icon": "",
                    "image": "",
                    "eventSlug": listed.slug,
                    "seriesSlug": listed.series_slug,
                },
            }
        )
        self._next_id += 1


def _failed_fill(event: UserEvent) -> dict[str, Any]:
    """Return a failed trade in an order's words: the part of it that is the owner's."""
    body = event.body
    own = next((part for part in body["maker_orders"] if part["owner"] == event.owner), None)
    if own is None or body["owner"] == event.owner:
        own = {**body, "order_id": body["taker_order_id"], "matched_amount": body["size"]}
    size = own["matched_amount"]
    return {
        **{name: own[name] for name in ("asset_id", "side", "price", "outcome")},
        "type": "FAILURE",
        "id": own["order_id"],
        "order_type": "GTC",
        "original_size": size,
        "size_matched": size,
        "associate_trades": [body["id"]],
        "transaction_hash": body["transaction_hash"],
    }


def _minus(left: str, right: str) -> str:
    return text_from_micro(
        micro_from_text(left, field="original_size") - micro_from_text(right or "0", field="size_matched")
    )
