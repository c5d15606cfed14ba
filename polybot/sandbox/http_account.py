"""The CLOB's account routes: API keys, balances and allowances, notifications, rewards.

A wallet exists, funded and approved, from the moment its key is made: nobody can send
real money here, so the first use is the deposit.
"""

from __future__ import annotations

from datetime import date
from typing import Any

from polybot.sandbox.auth import ApiKey, KeyRing
from polybot.sandbox.exchange import Exchange
from polybot.sandbox.http_core import ApiError, Request, Router
from polybot.sandbox.http_markets import page
from polybot.sandbox.messages import CASH
from polybot.sandbox.notices import Notices
from polybot.sandbox.order_intake import is_position_id
from polybot.sandbox.sessions import Sessions
from polybot.sandbox.standing import Standing
from polybot.sandbox.wallets import (
    MANAGER_OPERATORS,
    MONEY_SPENDERS,
    SHARE_OPERATORS,
    deposit_wallets,
    proxy_wallet,
    safe_wallet,
    wallets_of,
)


class AccountApi:
    def __init__(
        self, exchange: Exchange, keys: KeyRing, notices: Notices, standing: Standing, sessions: Sessions
    ) -> None:
        self._sessions = sessions
        self._standing = standing
        self._exchange = exchange
        self._keys = keys
        self._notices = notices

    def add_to(self, router: Router) -> None:
        router.add("POST", "/auth/api-key", self.create_key)
        router.add("GET", "/auth/derive-api-key", self.derive_key)
        router.add("GET", "/auth/api-keys", self.list_keys)
        router.add("DELETE", "/auth/api-key", self.delete_key)
        router.add("GET", "/auth/ban-status/closed-only", self.closed_only)
        router.add("POST", "/auth/builder-api-key", self.create_builder)
        router.add("GET", "/auth/builder-api-key", self.list_builders)
        router.add("DELETE", "/auth/builder-api-key", self.delete_builder)
        router.add("GET", "/balance-allowance", self.balance)
        router.add("GET PUT", "/balance-allowance/update", self.update)
        router.add("GET", "/notifications", self.notifications)
        router.add("DELETE", "/notifications", self.drop_notifications)
        router.add("GET", "/rewards/user", self.empty_page)
        router.add("GET", "/rewards/user/markets", self.empty_page)
        router.add("GET", "/rewards/user/total", self.empty_list)
        router.add("GET", "/rewards/user/percentages", self.empty_object)

    def create_key(self, request: Request) -> dict[str, str]:
        return self._opened(self._keys.create(request))

    def derive_key(self, request: Request) -> dict[str, str]:
        return self._opened(self._keys.derive(request))

    def list_keys(self, request: Request) -> dict[str, list[str]]:
        return {"apiKeys": self._keys.keys_of(self._keys.require(request).address)}

    def delete_key(self, request: Request) -> str:
        self._keys.delete(self._keys.require(request))
        return "OK"

    def closed_only(self, request: Request) -> dict[str, bool]:
        key = self._keys.require(request)
        return {"closed_only": self._standing.is_closed_only(key.address)}

    def create_builder(self, request: Request) -> dict[str, str]:
        return self._keys.builder_create(self._keys.require(request))

    def list_builders(self, request: Request) -> list[str]:
        return self._keys.builders_of(self._keys.require(request))

    def delete_builder(self, request: Request) -> str:
        self._keys.builder_delete(request)
        return "OK"

    def balance(self, request: Request) -> dict[str, Any]:
        address, asset = self._account(request)
        # Shares move by approval for all, money by amount; positions of Protocol V2 have a manager of their own.
        if asset == CASH:
            spenders: tuple[str, ...] = MONEY_SPENDERS
            kind = CASH
        elif is_position_id(int(asset)):
            spenders, kind = MANAGER_OPERATORS, "positions"
        else:
            spenders, kind = SHARE_OPERATORS, "tokens"
        return {
            "balance": str(self._exchange.balance(address, asset)),
            "allowances": {s: str(self._exchange.allowance(address, kind, s)) for s in spenders},
        }

    def update(self, request: Request) -> str:
        address, asset = self._account(request)
        self._exchange.balance_update(address, asset)
        return "OK"

    def notifications(self, request: Request) -> list[dict[str, Any]]:
        return self._notices.of(self._keys.require(request).key)

    def drop_notifications(self, request: Request) -> str:
        self._notices.drop(self._keys.require(request).key, request.all("ids"))
        return "OK"

    def empty_page(self, request: Request) -> dict[str, Any]:
        self._keys.require(request)
        _check_date(request)
        return {**page(request, [], dict, limit=100), "total_count": 0}

    def empty_list(self, request: Request) -> list[Any]:
        self._keys.require(request)
        _check_date(request)
        return []

    def empty_object(self, request: Request) -> dict[str, Any]:
        self._keys.require(request)
        return {}

    def _opened(self, key: ApiKey) -> dict[str, str]:
        for address in wallets_of(key.address):
            self._exchange.wallet_open(address)
        return key.public()

    def _account(self, request: Request) -> tuple[str, str]:
        """Return (wallet, asset) that a balance request means."""
        key = self._keys.require(request)
        address = self._wallet(key, request.first("signature_type", "0"))
        self._exchange.wallet_open(address)
        kind, token = request.first("asset_type"), request.first("token_id")
        if kind == "COLLATERAL":
            return address, CASH
        if kind not in ("CONDITIONAL", "CONDITIONAL-V2"):
            raise ApiError(400, "Invalid asset type")
        if self._exchange.market_by_token(token) is None or is_position_id(int(token)) != (kind == "CONDITIONAL-V2"):
            raise ApiError(400, "Invalid token id")
        return address, token

    def _wallet(self, key: ApiKey, signature_type: str) -> str:
        """Return the key's wallet of that type; of its two deposit wallets, the one that was used."""
        if signature_type == "0":
            return key.address
        if signature_type == "1":
            return proxy_wallet(key.address)
        if signature_type == "2":
            return safe_wallet(key.address)
        if signature_type != "3":
            raise ApiError(400, "Invalid signature_type")
        if granted := self._sessions.wallet_of(key.address, now_s=self._exchange.now_ms / 1000):
            return granted
        beacon, uups = deposit_wallets(key.address)
        return beacon if self._was_used(beacon) and not self._was_used(uups) else uups

    def _was_used(self, address: str) -> bool:
        """Whether a wallet has traded, or holds other money than every new wallet does."""
        self._exchange.wallet_open(address)
        opening = self._exchange.options.opening_cash
        return any(self._exchange.owners_of(address)) or self._exchange.balance(address, CASH) != opening


def _check_date(request: Request) -> None:
    """A date is optional here; one that is given has to be a date."""
    text = request.first("date")
    if text:
        try:
            date.fromisoformat(text)
        except ValueError:
            raise ApiError(400, "Invalid date (format: YYYY-MM-DD)") from None
