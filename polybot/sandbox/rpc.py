"""JSON-RPC of the chain as a trading client uses it: reads, signed transactions, receipts, nonce rules.

Blocks tick every two seconds of wall time. A raw transaction takes effect when its nonce is the next one of its
sender; one that is ahead waits in the pool. Its receipt says whether the contract accepted it, at once unless a
fault slows the chain down. Gas is free: every address has a coin to show. Times are Unix milliseconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import rlp  # type: ignore[import-untyped]
from eth_account import Account
from eth_account.typed_transactions.typed_transaction import TypedTransaction
from eth_utils.crypto import keccak
from hexbytes import HexBytes

from polybot.sandbox.chain import Chain, Reverted
from polybot.sandbox.engine_rules import EngineFault
from polybot.sandbox.exchange import Exchange
from polybot.sandbox.http_core import ApiError, Request, Router
from polybot.sandbox.messages import Refusal
from polybot.sandbox.wallets import CHAIN_ID

BLOCK_S = 2
GAS_PRICE = 30_000_000_000
MAX_BATCH = 200
POOL = 64  # transactions of one sender that may wait for an earlier nonce


class RpcError(Exception):
    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class _Signed:
    hash: str
    sender: str
    to: str
    data: bytes
    nonce: int


class RpcApi:
    def __init__(self, chain: Chain, exchange: Exchange) -> None:
        self._chain = chain
        self._exchange = exchange
        self._nonces: dict[str, int] = {}
        self._receipts: dict[str, tuple[int, dict[str, Any]]] = {}  # hash -> (visible from, receipt)
        self._known: dict[str, _Signed] = {}
        self._pool: dict[str, dict[int, _Signed]] = {}  # by sender and nonce, waiting for an earlier one
        self._methods: dict[str, Any] = {
            "eth_chainId": lambda p, now: hex(CHAIN_ID),
            "net_version": lambda p, now: str(CHAIN_ID),
            "web3_clientVersion": lambda p, now: "polybot/local-exchange",
            "eth_blockNumber": lambda p, now: hex(_block(now)),
            "eth_getBlockByNumber": self._block_by_number,
            "eth_gasPrice": lambda p, now: hex(GAS_PRICE),
            "eth_maxPriorityFeePerGas": lambda p, now: hex(GAS_PRICE),
            "eth_estimateGas": lambda p, now: hex(200_000),
            "eth_getBalance": lambda p, now: hex(10**18),
            "eth_getCode": lambda p, now: "0x01",
            "eth_getTransactionCount": self._transaction_count,
            "eth_call": self._call,
            "eth_sendRawTransaction": self._send,
            "eth_getTransactionByHash": self._by_hash,
            "eth_getTransactionReceipt": self._receipt,
        }

    def router(self) -> Router:
        router = Router("rpc")
        router.add("POST", "/", self.handle)
        return router

    def handle(self, request: Request) -> Any:
        body = request.json()
        if isinstance(body, list):
            if not body or len(body) > MAX_BATCH:
                raise ApiError(400, f"a batch holds 1 to {MAX_BATCH} calls")
            return [self._one(call, request.now_s) for call in body]
        return self._one(body, request.now_s)

    def _one(self, call: Any, now_s: float) -> dict[str, Any]:
        call_id = call.get("id") if isinstance(call, dict) else None
        try:
            if not isinstance(call, dict) or not isinstance(call.get("params", []), list):
                raise RpcError(-32600, "invalid request")
            method = self._methods.get(str(call.get("method")))
            if method is None:
                raise RpcError(-32601, f"the method {call.get('method')} does not exist")
            return {"jsonrpc": "2.0", "id": call_id, "result": method(call.get("params", []), now_s)}
        except Reverted as error:
            return {"jsonrpc": "2.0", "id": call_id, "error": {"code": 3, "message": str(error), "data": "0x"}}
        except RpcError as error:
            return {"jsonrpc": "2.0", "id": call_id, "error": {"code": error.code, "message": str(error)}}
        except (IndexError, KeyError, TypeError, ValueError, AttributeError):
            return {"jsonrpc": "2.0", "id": call_id, "error": {"code": -32602, "message": "invalid params"}}

    def _call(self, params: list[Any], now_s: float) -> str:
        return "0x" + self._chain.call(str(params[0]["to"]), bytes.fromhex(params[0]["data"].removeprefix("0x"))).hex()

    def _block_by_number(self, params: list[Any], now_s: float) -> dict[str, Any]:
        latest = _block(now_s)
        wanted = params[0] if params else "latest"
        number = latest if not str(wanted).startswith("0x") else min(latest, int(wanted, 16))
        return {
            "number": hex(number),
            "hash": "0x" + keccak(number.to_bytes(32, "big")).hex(),
            "parentHash": "0x" + keccak((number - 1).to_bytes(32, "big")).hex(),
            "timestamp": hex(number * BLOCK_S),
            "baseFeePerGas": hex(GAS_PRICE),
            "gasLimit": hex(30_000_000),
            "transactions": [],
        }

    def _transaction_count(self, params: list[Any], now_s: float) -> str:
        sender = str(params[0]).lower()
        count = self._nonces.get(sender, 0)
        if len(params) > 1 and params[1] == "pending":
            waiting = self._pool.get(sender, {})
            while count in waiting:
                count += 1
        return hex(count)

    def _send(self, params: list[Any], now_s: float) -> str:
        raw = bytes.fromhex(str(params[0]).removeprefix("0x"))
        to, data, nonce, chain_id = _transaction(raw)
        if chain_id != CHAIN_ID:
            raise RpcError(-32000, "invalid chain id for signer" if chain_id else "only replay-protected transactions")
        signed = _Signed(
            hash="0x" + keccak(raw).hex(),
            sender=str(Account.recover_transaction(raw)).lower(),
            to=to,
            data=data,
            nonce=nonce,
        )
        if signed.hash in self._known:
            raise RpcError(-32000, "already known")
        due, waiting = self._nonces.get(signed.sender, 0), self._pool.setdefault(signed.sender, {})
        if nonce < due:
            raise RpcError(-32000, "nonce too low")
        if nonce in waiting:
            raise RpcError(-32000, "replacement transaction underpriced")
        if nonce > due and len(waiting) >= POOL:
            raise RpcError(-32000, "txpool is full")
        self._known[signed.hash] = waiting[nonce] = signed
        while due in waiting:
            self._mine(waiting.pop(due), now_s)
            due += 1
        return signed.hash

    def _mine(self, signed: _Signed, now_s: float) -> None:
        rules, now = self._exchange.rules, self._exchange.now_ms
        self._nonces[signed.sender] = signed.nonce + 1
        status = "0x0"
        if rules.strike(EngineFault.RELAY_FAILED, now) is None:
            try:
                self._chain.execute_all(signed.sender, [(signed.to, 0, signed.data)])
                status = "0x1"
            except (Refusal, Reverted):
                pass
        visible = now + rules.lag(EngineFault.RELAY_SLOW, now)
        receipt = _receipt_body(signed.hash, status, visible / 1000, sender=signed.sender, to=signed.to)
        self._receipts[signed.hash] = (visible, receipt)

    def _receipt(self, params: list[Any], now_s: float) -> dict[str, Any] | None:
        """Return a transaction's receipt once it is mined; those of settled trades are known too."""
        named = str(params[0]).lower()
        found = self._receipts.get(named)
        if found is not None:
            return found[1] if found[0] <= self._exchange.now_ms else None
        trade = self._exchange.trade_by_hash(named)
        if trade is None:
            return None
        status = "0x0" if trade.status == "FAILED" else "0x1"
        return _receipt_body(named, status, trade.updated_ms / 1000, sender=trade.maker, to=trade.maker)

    def _by_hash(self, params: list[Any], now_s: float) -> dict[str, Any] | None:
        signed = self._known.get(str(params[0]).lower())
        if signed is None:
            return None
        receipt = self._receipt([signed.hash], now_s)
        return {
            "hash": signed.hash,
            "from": signed.sender,
            "to": signed.to,
            "nonce": hex(signed.nonce),
            "input": "0x" + signed.data.hex(),
            "value": "0x0",
            "blockNumber": receipt["blockNumber"] if receipt else None,
            "blockHash": receipt["blockHash"] if receipt else None,
        }


def _receipt_body(made: str, status: str, mined_s: float, *, sender: str, to: str) -> dict[str, Any]:
    return {
        "transactionHash": made,
        "status": status,
        "from": sender,
        "to": to,
        "blockNumber": hex(_block(mined_s)),
        "blockHash": "0x" + keccak(_block(mined_s).to_bytes(32, "big")).hex(),
        "transactionIndex": "0x0",
        "gasUsed": hex(100_000),
        "cumulativeGasUsed": hex(100_000),
        "effectiveGasPrice": hex(GAS_PRICE),
        "logs": [],
    }


def _block(now_s: float) -> int:
    return int(now_s) // BLOCK_S


def _transaction(raw: bytes) -> tuple[str, bytes, int, int]:
    """Return (to, data, nonce, chain id) of a signed transaction, legacy or typed."""
    if raw[0] <= 0x7F:
        fields = TypedTransaction.from_bytes(HexBytes(raw)).as_dict()
        return "0x" + bytes(fields["to"]).hex(), bytes(fields["data"]), int(fields["nonce"]), int(fields["chainId"])
    nonce, _, _, to, _, data, v, *_ = rlp.decode(raw)
    signed_v = int.from_bytes(v, "big")
    return "0x" + to.hex(), data, int.from_bytes(nonce, "big"), (signed_v - 35) // 2 if signed_v >= 35 else 0
