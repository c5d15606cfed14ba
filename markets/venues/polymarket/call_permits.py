"""What a signer may sign for a wallet: every call read back in full, and refused unless it is one of ours.

A call that cannot be read completely, goes to another contract, another collateral, another spender or another
receiver than the key's own accounts raises CallError. The words returned are what a preview shows. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from markets.domain.units import text_from_micro
from markets.venues.polymarket import calls
from markets.venues.polymarket.calls import (
    ADAPTER,
    COLLATERAL,
    CONDITIONAL_TOKENS,
    GRANTS,
    NAMES,
    NEG_RISK_ADAPTER,
    POSITION_MANAGER,
    ROUTER,
    UNLIMITED,
    Call,
    CallError,
    redeem_words,
    set_words,
)
from markets.venues.polymarket.wallets import AddressError, address_text

Reader = Callable[[str, bytes, Collection[str]], str]
_WORD = 32


def permit(call: Call, *, own: Collection[str]) -> str:
    """Return what the call does, in words. Raises CallError for every call that we do not make.

    `own` are the addresses that the key controls: dollars and shares may be sent there and nowhere else.
    """
    name, words = call.data[:4], call.data[4:]
    target = next((a for a in NAMES if a.lower() == call.to.lower()), "")
    reader = _READERS.get((target, name))
    if reader is None:
        raise CallError(f"{call.to}: no function {name.hex()} of this contract is ever called")
    try:
        return reader(target, words, own)
    except (IndexError, AddressError):
        raise CallError(f"{NAMES[target]}: the call's data is cut short or not an address") from None


def _permit_grant(target: str, words: bytes, own: Collection[str]) -> str:
    spender, amount = _address_at(words, 0), _number_at(words, 1)
    _length(words, 2)
    grant = next((g for g in GRANTS if (g.token, g.spender) == (target, spender)), None)
    if grant is None:
        raise CallError(f"{NAMES[target]}: {spender} is no contract that we let take anything")
    if not grant.is_operator:
        said = "an unlimited amount of" if amount == UNLIMITED else f"up to ${_micro(amount)} of"
        return f"let the {NAMES[spender]} ({spender}) take {said} pUSD: to {grant.what_for}"
    verb = "let" if amount else "no longer let"
    return f"{verb} the {NAMES[spender]} ({spender}) take every share of {NAMES[target]}: to {grant.what_for}"


def _permit_transfer(target: str, words: bytes, own: Collection[str]) -> str:
    receiver, amount = _address_at(words, 0), _number_at(words, 1)
    _length(words, 2)
    _ours(receiver, own)
    return f"send ${_micro(amount)} to {receiver}"


def _permit_share_transfer(target: str, words: bytes, own: Collection[str]) -> str:
    receiver, token, amount = _address_at(words, 1), _number_at(words, 2), _number_at(words, 3)
    _length(words, 6)
    _ours(_address_at(words, 0), own)
    _ours(receiver, own)
    return f"send {_micro(amount)} shares of {token} to {receiver}"


def _permit_set(verb: str) -> Reader:
    def read(target: str, words: bytes, own: Collection[str]) -> str:
        condition, amount = _condition_at(words, 2), _number_at(words, 4)
        if words != set_words(condition, amount):
            raise CallError(f"{NAMES[target]}: another collateral or partition than ours")
        return f"{verb} {_micro(amount)} complete sets of {condition} through the {NAMES[target]}"

    return read


def _permit_redeem(target: str, words: bytes, own: Collection[str]) -> str:
    condition = _condition_at(words, 2)
    if words != redeem_words(condition):
        raise CallError(f"{NAMES[target]}: another collateral or partition than ours")
    return f"redeem all shares of {condition} through the {NAMES[target]}"


def _permit_convert(target: str, words: bytes, own: Collection[str]) -> str:
    _length(words, 3)
    group, index_set, amount = _condition_at(words, 0), _number_at(words, 1), _number_at(words, 2)
    indexes = [i for i in range(256) if index_set >> i & 1]
    return f"convert {_micro(amount)} No shares of markets {indexes} of group {group}"


def _permit_router(verb: str) -> Reader:
    def read(target: str, words: bytes, own: Collection[str]) -> str:
        _length(words, 2)
        return f"{verb} {_micro(_number_at(words, 1))} complete sets of {_condition31_at(words)} through the router"

    return read


def _permit_router_redeem(target: str, words: bytes, own: Collection[str]) -> str:
    _length(words, 3)
    size = _micro(_number_at(words, 2))
    return f"redeem {size} shares of outcome {_number_at(words, 1)} of {_condition31_at(words)} through the router"


def _word_at(words: bytes, index: int) -> bytes:
    word = words[index * _WORD : (index + 1) * _WORD]
    if len(word) != _WORD:
        raise IndexError
    return word


def _number_at(words: bytes, index: int) -> int:
    return int.from_bytes(_word_at(words, index), "big")


def _address_at(words: bytes, index: int) -> str:
    word = _word_at(words, index)
    if any(word[:12]):
        raise IndexError
    return address_text(word[12:])


def _condition_at(words: bytes, index: int) -> str:
    return "0x" + _word_at(words, index).hex()


def _condition31_at(words: bytes) -> str:
    word = _word_at(words, 0)
    if word[31]:
        raise IndexError
    return "0x" + word[:31].hex()


def _length(words: bytes, count: int) -> None:
    if len(words) != count * _WORD:
        raise IndexError


def _ours(address: str, own: Collection[str]) -> None:
    if address.lower() not in {a.lower() for a in own}:
        raise CallError(f"{address} is not an account of this key: nothing is ever sent to strangers")


def _micro(amount: int) -> str:
    return text_from_micro(amount)


_READERS: dict[tuple[str, bytes], Reader] = {
    (COLLATERAL, calls.APPROVE): _permit_grant,
    (COLLATERAL, calls.TRANSFER): _permit_transfer,
    (CONDITIONAL_TOKENS, calls.APPROVE_ALL): _permit_grant,
    (POSITION_MANAGER, calls.APPROVE_ALL): _permit_grant,
    (CONDITIONAL_TOKENS, calls.SHARE_TRANSFER): _permit_share_transfer,
    (POSITION_MANAGER, calls.SHARE_TRANSFER): _permit_share_transfer,
    (NEG_RISK_ADAPTER, calls.CONVERT): _permit_convert,
    (ROUTER, calls.ROUTER_SPLIT): _permit_router("split"),
    (ROUTER, calls.ROUTER_MERGE): _permit_router("merge"),
    (ROUTER, calls.ROUTER_REDEEM): _permit_router_redeem,
} | {
    (adapter, name): reader
    for adapter in (ADAPTER, NEG_RISK_ADAPTER)
    for name, reader in (
        (calls.SPLIT, _permit_set("split")),
        (calls.MERGE, _permit_set("merge")),
        (calls.REDEEM, _permit_redeem),
    )
}
