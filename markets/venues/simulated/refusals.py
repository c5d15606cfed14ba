"""The venue's own words for refusing an order, as catalogued in the protocol notes.

One table for the local exchange and for paper, so that our parser meets the same texts everywhere.
"""

from __future__ import annotations

POST_ONLY_CROSSES = "invalid post-only order: order crosses book"
POST_ONLY_TYPE = "invalid post-only order: only GTC and GTD orders can be post-only"
FOK_NOT_FILLED = "order couldn't be fully filled. FOK orders are fully filled or killed."
FAK_NO_MATCH = (
    "no orders found to match with FAK order. FAK orders are partially filled or killed if no match is found."
)
INVALID_EXPIRATION = "invalid expiration"
NO_BOOK = "No orderbook exists for the requested token id"
NOT_READY = "the market is not yet ready to process new orders"


def off_tick(order_id: str, price: str, tick: str) -> str:
    return f"order {order_id} is invalid. Price ({price}) breaks minimum tick size rule: {tick}"


def too_small(order_id: str, size: str, minimum: str) -> str:
    return f"order {order_id} is invalid. Size ({size}) lower than the minimum: {minimum}"


def duplicated(order_id: str) -> str:
    return f"order {order_id} is invalid. Duplicated."


def marketable_too_small(worth: str) -> str:
    return f"invalid amount for a marketable BUY order (${worth}), min size: $1"


def too_precise(kind: str, maker_decimals: int, taker_decimals: int) -> str:
    """`kind` is one of buy, sell, market buy, market sell."""
    return (
        f"invalid amounts, the {kind} orders maker amount supports a max accuracy of {maker_decimals} decimals, "
        f"taker amount a max of {taker_decimals} decimals"
    )


def wrong_product(amount: str, price: str, size: str, expected: str, given: str) -> str:
    """`amount` is maker or taker: the dollar side of the order. The misspelling is the venue's."""
    return (
        f"invalid amounts, the {amount} amount for a ${price} order of size {size} should be '{expected}' "
        f"but the value submited is '{given}'. Please check if you are using the latest version of the "
        "'clob-client' library"
    )


def short_of_balance(balance: int, reserved: int, amount: int) -> str:
    """Figures are millionths, as the venue prints them."""
    return (
        "not enough balance / allowance: the balance is not enough -> "
        f"balance: {balance}, sum of active orders: {reserved}, order amount: {amount}"
    )


def short_of_allowance(spender: str, allowance: int, amount: int) -> str:
    return (
        "not enough balance / allowance: the allowance is not enough -> "
        f"spender: {spender}, allowance: {allowance}, order amount: {amount}"
    )
