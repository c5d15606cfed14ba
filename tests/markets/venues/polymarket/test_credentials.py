"""Log-in signatures and request signatures: the venue's vectors, and both official clients."""

from __future__ import annotations

import json
import random

import pytest
from eth_account import Account
from polymarket._internal.hmac import build_hmac_signature as new_hmac
from polymarket._internal.l1_auth import sign_api_key_auth
from py_clob_client_v2.clob_types import ApiCreds, RequestArgs
from py_clob_client_v2.headers import create_level_1_headers, create_level_2_headers
from py_clob_client_v2.signer import Signer

from markets.venues.base import ParseError
from markets.venues.polymarket import credentials
from markets.venues.polymarket.credentials import ApiCredentials, CredentialError
from markets.venues.polymarket.signing import SigningKey

SECRET = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"
API_KEY = "00000000-0000-4000-8000-000000000001"
HMAC_KEY = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="


@pytest.mark.parametrize(
    ("chain_id", "signature"),
    [
        (
            80_002,
            "0xf62319a987514da40e57e2f4d7529f7bac38f0355bd88bb5adbb3768d80de6c1"
            "682518e0af677d5260366425f4361e7b70c25ae232aff0ab2331e2b164a1aedc1b",
        ),
        (
            137,
            "0x1a7118db6100dfd8efd102be36f472b59475dcac56eb4c9a2a94748d3655ba7c"
            "3c89deb8c19ee79eceb0a531122fbfbe88ed118034f9d8212e2b725e7b296b9d1c",
        ),
    ],
)
def test_the_login_vectors(chain_id: int, signature: str) -> None:
    headers = credentials.level_1_headers(SigningKey(SECRET), timestamp_s=10_000_000, nonce=23, chain_id=chain_id)
    assert headers == {
        "POLY_ADDRESS": "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266",
        "POLY_SIGNATURE": signature,
        "POLY_TIMESTAMP": "10000000",
        "POLY_NONCE": "23",
    }


def test_logins_equal_both_official_clients() -> None:
    rng = random.Random(3)
    for _ in range(40):
        secret = rng.randbytes(32)
        chain_id, at, nonce = rng.choice((137, 80_002)), rng.randint(1, 2**33), rng.choice((0, rng.randint(0, 2**40)))
        ours = credentials.level_1_headers(SigningKey(secret), timestamp_s=at, nonce=nonce, chain_id=chain_id)
        assert ours == create_level_1_headers(Signer("0x" + secret.hex(), chain_id), nonce=nonce, timestamp=at)
        theirs = sign_api_key_auth(Account.from_key(secret), chain_id=chain_id, timestamp=at, nonce=nonce)
        assert ours["POLY_SIGNATURE"] == theirs.signature


@pytest.mark.parametrize(
    ("method", "path", "body", "signature"),
    [
        ("test-sign", "/orders", b'{"hash": "0x123"}', "ZwAdJKvoYRlEKDkNMwd5BuwNNtg93kNaR_oU2HrfVvc="),
        ("GET", "/data/orders", b"", "9-I3DmVY9ObJ6EVf_KvrHpUWMOQJXiAjR5z7fO8qnPw="),
        ("DELETE", "/order", b'{"orderID":"0x123"}', "r_gixrfJUxLxUMei8DtxmX4NWRkmMxMAnlWDRZrzJzY="),
    ],
)
def test_the_request_vectors(method: str, path: str, body: bytes, signature: str) -> None:
    made = credentials.request_signature(HMAC_KEY, timestamp_s=1_000_000, method=method, path=path, body=body)
    assert made == signature


def test_requests_equal_both_official_clients() -> None:
    rng = random.Random(4)
    key = SigningKey(SECRET)
    for number in range(60):
        secret = credentials.base64.urlsafe_b64encode(rng.randbytes(32)).decode()
        ours = ApiCredentials(api_key=API_KEY, secret=secret, passphrase="p" * 64)
        method, path = rng.choice((("POST", "/order"), ("GET", "/data/trades"), ("DELETE", "/cancel-all")))
        body = json.dumps({"n": number, "é": "x" * number}, separators=(",", ":")) if method == "POST" else ""
        at = rng.randint(1, 2**33)
        made = credentials.level_2_headers(
            ours, address=key.address, timestamp_s=at, method=method, path=path, body=body.encode()
        )
        theirs = create_level_2_headers(
            Signer(SECRET, 137),
            ApiCreds(api_key=API_KEY, api_secret=secret, api_passphrase="p" * 64),
            RequestArgs(method=method, request_path=path, serialized_body=body or None),
            timestamp=at,
        )
        assert made == theirs
        assert made["POLY_SIGNATURE"] == new_hmac(secret=secret, timestamp=at, method=method, path=path, body=body)


def test_a_query_is_not_part_of_what_is_signed() -> None:
    with pytest.raises(ValueError, match="without its query"):
        credentials.request_signature(HMAC_KEY, timestamp_s=1, method="GET", path="/data/orders?id=1")


def test_credentials_do_not_show_their_secrets() -> None:
    made = ApiCredentials(api_key=API_KEY, secret=HMAC_KEY, passphrase="hunter2")
    assert repr(made) == f"ApiCredentials(api_key='{API_KEY}')"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"api_key": "not-a-uuid"}, "API key is not a UUID"),
        ({"secret": "canary!!"}, "not URL-safe base64"),
        ({"secret": ""}, "not URL-safe base64"),
        ({"passphrase": ""}, "passphrase is empty"),
        ({"passphrase": "canary\r\nX-Other: 1"}, "no header can carry"),
    ],
)
def test_wrong_credentials_are_refused_at_entry_without_being_quoted(change: dict[str, str], said: str) -> None:
    with pytest.raises(CredentialError, match=said) as caught:
        ApiCredentials(**({"api_key": API_KEY, "secret": HMAC_KEY, "passphrase": "p"} | change))
    assert "canary" not in str(caught.value)


def test_credentials_are_read_from_the_venues_answer() -> None:
    body = json.dumps({"apiKey": API_KEY, "secret": HMAC_KEY, "passphrase": "pass"}).encode()
    assert credentials.read_credentials(body) == ApiCredentials(api_key=API_KEY, secret=HMAC_KEY, passphrase="pass")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"<html>", "body"),
        (b"[]", "body"),
        (b"[" * 100_000, "body"),
        (b'{"apiKey": 5}', "apiKey"),
        (b'{"apiKey": "canary", "secret": ""}', "secret"),
        (b'{"apiKey": "canary", "secret": "canary", "passphrase": "canary"}', "body"),
    ],
)
def test_an_answer_without_credentials_names_the_field_and_quotes_nothing(body: bytes, field: str) -> None:
    with pytest.raises(ParseError) as caught:
        credentials.read_credentials(body)
    assert caught.value.field == field
    assert "canary" not in str(caught.value) + caught.value.sample
