"""What the venue holds against an address: banned, closed-only, a region it may not trade from, a dead builder code.

Everybody is in good standing until the control endpoint says otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from markets.domain.instruments import Side
from polybot.sandbox.messages import NewOrder, Refusal

GEOBLOCKED = "Trading restricted in your region"


@dataclass(slots=True)
class Standing:
    banned: set[str] = field(default_factory=set)
    closed_only: set[str] = field(default_factory=set)
    needs_deposit_wallet: set[str] = field(default_factory=set)
    canceled_on_chain: set[str] = field(default_factory=set)  # order ids
    dead_builders: set[str] = field(default_factory=set)
    region_blocked: bool = False
    relayer_auth: bool = False  # whether the relayer insists on builder or relayer keys

    def check_order(self, signer: str, order: NewOrder) -> None:
        """Raise the venue's refusal when this signer may not place this order."""
        if self.region_blocked:
            raise Refusal(403, GEOBLOCKED)
        for address in (signer, order.maker):
            if address in self.banned:
                raise Refusal(400, f"'{address}' address banned")
            if address in self.closed_only and order.side is Side.BUY:
                raise Refusal(400, f"'{address}' address in closed only mode")
        if order.maker == signer and signer in self.needs_deposit_wallet:
            raise Refusal(400, "maker address not allowed, please use the deposit wallet flow")
        if order.order_id in self.canceled_on_chain:
            raise Refusal(400, "order canceled in the CTF exchange contract")
        if order.builder in self.dead_builders:
            raise Refusal(400, "builder code disabled")

    def is_closed_only(self, signer: str) -> bool:
        return signer in self.closed_only
