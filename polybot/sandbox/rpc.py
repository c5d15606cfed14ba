"""JSON-RPC of the chain as a trading client's start-up and approvals use it: single calls and batches.

Blocks tick every two seconds of wall time. A raw transaction takes effect when it is sent;
its receipt says whether the contract accepted it.
"""

from __future__ import annotations

from typing import Any

import rlp  # type: ignore[import-untyped]
from eth_account import Account
from eth_account.typed_transactions.typed_transaction import TypedTransaction
from eth_utils.crypto import keccak
from hexbytes import HexBytes

from polybot.sandbox.chain import Chain, Reverted
from polybot.sandbox.http_core import ApiError, Request, Router
from polybot.sandbox.messages import Refusal
from polybot.sandbox.wallets import CHAIN_ID

BLOCK_S = 2
GAS_PRICE = 30_000_000_000
MAX_BATCH = 200


class RpcError(Exception):
    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class RpcApi:
    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self._nonces: dict[str, int] = {}
        self._receipts: dict[str, dict[str, Any]] = {}
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
            "eth_getTransactionCount": lambda p, now: hex(self._nonces.get(str(p[0]).lower(), 0)),
            "eth_call": self._call,
            "eth_sendRawTransaction": self._send,
            "eth_getTransactionReceipt": lambda p, now: self._receipts.get(str(p[0]).lower()),
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

    def _send(self, params: list[Any], now_s: float) -> str:
        raw = bytes.fromhex(str(params[0]).removeprefix("0x"))
        sender = str(Account.recover_transaction(raw)).lower()
        to, data, nonce = _transaction(raw)
        due = self._nonces.get(sender, 0)
        if nonce < due:
            raise RpcError(-32000, "nonce too low")
        self._nonces[sender] = due + 1
        made = "0x" + keccak(raw).hex()
        try:
            self._chain.execute(sender, to, data)
            status = "0x1"
        except (Refusal, Reverted):
            status = "0x0"
        self._receipts[made] = {
            "transactionHash": made,
            "status": status,
            "from": sender,
            "to": to,
            "blockNumber": hex(_block(now_s)),
            "blockHash": "0x" + keccak(_block(now_s).to_bytes(32, "big")).hex(),
            "transactionIndex": "0x0",
            "gasUsed": hex(100_000),
            "cumulativeGasUsed": hex(100_000),
            "effectiveGasPrice": hex(GAS_PRICE),
            "logs": [],
        }
        return made


def _block(now_s: float) -> int:
    return int(now_s) // BLOCK_S


def _transaction(raw: bytes) -> tuple[str, bytes, int]:
    """Return (to, data, nonce) of a signed transaction, legacy or typed."""
    if raw[0] <= 0x7F:
        fields = TypedTransaction.from_bytes(HexBytes(raw)).as_dict()
        return "0x" + bytes(fields["to"]).hex(), bytes(fields["data"]), int(fields["nonce"])
    nonce, _, _, to, _, data, *_ = rlp.decode(raw)
    return "0x" + to.hex(), data, int.from_bytes(nonce, "big")
