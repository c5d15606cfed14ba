"""`manage.py account_open NAME`: an account at the local exchange or at the venue itself.

The private key never is an argument: it comes from a file, from standard input, from a hidden prompt, or,
in the sandbox, from the machine's random source. It is sealed before this command ends and cannot be read back.
"""

from __future__ import annotations

import getpass
import sys
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError, CommandParser

from markets.domain.units import AmountError, Usd, micro_from_decimal
from orders.domain.lifecycle import Environment
from orders.domain.private_keys import PrivateKeyError, key_new, key_read
from orders.domain.wallet_entry import WalletEntryError, wallet_entry
from orders.services.accounts import AccountError, account_open
from orders.services.secrets import SecretError
from orders.tasks import connect_account

LARGEST_FILE = 64 * 1024


class Command(BaseCommand):
    help = "Open a sandbox or live account. Without --key-file the key is asked for; --new-key makes one (sandbox)."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name")
        parser.add_argument("--environment", choices=["sandbox", "live"], default="sandbox")
        parser.add_argument("--owner", help="username; the first administrator unless given")
        parser.add_argument("--new-key", action="store_true", help="make a fresh key (sandbox only)")
        parser.add_argument("--key-file", help="hexadecimal key or keystore (version 3); - reads standard input")
        parser.add_argument("--wallet", default="", help="address that holds the money; its type is detected")
        parser.add_argument(
            "--type", default="", choices=["", "eoa", "proxy", "safe", "deposit_beacon", "deposit_uups"],
            help="without --wallet: which of the key's wallets",
        )  # fmt: skip
        parser.add_argument("--session-key", action="store_true", help="the key may trade for --wallet, not own it")
        parser.add_argument("--cash", default="0", help="play money the sandbox account should have, in dollars")
        parser.add_argument("--builder-code", default="")

    def handle(self, *args: Any, **options: Any) -> None:
        environment = Environment(options["environment"])
        try:
            key = self._key(environment, options)
            entry = wallet_entry(key, wallet=options["wallet"], kind=options["type"], is_session=options["session_key"])
            account = account_open(
                name=options["name"],
                owner=_owner(options["owner"]),
                environment=environment,
                cash=Usd(micro_from_decimal(_dollars(options["cash"]))),
                wallet=entry,
                builder_code=options["builder_code"],
                by=f"command ({getpass.getuser()})",
            )
        except (PrivateKeyError, WalletEntryError, AccountError, SecretError, AmountError) as error:
            # Not chained: nothing of what was typed may end in a traceback.
            raise CommandError(str(error)) from None
        self.stdout.write(f"{account.name}: {entry.kind} {entry.wallet}, key {entry.signer}; the trader connects it")
        try:
            connect_account.delay(account.pk)
        except Exception:  # the broker is away: the trader looks every 10 s by itself
            self.stdout.write("the broker does not answer; the trader will find the account by itself")

    def _key(self, environment: Environment, options: dict[str, Any]) -> bytes:
        if options["new_key"]:
            if environment is Environment.LIVE:
                raise CommandError("a live account needs your own key: nobody could restore one that was made here")
            return key_new()
        named = options["key_file"]
        if named == "-":
            text = sys.stdin.read(LARGEST_FILE)
        elif named:
            try:
                text = Path(named).read_text(encoding="utf-8")[:LARGEST_FILE]
            except (OSError, UnicodeDecodeError) as error:
                raise CommandError(f"{named} cannot be read: {getattr(error, 'strerror', 'it is not text')}") from None
        else:
            text = getpass.getpass("private key (not shown): ")
        needs_passphrase = text.lstrip().startswith("{")
        return key_read(text, passphrase=getpass.getpass("passphrase of the keystore: ") if needs_passphrase else "")


def _owner(username: str | None) -> Any:
    users = get_user_model().objects
    found = users.filter(username=username) if username else users.filter(is_superuser=True).order_by("pk")
    owner = found.first()
    if owner is None:
        raise CommandError(f"there is no user {username!r}" if username else "there is no administrator: name --owner")
    return owner


def _dollars(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise CommandError(f"--cash: {text!r:.30} is not an amount in dollars") from None
