"""The user streams of every connected account: picked up and dropped as accounts come and go, without a restart."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from django.conf import settings
from django.db import DatabaseError, connection

from orders.domain.lifecycle import Environment
from orders.feed.user_stream import AccountStream
from orders.models import Account
from orders.selectors.wallets import wallet_stamp

log = logging.getLogger(__name__)

LOOK_EVERY_S = 3.0
_JOIN_S = 2.0


class UserStreams(threading.Thread):
    """Runs until `stop`, beside the paper engine and independent of it."""

    def __init__(self, *, url: Callable[[], str] = lambda: settings.POLYMARKET["ws_user"]) -> None:
        super().__init__(name="user streams", daemon=True)
        self.streams: dict[int, tuple[tuple[object, ...], AccountStream]] = {}
        self._url = url
        self._ending = threading.Event()

    def stop(self) -> None:
        self._ending.set()

    def run(self) -> None:
        while not self._ending.is_set():
            try:
                self.turn()
            except DatabaseError as error:  # what listens goes on listening
                log.warning("accounts cannot be read", extra={"problem": str(error)[:200]})
                connection.close()
            self._ending.wait(LOOK_EVERY_S)
        for account_id in list(self.streams):
            self._drop(account_id)
        connection.close()

    def turn(self) -> None:
        """Start and stop streams until they are those of the connected accounts, with their present keys."""
        accounts = Account.objects.exclude(environment=Environment.PAPER).filter(connection="ready")
        wanted = {account.pk: account for account in accounts}
        for account_id in [k for k in self.streams if k not in wanted]:
            self._drop(account_id)
        for account_id, account in wanted.items():
            stamp = wallet_stamp(account_id)
            known = self.streams.get(account_id)
            if known is not None and known[0] == stamp:
                continue
            if known is not None:
                self._drop(account_id)
            stream = AccountStream(account, url=self._url)
            self.streams[account_id] = (stamp, stream)
            stream.start()
            log.info("user stream started", extra={"account": account_id})

    def _drop(self, account_id: int) -> None:
        _, stream = self.streams.pop(account_id)
        stream.stop()
        stream.join(_JOIN_S)
        log.info("user stream stopped", extra={"account": account_id})
