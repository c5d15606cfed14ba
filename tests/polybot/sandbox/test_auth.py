"""API keys: made by a wallet's signature, used by an HMAC over the bytes that were sent."""

from __future__ import annotations

from pathlib import Path

import pytest
from eth_account import Account

from polybot.sandbox.auth import BAD_L1, BAD_L2, ApiKey, KeyRing, hmac_signature
from polybot.sandbox.eip712 import auth_digest
from polybot.sandbox.http_core import ApiError, Request

KEY = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"
OTHER = "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d"
SECRET = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
NOW_S = 1_800_000_000


def request(headers: dict[str, str], *, method: str = "GET", path: str = "/data/orders", body: bytes = b"") -> Request:
    lower = {name.lower(): value for name, value in headers.items()}
    return Request(method=method, path=path, query={}, headers=lower, body=body, now_s=NOW_S)


def l1(*, key: str = KEY, nonce: int = 0, at_s: int = NOW_S, address: str | None = None) -> Request:
    account = Account.from_key(key)
    signed = auth_digest(address=account.address, timestamp=str(at_s), nonce=nonce, chain_id=137)
    signature = account.unsafe_sign_hash(signed).signature.hex()
    return request(
        {
            "POLY_ADDRESS": address or account.address,
            "POLY_SIGNATURE": "0x" + signature,
            "POLY_TIMESTAMP": str(at_s),
            "POLY_NONCE": str(nonce),
        }
    )


def l2(
    key: ApiKey, *, at_s: int = NOW_S, body: bytes = b"", signed_body: bytes | None = None, **changes: str
) -> Request:
    path, method = "/order", "POST"
    signature = hmac_signature(
        key.secret, timestamp=str(at_s), method=method, path=path, body=body if signed_body is None else signed_body
    )
    headers = {
        "POLY_ADDRESS": Account.from_key(KEY).address,
        "POLY_SIGNATURE": signature,
        "POLY_TIMESTAMP": str(at_s),
        "POLY_API_KEY": key.key,
        "POLY_PASSPHRASE": key.passphrase,
    }
    return request({**headers, **changes}, method=method, path=path, body=body)


@pytest.mark.parametrize(
    ("method", "path", "body", "signature"),
    [
        ("test-sign", "/orders", b'{"hash": "0x123"}', "ZwAdJKvoYRlEKDkNMwd5BuwNNtg93kNaR_oU2HrfVvc="),
        ("GET", "/data/orders", b"", "9-I3DmVY9ObJ6EVf_KvrHpUWMOQJXiAjR5z7fO8qnPw="),
        ("DELETE", "/order", b'{"orderID":"0x123"}', "r_gixrfJUxLxUMei8DtxmX4NWRkmMxMAnlWDRZrzJzY="),
    ],
)
def test_the_hmac_is_the_published_one(method: str, path: str, body: bytes, signature: str) -> None:
    assert hmac_signature(SECRET, timestamp="1000000", method=method, path=path, body=body) == signature


def test_a_key_is_created_once_and_derived_ever_after() -> None:
    ring = KeyRing()
    made = ring.create(l1())
    with pytest.raises(ApiError, match="Could not create api key"):
        ring.create(l1())
    assert ring.derive(l1()) == made
    assert ring.keys_of(made.address) == [made.key]


def test_a_key_that_was_never_created_cannot_be_derived() -> None:
    with pytest.raises(ApiError, match="Could not derive api key!"):
        KeyRing().derive(l1(nonce=7))


def test_keys_survive_a_restart_with_the_same_state(tmp_path: Path) -> None:
    made = KeyRing(tmp_path).create(l1(nonce=3))
    assert KeyRing(tmp_path).derive(l1(nonce=3)) == made


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"root":"zz","keys":[]}', '{"root":"00","keys":[1]}'])
def test_a_damaged_list_of_keys_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "keys.json").write_text(text)
    with pytest.raises(ValueError, match="move it away"):
        KeyRing(tmp_path)


def test_a_deleted_key_opens_nothing() -> None:
    ring = KeyRing()
    made = ring.create(l1())
    ring.delete(made)
    with pytest.raises(ApiError, match=BAD_L2):
        ring.require(l2(made))


@pytest.mark.parametrize("at_s", [NOW_S - 301, NOW_S + 301])
def test_a_wallet_signature_from_another_time_is_refused(at_s: int) -> None:
    with pytest.raises(ApiError, match=BAD_L1):
        KeyRing().create(l1(at_s=at_s))


def test_signing_for_somebody_elses_address_is_refused() -> None:
    with pytest.raises(ApiError, match=BAD_L1):
        KeyRing().create(l1(address=Account.from_key(OTHER).address))


def test_a_signed_request_is_let_in() -> None:
    ring = KeyRing()
    made = ring.create(l1())
    assert ring.require(l2(made, body=b'{"a":1}')) == made


def test_the_signature_covers_the_very_bytes() -> None:
    ring = KeyRing()
    made = ring.create(l1())
    with pytest.raises(ApiError, match=BAD_L2):
        ring.require(l2(made, body=b'{"a": 1}', signed_body=b'{"a":1}'))


@pytest.mark.parametrize(
    "change",
    [
        {"POLY_PASSPHRASE": "wrong"},
        {"POLY_API_KEY": "00000000-0000-0000-0000-000000000000"},
        {"POLY_ADDRESS": Account.from_key(OTHER).address},
        {"POLY_TIMESTAMP": "soon"},
        {"POLY_TIMESTAMP": str(NOW_S - 1)},
        {"POLY_SIGNATURE": ""},
    ],
)
def test_one_wrong_header_is_enough_to_refuse(change: dict[str, str]) -> None:
    ring = KeyRing()
    made = ring.create(l1())
    with pytest.raises(ApiError, match=BAD_L2):
        ring.require(l2(made, **change))


def test_the_user_channel_wants_all_three_parts_of_the_key() -> None:
    ring = KeyRing()
    made = ring.create(l1())
    assert ring.socket_key(made.public()) == made
    assert ring.socket_key({**made.public(), "secret": SECRET}) is None
    assert ring.socket_key("key") is None
