"""Calls are byte-equal to the official client's, and no other call may be signed."""

from __future__ import annotations

import random

import pytest
from polymarket._internal.actions.relayer import calls as official

from markets.venues.polymarket import calls
from markets.venues.polymarket.call_permits import permit
from markets.venues.polymarket.calls import (
    ADAPTER,
    COLLATERAL,
    CONDITIONAL_TOKENS,
    GRANTS,
    NEG_RISK_ADAPTER,
    ROUTER,
    UNLIMITED,
    Call,
    CallError,
)
from markets.venues.polymarket.wallets import wallets_of

OWNER = "0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf"
OWN = tuple(wallets_of(OWNER).values())
V1 = "0x" + "ab" * 32
V2 = "0x" + "cd" * 31


def same(ours: Call, theirs: official.TransactionCall) -> None:
    assert (ours.to.lower(), "0x" + ours.data.hex()) == (str(theirs.to).lower(), theirs.data)


@pytest.mark.parametrize("seed", range(50))
def test_every_call_is_the_official_clients(seed: int) -> None:
    rng = random.Random(seed)
    amount, token = rng.randint(0, 10**12), str(rng.getrandbits(256))
    condition, short = "0x" + rng.randbytes(32).hex(), "0x" + rng.randbytes(31).hex()
    for neg_risk, adapter in ((False, ADAPTER), (True, NEG_RISK_ADAPTER)):
        known = {"collateral": COLLATERAL, "condition_id": condition}
        same(
            calls.split(condition, amount, neg_risk=neg_risk),
            official.ctf_split_position_call(target=adapter, amount=amount, **known),
        )
        same(
            calls.merge(condition, amount, neg_risk=neg_risk),
            official.ctf_merge_positions_call(target=adapter, amount=amount, **known),
        )
        (ours,) = calls.redeem(condition, (1, 2), neg_risk=neg_risk)
        same(ours, official.ctf_redeem_positions_call(ctf=adapter, **known))
        same(
            calls.split(short, amount, neg_risk=neg_risk, positions=True),
            official.router_split_call(router=ROUTER, condition_id=short, amount=amount),
        )
    same(
        calls.merge(short, amount, neg_risk=False, positions=True),
        official.router_merge_call(router=ROUTER, condition_id=short, amount=amount),
    )
    redeemed = calls.redeem(short + "00", (0, amount + 1), neg_risk=False, positions=True)
    same(
        redeemed[0],
        official.router_redeem_call(router=ROUTER, condition_id=short, outcome_index=1, amount=amount + 1),
    )
    assert len(redeemed) == 1  # nothing to redeem of the other outcome
    same(calls.transfer(OWNER, amount), official.erc20_transfer_call(
        token_address=COLLATERAL, recipient=OWNER, amount=amount))  # fmt: skip
    tokens = [token, str(rng.getrandbits(250))]
    same(calls.read_shares(OWNER, tokens), official.erc1155_balance_of_batch_call(
        token_address=CONDITIONAL_TOKENS, owners=[OWNER] * 2, token_ids=tokens))  # fmt: skip
    for grant in GRANTS:
        if grant.is_operator:
            same(calls.approve(grant, UNLIMITED), official.erc1155_set_approval_for_all_call(
                token_address=grant.token, operator=grant.spender))  # fmt: skip
            same(calls.read_grant(OWNER, grant), official.erc1155_is_approved_for_all_call(
                token_address=grant.token, owner=OWNER, operator=grant.spender))  # fmt: skip
        else:
            same(calls.approve(grant, amount), official.erc20_approval_call(
                token_address=grant.token, spender=grant.spender, amount=amount))  # fmt: skip
            same(calls.read_grant(OWNER, grant), official.erc20_allowance_call(
                token_address=grant.token, owner=OWNER, spender=grant.spender))  # fmt: skip


def test_the_preview_says_what_each_call_does() -> None:
    said = [
        permit(call, own=OWN)
        for call in (
            calls.split(V1, 5_000_000, neg_risk=False),
            calls.merge(V2, 5_000_000, neg_risk=False, positions=True),
            *calls.redeem(V1, (), neg_risk=True),
            *calls.redeem(V2, (7, 0), neg_risk=False, positions=True),
            calls.convert(V1, (0, 3), 2_000_000),
            calls.approve(GRANTS[0], 1_000_000),
            calls.approve(GRANTS[0], UNLIMITED),
            calls.approve(GRANTS[6], 0),
            calls.transfer(OWN[2], 1_500_000),
            calls.transfer_shares(OWNER, OWN[1], "77", 1_000_000),
        )
    ]
    assert said[0] == f"split 5 complete sets of {V1} through the collateral adapter"
    assert said[1] == f"merge 5 complete sets of {V2} through the router"
    assert said[2] == f"redeem all shares of {V1} through the neg-risk adapter"
    assert said[3] == f"redeem 0.000007 shares of outcome 0 of {V2} through the router"
    assert said[4] == f"convert 2 No shares of markets [0, 3] of group {V1}"
    assert "up to $1 of pUSD: to buy" in said[5]
    assert "an unlimited amount of pUSD" in said[6]
    assert said[7].startswith("no longer let the exchange")
    assert said[8] == f"send $1.5 to {OWN[2]}"
    assert said[9] == f"send 1 shares of 77 to {OWN[1]}"


STRANGER = "0x" + "99" * 20
GRANT = GRANTS[0]


@pytest.mark.parametrize(
    "call",
    [
        Call(to=STRANGER, data=calls.transfer(OWNER, 1).data),
        Call(to=COLLATERAL, data=b"\x12\x34\x56\x78"),
        calls.transfer(STRANGER, 1),
        calls.transfer_shares(OWNER, STRANGER, "1", 1),
        calls.transfer_shares(STRANGER, OWNER, "1", 1),
        Call(to=COLLATERAL, data=calls.APPROVE + bytes(12) + bytes.fromhex("99" * 20) + bytes(32)),
        Call(to=COLLATERAL, data=calls.approve(GRANT, 1).data + b"\x00"),
        Call(to=COLLATERAL, data=calls.approve(GRANT, 1).data[:-1]),
        Call(to=COLLATERAL, data=calls.APPROVE + b"\x01" + calls.approve(GRANT, 1).data[5:]),
        Call(to=CONDITIONAL_TOKENS, data=calls.split(V1, 1, neg_risk=False).data),
        Call(to=ADAPTER, data=calls.split(V1, 1, neg_risk=False).data.replace(b"\x02", b"\x03")),
        Call(to=ADAPTER, data=calls.SPLIT + bytes(12) + bytes.fromhex("99" * 20) + calls.set_words(V1, 1)[32:]),
        Call(to=NEG_RISK_ADAPTER, data=calls.REDEEM + calls.redeem_words(V1)[:-32]),
        Call(to=ROUTER, data=calls.ROUTER_SPLIT + bytes.fromhex("ab" * 32) + bytes(32)),
        Call(to=ADAPTER, data=calls.convert(V1, (0,), 1).data),
    ],
)
def test_every_other_call_is_refused(call: Call) -> None:
    with pytest.raises(CallError):
        permit(call, own=OWN)


def test_what_cannot_be_encoded_is_refused() -> None:
    for ask in (
        lambda: calls.split("0x12", 1, neg_risk=False),
        lambda: calls.split("zz" * 32, 1, neg_risk=False),
        lambda: calls.split(V1, -1, neg_risk=False),
        lambda: calls.convert(V1, (), 1),
        lambda: calls.convert(V1, (256,), 1),
        lambda: calls.read_shares(OWNER, ["abc"]),
        lambda: calls.words_of(b""),
        lambda: calls.words_of(b"1" * 33),
        lambda: calls.one_word(bytes(64)),
        lambda: calls.list_of(bytes(64), 1),
    ):
        with pytest.raises(CallError):
            ask()
    assert calls.list_of(bytes(31) + b"\x20" + bytes(31) + b"\x01" + bytes(31) + b"\x09", 1) == [9]
