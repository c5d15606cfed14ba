"""The signer trusts nobody: each of its own checks, and that refusals are journaled and say nothing secret."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from alerts.models import AuditEvent
from markets.domain.instruments import Side, Venue
from markets.venues.polymarket.signing import OrderFields
from markets.venues.polymarket.wallets import SignatureType
from markets.venues.trading import OrderTerms, Unsigned
from markets.venues.trading_registry import order_maker
from orders.models import Account, Secret
from orders.services import keyholder
from orders.services.keyholder import KeyRefused
from orders.services.secrets import Opener, secret_store
from orders.services.signer import Caps, TraderSigner
from tests.factories.orders import micro
from tests.live_desk import LiveDesk

pytestmark = pytest.mark.django_db
TOKEN = str((1 << 200) + 12345)


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


def terms(price: str = "0.50", size: str = "10", side: Side = Side.BUY, key: str = "k1", **values: Any) -> OrderTerms:
    return OrderTerms(
        client_key=key,
        created_ms=1_795_000_000_000,
        condition_id="0x01",
        token_id=TOKEN,
        neg_risk=values.pop("neg_risk", False),
        tick=10_000,
        side=side,
        price=micro(price),
        size=micro(size),
        order_type="gtc",
        **values,
    )


@pytest.fixture
def account(live_desk: LiveDesk) -> Account:
    return live_desk.account("safe")


def signer_of(desk: LiveDesk, clock: Clock | None = None, **caps: Any) -> TraderSigner:
    limits = Caps(
        order=micro(caps.get("order", "100")),
        minute=micro(caps.get("minute", "250")),
        orders_per_minute=caps.get("count", 5),
    )
    opener = Opener([desk.trader_key_file, desk.stream_key_file])
    return TraderSigner(opener, install_key=desk.install_key, caps=limits, clock=clock or Clock())


def prepared(signer: TraderSigner, account: Account, wanted: OrderTerms) -> Unsigned:
    return signer.prepare(account.pk, wanted, maker=order_maker(Venue.POLYMARKET))


def test_the_same_terms_make_the_same_order_whenever_they_are_asked(live_desk: LiveDesk, account: Account) -> None:
    first, second = signer_of(live_desk), signer_of(live_desk)
    one, other = prepared(first, account, terms()), prepared(second, account, terms())
    assert one == other and first.sign(account.pk, one) == second.sign(account.pk, other)
    assert prepared(first, account, terms(key="k2")).order_id != one.order_id


@pytest.mark.parametrize(
    ("change", "limit"),
    [
        ({"chain_id": 80_002}, "chain"),
        ({"contract": "0x" + "11" * 20}, "contract"),
        ({"exchange": "another"}, "contract"),
        ({"exchange": "neg_risk"}, "contract"),
        ({"order_id": "0x" + "22" * 32}, "order_id"),
        ({"gives": 1}, "order"),
        ({"side": Side.SELL}, "order"),
        ({"fields": b"a digest of 32 bytes, unsigned..."}, "order"),
        ({"fields": {"maker": "0x"}}, "order"),
    ],
)
def test_an_order_that_is_not_what_it_says_is_refused(
    live_desk: LiveDesk, account: Account, change: dict[str, Any], limit: str
) -> None:
    signer = signer_of(live_desk)
    good = prepared(signer, account, terms())
    with pytest.raises(KeyRefused, match=rf"\({limit}\)"):
        signer.sign(account.pk, replace(good, **change))
    event = AuditEvent.objects.get(kind="keys.signature_refused")
    assert event.payload == {"limit": limit} and event.account_id == account.pk


@pytest.mark.parametrize(
    "change",
    [
        {"maker": "0x" + "33" * 20},
        {"signer": "0x" + "33" * 20},
        {"signature_type": SignatureType.EOA},
        {"builder": b"\1" * 32},
    ],
)
def test_an_order_of_another_wallet_is_refused(live_desk: LiveDesk, account: Account, change: dict[str, Any]) -> None:
    signer = signer_of(live_desk)
    good = prepared(signer, account, terms())
    assert isinstance(good.fields, OrderFields)
    with pytest.raises(KeyRefused, match=r"\(accounts\)"):
        signer.sign(account.pk, replace(good, fields=replace(good.fields, **change)))


def test_another_accounts_order_is_refused(live_desk: LiveDesk, account: Account) -> None:
    other = live_desk.account("safe")
    signer = signer_of(live_desk)
    with pytest.raises(KeyRefused, match=r"\(accounts\)"):
        signer.sign(other.pk, prepared(signer, account, terms()))


def test_one_order_has_a_cap_whichever_side_it_is_on(live_desk: LiveDesk, account: Account) -> None:
    signer = signer_of(live_desk, order="100")
    for side in Side:
        at_the_cap = terms("0.50", "200", side, key=f"{side} at")
        above = terms("0.50", "200.02", side, key=f"{side} above")
        assert signer.sign(account.pk, prepared(signer, account, at_the_cap))
        with pytest.raises(KeyRefused, match=r"\(order_cap\).*\$100.01 are above \$100 per order"):
            signer.sign(account.pk, prepared(signer, account, above))


def test_a_minute_has_caps_of_dollars_and_of_orders(live_desk: LiveDesk, account: Account) -> None:
    clock = Clock()
    signer = signer_of(live_desk, clock, minute="250", count=5)
    for number in range(2):
        signer.sign(account.pk, prepared(signer, account, terms("0.50", "200", key=f"big {number}")))
    with pytest.raises(KeyRefused, match=r"\(minute_cap\)"):
        signer.sign(account.pk, prepared(signer, account, terms("0.50", "101", key="too much")))
    again = prepared(signer, account, terms("0.50", "200", key="big 0"))
    assert signer.sign(account.pk, again)  # signed before: the same bytes are no new money
    for number in range(3):
        signer.sign(account.pk, prepared(signer, account, terms("0.10", "5", key=f"small {number}")))
    with pytest.raises(KeyRefused, match=r"\(minute_count\)"):
        signer.sign(account.pk, prepared(signer, account, terms("0.10", "5", key="one more")))
    signer.forget(account.pk)  # no way around the count
    with pytest.raises(KeyRefused, match=r"\(minute_count\)"):
        signer.sign(account.pk, prepared(signer, account, terms("0.10", "5", key="one more")))
    clock.now += 60
    assert signer.sign(account.pk, prepared(signer, account, terms("0.10", "5", key="one more")))


def test_refusals_are_journaled_once_a_minute_for_each_limit(live_desk: LiveDesk, account: Account) -> None:
    clock = Clock()
    signer = signer_of(live_desk, clock)
    good = prepared(signer, account, terms())
    for _ in range(3):
        with pytest.raises(KeyRefused):
            signer.sign(account.pk, replace(good, chain_id=1))
    with pytest.raises(KeyRefused):
        signer.sign(account.pk, replace(good, contract="0x"))
    assert AuditEvent.objects.filter(kind="keys.signature_refused").count() == 2
    clock.now += 61
    with pytest.raises(KeyRefused):
        signer.sign(account.pk, replace(good, chain_id=1))
    assert AuditEvent.objects.filter(kind="keys.signature_refused").count() == 3


def test_a_changed_key_is_noticed_and_a_wrong_one_is_refused(live_desk: LiveDesk, account: Account) -> None:
    clock = Clock()
    signer = signer_of(live_desk, clock)
    unsigned = prepared(signer, account, terms())
    assert signer.sign(account.pk, unsigned)
    secret_store(account, Secret.Kind.PRIVATE_KEY, b"\7" * 32, public="another")
    assert signer.sign(account.pk, unsigned)  # believed for some seconds
    clock.now += 6
    with pytest.raises(KeyRefused, match="not the one of"):
        signer.sign(account.pk, unsigned)


def test_paper_accounts_and_processes_without_keys_sign_nothing(live_desk: LiveDesk, account: Account) -> None:
    from tests.factories.orders import account_make

    with pytest.raises(KeyRefused, match="paper accounts sign nothing"):
        signer_of(live_desk).wallet(account_make().pk)
    keyholder.install()
    with pytest.raises(keyholder.NotInThisProcess):
        keyholder.signer()
    with pytest.raises(keyholder.NotInThisProcess):
        keyholder.gateway(account.pk)


def test_nothing_shows_the_key(live_desk: LiveDesk) -> None:
    key = bytes(range(1, 33))
    account = live_desk.account("eoa", key=key)
    signer = signer_of(live_desk)
    signer.wallet(account.pk)
    with pytest.raises(KeyRefused) as caught:
        signer.sign(account.pk, replace(prepared(signer, account, terms()), chain_id=1))
    shown = "".join(map(repr, (signer, signer._held(account.pk), caught.value, signer.wallet(account.pk))))
    assert key.hex() not in shown and str(key) not in shown
