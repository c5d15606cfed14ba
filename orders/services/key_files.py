"""Files that hold key material: made for their owner alone, refused when anybody else could read them.

A file has one key per line, 64 hexadecimal digits each, the current one first; older ones stay
until nothing is sealed for them any more. Nothing here logs or quotes a line.
"""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path

from orders.services.sealing import OpeningKey

TRADER, STREAM, INSTALL = "trader.key", "stream.key", "install.key"


class KeyFileError(RuntimeError):
    """A key file that cannot be used; the message says why and what to do."""


def keys_read(path: Path) -> list[bytes]:
    """Return the keys in the file, the current one first."""
    try:
        with path.open("rb") as file:
            about = os.fstat(file.fileno())
            text = file.read(64 * 1024).decode("ascii")
    except FileNotFoundError:
        raise KeyFileError(f"{path} does not exist: `manage.py prepare_desk` makes it") from None
    except OSError as error:
        raise KeyFileError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise KeyFileError(f"{path} is no key file of ours") from None
    if not stat.S_ISREG(about.st_mode):
        raise KeyFileError(f"{path} is not a file")
    if about.st_mode & 0o077:
        raise KeyFileError(f"{path} can be read by others (mode {about.st_mode & 0o777:o}): chmod 600 it")
    if about.st_uid not in (os.geteuid(), 0):
        raise KeyFileError(f"{path} belongs to another user: chown it to the one who runs this process")
    try:
        keys = [bytes.fromhex(line) for line in text.split()]
    except ValueError:
        keys = []
    if not keys or any(len(key) != 32 for key in keys):
        # Not chained: the cause would carry the line.
        raise KeyFileError(f"{path} is no key file of ours: 64 hexadecimal digits a line") from None
    return keys


def keys_write(path: Path, keys: list[bytes]) -> None:
    """Replace the file by one with these keys, at once and for its owner alone."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = path.with_name(path.name + ".part")
    part.unlink(missing_ok=True)
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write("".join(f"{key.hex()}\n" for key in keys))
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def file_make(path: Path) -> bool:
    """Make the file with one new key unless it is there; return whether it was made."""
    if path.exists():
        keys_read(path)
        return False
    keys_write(path, [secrets.token_bytes(32)])
    return True


def opening_keys(path: Path) -> list[OpeningKey]:
    return [OpeningKey.from_bytes(raw) for raw in keys_read(path)]
