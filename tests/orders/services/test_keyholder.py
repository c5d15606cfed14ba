"""Who holds keys in this process: nobody by default, and what nobody holds is never guessed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from orders.services import keyholder
from orders.services.keyholder import NotInThisProcess


class Holder:
    def __init__(self) -> None:
        self.forgotten: list[int] = []

    def forget(self, account_id: int) -> None:
        self.forgotten.append(account_id)

    def gateway(self, account_id: int) -> str:
        return f"gateway {account_id}"

    def credentials(self, account_id: int, *, retired: bool = False) -> tuple[int, bool]:
        return account_id, retired


@pytest.fixture(autouse=True)
def nobody() -> Iterator[None]:
    keyholder.install()
    yield
    keyholder.install()


def test_a_process_without_keys_signs_and_listens_for_nobody() -> None:
    assert (keyholder.can_sign(), keyholder.can_listen()) == (False, False)
    asked: list[Any] = [
        keyholder.signer,
        keyholder.chain_signer,
        lambda: keyholder.gateway(1),
        lambda: keyholder.credentials(1),
    ]
    for ask in asked:
        with pytest.raises(NotInThisProcess, match="this process holds no"):
            ask()
    keyholder.forget(1)  # nothing to forget, and no error


def test_the_fills_process_listens_and_does_not_sign() -> None:
    streams = Holder()
    keyholder.install(gateways=streams)  # type: ignore[arg-type]
    assert (keyholder.can_sign(), keyholder.can_listen()) == (False, True)
    assert keyholder.credentials(3, retired=True) == (3, True)  # type: ignore[comparison-overlap]
    assert keyholder.gateway(3) == "gateway 3"  # type: ignore[comparison-overlap]
    with pytest.raises(NotInThisProcess):
        keyholder.signer()


def test_changed_keys_are_forgotten_by_whoever_holds_any() -> None:
    signer, streams, chain = Holder(), Holder(), object()
    keyholder.install(signer=signer, gateways=streams, chain=chain)  # type: ignore[arg-type]
    assert keyholder.signer() is signer and keyholder.chain_signer() is chain  # type: ignore[comparison-overlap]
    keyholder.forget(7)
    assert (signer.forgotten, streams.forgotten) == ([7], [7])
    keyholder.install(signer=signer)  # type: ignore[arg-type]
    keyholder.forget(8)
    assert (signer.forgotten, streams.forgotten) == ([7, 8], [7])
