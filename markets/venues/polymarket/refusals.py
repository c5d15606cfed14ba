"""The refusals we know: what the venue says, what it means, why it happens, and what to do.

An entry matches the whole text, ignoring case, spaces at the ends and a final full stop. Only entries
that mean REJECTED let an order go; a text that no entry matches proves nothing. The doctor shows
`cause` and `remedy` as they are.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from markets.domain.answers import AnswerKind

_LONGEST = 2_000  # a longer text is not one of the venue's messages


class Scope(StrEnum):
    """What must change before the same request can succeed."""

    ORDER = "order"
    ACCOUNT = "account"
    MARKET = "market"
    VENUE = "venue"
    PROGRAM = "program"  # our own mistake, or a version of the venue that we do not know


class Where(StrEnum):
    """Which requests can be refused with it. Only ORDER entries are used to judge an order's answer."""

    ORDER = "order"
    CANCEL = "cancel"
    LOGIN = "login"
    READ = "read"
    RELAYER = "relayer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    code: str
    pattern: re.Pattern[str]
    means: AnswerKind
    where: Where
    scope: Scope
    cause: str
    remedy: str


def find(text: str, *, where: Where = Where.ORDER) -> Refusal | None:
    """Return the entry for `text`, or None: then nobody knows what it means."""
    if len(text) > _LONGEST:
        return None
    plain = text.strip().removesuffix(".")
    for entry in CATALOGUE:
        if entry.where is where and entry.pattern.fullmatch(plain):
            return entry
    return None


def explain(text: str) -> Refusal | None:
    """Return the entry for `text` wherever it was said: for people, never for judging an order."""
    return next((found for where in Where if (found := find(text, where=where))), None)


def _entry(
    code: str,
    pattern: str,
    cause: str,
    remedy: str,
    *,
    scope: Scope = Scope.ORDER,
    where: Where = Where.ORDER,
    means: AnswerKind = AnswerKind.REJECTED,
) -> Refusal:
    return Refusal(
        code=code,
        pattern=re.compile(pattern, re.IGNORECASE | re.ASCII),
        means=means,
        where=where,
        scope=scope,
        cause=cause,
        remedy=remedy,
    )


_ID = r"(?P<id>[0-9a-zA-Z_-]{1,80})"
_NUMBER = r"\$?-?[0-9][0-9.,]{0,30}"
_TAIL = r"(?:[:;,. -].{0,600})?"
_UNKNOWN, _LATER, _EXISTS = AnswerKind.UNKNOWN, AnswerKind.NOT_PROCESSED, AnswerKind.EXISTING
_AMOUNTS = r"invalid amounts, the (?:market )?(?:buy|sell) orders maker amount supports a max accuracy of"

CATALOGUE: tuple[Refusal, ...] = (
    # --- the order as such ---
    _entry(
        "duplicated", rf"(?:order {_ID} is invalid\. duplicated|INVALID_ORDER_DUPLICATED)",
        "The venue already has exactly this order: an earlier copy of the request arrived.",
        "Nothing: the order stands. Its fills are read from the venue.", means=_EXISTS,
    ),
    _entry(
        "tick", rf"(?:order {_ID} is invalid\. price \({_NUMBER}\) breaks minimum tick size rule: {_NUMBER}"
        r"|INVALID_ORDER_MIN_TICK_SIZE)",
        "The price is not a multiple of the market's tick. The tick becomes finer near 0 and 1.",
        "Read the market's tick again and decide on a new price.",
    ),
    _entry(
        "too_small", rf"(?:order {_ID} is invalid\. size \({_NUMBER}\) lower than the minimum: {_NUMBER}"
        r"|INVALID_ORDER_MIN_SIZE)",
        "The order is smaller than the market's minimum, usually 5 shares.", "Use a larger size.",
    ),
    _entry(
        "marketable_too_small",
        rf"invalid amount for a marketable buy order \({_NUMBER}\), min size: \$?{_NUMBER}",
        "A buy that trades at once must be worth at least one dollar.",
        "Use a larger size, or let the order rest.",
    ),
    _entry(
        "crosses", rf"(?:order {_ID} crosses the book|invalid post-only order: order crosses book"
        r"|INVALID_POST_ONLY_ORDER)",
        "A post-only order would have traded at once; the book moved while it was under way.",
        "Quote again from the current book.",
    ),
    _entry(
        "post_only_type",
        r"(?:invalid post-only order: only GTC and GTD orders can be post-only|INVALID_POST_ONLY_ORDER_TYPE)",
        "Post-only was set on an order that must trade at once.", "Send it as GTC or GTD, or without post-only.",
        scope=Scope.PROGRAM,
    ),
    _entry(
        "expiration", r"(?:invalid expiration|INVALID_ORDER_EXPIRATION)",
        "A good-till-date order must end at least three minutes from now.", "Use a later end.",
    ),
    _entry(
        "decimals", rf"{_AMOUNTS} [0-9] decimals, taker amount a max of [0-9] decimals",
        "An amount has more decimals than the venue allows for this kind of order.",
        "Report it: amounts are rounded before they are signed. The market's tick may have changed.",
        scope=Scope.PROGRAM,
    ),
    _entry(
        "product",
        rf"invalid amounts, the (?:taker|maker) amount for a {_NUMBER} order of size {_NUMBER} should be "
        rf"'{_NUMBER}' but the value submited is '{_NUMBER}'{_TAIL}",
        "Price times size does not give the signed amount.",
        "Report it: amounts are exact products. The market's tick may have changed.", scope=Scope.PROGRAM,
    ),
    _entry("side", r"invalid side", "The side is neither BUY nor SELL.", "Report it.", scope=Scope.PROGRAM),
    _entry(
        "token", r"invalid token id", "The venue does not know this outcome token.",
        "Sync the catalogue; the market may be gone.", scope=Scope.MARKET,
    ),
    _entry(
        "payload", r"(?:invalid payload|invalid order payload|invalid order params payload)",
        "The request does not have the form that the venue expects.",
        "Update polybot: the venue's interface may have changed.", scope=Scope.PROGRAM,
    ),
    _entry(
        "too_large", r"payload exceeds the limit", "The request is larger than the venue accepts.",
        "Send fewer orders at once.", scope=Scope.PROGRAM,
    ),
    _entry(
        "too_many", rf"too many orders in payload(?:: {_NUMBER})?, max allowed: {_NUMBER}",
        "More orders in one request than the venue accepts.", "Send fewer orders at once.", scope=Scope.PROGRAM,
    ),
    _entry(
        "version", r"(?:order_version_mismatch|invalid order version(?:, please use the latest clob-client)?)",
        "The order was signed for another generation of the exchange.",
        "Update polybot. Until then nothing can be traded.", scope=Scope.PROGRAM,
    ),
    _entry(
        "signature", r"invalid signature",
        "The signature does not fit: wrong key, wrong account type, or a wrong neg-risk flag of the market.",
        "Run the doctor: it compares key, account address and account type. Sync the market's facts.",
        scope=Scope.ACCOUNT,
    ),
    _entry(
        "nonce", r"invalid nonce", "The order carries a number that the account has cancelled.",
        "Send it as a new order.", scope=Scope.ACCOUNT,
    ),
    _entry(
        "signature_type", r"invalid signature_type", "The account type is not one that the venue knows.",
        "Correct the account's type in its settings.", scope=Scope.ACCOUNT,
    ),
    # --- who is asking ---
    _entry(
        "owner", r"the order owner has to be the owner of the api key",
        "The order names another API key than the one that signed the request.",
        "Create the account's API key again.", scope=Scope.ACCOUNT,
    ),
    _entry(
        "signer", r"the order signer address has to be the address of the api key",
        "The API key belongs to another wallet key than the one that signed the order.",
        "Derive the API key again with this account's key.", scope=Scope.ACCOUNT,
    ),
    _entry(
        "maker_not_allowed", r"maker address not allowed, please use the deposit wallet flow",
        "The venue no longer lets this kind of account trade; new accounts need a deposit wallet.",
        "Move the funds to the key's deposit wallet and set that as the account's address.", scope=Scope.ACCOUNT,
    ),
    _entry(
        "banned", r"'[^']{0,100}' address banned", "The venue has banned this address.",
        "Ask the venue's support. Trading with this account is over until then.", scope=Scope.ACCOUNT,
    ),
    _entry(
        "closed_only", r"'[^']{0,100}' address in closed only mode",
        "The venue lets this address close positions but not open new ones.",
        "Set the account to reduce-only; ask the venue's support.", scope=Scope.ACCOUNT,
    ),
    _entry(
        "maker_address", r"invalid maker_address", "The account's address is not one that the venue can read.",
        "Correct the account's address.", scope=Scope.ACCOUNT,
    ),
    # --- money ---
    _entry(
        "allowance", rf"not enough balance / allowance{_TAIL}\ballowance is not enough\b{_TAIL}",
        "The exchange contract may not move this much of the account's money or shares.",
        "Look at the account's allowances and grant the missing one there.", scope=Scope.ACCOUNT,
    ),
    _entry(
        "balance", rf"(?:not enough balance / allowance{_TAIL}|INVALID_ORDER_NOT_ENOUGH_BALANCE)",
        "The venue counts too little free money or shares: other orders hold them, a recent trade has not settled, "
        "or its record of the balance is old.",
        "Wait for open trades to settle and refresh the balance. Check that money is in the trading account and that "
        "its type is right.",
        scope=Scope.ACCOUNT,
    ),
    # --- the market ---
    _entry(
        "no_book", r"no orderbook exists for the requested token id",
        "The venue has no book for this outcome: the market is closed, or too new.",
        "Sync the catalogue and wait, or choose another market.", scope=Scope.MARKET,
    ),
    _entry("no_market", r"(?:market not found|invalid market)", "The venue does not know this market.",
           "Sync the catalogue.", scope=Scope.MARKET),
    _entry(
        "no_fee_rate", r"fee rate not found for market", "The venue has no fee for this market.",
        "Sync the catalogue and wait; report it when it lasts.", scope=Scope.MARKET,
    ),
    _entry(
        "not_ready", r"(?:the market is not yet ready to process new orders|MARKET_NOT_READY)",
        "The market is listed but does not take orders yet.", "Wait until it opens.", scope=Scope.MARKET,
    ),
    # --- execution ---
    _entry(
        "fok_not_filled",
        r"(?:order couldn't be fully filled\. FOK orders are fully filled or killed|FOK_ORDER_NOT_FILLED_ERROR"
        r"|FOK orders are filled or killed)",
        "Not enough was on offer to fill the whole order at its price, so all of it was dropped.",
        "Use a smaller size, a wider limit, or fill-and-kill.",
    ),
    _entry(
        "fak_no_match",
        r"(?:no orders found to match with FAK order\. FAK orders are partially filled or killed if no match is found"
        r"|there are no matching orders)",
        "Nothing was on offer at the order's price.", "Use a wider limit, or let the order rest.",
    ),
    _entry(
        "delayed", r"(?:order match delayed due to market conditions|ORDER_DELAYED)",
        "The venue holds the order before it matches it; it may still trade.",
        "Nothing: its state is read from the venue.", means=_UNKNOWN,
    ),
    _entry(
        "delay_failed", r"DELAYING_ORDER_ERROR", "Holding the order failed at the venue; it may exist.",
        "Nothing: its state is read from the venue.", means=_UNKNOWN,
    ),
    _entry(
        "contract_canceled", r"order canceled in the CTF exchange contract",
        "The exchange contract counts this order as cancelled.",
        "Nothing: its state is read from the venue.", means=_UNKNOWN,
    ),
    _entry(
        "not_run", r"(?:could not run the execution|EXECUTION_ERROR)",
        "The venue failed while it was executing the order; part of it may have happened.",
        "Nothing: its state is read from the venue.", scope=Scope.VENUE, means=_UNKNOWN,
    ),
    _entry(
        "not_inserted", r"(?:could not insert order|INVALID_ORDER_ERROR)",
        "The venue failed while it was storing the order; it may exist.",
        "Nothing: its state is read from the venue.", scope=Scope.VENUE, means=_UNKNOWN,
    ),
    _entry(
        "timed_out", r"order timed out", "The venue gave up waiting for its own matching engine; the order may exist.",
        "Nothing: its state is read from the venue.", scope=Scope.VENUE, means=_UNKNOWN,
    ),
    _entry(
        "rounding", r"the trade contains rounding issues", "The venue could not settle the match exactly.",
        "Nothing: its state is read from the venue. Report it when it repeats.", means=_UNKNOWN,
    ),
    _entry(
        "price_gap",
        r"the price of the taker's order has a discrepancy greater than allowed with the worst maker order",
        "The order's limit is too far from the offers it would have met.",
        "Nothing: its state is read from the venue. Then use a limit closer to the book.", means=_UNKNOWN,
    ),
    _entry(
        "internal", r"internal server error", "Something failed inside the venue; the order may exist.",
        "Nothing: its state is read from the venue.", scope=Scope.VENUE, means=_UNKNOWN,
    ),
    _entry(
        "context_canceled", r".{0,300}context canceled", "The venue stopped working on the request half-way.",
        "Nothing: its state is read from the venue.", scope=Scope.VENUE, means=_UNKNOWN,
    ),
    # --- the venue as a whole ---
    _entry(
        "post_only_mode", r"post-only mode: only post-only orders and cancels are allowed",
        "The venue has just restarted and takes only resting orders for about two minutes.",
        "Wait. Orders that trade at once are held back until then.", scope=Scope.VENUE, means=_LATER,
    ),
    _entry(
        "cancel_only",
        r"trading is currently cancel-only\. new orders are not accepted, but cancels are allowed",
        "The venue accepts cancels and no new orders.", "Wait until the venue trades again.", scope=Scope.VENUE,
        means=_LATER,
    ),
    _entry(
        "disabled", r"trading is currently disabled\. check polymarket\.com for updates",
        "The venue has stopped trading.", "Wait until the venue trades again; see its status page.",
        scope=Scope.VENUE, means=_LATER,
    ),
    _entry(
        "restarting", r"service not ready", "The venue's matching engine is restarting, usually for about 90 seconds.",
        "Wait. The same order is sent again if it is still wanted.", scope=Scope.VENUE, means=_LATER,
    ),
    _entry(
        "rate_limited", r"too many requests", "Too many requests in a short time.",
        "Wait. Lower the number of strategies or their pace when it repeats.", scope=Scope.VENUE, means=_LATER,
    ),
    _entry(
        "region", r"trading restricted in your region", "The venue does not let this place trade.",
        "Stop. Trading from here is not allowed.", scope=Scope.ACCOUNT, means=_LATER,
    ),
    _entry(
        "unauthorized", r"(?:unauthorized(?:/invalid api key)?|invalid api key|unauthorized/.{0,100})",
        "The venue does not accept the API key: it is wrong, deleted, or this computer's clock is off.",
        "Check the clock, then derive the API key again.", scope=Scope.ACCOUNT, means=_LATER,
    ),
    # --- other requests: shown to people, never used to judge an order ---
    _entry("login_headers", r"invalid l1 request headers", "The log-in signature or its time is wrong.",
           "Check the clock and the key.", scope=Scope.ACCOUNT, where=Where.LOGIN),
    _entry("key_exists", r"could not create api key", "This key already has API credentials.",
           "Derive them instead.", scope=Scope.ACCOUNT, where=Where.LOGIN),
    _entry("no_key_yet", r"could not derive api key!?", "This key has no API credentials yet.",
           "Create them.", scope=Scope.ACCOUNT, where=Where.LOGIN),
    _entry("cancel_gone", r"(?:order not found or already canceled|order already canceled)",
           "The order is no longer open, or the venue has not seen it yet.",
           "Nothing: its state is read from the venue.", where=Where.CANCEL, means=_UNKNOWN),
    _entry("cancel_matched", r"(?:order already matched|already canceled or matched)",
           "The order was filled or cancelled before the cancel arrived.",
           "Nothing: its fills are read from the venue.", where=Where.CANCEL, means=_UNKNOWN),
    _entry("cancel_id", r"invalid orderid", "The order id is not one that the venue can read.", "Report it.",
           scope=Scope.PROGRAM, where=Where.CANCEL),
    _entry("cursor", r"invalid next_cursor", "A page of a list was asked for with a wrong mark.",
           "Read the list from its beginning.", scope=Scope.PROGRAM, where=Where.READ),
    _entry("read_parameters", r"(?:invalid asset type|invalid trade params payload|invalid date \(format: .{0,20}\))",
           "A question to the venue had a wrong parameter.", "Report it.", scope=Scope.PROGRAM, where=Where.READ),
    _entry("heartbeat_id", r"invalid heartbeat id", "Another program keeps this API key's heartbeat.",
           "Use an API key that no other program uses.", scope=Scope.ACCOUNT, where=Where.READ),
    _entry("wallet_busy", r"wallet (?:.{0,80}busy.{0,120}active action|has in-flight action).{0,120}",
           "The wallet still works on an earlier request.", "Wait a few seconds and try again.",
           scope=Scope.ACCOUNT, where=Where.RELAYER, means=_LATER),
    _entry("batch_nonce", rf"batch nonce {_NUMBER} does not match on-chain nonce {_NUMBER}",
           "Another request of this wallet was carried out in between.", "Sign again with the new number.",
           scope=Scope.ACCOUNT, where=Where.RELAYER),
)  # fmt: skip
