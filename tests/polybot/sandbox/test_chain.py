"""The chain as a client sees it: reads in ABI words, approvals that count, calls that revert."""

from __future__ import annotations

from typing import Any

import pytest
from eth_abi.abi import encode
from eth_account import Account

from polybot.sandbox import chain, wallets
from polybot.sandbox.eip712 import batch_digest
from tests.polybot.sandbox.app_kit import Local

OWNER = Account.from_key("0x" + "09" * 32)


@pytest.fixture
def local() -> Local:
    return Local()


def rpc(local: Local, method: str, *params: Any) -> Any:
    answer = local.ask("POST", "/rpc", {"jsonrpc": "2.0", "id": 5, "method": method, "params": list(params)}).json
    assert (answer["jsonrpc"], answer["id"]) == ("2.0", 5)
    return answer


def read(local: Local, to: str, data: bytes) -> Any:
    answer = rpc(local, "eth_call", {"to": to, "data": "0x" + data.hex()}, "latest")
    return answer["result"] if "result" in answer else answer["error"]["message"]


def allowance(local: Local, spender: str) -> int:
    return int(read(local, wallets.PUSD, chain.ALLOWANCE + encode(["address"] * 2, [OWNER.address, spender])), 16)


def transaction(to: str, data: bytes, nonce: int, **fees: int) -> str:
    fields = {"to": to, "value": 0, "data": data, "gas": 200_000, "nonce": nonce, "chainId": 137}
    return "0x" + OWNER.sign_transaction({**fields, **(fees or {"gasPrice": 1})}).raw_transaction.hex()


def test_the_chain_says_who_it_is(local: Local) -> None:
    assert rpc(local, "eth_chainId")["result"] == "0x89"
    block = rpc(local, "eth_getBlockByNumber", "latest", False)["result"]
    assert abs(int(block["timestamp"], 16) - local.now_ms // 1000) <= 2


def test_calls_come_in_batches_too(local: Local) -> None:
    calls = [{"jsonrpc": "2.0", "id": n, "method": "eth_chainId", "params": []} for n in (3, 4)]
    assert [(a["id"], a["result"]) for a in local.ask("POST", "/rpc", calls).json] == [(3, "0x89"), (4, "0x89")]


def test_the_factory_names_its_beacon(local: Local) -> None:
    assert read(local, wallets.DEPOSIT_FACTORY, chain.FACTORY_BEACON)[-40:] == wallets.DEPOSIT_BEACON[2:].lower()


@pytest.mark.parametrize("fees", [{}, {"maxFeePerGas": 2, "maxPriorityFeePerGas": 1}], ids=["legacy", "eip-1559"])
def test_a_raw_approval_takes_effect(local: Local, fees: dict[str, int]) -> None:
    local.control("faucet", {"address": OWNER.address})
    data = chain.APPROVE + encode(["address", "uint256"], [wallets.EXCHANGE_V2, 12])
    made = rpc(local, "eth_sendRawTransaction", transaction(wallets.PUSD, data, 0, **fees))["result"]
    assert rpc(local, "eth_getTransactionReceipt", made)["result"]["status"] == "0x1"
    assert allowance(local, wallets.EXCHANGE_V2) == 12
    assert rpc(local, "eth_getTransactionCount", OWNER.address, "pending")["result"] == "0x1"


def test_a_call_the_contract_refuses_has_a_failed_receipt(local: Local) -> None:
    made = rpc(local, "eth_sendRawTransaction", transaction(wallets.PUSD, b"\x01\x02\x03\x04", 0))["result"]
    assert rpc(local, "eth_getTransactionReceipt", made)["result"]["status"] == "0x0"
    assert rpc(local, "eth_getTransactionReceipt", "0x" + "00" * 32)["result"] is None


@pytest.mark.parametrize(
    ("method", "params", "code"),
    [("eth_mine", [], -32601), ("eth_call", [], -32602), ("eth_sendRawTransaction", ["0x12"], -32602)],
)
def test_what_a_node_would_refuse_is_refused(local: Local, method: str, params: list[Any], code: int) -> None:
    assert rpc(local, method, *params)["error"]["code"] == code


def test_an_unknown_contract_or_function_reverts(local: Local) -> None:
    assert read(local, "0x" + "00" * 20, chain.DECIMALS) == "execution reverted"
    assert read(local, wallets.PUSD, b"\xde\xad\xbe\xef") == "execution reverted"
    assert "malformed" in read(local, wallets.PUSD, chain.ALLOWANCE + b"\x00")


def submit(local: Local, *, nonce: int, signer: Any = OWNER) -> Any:
    wallet = wallets.deposit_wallets(OWNER.address.lower())[1]
    data = chain.APPROVE + encode(["address", "uint256"], [wallets.EXCHANGE_V2, 99])
    deadline = local.now_ms // 1000 + 600
    calls = [(wallets.PUSD, 0, data)]
    signed = batch_digest(wallet=wallet, nonce=nonce, deadline=deadline, calls=calls, chain_id=137)
    return local.ask(
        "POST",
        "/relayer/submit",
        {
            "type": "WALLET",
            "from": OWNER.address,
            "to": wallets.DEPOSIT_FACTORY,
            "nonce": str(nonce),
            "signature": "0x" + signer.unsafe_sign_hash(signed).signature.hex(),
            "metadata": "",
            "depositWalletParams": {
                "depositWallet": wallet,
                "deadline": str(deadline),
                "calls": [{"target": wallets.PUSD, "value": "0", "data": "0x" + data.hex()}],
            },
        },
    )


def test_a_deposit_wallets_batch_is_executed_once(local: Local) -> None:
    query = f"/relayer/v1/account/transactions/params?address={OWNER.address}&type=WALLET"
    assert local.get(query) == {"address": OWNER.address, "nonce": "0"}
    answer = submit(local, nonce=0).json
    assert answer["state"] == "STATE_NEW"
    done = local.get(f"/relayer/v1/account/transactions/{answer['transactionID']}")
    assert (done["state"], done["error_msg"]) == ("STATE_CONFIRMED", "")
    wallet = wallets.deposit_wallets(OWNER.address.lower())[1]
    assert local.app.exchange.allowance(wallet, "cash", wallets.EXCHANGE_V2) == 99
    again = submit(local, nonce=0)
    assert (again.status, again.json["error"]) == (400, "batch nonce 0 does not match on-chain nonce 1")


def test_a_batch_that_the_owner_did_not_sign_is_refused(local: Local) -> None:
    answer = submit(local, nonce=0, signer=Account.from_key("0x" + "0a" * 32))
    assert (answer.status, "invalid signature" in answer.json["error"]) == (400, True)


def test_an_unknown_kind_of_transaction_is_refused_by_name(local: Local) -> None:
    answer = local.ask("POST", "/relayer/submit", {"type": "ROCKET", "from": OWNER.address})
    assert (answer.status, answer.json["error"]) == (400, "unknown transaction type ROCKET")
    assert local.get("/relayer/deployed?address=0x00&type=WALLET") == {"deployed": True}
