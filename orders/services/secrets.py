"""Secrets of accounts: stored sealed by whoever is given one, opened only where the key file is.

`secret_store` needs public halves only and runs in any process. An `Opener` is made of key files.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from django.db import transaction
from django.utils import timezone

from alerts.services.journal import event_record
from orders.domain.lifecycle import Environment
from orders.models import Account, SealingKey, Secret
from orders.services import key_files
from orders.services.account_events import account_event
from orders.services.sealing import NoKeyForIt, OpeningKey, context_of, seal, sealed_for, unseal

_HEADER_VALUE = re.compile(r"[\x21-\x7e]{8,256}")
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")
_PURPOSES = {
    Secret.Kind.PRIVATE_KEY: SealingKey.Purpose.TRADER,
    Secret.Kind.SESSION_KEY: SealingKey.Purpose.TRADER,
    Secret.Kind.RELAYER_KEY: SealingKey.Purpose.TRADER,
    Secret.Kind.API_CREDENTIALS: SealingKey.Purpose.STREAM,
}


class SecretError(RuntimeError):
    """A secret that cannot be stored or is not there; the message says what to do, never what it is."""


@transaction.atomic
def sealing_key_publish(purpose: SealingKey.Purpose, key: OpeningKey, *, by: str = "", now: datetime) -> bool:
    """Make this the key that new secrets are sealed for; return whether that changed anything."""
    current = SealingKey.objects.select_for_update().filter(purpose=purpose, retired_at=None).first()
    if current is not None and current.pk == key.fingerprint:
        return False
    if current is not None:
        current.retired_at = now
        current.save(update_fields=["retired_at"])
    SealingKey.objects.update_or_create(
        id=key.fingerprint,
        defaults={"purpose": purpose, "public_key": key.public.hex(), "created_at": now, "retired_at": None},
    )
    event_record(
        "keys.sealing_key",
        f"secrets for the {purpose} are sealed for the key {key.fingerprint} from now on",
        subject_kind="sealing_key",
        subject_id=key.fingerprint,
        actor=by,
        payload={"purpose": str(purpose), "before": current.pk if current else ""},
        now=now,
    )
    return True


@transaction.atomic
def secret_store(
    account: Account,
    kind: Secret.Kind,
    secret: bytes,
    *,
    public: str,
    by: str = "",
    now: datetime | None = None,
) -> Secret:
    """Seal `secret` and keep it as the account's current one of its kind; the one before is retired."""
    now = now or timezone.now()
    key = SealingKey.objects.filter(purpose=_PURPOSES[kind], retired_at=None).first()
    if key is None:
        raise SecretError("no sealing key is published: run `manage.py prepare_desk` once, then try again")
    sealed = seal(
        secret, public=bytes.fromhex(key.public_key), context=context_of(account_id=account.pk, kind=str(kind))
    )
    replaced = Secret.objects.filter(account=account, kind=kind, retired_at=None).update(retired_at=now)
    row = Secret.objects.create(
        account=account,
        kind=kind,
        sealed=sealed,
        sealing_key=key,
        public=public[:120],
        created_at=now,
        created_by=by[:120],
    )
    account_event(
        account,
        "keys.secret_stored",
        f"{account.name}: {kind.label.lower()} {'replaced' if replaced else 'stored'}, sealed",
        now=now,
        by=by,
        payload={"kind": str(kind), "public": public[:120], "sealing_key": key.pk},
    )
    return row


class Opener:
    """Opens secrets with the key files of this process. Reads them again when a newer key was made."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = tuple(paths)
        self._lock = threading.Lock()
        self._keys: dict[str, OpeningKey] = {}
        self.reload()

    def __repr__(self) -> str:
        return f"Opener({', '.join(sorted(self._keys))})"

    def reload(self) -> None:
        keys = {key.fingerprint: key for path in self._paths for key in key_files.opening_keys(path)}
        with self._lock:
            self._keys = keys

    def holds(self, fingerprint: str) -> bool:
        return fingerprint in self._keys

    def open(self, account_id: int, kind: Secret.Kind, *, retired: bool = False) -> bytes:
        """Return the account's secret of this kind, the current or the last retired one.

        Raises SecretError or SealError.
        """
        rows = Secret.objects.filter(account_id=account_id, kind=kind, retired_at__isnull=not retired)
        row = rows.order_by("-pk").first()
        if row is None:
            raise SecretError(f"account {account_id} has no {kind.label.lower()}")
        return self.unseal(bytes(row.sealed), account_id=account_id, kind=kind)

    def unseal(self, sealed: bytes, *, account_id: int, kind: str) -> bytes:
        fingerprint = sealed_for(sealed)
        if fingerprint not in self._keys:
            self.reload()
        key = self._keys.get(fingerprint)
        if key is None:
            raise NoKeyForIt(f"sealed for the key {fingerprint}, whose file is not here: store the secret again")
        return unseal(sealed, key=key, context=context_of(account_id=account_id, kind=str(kind)))


def relayer_key_store(account_id: int, *, key: str, address: str, by: str, now: datetime | None = None) -> Secret:
    """Keep the key that the relayer knows us by. Raises SecretError for what no header could carry."""
    account = Account.objects.exclude(environment=Environment.PAPER).filter(pk=account_id).first()
    if account is None:
        raise SecretError("a paper account needs no relayer key")
    if not _HEADER_VALUE.fullmatch(key.strip()):
        raise SecretError("the relayer key is empty or has characters that no header can carry: copy it again")
    if not _ADDRESS.fullmatch(address.strip()):
        raise SecretError("the relayer key's address is not 0x and 40 hexadecimal digits")
    parts = json.dumps({"key": key.strip(), "address": address.strip()}).encode()
    return secret_store(account, Secret.Kind.RELAYER_KEY, parts, public=address.strip(), by=by, now=now)
