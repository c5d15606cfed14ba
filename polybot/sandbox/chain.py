"""The few contracts a trading client reads and calls, answered from the engine's accounts.

Reads and writes arrive as ABI words. Unknown contracts and functions revert, as a real
node would say it, so that a client's guess is never taken for an answer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError
from eth_utils.crypto import keccak

from polybot.sandbox.exchange import Exchange
from polybot.sandbox.messages import CASH, Refusal
from polybot.sandbox.wallets import (
    ADAPTER,
    CTF,
    DEPOSIT_BEACON,
    DEPOSIT_FACTORY,
    LEGACY_NEG_RISK_ADAPTER,
    NEG_RISK_ADAPTER,
    POSITION_MANAGER,
    PUSD,
    ROUTER,
)

TOKENS = "tokens"  # the allowance class of CTF shares
POSITIONS = "positions"  # and of Protocol V2 positions
_SHARE_CONTRACTS = (CTF.lower(), LEGACY_NEG_RISK_ADAPTER.lower(), POSITION_MANAGER.lower())
_ADAPTERS = (ADAPTER.lower(), NEG_RISK_ADAPTER.lower())


class Reverted(Exception):
    """The contract refused; the text is what a node reports."""


def selector(signature: str) -> bytes:
    return keccak(signature.encode())[:4]


BALANCE = selector("balanceOf(address)")
ALLOWANCE = selector("allowance(address,address)")
DECIMALS = selector("decimals()")
SHARE_BALANCE = selector("balanceOf(address,uint256)")
SHARE_BALANCES = selector("balanceOfBatch(address[],uint256[])")
APPROVED = selector("isApprovedForAll(address,address)")
NUMERATORS = selector("payoutNumerators(bytes32,uint256)")
DENOMINATOR = selector("payoutDenominator(bytes32)")
FACTORY_BEACON = bytes.fromhex("49493a4d")
APPROVE = selector("approve(address,uint256)")
APPROVE_ALL = selector("setApprovalForAll(address,bool)")
TRANSFER = selector("transfer(address,uint256)")
SPLIT = selector("splitPosition(address,bytes32,bytes32,uint256[],uint256)")
MERGE = selector("mergePositions(address,bytes32,bytes32,uint256[],uint256)")
REDEEM = selector("redeemPositions(address,bytes32,bytes32,uint256[])")
CONVERT = selector("convertPositions(bytes32,uint256,uint256)")
SHARE_TRANSFER = selector("safeTransferFrom(address,address,uint256,uint256,bytes)")
ROUTER_SPLIT = selector("split(bytes31,uint256)")
ROUTER_MERGE = selector("merge(bytes31,uint256)")
ROUTER_REDEEM = selector("redeem(bytes31,uint256,uint256)")


class Chain:
    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def call(self, to: str, data: bytes) -> bytes:
        """Return the words that a read of contract `to` gives; raises Reverted."""
        target, name, words = to.lower(), data[:4], data[4:]
        if target == DEPOSIT_FACTORY.lower() and name == FACTORY_BEACON:
            return bytes(12) + bytes.fromhex(DEPOSIT_BEACON[2:])
        if target == PUSD.lower():
            return self._read_money(name, words)
        if target in _SHARE_CONTRACTS:
            return self._read_shares(target, name, words)
        raise Reverted("execution reverted")

    def execute_all(self, sender: str, calls: list[tuple[str, int, bytes]]) -> None:
        """Let `sender` make several calls as one: when one of them reverts, none has happened."""
        self._exchange.wallet_open(sender)
        before = self._exchange.checkpoint()
        try:
            for target, _, data in calls:
                self.execute(sender, target, data)
        except (Refusal, Reverted):
            self._exchange.roll_back(before)
            raise

    def execute(self, sender: str, to: str, data: bytes) -> None:
        """Let `sender` call a contract for good; raises Refusal with what the contract would say."""
        target, name, words = to.lower(), data[:4], data[4:]
        self._exchange.wallet_open(sender)
        if target == PUSD.lower():
            self._write_money(sender, name, words)
        elif target in _SHARE_CONTRACTS and name == APPROVE_ALL:
            operator, approved = _decode(["address", "bool"], words)
            kind = POSITIONS if target == POSITION_MANAGER.lower() else TOKENS
            self._exchange.allowance_set(sender, kind, operator, 2**256 - 1 if approved else 0)
        elif target in (CTF.lower(), POSITION_MANAGER.lower()) and name == SHARE_TRANSFER:
            owner, receiver, token, amount, _ = _decode(["address", "address", "uint256", "uint256", "bytes"], words)
            if owner.lower() != sender.lower():
                raise Refusal(400, "execution reverted")
            self._exchange.transfer(sender, receiver, str(token), amount)
        elif target in (*_ADAPTERS, CTF.lower()) and name in (SPLIT, MERGE):
            _, _, condition, partition, amount = _decode(
                ["address", "bytes32", "bytes32", "uint256[]", "uint256"], words
            )
            if tuple(partition) != (1, 2):
                raise Refusal(400, "execution reverted: invalid partition")
            self._allowed(sender, target, name == SPLIT, amount)
            change = self._exchange.split if name == SPLIT else self._exchange.merge
            change(sender, "0x" + condition.hex(), amount)
        elif target in (*_ADAPTERS, CTF.lower()) and name == REDEEM:
            _, _, condition, _ = _decode(["address", "bytes32", "bytes32", "uint256[]"], words)
            self._allowed(sender, target, False, 0)
            self._exchange.redeem(sender, "0x" + condition.hex())
        elif target == NEG_RISK_ADAPTER.lower() and name == CONVERT:
            group, index_set, amount = _decode(["bytes32", "uint256", "uint256"], words)
            self._allowed(sender, target, False, amount)
            self._exchange.convert(sender, "0x" + group.hex(), index_set, amount)
        elif target == ROUTER.lower():
            self._route(sender, name, words)
        else:
            raise Refusal(400, "execution reverted")

    def _write_money(self, sender: str, name: bytes, words: bytes) -> None:
        if name == APPROVE:
            spender, amount = _decode(["address", "uint256"], words)
            self._exchange.allowance_set(sender, CASH, spender, amount)
        elif name == TRANSFER:
            receiver, amount = _decode(["address", "uint256"], words)
            self._exchange.transfer(sender, receiver, CASH, amount)
        else:
            raise Refusal(400, "execution reverted")

    def _route(self, sender: str, name: bytes, words: bytes) -> None:
        """Do what the Protocol V2 router does: conditions are 31 bytes there."""
        if name in (ROUTER_SPLIT, ROUTER_MERGE):
            condition, amount = _decode(["bytes31", "uint256"], words)
            self._allowed(sender, ROUTER.lower(), name == ROUTER_SPLIT, amount, kind=POSITIONS)
            change = self._exchange.split if name == ROUTER_SPLIT else self._exchange.merge
            change(sender, f"0x{condition.hex()}00", amount)
        elif name == ROUTER_REDEEM:
            condition, outcome, amount = _decode(["bytes31", "uint256", "uint256"], words)
            self._allowed(sender, ROUTER.lower(), False, amount, kind=POSITIONS)
            self._exchange.redeem_outcome(sender, f"0x{condition.hex()}00", outcome, amount)
        else:
            raise Refusal(400, "execution reverted")

    def _allowed(self, sender: str, contract: str, pays: bool, amount: int, *, kind: str = TOKENS) -> None:
        """Raise what the token says when a contract may not take what it is about to take."""
        if contract == CTF.lower():
            return  # the shares' own contract needs nobody's leave
        if pays and self._exchange.allowance(sender, CASH, contract) < amount:
            raise Refusal(400, "execution reverted: insufficient allowance")
        if not pays and self._exchange.allowance(sender, kind, contract) == 0:
            raise Refusal(400, "execution reverted: ERC1155: caller is not token owner or approved")

    def _read_money(self, name: bytes, words: bytes) -> bytes:
        if name == DECIMALS:
            return _word(6)
        if name == BALANCE:
            (owner,) = _decode(["address"], words)
            return _word(self._exchange.chain_balance(owner, CASH))
        if name == ALLOWANCE:
            owner, spender = _decode(["address", "address"], words)
            return _word(self._exchange.allowance(owner, CASH, spender))
        raise Reverted("execution reverted")

    def _read_shares(self, target: str, name: bytes, words: bytes) -> bytes:
        if name == APPROVED:
            owner, operator = _decode(["address", "address"], words)
            kind = POSITIONS if target == POSITION_MANAGER.lower() else TOKENS
            return _word(int(self._exchange.allowance(owner, kind, operator) > 0))
        readers: dict[bytes, Callable[[bytes], bytes]] = {
            SHARE_BALANCE: self._share_balance,
            SHARE_BALANCES: self._share_balances,
            NUMERATORS: self._numerator,
            DENOMINATOR: self._denominator,
        }
        reader = readers.get(name)
        if reader is None:
            raise Reverted("execution reverted")
        return reader(words)

    def _share_balance(self, words: bytes) -> bytes:
        owner, token = _decode(["address", "uint256"], words)
        return _word(self._exchange.chain_balance(owner, str(token)))

    def _share_balances(self, words: bytes) -> bytes:
        owners, tokens = _decode(["address[]", "uint256[]"], words)
        if len(owners) != len(tokens):
            raise Reverted("execution reverted: lengths differ")
        found = [self._exchange.chain_balance(o, str(t)) for o, t in zip(owners, tokens, strict=True)]
        return _word(32) + _word(len(found)) + b"".join(_word(amount) for amount in found)

    def _numerator(self, words: bytes) -> bytes:
        condition, index = _decode(["bytes32", "uint256"], words)
        market = self._exchange.market_by_condition("0x" + condition.hex())
        if market is None or index > 1:
            raise Reverted("execution reverted")
        return _word(market.payouts[index] if market.payouts else 0)

    def _denominator(self, words: bytes) -> bytes:
        (condition,) = _decode(["bytes32"], words)
        market = self._exchange.market_by_condition("0x" + condition.hex())
        return _word(sum(market.payouts) if market is not None and market.payouts else 0)


def _word(value: int) -> bytes:
    return value.to_bytes(32, "big")


def _decode(kinds: list[str], words: bytes) -> tuple[Any, ...]:
    try:
        return decode(kinds, words)
    except (DecodingError, OverflowError, ValueError):
        raise Reverted("execution reverted: malformed call data") from None
