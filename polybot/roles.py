"""Which keys this process takes: all of them in the trader, API credentials in `fills`, none anywhere else.

Called once at start by the processes concerned. Everything that can sign is imported inside these functions,
so that no other process loads it.
"""

from __future__ import annotations

from pathlib import Path

from django.conf import settings


class RoleError(RuntimeError):
    """A process that cannot take its role; the message names the file or setting."""


def install(role: str) -> None:
    """Give this process the keys of `role`: "trader", "fills", or "" for none."""
    if role == "trader":
        install_trader()
    elif role == "fills":
        install_fills()


def install_trader() -> None:
    """Take the private keys, the API credentials and the salt of this installation."""
    from orders.services import key_files, keyholder
    from orders.services.chain_signer import TraderChainSigner
    from orders.services.gateways import AccountGateways
    from orders.services.secrets import Opener
    from orders.services.signer import TraderSigner

    opener = Opener([_file("trader"), _file("stream")])
    keyholder.install(
        signer=TraderSigner(opener, install_key=key_files.keys_read(_file("install"))[0]),
        gateways=AccountGateways(opener),
        chain=TraderChainSigner(opener),
    )


def install_fills() -> None:
    """Take the API credentials: this process listens to user channels and reads, and cannot sign."""
    from orders.services import keyholder
    from orders.services.gateways import AccountGateways
    from orders.services.secrets import Opener

    keyholder.install(gateways=AccountGateways(Opener([_file("stream")])))


def _file(name: str) -> Path:
    path = settings.KEY_FILES[name]
    if path is None:
        raise RoleError(f"POLYBOT_{name.upper()}_KEY_FILE is not set: `up` and docker-compose name it for this process")
    return Path(path)
