"""The gateway against the real local exchange: every call as the trader makes it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import pytest

from markets.domain.answers import AnswerKind
from markets.domain.instruments import Side
from markets.domain.trading import OrderWord, Role, TradeStage
from markets.venues.base import VenueRefused, VenueUnavailable
from markets.venues.polymarket.connection import HttpPool
from markets.venues.polymarket.probe import PolymarketProbe
from markets.venues.polymarket.wallets import WalletKind, is_position_id
from markets.venues.trading import HeartbeatRefused
from tests.local_exchange import running_exchange
from tests.markets.venues.polymarket.gateway_kit import (
    MAKER,
    crossing,
    desk,
    markets,
    now_ms,
    soon,
    terms,
    until,
)


@pytest.fixture(scope="module")
def urls() -> Iterator[Mapping[str, str]]:
    with running_exchange("--seed", "7", "--protocol-v2") as found:
        yield found


@pytest.mark.parametrize("kind", list(WalletKind))
def test_an_order_of_every_wallet_rests_is_found_and_is_cancelled(urls: Mapping[str, str], kind: WalletKind) -> None:
    ours = desk(urls, kind)
    for neg_risk in (False, True):
        market = markets(urls, neg_risk=neg_risk)[0]
        order_id, sent = ours.send(terms(market, post_only=True))
        assert sent.answer.kind is AnswerKind.LIVE, sent
        assert sent.answer.order_id == order_id
        assert sent.first_byte_ms is not None and sent.first_byte_ms <= sent.answered_ms
        found = ours.gateway.order(order_id)
        assert found is not None and found.word is OrderWord.LIVE and found.size == 10_000_000
        assert [order.order_id for order in ours.gateway.open_orders()] == [order_id]
        answer = ours.gateway.cancel([order_id], deadline_ms=soon())
        assert answer.canceled == {order_id} and not answer.unknown
        assert ours.gateway.order(order_id) is None and ours.gateway.open_orders() == []


def test_a_position_id_is_traded_on_its_own_exchange(urls: Mapping[str, str]) -> None:
    ours = desk(urls, WalletKind.SAFE)
    market = markets(urls, positions=True)[0]
    assert is_position_id(int(market.token_ids[0]))
    unsigned, body = ours.prepare(terms(market))
    assert unsigned.exchange == "v3" and MAKER.id_of(body, exchange="v3", chain_id=137) == unsigned.order_id
    assert ours.resend(unsigned.order_id, body).answer.kind is AnswerKind.LIVE
    token = market.token_ids[0]
    assert ours.gateway.balances([token]).shares == {token: 0}


@pytest.mark.parametrize("kind", [WalletKind.EOA, WalletKind.PROXY, WalletKind.DEPOSIT_BEACON])
def test_a_fill_is_read_from_our_own_leg_and_shows_in_balances_and_positions(
    urls: Mapping[str, str], kind: WalletKind
) -> None:
    ours = desk(urls, kind)
    began = now_ms()
    market = markets(urls, neg_risk=False)[0]
    token = market.token_ids[0]
    order_id, sent = ours.send(crossing(market))
    assert sent.answer.kind is AnswerKind.MATCHED and sent.answer.trade_ids, sent
    assert sent.answer.making and sent.answer.taking
    legs = ours.gateway.legs(since_ms=began)
    assert {leg.order_id for leg in legs} == {order_id}
    assert {leg.trade_id for leg in legs} == set(sent.answer.trade_ids)
    assert all(leg.role is Role.TAKER and leg.side is Side.BUY and leg.token_id == token for leg in legs)
    bought = sum(leg.size for leg in legs)
    assert bought == sent.answer.taking
    assert sum(leg.dollars or 0 for leg in legs) == sent.answer.making
    settled = until(
        lambda: ours.gateway.legs(since_ms=began),
        lambda found: all(leg.stage is TradeStage.CONFIRMED for leg in found),
    )
    assert all(leg.transaction_hash for leg in settled)
    ours.gateway.balances_refresh()
    ours.gateway.balances_refresh(token)
    balances = ours.gateway.balances([token])
    assert balances.shares == {token: bought} and 0 < balances.cash < 1_000_000_000
    assert len(balances.allowances) >= 3 and all(amount > 0 for amount in balances.share_allowances[token].values())
    assert until(ours.gateway.positions, lambda found: found == {token: bought})
    # Sold again, as the maker of somebody else's trade or at once: it is a leg of the other side.
    sold_id, sold = ours.send(
        terms(market, side=Side.SELL, price=market.tick, size=bought // 10_000 * 10_000, order_type="fak")
    )
    assert sold.answer.kind is AnswerKind.MATCHED, sold
    assert {leg.side for leg in ours.gateway.legs(since_ms=began) if leg.order_id == sold_id} == {Side.SELL}


def test_two_wallets_of_one_key_do_not_read_each_others_orders_and_trades(urls: Mapping[str, str]) -> None:
    first = desk(urls, WalletKind.SAFE)
    other = desk(urls, WalletKind.PROXY, key=first.key)
    assert first.wallet.api_key == other.wallet.api_key
    market = markets(urls)[0]
    order_id, sent = first.send(terms(market))
    assert sent.answer.kind is AnswerKind.LIVE
    assert other.gateway.open_orders() == []
    began = now_ms() - 5_000
    taken_id, taken = other.send(crossing(market))
    assert taken.answer.kind is AnswerKind.MATCHED
    assert {leg.order_id for leg in other.gateway.legs(since_ms=began)} == {taken_id}
    assert first.gateway.legs(since_ms=began) == []
    assert [order.order_id for order in first.gateway.open_orders()] == [order_id]


def test_a_dated_order_is_posted_with_the_venues_early_end(urls: Mapping[str, str]) -> None:
    ours = desk(urls)
    market = markets(urls)[0]
    ends = now_ms() // 1_000 * 1_000 + 130_000
    order_id, sent = ours.send(terms(market, order_type="gtd", expires_at_ms=ends))
    assert sent.answer.kind is AnswerKind.LIVE, sent
    found = ours.gateway.order(order_id)
    assert found is not None and found.expires_at_ms == ends + 60_000 and found.order_type == "GTD"


def test_every_order_type_and_its_refusal(urls: Mapping[str, str]) -> None:
    ours = desk(urls)
    market = markets(urls)[0]
    deep = terms(market)
    expected = {
        "fok_not_filled": replace(deep, order_type="fok"),
        "fak_no_match": replace(deep, order_type="fak"),
        "crosses": replace(crossing(market), order_type="gtc", post_only=True),
        "too_small": replace(deep, size=1_000_000),
        "balance": replace(deep, price=market.bid, size=100_000_000_000),
    }
    for code, asked in expected.items():
        _, sent = ours.send(replace(asked, client_key=f"refused {code}"))
        assert (sent.answer.kind, sent.answer.code) == (AnswerKind.REJECTED, code), sent
    _, again = ours.send(replace(deep, client_key="refused balance", size=1_000_000), unknown_attempts=1)
    assert again.answer.kind is AnswerKind.UNKNOWN and again.answer.alone is AnswerKind.REJECTED


def test_a_second_copy_is_told_to_exist(urls: Mapping[str, str]) -> None:
    ours = desk(urls)
    unsigned, body = ours.prepare(terms(markets(urls)[0]))
    assert ours.resend(unsigned.order_id, body).answer.kind is AnswerKind.LIVE
    again = ours.resend(unsigned.order_id, body, unknown_attempts=1)
    assert again.answer.kind is AnswerKind.EXISTING and again.answer.order_id == unsigned.order_id


def test_a_batch_is_answered_leg_by_leg(urls: Mapping[str, str]) -> None:
    ours = desk(urls)
    market = markets(urls)[0]
    made = [
        ours.prepare(terms(market)),
        ours.prepare(terms(market, size=1_000_000)),  # below the minimum
        ours.prepare(terms(market, post_only=True)),
        ours.prepare(replace(crossing(market), order_type="gtc", post_only=True)),
    ]
    sent = ours.gateway.send_batch(
        [body for _, body in made],
        order_ids=[unsigned.order_id for unsigned, _ in made],
        unknown_attempts=[0, 0, 0, 1],
        deadline_ms=soon(),
    )
    kinds = [each.answer.kind for each in sent]
    assert kinds == [AnswerKind.LIVE, AnswerKind.REJECTED, AnswerKind.LIVE, AnswerKind.UNKNOWN]
    assert [each.answer.code for each in sent] == ["live", "too_small", "live", "crosses"]
    resting = {made[0][0].order_id, made[2][0].order_id}
    assert {order.order_id for order in ours.gateway.open_orders()} == resting
    gone = ours.gateway.cancel([*resting, "0x" + "ab" * 32], deadline_ms=soon())
    assert gone.canceled == resting and list(gone.refused) == ["0x" + "ab" * 32] and not gone.unknown


def test_cancels_of_one_of_a_market_and_of_everything(urls: Mapping[str, str]) -> None:
    ours = desk(urls, WalletKind.PROXY)
    here, there = markets(urls)[:2]
    ids = [ours.send(terms(market))[0] for market in (here, here, there, there)]
    unheard = ours.gateway.cancel(["0x" + "cd" * 32], deadline_ms=soon())
    assert unheard.refused and not unheard.canceled and not unheard.unknown
    one = ours.gateway.cancel([ids[0].upper().replace("0X", "0x")], deadline_ms=soon())
    assert one.canceled == {ids[0]}
    twice = ours.gateway.cancel([ids[0]], deadline_ms=soon())
    assert ids[0] in twice.refused and not twice.canceled
    market = ours.gateway.cancel_market(here.condition_id, token_id=here.token_ids[0], deadline_ms=soon())
    assert market.canceled == {ids[1]}
    rest = ours.gateway.cancel_everything(deadline_ms=soon())
    assert rest.canceled == set(ids[2:])
    assert ours.gateway.cancel_everything(deadline_ms=soon()).canceled == frozenset()
    assert ours.gateway.cancel([], deadline_ms=soon()).canceled == frozenset()


def test_more_cancels_than_one_request_may_cost_go_in_parts(urls: Mapping[str, str]) -> None:
    ours = desk(urls)
    order_id, _ = ours.send(terms(markets(urls)[0]))
    others = [f"0x{number:064x}" for number in range(250)]
    answer = ours.gateway.cancel([*others, order_id], deadline_ms=soon())
    assert answer.canceled == {order_id} and len(answer.refused) == 250


def test_heartbeats_are_chained_and_a_broken_chain_is_told(urls: Mapping[str, str]) -> None:
    ours = desk(urls)
    first = ours.gateway.heartbeat("")
    second = ours.gateway.heartbeat(first)
    assert first != second
    with pytest.raises(HeartbeatRefused) as caught:
        ours.gateway.heartbeat(first)
    assert caught.value.expected_id == second
    assert ours.gateway.heartbeat(caught.value.expected_id)


def test_an_order_that_is_not_there_is_none_and_a_wrong_id_too(urls: Mapping[str, str]) -> None:
    ours = desk(urls)
    assert ours.gateway.order("0x" + "12" * 32) is None
    assert ours.gateway.order("../etc") is None


def test_wrong_credentials_halt_and_reads_are_refused(urls: Mapping[str, str]) -> None:
    ours = desk(urls)
    ours.gateway._authorise = lambda method, path, body: {"POLY_ADDRESS": ours.key.address}
    _, sent = ours.send(terms(markets(urls)[0]))
    assert sent.answer.kind is AnswerKind.NOT_PROCESSED and sent.answer.halts_account
    answer = ours.gateway.cancel_everything(deadline_ms=soon())
    assert answer.code and not answer.unknown and not answer.canceled
    for read in (ours.gateway.open_orders, ours.gateway.balances, lambda: ours.gateway.legs(since_ms=0)):
        with pytest.raises(VenueRefused, match="status 401"):
            read()


def test_credentials_that_cannot_be_made_send_nothing_and_say_nothing(urls: Mapping[str, str]) -> None:
    ours = desk(urls)

    def fails(method: str, path: str, body: bytes) -> Mapping[str, str]:
        raise RuntimeError("the passphrase is hunter2")

    ours.gateway._authorise = fails
    _, sent = ours.send(terms(markets(urls)[0]))
    assert sent.answer.kind is AnswerKind.NOT_SENT and sent.first_byte_ms is None
    assert "hunter2" not in repr(sent)


def test_what_answers_say_of_limits_is_passed_on(urls: Mapping[str, str]) -> None:
    told: list[tuple[str, int, str]] = []
    ours = desk(urls, heard=lambda kind, status, headers: told.append((kind, status, headers["poly-ratelimit-tier"])))
    ours.send(terms(markets(urls)[0]))
    ours.gateway.cancel_everything(deadline_ms=soon())
    assert told == [("order", 200, "Standard"), ("cancel", 200, "Standard")]


def test_a_listener_that_fails_does_not_cost_the_answer(urls: Mapping[str, str]) -> None:
    def fails(kind: str, status: int, headers: Mapping[str, str]) -> None:
        raise RuntimeError("no budget today")

    ours = desk(urls, heard=fails)
    _, sent = ours.send(terms(markets(urls)[0]))
    assert sent.answer.kind is AnswerKind.LIVE
    assert len(ours.gateway.cancel_everything(deadline_ms=soon()).canceled) == 1


def test_the_probe_reads_clock_version_and_place(urls: Mapping[str, str]) -> None:
    probe = PolymarketProbe(clob=HttpPool(urls["clob"]), geoblock=HttpPool(f"{urls['control']}/geoblock"))
    assert abs(probe.clock_ms() - now_ms()) < 1_500
    assert probe.version() == "2" and probe.is_up() and probe.geoblock()[0] is False
    away = PolymarketProbe(clob=HttpPool("http://127.0.0.1:9"), geoblock=HttpPool("http://127.0.0.1:9"))
    assert not away.is_up()
    with pytest.raises(VenueUnavailable):
        away.clock_ms()
