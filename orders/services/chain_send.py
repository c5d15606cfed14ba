"""The trader's part: sign a wished transaction, send its stored bytes, and find out what became of it.

Nothing is signed anew while an earlier outcome is open: one action of an account is underway at a time, its bytes
and nonce are committed before the first byte leaves, and an unknown outcome is settled by the relayer's word, a
receipt, or what the chain shows. Every step may be repeated or killed at any line. No HTTP inside a transaction.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta

from django.db import transaction
from django.utils import timezone

from markets.venues.base import VenueError
from markets.venues.chain import Stage, SubmitKind, Submitted
from markets.venues.polymarket.rpc import CONFIRMATIONS, Reverted
from markets.venues.polymarket.transactions import transaction_hash
from markets.venues.polymarket.wallets import WalletKind
from orders.domain.chain import ENDED, UNDERWAY, ChainState, shown_effect
from orders.domain.lifecycle import Environment
from orders.models import ChainAction
from orders.services import keyholder
from orders.services.chain import action_advance, action_lock, calls_of
from orders.services.chain_booking import action_confirmed, balances_now, effects_of
from orders.services.chain_routes import relayer, rpc
from orders.services.faults import faultpoint
from orders.services.keyholder import KeyRefused
from orders.services.kill import killed_for_share

log = logging.getLogger(__name__)

LEASE = timedelta(seconds=20)
ANSWER_MS = 15_000
LOOK_EVERY = timedelta(seconds=5)
PAUSE = timedelta(seconds=10)
DEADLINE_MARGIN = timedelta(seconds=60)  # clocks of the chain and ours may differ
LOOKS = 3  # reads that must agree that another transaction took the nonce
ALLOWED_WHEN_KILLED = {ChainAction.Kind.REDEEM, ChainAction.Kind.MERGE}  # they only turn shares into dollars
_S = ChainState


def actions_sweep(now: datetime, *, confirmations: int = CONFIRMATIONS) -> int:
    """Take every open action one step further; return how many moved. Runs in the trader every few seconds."""
    moved = 0
    open_actions = ChainAction.objects.exclude(state__in=[*ENDED, _S.PREVIEW]).order_by("pk")
    for action_id in open_actions.values_list("pk", flat=True):
        try:
            moved += action_step(action_id, now, confirmations=confirmations)
        except keyholder.NotInThisProcess:
            return moved
        except (VenueError, KeyRefused) as error:
            log.warning("a transaction waits", extra={"action": action_id, "problem": str(error)})
        except Exception:  # the edge: one bad action holds up none of the others
            log.exception("a transaction step failed", extra={"action": action_id})
    return moved


def action_step(action_id: int, now: datetime, *, confirmations: int = CONFIRMATIONS) -> bool:  # noqa: PLR0911
    """Take one action one step further; return whether it moved. Raises VenueError while the other side is away."""
    action = ChainAction.objects.select_related("account").get(pk=action_id)
    if action.account.environment == Environment.PAPER:
        return False
    state = ChainState(action.state)
    due = action.lease_until is None or action.lease_until <= now
    if state is _S.WANTED and due:
        return _sign_and_send(action, now)
    if state is _S.SIGNED and due:
        return _send(action, now)
    if state is _S.SENDING and due:  # whoever sent it is gone: it may have arrived
        return _to_unknown(action_id, "no answer was stored in time", now)
    if state is _S.UNKNOWN and due:
        return _resolve(action, now, confirmations=confirmations)
    if state is _S.PENDING and due:
        return _watch(action, now, confirmations=confirmations)
    return False


# Signing and sending --------------------------------------------------------------------------------------


def _sign_and_send(action: ChainAction, now: datetime) -> bool:
    signer, account, calls = keyholder.chain_signer(), action.account, calls_of(action)
    if _others_underway(action):
        return False
    fields: dict[str, object] = {}
    try:
        if action.route == ChainAction.Route.TRANSACTION:
            gas = rpc().gas(calls[0], sender=account.signer_address)
            raw = signer.transaction(account.pk, calls[0], gas)
            fields = {"body": raw.hex(), "nonce": gas.nonce, "transaction_hash": transaction_hash(raw)}
        else:
            kind = WalletKind(account.wallet_kind)
            facts = relayer(account.pk).facts(kind, account.signer_address, now_s=int(now.timestamp()))
            body = signer.batch(account.pk, calls, facts, metadata=f"{action.kind} {action.pk}")
            fields = {"body": body.decode(), "nonce": facts.nonce}
            action.expected["deadline_s"] = facts.deadline_s
    except Reverted as error:
        return _fail(action.pk, f"the contract would refuse it: {error}", now)
    except KeyRefused as error:
        return _fail(action.pk, str(error), now)
    action.expected |= {"before": balances_now(action), "unknown": False, "looks": 0}
    faultpoint("chain.prepared")
    with transaction.atomic():
        killed = killed_for_share()
        held = action_lock(action.pk)
        if held.state != _S.WANTED or _others_underway(held):
            return False
        if killed and held.kind not in ALLOWED_WHEN_KILLED:
            _note(held, "the kill switch is set", now)
            return False
        action_advance(held, _S.SIGNED, now=now, journal=False, expected=action.expected, **fields)
        _to_sending(held, now)
    faultpoint("chain.committed")
    return _post(action.pk)


def _send(action: ChainAction, now: datetime) -> bool:
    """Send stored bytes that certainly were not taken before, or, from UNKNOWN, that can happen once at most."""
    with transaction.atomic():
        killed = killed_for_share()
        held = action_lock(action.pk)
        if held.state not in (_S.SIGNED, _S.UNKNOWN) or (held.lease_until is not None and held.lease_until > now):
            return False
        if killed and held.kind not in ALLOWED_WHEN_KILLED:
            _note(held, "the kill switch is set", now)
            return False
        if held.state == _S.SIGNED and _past_deadline(held, now):
            action_advance(held, _S.FAILED, now=now, reason="its deadline passed before it was sent")
            return True
        _to_sending(held, now)
    faultpoint("chain.committed")
    return _post(action.pk)


def _to_sending(action: ChainAction, now: datetime) -> None:
    # The lease is a promise about the real clock: whoever takes over must not meet a sender that still writes.
    action_advance(
        action,
        _S.SENDING,
        now=now,
        lease_until=max(now, timezone.now()) + LEASE,
        attempts=action.attempts + 1,
        sent_at=action.sent_at or now,
    )


def _post(action_id: int) -> bool:
    action = ChainAction.objects.select_related("account").get(pk=action_id)
    now = timezone.now()
    deadline_ms = int(now.timestamp() * 1000) + ANSWER_MS
    if action.route == ChainAction.Route.TRANSACTION:
        sent = rpc().broadcast(bytes.fromhex(action.body), deadline_ms=deadline_ms)
    else:
        sent = relayer(action.account_id).submit(action.body.encode(), deadline_ms=deadline_ms)
    faultpoint("chain.answered")
    return _answered(action_id, sent, timezone.now())


@transaction.atomic
def _answered(action_id: int, sent: Submitted, now: datetime) -> bool:
    """Store what an answer means, in the light of attempts before it whose outcome is unknown."""
    action = action_lock(action_id)
    if action.state != _S.SENDING:
        return False  # the lease ran out and somebody else moved it
    doubtful = bool(action.expected.get("unknown"))
    if sent.kind in (SubmitKind.ACCEPTED, SubmitKind.EXISTING):
        if action.route == ChainAction.Route.TRANSACTION:
            if sent.hash and sent.hash != action.transaction_hash:
                return _doubt(action, f"the node calls it {sent.hash[:66]}", now)
            action_advance(action, _S.PENDING, now=now, lease_until=now + LOOK_EVERY)
        else:
            known = {"relayer_id": sent.reference} | ({"transaction_hash": sent.hash} if sent.hash else {})
            action_advance(action, _S.PENDING, now=now, lease_until=now + LOOK_EVERY, **known)
    elif sent.kind is SubmitKind.UNKNOWN or doubtful:
        return _doubt(action, sent.said or sent.kind.value, now)
    elif sent.kind in (SubmitKind.BUSY, SubmitKind.NOT_SENT):
        action_advance(action, _S.SIGNED, now=now, reason=sent.said, lease_until=now + PAUSE)
    elif sent.kind is SubmitKind.NONCE_USED:
        action_advance(
            action, _S.WANTED, now=now, reason="its nonce was taken: it is signed anew", body="", nonce=None,
            transaction_hash=None, lease_until=now + LOOK_EVERY,
        )  # fmt: skip
    else:
        action_advance(action, _S.FAILED, now=now, reason=sent.said)
    return True


def _doubt(action: ChainAction, reason: str, now: datetime) -> bool:
    facts = action.expected | {"unknown": True}
    action_advance(action, _S.UNKNOWN, now=now, reason=reason, expected=facts, lease_until=now + LOOK_EVERY)
    return True


# Finding out ----------------------------------------------------------------------------------------------


@transaction.atomic
def _to_unknown(action_id: int, reason: str, now: datetime) -> bool:
    action = action_lock(action_id)
    if action.state not in (_S.SENDING, _S.PENDING) or (action.lease_until is not None and action.lease_until > now):
        return False
    facts = action.expected | {"unknown": True}
    action_advance(action, _S.UNKNOWN, now=now, reason=reason, expected=facts, lease_until=now)
    return True


def _watch(action: ChainAction, now: datetime, *, confirmations: int) -> bool:
    """Ask what became of a transaction that the other side has."""
    if action.route == ChainAction.Route.TRANSACTION:
        found = rpc().progress(str(action.transaction_hash), confirmations=confirmations)
    else:
        found = relayer(action.account_id).progress(action.relayer_id)
    faultpoint("chain.read")
    if found.stage is Stage.CONFIRMED:
        return action_confirmed(action.pk, now=now, transaction_hash=found.hash)
    if found.stage is Stage.FAILED:
        return _fail(action.pk, found.said or "the chain refused it", now)
    if found.stage is Stage.ABSENT:
        return _to_unknown(action.pk, "the other side does not know it any more", now)
    with transaction.atomic():
        held = action_lock(action.pk)
        if held.state == _S.UNKNOWN:
            action_advance(held, _S.PENDING, now=now, lease_until=now + LOOK_EVERY)
            return True
        _note(held, found.said, now)
    return False


def _resolve(action: ChainAction, now: datetime, *, confirmations: int) -> bool:
    """Settle an unknown outcome: by its hash or the relayer's id first, then by its nonce and what the chain shows."""
    if action.route == ChainAction.Route.TRANSACTION:
        found = rpc().progress(str(action.transaction_hash), confirmations=confirmations)
        if found.stage is not Stage.ABSENT:
            return _watch(action, now, confirmations=confirmations)
        due = rpc().nonce(action.account.signer_address)
    else:
        if action.relayer_id and relayer(action.account_id).progress(action.relayer_id).stage is not Stage.ABSENT:
            return _watch(action, now, confirmations=confirmations)
        due = relayer(action.account_id).nonce(WalletKind(action.account.wallet_kind), action.account.signer_address)
    faultpoint("chain.read")
    if due <= (action.nonce or 0):
        return _nonce_unused(action, now)
    return _nonce_used(action, now)


def _nonce_unused(action: ChainAction, now: datetime) -> bool:
    """Nothing has happened with these bytes. They are sent again, unless they cannot take effect any more."""
    if _past_deadline(action, now):
        return _fail(action.pk, "its deadline passed and its nonce was never used", now)
    return _send(action, now)


def _nonce_used(action: ChainAction, now: datetime) -> bool:
    """Something took the nonce. What the chain shows tells whether it was this; otherwise a person must look."""
    effects = effects_of(action)
    happened = shown_effect(action.expected.get("before", {}), balances_now(action), effects) if effects else None
    if happened:
        return action_confirmed(action.pk, now=now, transaction_hash=action.transaction_hash or "")
    with transaction.atomic():
        held = action_lock(action.pk)
        if held.state != _S.UNKNOWN:
            return False
        looks = int(held.expected.get("looks", 0)) + 1
        # A transaction of our own whose nonce another one took can never happen; a relayed one may still be on its way
        # until its deadline, and one without a deadline is a person's to judge.
        other = held.route == ChainAction.Route.TRANSACTION or _past_deadline(held, now)
        if happened is False and other and looks >= LOOKS:
            action_advance(held, _S.FAILED, now=now, reason="another transaction took its nonce, and nothing changed")
            return True
        held.expected["looks"] = looks
        ChainAction.objects.filter(pk=held.pk).update(expected=held.expected)
        _note(held, "its nonce is used; the chain does not show its effect yet", now)
    return False


@transaction.atomic
def _fail(action_id: int, reason: str, now: datetime) -> bool:
    action = action_lock(action_id)
    if action.state in ENDED:
        return False
    action_advance(action, _S.FAILED, now=now, reason=reason)
    return True


def _others_underway(action: ChainAction) -> bool:
    """Whether another action of this key holds the next nonce."""
    return (
        ChainAction.objects.filter(account__signer_address=action.account.signer_address, state__in=UNDERWAY)
        .exclude(pk=action.pk)
        .exists()
    )


def _past_deadline(action: ChainAction, now: datetime) -> bool:
    deadline = int(action.expected.get("deadline_s") or 0)
    return bool(deadline) and now > datetime.fromtimestamp(deadline, UTC) + DEADLINE_MARGIN


def _note(action: ChainAction, reason: str, now: datetime) -> None:
    """Write down what is waited for, and when to look again, without a change of state."""
    ChainAction.objects.filter(pk=action.pk).update(state_reason=reason[:300], lease_until=now + LOOK_EVERY)
