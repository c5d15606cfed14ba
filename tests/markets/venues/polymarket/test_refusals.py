"""The catalogue of refusals: what the venue is known to say, and what each of it means."""

from __future__ import annotations

import pytest

from markets.domain.answers import AnswerKind
from markets.venues.polymarket import refusals
from markets.venues.polymarket.refusals import CATALOGUE, Scope, Where
from markets.venues.simulated import refusals as exchange

H = "0x" + "ab" * 32

# The venue's texts as its documentation, its error reports and its own clients quote them.
SAID = {
    "tick": [f"order {H} is invalid. Price (0.515) breaks minimum tick size rule: 0.01", "INVALID_ORDER_MIN_TICK_SIZE"],
    "too_small": [f"order {H} is invalid. Size (1) lower than the minimum: 5", "INVALID_ORDER_MIN_SIZE"],
    "duplicated": [f"order {H} is invalid. Duplicated.", "INVALID_ORDER_DUPLICATED"],
    "crosses": [f"order {H} crosses the book", "invalid post-only order: order crosses book"],
    "marketable_too_small": ["invalid amount for a marketable BUY order ($0.5), min size: $1"],
    "decimals": [
        "invalid amounts, the buy orders maker amount supports a max accuracy of 4 decimals, "
        "taker amount a max of 2 decimals",
        "invalid amounts, the market buy orders maker amount supports a max accuracy of 2 decimals, "
        "taker amount a max of 4 decimals",
    ],
    "product": [
        "invalid amounts, the taker amount for a $0.22 order of size 19.69 should be '4.3318' but the value submited "
        "is '4.33'. Please check if you are using the latest version of the 'clob-client' library"
    ],
    "balance": [
        "not enough balance / allowance",
        "not enough balance / allowance: the balance is not enough -> balance: 0, sum of active orders: 5, "
        "order amount: 5000000",
    ],
    "allowance": ["not enough balance / allowance: the allowance is not enough -> spender: 0xE1, allowance: 0"],
    "fok_not_filled": ["order couldn't be fully filled. FOK orders are fully filled or killed."],
    "fak_no_match": [
        "no orders found to match with FAK order. FAK orders are partially filled or killed if no match is found."
    ],
    "signature": ["invalid signature"],
    "version": ["order_version_mismatch", "invalid order version, please use the latest clob-client"],
    "maker_not_allowed": ["maker address not allowed, please use the deposit wallet flow"],
    "owner": ["the order owner has to be the owner of the API KEY"],
    "signer": ["the order signer address has to be the address of the API KEY"],
    "banned": [f"'{H[:42]}' address banned"],
    "closed_only": [f"'{H[:42]}' address in closed only mode"],
    "no_book": ["No orderbook exists for the requested token id"],
    "no_market": ["market not found", "Invalid market"],
    "not_ready": ["the market is not yet ready to process new orders"],
    "not_run": ["could not run the execution"],
    "not_inserted": ["could not insert order"],
    "timed_out": ["order timed out"],
    "delayed": ["order match delayed due to market conditions"],
    "contract_canceled": ["order canceled in the CTF exchange contract"],
    "internal": ["Internal server error"],
    "post_only_mode": ["post-only mode: only post-only orders and cancels are allowed"],
    "cancel_only": ["Trading is currently cancel-only. New orders are not accepted, but cancels are allowed."],
    "disabled": ["Trading is currently disabled. Check polymarket.com for updates"],
    "restarting": ["service not ready"],
    "rate_limited": ["Too Many Requests"],
    "region": ["Trading restricted in your region"],
    "unauthorized": ["Unauthorized/Invalid api key", "Invalid API key"],
    "nonce": ["invalid nonce"],
    "expiration": ["invalid expiration"],
    "side": ["Invalid side"],
    "token": ["Invalid token id"],
    "payload": ["Invalid payload", "Invalid order payload", "invalid order params payload"],
    "too_large": ["Payload exceeds the limit"],
    "too_many": ["Too many orders in payload: 16, max allowed: 15", "Too many orders in payload, max allowed: 3000"],
}


@pytest.mark.parametrize(("code", "text"), [(code, text) for code, texts in SAID.items() for text in texts])
def test_what_the_venue_says_is_found(code: str, text: str) -> None:
    for variant in (text, text.upper(), f"  {text} ", text.removesuffix(".") + "."):
        found = refusals.find(variant)
        assert found is not None and found.code == code


def test_the_local_exchange_says_only_what_is_catalogued() -> None:
    said = [
        exchange.POST_ONLY_CROSSES,
        exchange.POST_ONLY_TYPE,
        exchange.FOK_NOT_FILLED,
        exchange.FAK_NO_MATCH,
        exchange.INVALID_EXPIRATION,
        exchange.NO_BOOK,
        exchange.NOT_READY,
        exchange.off_tick(H, "0.515", "0.01"),
        exchange.too_small(H, "1", "5"),
        exchange.duplicated(H),
        exchange.marketable_too_small("0.5"),
        exchange.too_precise("market sell", 2, 4),
        exchange.wrong_product("taker", "0.22", "19.69", "4.3318", "4.33"),
        exchange.short_of_balance(1, 2, 3),
        exchange.short_of_allowance("0x1", 1, 2),
    ]
    assert [text for text in said if refusals.find(text) is None] == []


def test_there_are_enough_entries_and_each_says_what_to_do() -> None:
    assert sum(entry.where is Where.ORDER for entry in CATALOGUE) >= 40
    assert len({(entry.where, entry.code) for entry in CATALOGUE}) == len(CATALOGUE)
    for entry in CATALOGUE:
        assert entry.cause.endswith(".") and entry.remedy.endswith("."), entry.code
        assert entry.scope in Scope and len(entry.cause) > 20, entry.code


def test_every_entry_for_orders_that_is_not_a_variant_is_exercised_here() -> None:
    untested = {e.code for e in CATALOGUE if e.where is Where.ORDER} - SAID.keys()
    assert untested == {
        "context_canceled", "delay_failed", "maker_address", "no_fee_rate", "post_only_type", "price_gap",
        "rounding", "signature_type",
    }  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no",
        "invalid",
        "order was not accepted",
        "not enough",
        "the order is valid",
        "order couldn't be fully filled",
        f"order {H} is invalid. Something new.",
        "please note: invalid signature",
        "invalid signature\ncould not insert order",
        "not enough balance / allowance\nbut the order was inserted",
        "x" * 5_000,
        "invalid signature" + " " * 3_000,
    ],
)
def test_what_is_only_similar_is_not_found(text: str) -> None:
    assert refusals.find(text) is None


def test_texts_of_other_requests_do_not_judge_an_order() -> None:
    assert refusals.find("Order not found or already canceled") is None
    found = refusals.explain("Order not found or already canceled")
    assert found is not None and found.where is Where.CANCEL
    assert refusals.explain("nobody has ever said this") is None


def test_failures_of_the_venue_are_never_a_refusal() -> None:
    for code in ("not_run", "not_inserted", "timed_out", "internal", "rounding", "price_gap", "context_canceled"):
        (entry,) = [entry for entry in CATALOGUE if entry.code == code]
        assert entry.means is AnswerKind.UNKNOWN
