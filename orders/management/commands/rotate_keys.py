"""`manage.py rotate_keys`: replace the sealing keys, or an account's API credentials.

Runs where the key files are. The trader and the fills process notice by themselves.
"""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from orders.models import Account
from orders.services import desk_keys
from orders.services.accounts import AccountError
from orders.services.connection_asks import credentials_rotation_ask
from orders.services.key_files import KeyFileError
from orders.services.sealing import SealError
from orders.tasks import connect_account


class Command(BaseCommand):
    help = "Make new sealing keys, seal every secret anew and drop the old keys; or ask for new API credentials."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("which", choices=["trader", "stream", "credentials"])
        parser.add_argument("--keys", type=Path, help="folder of the key files; POLYBOT_DATA/keys unless given")
        parser.add_argument("--account", type=int, help="with credentials: whose")

    def handle(self, *args: Any, **options: Any) -> None:
        by = f"command ({getpass.getuser()})"
        if options["which"] == "credentials":
            self._credentials(options["account"], by)
            return
        named = settings.KEY_FILES[options["which"]]
        paths = desk_keys.paths_under(options["keys"] or settings.POLYBOT_DATA / "keys")
        path = paths[options["which"]] if options["keys"] or not named else Path(named)
        try:
            done = desk_keys.sealing_key_rotate(desk_keys.PURPOSES[options["which"]], path, by=by, now=timezone.now())
        except (KeyFileError, SealError) as error:
            raise CommandError(f"{error}. Nothing is lost: both keys are in the file; run it again") from None
        self.stdout.write(f"{done} secrets are sealed with the new {options['which']} key")

    def _credentials(self, account_id: int | None, by: str) -> None:
        if account_id is None:
            raise CommandError("name the account: --account NUMBER")
        try:
            credentials_rotation_ask(account_id, by=by)
        except (AccountError, Account.DoesNotExist) as error:
            raise CommandError(str(error)) from None
        connect_account.delay(account_id)
        self.stdout.write("the trader gets new API credentials; the account's page says when they are there")
