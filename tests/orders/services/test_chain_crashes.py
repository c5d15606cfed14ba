"""The trader dies at every named step of a transaction, or the other side forgets it: still one effect at most."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from markets.venues.chain import SubmitKind, Submitted
from orders.models import Account, ChainAction, LedgerTransaction
from orders.services import chain_send, faults
from orders.services.faults import Crash
from tests.live_desk import LiveDesk
from tests.orders.services.test_chain_send import equal_to_the_venue, finish, wanted

pytestmark = pytest.mark.django_db
POINTS = [
    "chain.prepared", "chain.committed", "chain.answered", "chain.read", "conversion.moved", "conversion.ledger",
    "chain.booked",
]  # fmt: skip


def dies_at(action: ChainAction, point: str) -> bool:
    """Let the trader work until it dies at the point for the first time; return whether it came there."""
    armed = [point]

    def hook(name: str) -> None:
        if name in armed:
            armed.clear()
            raise Crash(name)

    undo = faults.hook_install(hook)
    at = timezone.now()
    try:
        for _ in range(12):
            try:
                chain_send.actions_sweep(at, confirmations=0)
            except Crash:
                return True
            at += timedelta(seconds=21)
    finally:
        undo()
    return False


def one_split(desk: LiveDesk, account: Account, action: ChainAction) -> None:
    assert (action.state, action.state_reason) == ("confirmed", "")
    account.refresh_from_db()
    assert (account.cash, account.reserved_cash) == (980, 0)
    assert LedgerTransaction.objects.filter(account=account, kind="split").count() == 1
    equal_to_the_venue(desk, account)


@pytest.mark.parametrize("kind", ["eoa", "deposit_beacon"])
@pytest.mark.parametrize("point", POINTS)
def test_a_death_at_any_step_leaves_exactly_one_effect(live_desk: LiveDesk, kind: str, point: str) -> None:
    account, outcome = live_desk.account(kind), live_desk.outcome(3)
    action = wanted(live_desk, account, outcome.market_id)
    assert dies_at(action, point)
    one_split(live_desk, account, finish(action))


@pytest.mark.parametrize("kind", ["eoa", "safe"])
def test_an_accepted_transaction_that_vanished_is_sent_again_with_the_same_bytes(
    live_desk: LiveDesk, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A node or relayer that took it and lost it, or a chain that was reorganised: no receipt, the nonce unused."""
    account, outcome = live_desk.account(kind), live_desk.outcome(3)
    action = wanted(live_desk, account, outcome.market_id)
    with monkeypatch.context() as patch:
        taken = Submitted(kind=SubmitKind.ACCEPTED, reference="11111111-2222-3333-4444-555555555555")
        patch.setattr("markets.venues.polymarket.relayer.Relayer.submit", lambda *_, **__: taken)
        patch.setattr("markets.venues.polymarket.rpc.Rpc.broadcast", lambda *_, **__: taken)
        chain_send.action_step(action.pk, timezone.now())
    action.refresh_from_db()
    assert action.state == "pending"
    body = action.body
    one_split(live_desk, account, finish(action))
    assert (action.attempts, action.body) == (2, body)


def test_a_receipt_that_vanishes_for_a_while_is_waited_for(
    live_desk: LiveDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The receipt is gone, the nonce stays used: nothing is sent again, and the books wait for what the chain shows."""
    from markets.venues.polymarket.rpc import Rpc

    account, outcome = live_desk.account("eoa"), live_desk.outcome(3)
    action = wanted(live_desk, account, outcome.market_id)
    chain_send.action_step(action.pk, timezone.now())
    real = Rpc.progress
    with monkeypatch.context() as patch:
        patch.setattr(Rpc, "progress", lambda self, made, **more: real(self, "0x" + "00" * 32, **more))
        chain_send.action_step(action.pk, timezone.now() + timedelta(seconds=30))
        action.refresh_from_db()
        assert (action.state, action.attempts) == ("unknown", 1)
    one_split(live_desk, account, finish(action))
    assert action.attempts == 1


def test_relayer_trouble_on_the_way_to_a_redemption_pays_once(live_desk: LiveDesk) -> None:
    from orders.services.redemption import redemptions_apply
    from tests.orders.services.test_redemption import holding, resolve

    account, market = holding(live_desk)
    resolve(live_desk, market, 1)
    assert redemptions_apply(timezone.now()) == 1
    action = ChainAction.objects.get(account=account, kind="redeem")
    live_desk.exchange.control("faults", scope="engine", kind="relay_busy", times=2)
    assert dies_at(action, "chain.answered")
    finish(action)
    action.refresh_from_db()
    assert action.state == "confirmed"
    assert redemptions_apply(timezone.now()) == 0
    assert LedgerTransaction.objects.filter(account=account, kind="redeem").count() == 1
    equal_to_the_venue(live_desk, account)
