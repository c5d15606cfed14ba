"""The relayer and the chain's node of an account, opened once and kept. Used by the trader, and by reads."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from django.conf import settings

from markets.venues.polymarket.rpc import Rpc
from orders.services import keyholder

if TYPE_CHECKING:
    from markets.venues.polymarket.relayer import Relayer

_lock = threading.Lock()
_rpcs: dict[str, Rpc] = {}
_relayers: dict[tuple[str, int], Relayer] = {}


def rpc() -> Rpc:
    """Return the chain's node that the settings name."""
    url = settings.POLYMARKET["rpc"]
    with _lock:
        return _rpcs.setdefault(url, Rpc(url))


def relayer(account_id: int) -> Relayer:
    """Return the relayer as this account speaks to it, with its key where the account has one."""
    from markets.venues.polymarket.relayer import Relayer  # knows what is signed: the trader alone loads it

    url = settings.POLYMARKET["relayer"]
    with _lock:
        made = _relayers.get((url, account_id))
        if made is None:
            made = Relayer(url, headers=lambda: keyholder.chain_signer().relayer_headers(account_id))
            _relayers[url, account_id] = made
        return made
