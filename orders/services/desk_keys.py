"""The key files of one installation: made once, published, changed without a pause.

Runs where the files are: in `prepare_desk` and in the commands that an operator starts. The trader and
the fills process read their files again when they meet a secret that was sealed for a newer key.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from django.db import transaction

from alerts.domain.events import Severity
from alerts.services.journal import event_record
from orders.models import SealingKey, Secret
from orders.services import key_files
from orders.services.sealing import OpeningKey, context_of, seal
from orders.services.secrets import Opener, sealing_key_publish

PURPOSES = {"trader": SealingKey.Purpose.TRADER, "stream": SealingKey.Purpose.STREAM}


def paths_under(folder: Path) -> dict[str, Path]:
    """Return where the key files of an installation are by default."""
    return {"trader": folder / key_files.TRADER, "stream": folder / key_files.STREAM,
            "install": folder / key_files.INSTALL}  # fmt: skip


def keys_prepare(paths: Mapping[str, Path], *, now: datetime) -> list[str]:
    """Make missing files, publish their public halves, and return what a person should know.

    Raises KeyFileError for a file that others can read.
    """
    warnings = []
    for name, path in paths.items():
        made = key_files.file_make(path)
        if name not in PURPOSES:
            continue
        keys = key_files.opening_keys(path)
        held = {key.fingerprint for key in keys}
        kept = Secret.objects.filter(retired_at=None, sealing_key__purpose=PURPOSES[name])
        if lost := kept.exclude(sealing_key_id__in=held).count():
            how = "was made anew" if made else "lacks older keys"
            warnings.append(
                f"{path} {how}: {lost} stored secrets cannot be opened; restore the file, or give those keys again"
            )
        sealing_key_publish(PURPOSES[name], keys[0], by="prepare", now=now)
    return warnings


def sealing_key_rotate(purpose: SealingKey.Purpose, path: Path, *, by: str, now: datetime) -> int:
    """Replace a sealing key: seal every secret anew, then drop the old key; return how many were sealed.

    A crash at any point leaves both keys in the file, and running it again finishes the work: the file has
    the new key before anything is sealed for it, and loses the old one when nothing is any more.
    """
    raws = key_files.keys_read(path)
    key, raw = OpeningKey.new()
    key_files.keys_write(path, [raw, *raws])
    sealing_key_publish(purpose, key, by=by, now=now)
    done = secrets_reseal(purpose, path, by=by, now=now)
    key_files.keys_write(path, [raw])
    return done


def secrets_reseal(purpose: SealingKey.Purpose, path: Path, *, by: str, now: datetime) -> int:
    """Seal for the current key whatever is sealed for an older one, retired secrets too; return how many."""
    opener = Opener([path])
    current = SealingKey.objects.get(purpose=purpose, retired_at=None)
    public = bytes.fromhex(current.public_key)
    done = 0
    older = Secret.objects.filter(sealing_key__purpose=purpose).exclude(sealing_key=current).order_by("pk")
    for secret_id in list(older.values_list("pk", flat=True)):
        with transaction.atomic():
            row = Secret.objects.select_for_update().get(pk=secret_id)
            plain = opener.unseal(bytes(row.sealed), account_id=row.account_id, kind=row.kind)
            row.sealed = seal(plain, public=public, context=context_of(account_id=row.account_id, kind=row.kind))
            row.sealing_key = current
            row.save(update_fields=["sealed", "sealing_key"])
            done += 1
    with transaction.atomic():
        event_record(
            "keys.resealed",
            f"{done} secrets were sealed anew for the {purpose} key {current.pk}",
            severity=Severity.WARNING,
            subject_kind="sealing_key",
            subject_id=current.pk,
            actor=by,
            payload={"purpose": str(purpose), "count": done},
            now=now,
        )
    return done
