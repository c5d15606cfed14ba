"""Contract calls of a trading wallet, encoded: grants, transfers, split, merge, redeem, convert, and the reads.

Amounts are millionths; ids are the venue's texts. `positions` means a market of the newer protocol, whose shares
are position ids, whose conditions have 31 bytes, and whose contract is the router. Pure: nothing here asks a chain
or signs. Which of these calls may be signed is decided in `call_permits`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from eth_hash.auto import keccak

from markets.venues.polymarket.wallets import CONTRACTS, MAINNET, address_bytes

ADAPTER = "0xAdA100Db00Ca00073811820692005400218FcE1f"
NEG_RISK_ADAPTER = "0xadA2005600Dec949baf300f4C6120000bDB6eAab"
ROUTER = "0x12121212006e4CD160D18e3f00711DA5c3372600"
POSITION_MANAGER = "0x006F54F7f9A22e0000CC2AB60031000000ae9fEF"
AUTO_REDEEMER = "0xa1200000d0002264C9a1698e001292D00E1b00af"
COLLATERAL = CONTRACTS[MAINNET].collateral
CONDITIONAL_TOKENS = CONTRACTS[MAINNET].conditional_tokens
EXCHANGE = CONTRACTS[MAINNET].exchange
NEG_RISK_EXCHANGE = CONTRACTS[MAINNET].neg_risk_exchange
EXCHANGE_V3 = CONTRACTS[MAINNET].exchange_v3

UNLIMITED = (1 << 256) - 1
_WORD = 32
_UINT256 = 1 << 256


class CallError(ValueError):
    """A call that cannot be encoded, or must not be made; the message names the part."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call of one contract. It never sends the chain's own coin."""

    to: str
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """Leave for a contract to take money (`operator` False) or shares of one token contract."""

    token: str
    spender: str
    is_operator: bool
    what_for: str


NAMES: Mapping[str, str] = MappingProxyType(
    {
        COLLATERAL: "pUSD",
        CONDITIONAL_TOKENS: "Conditional Tokens",
        POSITION_MANAGER: "Position Manager",
        ADAPTER: "collateral adapter",
        NEG_RISK_ADAPTER: "neg-risk adapter",
        ROUTER: "protocol v2 router",
        EXCHANGE: "exchange",
        NEG_RISK_EXCHANGE: "neg-risk exchange",
        EXCHANGE_V3: "exchange v3",
        AUTO_REDEEMER: "auto-redeemer",
    }
)

# What trading, redeeming and merging need. The venue's own client asks for more (perps, modules): we do not use those.
GRANTS: tuple[Grant, ...] = (
    Grant(token=COLLATERAL, spender=EXCHANGE, is_operator=False, what_for="buy"),
    Grant(token=COLLATERAL, spender=NEG_RISK_EXCHANGE, is_operator=False, what_for="buy in neg-risk markets"),
    Grant(token=COLLATERAL, spender=EXCHANGE_V3, is_operator=False, what_for="buy position ids"),
    Grant(token=COLLATERAL, spender=ADAPTER, is_operator=False, what_for="split"),
    Grant(token=COLLATERAL, spender=NEG_RISK_ADAPTER, is_operator=False, what_for="split in neg-risk markets"),
    Grant(token=COLLATERAL, spender=ROUTER, is_operator=False, what_for="split position ids"),
    Grant(token=CONDITIONAL_TOKENS, spender=EXCHANGE, is_operator=True, what_for="sell"),
    Grant(token=CONDITIONAL_TOKENS, spender=NEG_RISK_EXCHANGE, is_operator=True, what_for="sell in neg-risk markets"),
    Grant(token=CONDITIONAL_TOKENS, spender=ADAPTER, is_operator=True, what_for="redeem and merge"),
    Grant(
        token=CONDITIONAL_TOKENS,
        spender=NEG_RISK_ADAPTER,
        is_operator=True,
        what_for="redeem, merge and convert in neg-risk markets",
    ),
    Grant(token=POSITION_MANAGER, spender=EXCHANGE_V3, is_operator=True, what_for="sell position ids"),
    Grant(token=POSITION_MANAGER, spender=ROUTER, is_operator=True, what_for="redeem and merge position ids"),
)


def selector(signature: str) -> bytes:
    return keccak(signature.encode())[:4]


APPROVE = selector("approve(address,uint256)")
APPROVE_ALL = selector("setApprovalForAll(address,bool)")
TRANSFER = selector("transfer(address,uint256)")
SHARE_TRANSFER = selector("safeTransferFrom(address,address,uint256,uint256,bytes)")
SPLIT = selector("splitPosition(address,bytes32,bytes32,uint256[],uint256)")
MERGE = selector("mergePositions(address,bytes32,bytes32,uint256[],uint256)")
REDEEM = selector("redeemPositions(address,bytes32,bytes32,uint256[])")
CONVERT = selector("convertPositions(bytes32,uint256,uint256)")
ROUTER_SPLIT = selector("split(bytes31,uint256)")
ROUTER_MERGE = selector("merge(bytes31,uint256)")
ROUTER_REDEEM = selector("redeem(bytes31,uint256,uint256)")
# Reads.
_BALANCE = selector("balanceOf(address)")
_ALLOWANCE = selector("allowance(address,address)")
_SHARE_BALANCES = selector("balanceOfBatch(address[],uint256[])")
_APPROVED = selector("isApprovedForAll(address,address)")
_NUMERATOR = selector("payoutNumerators(bytes32,uint256)")
_DENOMINATOR = selector("payoutDenominator(bytes32)")


def approve(grant: Grant, amount: int) -> Call:
    """Let `grant.spender` take up to `amount` dollars; for shares any amount but zero means all of them."""
    spender = _address(grant.spender)
    if grant.is_operator:
        return Call(to=grant.token, data=APPROVE_ALL + spender + _word(1 if amount else 0))
    return Call(to=grant.token, data=APPROVE + spender + _word(amount))


def transfer(receiver: str, amount: int) -> Call:
    return Call(to=COLLATERAL, data=TRANSFER + _address(receiver) + _word(amount))


def transfer_shares(owner: str, receiver: str, token_id: str, amount: int, *, contract: str = "") -> Call:
    return Call(
        to=contract or CONDITIONAL_TOKENS,
        data=SHARE_TRANSFER
        + _address(owner)
        + _address(receiver)
        + _word(_token(token_id))
        + _word(amount)
        + _word(5 * _WORD)
        + _word(0),
    )


def split(condition_id: str, amount: int, *, neg_risk: bool, positions: bool = False) -> Call:
    if positions:
        return Call(to=ROUTER, data=ROUTER_SPLIT + _condition31(condition_id) + _word(amount))
    return Call(to=_adapter(neg_risk), data=SPLIT + set_words(condition_id, amount))


def merge(condition_id: str, amount: int, *, neg_risk: bool, positions: bool = False) -> Call:
    if positions:
        return Call(to=ROUTER, data=ROUTER_MERGE + _condition31(condition_id) + _word(amount))
    return Call(to=_adapter(neg_risk), data=MERGE + set_words(condition_id, amount))


def redeem(condition_id: str, sizes: Sequence[int], *, neg_risk: bool, positions: bool = False) -> tuple[Call, ...]:
    """Redeem all shares of a condition; `sizes` per outcome index matter to the router only, one call each."""
    if not positions:
        return (Call(to=_adapter(neg_risk), data=REDEEM + redeem_words(condition_id)),)
    head = ROUTER_REDEEM + _condition31(condition_id)
    return tuple(
        Call(to=ROUTER, data=head + _word(index) + _word(size)) for index, size in enumerate(sizes) if size > 0
    )


def convert(group_id: str, indexes: Collection[int], amount: int) -> Call:
    """Convert No shares of the group's markets at `indexes` (their place in the group)."""
    if not indexes or any(not 0 <= index < 256 for index in indexes):
        raise CallError(f"markets {sorted(indexes)} of a group: each is numbered 0 to 255")
    index_set = sum(1 << index for index in set(indexes))
    return Call(to=NEG_RISK_ADAPTER, data=CONVERT + _condition(group_id) + _word(index_set) + _word(amount))


# Reads ------------------------------------------------------------------------------------------------


def read_cash(owner: str) -> Call:
    return Call(to=COLLATERAL, data=_BALANCE + _address(owner))


def read_shares(owner: str, token_ids: Sequence[str], *, contract: str = "") -> Call:
    tokens = b"".join(_word(_token(token)) for token in token_ids)
    count = _word(len(token_ids))
    head = _word(2 * _WORD) + _word((3 + len(token_ids)) * _WORD)
    return Call(
        to=contract or CONDITIONAL_TOKENS,
        data=_SHARE_BALANCES + head + count + _address(owner) * len(token_ids) + count + tokens,
    )


def read_grant(owner: str, grant: Grant) -> Call:
    name = _APPROVED if grant.is_operator else _ALLOWANCE
    return Call(to=grant.token, data=name + _address(owner) + _address(grant.spender))


def read_payout(condition_id: str, index: int | None = None) -> Call:
    """The payout numerator of an outcome, or without an index the denominator: zero until resolved."""
    if index is None:
        return Call(to=CONDITIONAL_TOKENS, data=_DENOMINATOR + _condition(condition_id))
    return Call(to=CONDITIONAL_TOKENS, data=_NUMERATOR + _condition(condition_id) + _word(index))


def words_of(answer: bytes) -> list[int]:
    """Return an answer's 32-byte words. Raises CallError for one that is cut."""
    if not answer or len(answer) % _WORD:
        raise CallError(f"an answer of {len(answer)} bytes is not whole words")
    return [int.from_bytes(answer[i : i + _WORD], "big") for i in range(0, len(answer), _WORD)]


def one_word(answer: bytes) -> int:
    words = words_of(answer)
    if len(words) != 1:
        raise CallError(f"{len(words)} words where one was asked for")
    return words[0]


def list_of(answer: bytes, count: int) -> list[int]:
    """Return the `count` numbers of an answered array."""
    words = words_of(answer)
    if words[:2] != [_WORD, count] or len(words) != count + 2:
        raise CallError(f"not an array of {count} numbers")
    return words[2:]


# Words ------------------------------------------------------------------------------------------------


def _adapter(neg_risk: bool) -> str:
    return NEG_RISK_ADAPTER if neg_risk else ADAPTER


def set_words(condition_id: str, amount: int) -> bytes:
    """Return the arguments of splitting or merging `amount` complete sets of a two-outcome condition."""
    return (
        _address(COLLATERAL) + bytes(_WORD) + _condition(condition_id) + _word(5 * _WORD) + _word(amount) + _PARTITION
    )


def redeem_words(condition_id: str) -> bytes:
    return _address(COLLATERAL) + bytes(_WORD) + _condition(condition_id) + _word(4 * _WORD) + _PARTITION


def _word(value: int) -> bytes:
    if not 0 <= value < _UINT256:
        raise CallError(f"{value} does not fit 256 bits")
    return value.to_bytes(_WORD, "big")


def _address(address: str) -> bytes:
    return bytes(12) + address_bytes(address)


def _token(token_id: str) -> int:
    if not (token_id.isascii() and token_id.isdecimal()):
        raise CallError(f"{token_id!r:.90} is not a token id")
    return int(token_id)


def _condition(condition_id: str) -> bytes:
    return _hex(condition_id, _WORD)


def _condition31(condition_id: str) -> bytes:
    digits = condition_id.removeprefix("0x")
    if len(digits) == 64 and digits.endswith("00"):  # some listings pad it to the length of the older ids
        digits = digits[:-2]
    return _hex(digits, 31) + bytes(1)


def _hex(text: str, size: int) -> bytes:
    try:
        raw = bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        raw = b""
    if len(raw) != size:
        raise CallError(f"{text!r:.80} is not {size} bytes")
    return raw


_PARTITION = _word(2) + _word(1) + _word(2)  # the two outcomes of a condition, as sets of one
