"""Split, merge, redeem and transfers at the local exchange, for every kind of wallet, effectively once."""

from __future__ import annotations

import time
from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from markets.venues.chain import SubmitKind, Submitted
from orders.models import Account, ChainAction, LedgerTransaction, Position
from orders.services import chain_send, keyholder
from orders.services.chain import ChainError, action_cancel, action_confirm
from orders.services.chain_booking import action_judge
from orders.services.chain_wishes import set_wish, transfer_wish
from orders.services.invariants import check_invariants
from tests.factories.orders import micro
from tests.live_desk import LiveDesk

pytestmark = pytest.mark.django_db
KINDS = ["eoa", "proxy", "safe", "deposit_beacon", "deposit_uups"]
LATER = timedelta(hours=1)  # after every pause and lease


def finish(action: ChainAction, *, steps: int = 12) -> ChainAction:
    """Let the trader work until the action ended."""
    at = timezone.now()
    for _ in range(steps):
        chain_send.actions_sweep(at, confirmations=0)
        action.refresh_from_db()
        if action.ended_at is not None:
            break
        at += timedelta(seconds=21)
    return action


def split(desk: LiveDesk, account: Account, market_id: int, size: str = "20", **values: object) -> ChainAction:
    return set_wish(
        account_id=account.pk, market_id=market_id, amount=micro(size), merge=False, key=f"{time.monotonic_ns()}",
        by="ada", now=timezone.now(), **values,  # type: ignore[arg-type]
    )  # fmt: skip


def wanted(desk: LiveDesk, account: Account, market_id: int, size: str = "20") -> ChainAction:
    return action_confirm(split(desk, account, market_id, size).pk, by="ada", now=timezone.now())


def theirs(desk: LiveDesk, account: Account) -> tuple[Decimal, dict[str, Decimal]]:
    found = desk.exchange.wallet(account.wallet_address)
    shares = found["holdings"]
    return Decimal(found["cash"]), {t: Decimal(s) for t, s in shares.items() if Decimal(s)}


def equal_to_the_venue(desk: LiveDesk, account: Account) -> None:
    account.refresh_from_db()
    cash, shares = theirs(desk, account)
    ours = {
        row.outcome.token_id: row.size
        for row in Position.objects.filter(account=account, size__gt=0).select_related("outcome")
    }
    assert (account.cash, ours) == (cash, shares)
    assert check_invariants([account.pk]) == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_split_and_a_merge_equal_the_venue_for_every_wallet(live_desk: LiveDesk, kind: str) -> None:
    account, outcome = live_desk.account(kind), live_desk.outcome(3)
    action = finish(wanted(live_desk, account, outcome.market_id))
    assert (action.state, action.state_reason) == ("confirmed", "")
    account.refresh_from_db()
    assert (account.cash, account.reserved_cash) == (980, 0)
    assert {p.size for p in Position.objects.filter(account=account)} == {20}
    equal_to_the_venue(live_desk, account)
    merged = set_wish(
        account_id=account.pk, market_id=outcome.market_id, amount=micro(5), merge=True, key="m", by="ada",
        now=timezone.now(), preview=False,
    )  # fmt: skip
    assert finish(merged).state == "confirmed"
    assert {p.realized for p in Position.objects.filter(account=account)} == {0}
    equal_to_the_venue(live_desk, account)


def test_a_preview_does_nothing_until_a_person_confirms_it(live_desk: LiveDesk) -> None:
    account = live_desk.account("safe")
    action = split(live_desk, account, live_desk.outcome(3).market_id)
    chain_send.actions_sweep(timezone.now() + LATER)
    action.refresh_from_db()
    account.refresh_from_db()
    assert (action.state, account.reserved_cash) == ("preview", 0)
    assert "split 20 complete sets" in action.expected["says"][0]
    action_confirm(action.pk, by="ada", now=timezone.now())
    account.refresh_from_db()
    assert account.reserved_cash == 20
    assert action_cancel(action.pk, by="ada", now=timezone.now())
    account.refresh_from_db()
    assert account.reserved_cash == 0


def test_what_is_not_there_cannot_be_wanted(live_desk: LiveDesk) -> None:
    account = live_desk.account("safe")
    market_id = live_desk.outcome(3).market_id
    with pytest.raises(ChainError, match="not free"):
        wanted(live_desk, account, market_id, "1001")
    with pytest.raises(ChainError, match="not free"):
        set_wish(account_id=account.pk, market_id=market_id, amount=1, merge=True, key="x", by="ada",
                 now=timezone.now(), preview=False)  # fmt: skip
    stranger = "0x" + "99" * 20
    with pytest.raises(ChainError, match="not an account of this key"):
        transfer_wish(account_id=account.pk, receiver=stranger, amount=1, key="x", by="ada", now=timezone.now())


@pytest.mark.parametrize("kind", ["eoa", "safe"])
def test_a_lost_answer_is_not_a_second_split(live_desk: LiveDesk, kind: str) -> None:
    account, outcome = live_desk.account(kind), live_desk.outcome(3)
    path, service = ("/submit", "relayer") if kind == "safe" else ("*", "rpc")
    action = wanted(live_desk, account, outcome.market_id)
    if kind == "safe":
        live_desk.exchange.control("faults", kind="hang", service=service, path=path, method="POST", when="after",
                                   latency_ms=50, times=1)  # fmt: skip
    else:
        _lose_the_broadcast_answer()
    chain_send.action_step(action.pk, timezone.now())
    action.refresh_from_db()
    assert action.state == "unknown"
    assert finish(action).state == "confirmed"
    assert LedgerTransaction.objects.filter(account=account, kind="split").count() == 1
    equal_to_the_venue(live_desk, account)


@pytest.mark.parametrize("kind", ["eoa", "safe", "deposit_beacon"])
def test_a_request_that_never_arrived_is_sent_again_with_the_same_bytes(
    live_desk: LiveDesk, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    account, outcome = live_desk.account(kind), live_desk.outcome(3)
    action = wanted(live_desk, account, outcome.market_id)
    lost = Submitted(kind=SubmitKind.UNKNOWN, said="no answer")
    with monkeypatch.context() as patch:
        patch.setattr("markets.venues.polymarket.relayer.Relayer.submit", lambda *_, **__: lost)
        patch.setattr("markets.venues.polymarket.rpc.Rpc.broadcast", lambda *_, **__: lost)
        chain_send.action_step(action.pk, timezone.now())
    action.refresh_from_db()
    body = action.body
    assert (action.state, action.attempts) == ("unknown", 1)
    finish(action)
    assert (action.state, action.attempts, action.body) == ("confirmed", 2, body)
    equal_to_the_venue(live_desk, account)


@pytest.mark.parametrize("fault", ["relay_slow", "relay_failed", "relay_busy"])
@pytest.mark.parametrize("kind", ["eoa", "proxy"])
def test_the_relayers_faults_end_in_the_truth(live_desk: LiveDesk, kind: str, fault: str) -> None:
    account, outcome = live_desk.account(kind), live_desk.outcome(3)
    live_desk.exchange.control("faults", scope="engine", kind=fault, latency_ms=300, times=1)
    action = wanted(live_desk, account, outcome.market_id)
    for _ in range(12):
        finish(action, steps=1)
        if action.ended_at:
            break
        time.sleep(0.1)
        ChainAction.objects.filter(pk=action.pk).exclude(lease_until=None).update(lease_until=timezone.now())
    assert action.state == ("failed" if fault == "relay_failed" else "confirmed")
    equal_to_the_venue(live_desk, account)
    assert Account.objects.get(pk=account.pk).reserved_cash == 0


def test_a_dead_senders_lease_runs_out_and_the_outcome_is_looked_up(
    live_desk: LiveDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Died(Exception):
        pass

    def die(name: str) -> None:
        if name == "chain.answered":
            raise Died

    account, outcome = live_desk.account("safe"), live_desk.outcome(3)
    action = wanted(live_desk, account, outcome.market_id)
    with monkeypatch.context() as patch:
        patch.setattr(chain_send, "faultpoint", die)
        with pytest.raises(Died):
            chain_send.action_step(action.pk, timezone.now())
    action.refresh_from_db()
    assert action.state == "sending"
    assert not chain_send.action_step(action.pk, timezone.now())  # the lease still runs
    assert finish(action).state == "confirmed"
    equal_to_the_venue(live_desk, account)


def test_nothing_is_sent_while_the_switch_is_set_and_without_a_signer(live_desk: LiveDesk) -> None:
    from orders.models import KillSwitch

    account, outcome = live_desk.account("safe"), live_desk.outcome(3)
    action = wanted(live_desk, account, outcome.market_id)
    KillSwitch.objects.update_or_create(pk=1, defaults={"killed": True})
    chain_send.action_step(action.pk, timezone.now())
    action.refresh_from_db()
    assert (action.state, action.state_reason) == ("wanted", "the kill switch is set")
    KillSwitch.objects.filter(pk=1).update(killed=False)
    keyholder.install()
    assert chain_send.actions_sweep(timezone.now() + LATER) == 0
    live_desk.install()
    assert finish(action).state == "confirmed"


def test_dollars_go_to_another_account_of_the_same_key(live_desk: LiveDesk) -> None:
    account = live_desk.account("safe")
    action = transfer_wish(
        account_id=account.pk, receiver=account.signer_address, amount=micro("1.5"), key="t", by="ada",
        now=timezone.now(),
    )  # fmt: skip
    finish(action_confirm(action.pk, by="ada", now=timezone.now()))
    assert action.pk and ChainAction.objects.get(pk=action.pk).state == "confirmed"
    equal_to_the_venue(live_desk, account)


def _lose_the_broadcast_answer() -> None:
    from markets.venues.polymarket.rpc import Rpc

    real = Rpc.broadcast

    def once(self: Rpc, raw: bytes, *, deadline_ms: int) -> Submitted:
        Rpc.broadcast = real  # type: ignore[method-assign]
        real(self, raw, deadline_ms=deadline_ms)
        return Submitted(kind=SubmitKind.UNKNOWN, said="no answer")

    Rpc.broadcast = once  # type: ignore[method-assign]


@pytest.mark.parametrize("happened", [True, False])
def test_a_person_settles_what_nothing_else_can(live_desk: LiveDesk, happened: bool) -> None:
    account, outcome = live_desk.account("safe"), live_desk.outcome(3)
    action = wanted(live_desk, account, outcome.market_id)
    assert not action_judge(action.pk, happened=happened, by="ada", now=timezone.now())  # not unknown
    ChainAction.objects.filter(pk=action.pk).update(state="unknown")
    assert action_judge(action.pk, happened=happened, by="ada", now=timezone.now())
    account.refresh_from_db()
    assert (account.cash, account.reserved_cash) == ((980, 0) if happened else (1000, 0))
    assert check_invariants([account.pk]) == []
