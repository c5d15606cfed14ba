"""Warm connections to the venue, one per account, for processes that hold API credentials."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Mapping

from markets.domain.instruments import Venue
from markets.venues import trading_registry
from markets.venues.polymarket.credentials import ApiCredentials, CredentialError, level_2_headers
from markets.venues.polymarket.wallets import MAINNET
from markets.venues.trading import Authorise, OrderGateway, WalletFacts
from orders.domain.lifecycle import Environment
from orders.models import Account, Secret
from orders.selectors.wallets import wallet_stamp
from orders.services import drift_watch, rate_budget
from orders.services.keyholder import KeyRefused
from orders.services.sealing import SealError
from orders.services.secrets import Opener, SecretError

log = logging.getLogger("orders.gateways")

LOOK_AGAIN_S = 5.0


class AccountGateways:
    """Implements `orders.services.keyholder.Gateways`. Shared between threads."""

    def __init__(
        self,
        opener: Opener,
        *,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._opener = opener
        self._clock, self._wall_clock = clock, wall_clock
        self._lock = threading.Lock()
        self._open: dict[int, tuple[float, tuple[object, ...], OrderGateway]] = {}

    def gateway(self, account_id: int) -> OrderGateway:
        """Return the account's gateway, made once and kept warm. Raises KeyRefused without credentials."""
        now = self._clock()
        with self._lock:
            found = self._open.get(account_id)
        if found is not None and now - found[0] < LOOK_AGAIN_S:
            return found[2]
        stamp = wallet_stamp(account_id)
        if found is not None and found[1] == stamp:
            made = found[2]
        else:
            made = self._make(account_id)
        with self._lock:
            current = self._open.get(account_id)
            if current is not None and current[1] == stamp and current[2] is not made:
                made, spare = current[2], made  # another thread was faster
            else:
                spare = current[2] if current is not None and current[2] is not made else None
            self._open[account_id] = (now, stamp, made)
        if spare is not None:
            _close(spare)
        return made

    def credentials(self, account_id: int, *, retired: bool = False) -> ApiCredentials:
        """Return the account's API credentials: the user channel sends them in its first message."""
        try:
            return credentials_read(self._opener.open(account_id, Secret.Kind.API_CREDENTIALS, retired=retired))
        except (SealError, SecretError, CredentialError) as error:
            raise KeyRefused(f"account {account_id}: {error}") from None

    def forget(self, account_id: int) -> None:
        with self._lock:
            found = self._open.pop(account_id, None)
        if found is not None:
            _close(found[2])

    def _make(self, account_id: int) -> OrderGateway:
        account = Account.objects.filter(pk=account_id).exclude(environment=Environment.PAPER).first()
        if account is None:
            raise KeyRefused(f"account {account_id} has no connection: paper accounts trade inside polybot")
        if account.connection == "away":
            # Another exchange would answer that it knows none of its orders, and an absence counts as evidence.
            raise KeyRefused(f"account {account_id} is away: {account.connection_note}")
        credentials = self.credentials(account_id)
        wallet = WalletFacts(
            wallet_address=account.wallet_address,
            signer_address=account.signer_address,
            wallet_kind=account.wallet_kind,
            chain_id=MAINNET,
            api_key=credentials.api_key,
            builder_code=account.builder_code,
        )
        return trading_registry.gateway_open(
            Venue(account.venue),
            Environment(account.environment),
            wallet,
            self._authorise(credentials, account.signer_address),
            heard=rate_budget.learner(account.venue, account.signer_address),
            look=drift_watch.looker(account.venue),
        )

    def _authorise(self, credentials: ApiCredentials, address: str) -> Authorise:
        def headers(method: str, path: str, body: bytes) -> Mapping[str, str]:
            return level_2_headers(
                credentials,
                address=address,
                timestamp_s=int(self._wall_clock()),
                method=method,
                path=path.partition("?")[0],
                body=body,
            )

        return headers


def credentials_write(credentials: ApiCredentials) -> bytes:
    """Return the bytes that are sealed."""
    parts = {"key": credentials.api_key, "secret": credentials.secret, "passphrase": credentials.passphrase}
    return json.dumps(parts).encode()


def credentials_read(raw: bytes) -> ApiCredentials:
    parts = json.loads(raw)
    return ApiCredentials(api_key=parts["key"], secret=parts["secret"], passphrase=parts["passphrase"])


def _close(gateway: OrderGateway) -> None:
    try:
        gateway.close()
    except Exception:  # the edge: an old connection that does not close must not stop a new one
        log.exception("closing a gateway")
