"""The gateway against the real local exchange: every call as the trader makes it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest

from markets.domain.answers import AnswerKind
from markets.domain.trading import OrderWord
from markets.venues.polymarket.wallets import WalletKind
from tests.local_exchange import running_exchange
from tests.markets.venues.polymarket.gateway_kit import (
    desk,
    markets,
    soon,
    terms,
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
