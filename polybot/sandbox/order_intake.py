"""From the JSON of a posted order to a verified `NewOrder`: shapes, identities, signature, exchange domain.

Anything a client could get wrong before matching is refused here with the venue's words.
What the order is worth, and whether it may rest or match, is the engine's business.
"""

from __future__ import annotations

from typing import Any

from markets.domain.instruments import Side
from markets.venues.simulated.matching import OrderType
from polybot.sandbox.auth import ApiKey
from polybot.sandbox.catalogue import Market
from polybot.sandbox.eip712 import (
    SignatureError,
    SignedOrder,
    address_bytes,
    exchange_domain,
    is_of_session,
    order_digest,
    order_owner,
)
from polybot.sandbox.exchange import Exchange
from polybot.sandbox.http_core import ApiError
from polybot.sandbox.messages import NewOrder
from polybot.sandbox.sessions import Sessions
from polybot.sandbox.wallets import (
    CHAIN_ID,
    EXCHANGE_V2,
    EXCHANGE_V3,
    NEG_RISK_EXCHANGE_V2,
    deposit_wallets,
    proxy_wallet,
    safe_wallet,
)

BAD_ORDER = "Invalid order payload"
NOT_OWNER = "the order owner has to be the owner of the API KEY"
NOT_SIGNER = "the order signer address has to be the address of the API KEY"
NOT_A_WALLET = "maker address not allowed, please use the deposit wallet flow"
BAD_SIGNATURE = "invalid signature"
_V2_ID_MASK = ((1 << 64) - 1) << 40  # position ids of Protocol V2 have these bits zero


def read_order(body: Any, key: ApiKey, exchange: Exchange, sessions: Sessions | None = None) -> NewOrder:
    """Return the verified order that `body` posts for `key`, or raise ApiError."""
    if not isinstance(body, dict) or not isinstance(body.get("order"), dict):
        raise ApiError(400, BAD_ORDER)
    fields = body["order"]
    if body.get("owner") != key.key:
        raise ApiError(400, NOT_OWNER)
    side = _side(fields.get("side"))
    token_id = fields.get("tokenId")
    market = _market(token_id, exchange)
    order = _signed(fields, side)
    in_session = (
        is_of_session(order)
        and sessions is not None
        and sessions.may_trade(order.maker.lower(), key.address, now_s=exchange.now_ms / 1000)
    )
    _check_wallet(order, key, in_session=in_session)
    contract, domain = order_domain(order.token_id, neg_risk=market.neg_risk)
    try:
        signed_by = order_owner(order, domain, chain_id=CHAIN_ID)
    except SignatureError:
        raise ApiError(400, BAD_SIGNATURE) from None
    if signed_by != key.address:
        raise ApiError(400, BAD_SIGNATURE)
    return NewOrder(
        order_id="0x" + order_digest(order, domain).hex(),
        owner=key.key,
        maker=order.maker.lower(),
        token_id=str(token_id),
        side=side,
        maker_amount=order.maker_amount,
        taker_amount=order.taker_amount,
        order_type=_order_type(body.get("orderType")),
        post_only=_flag(body.get("postOnly", False)),
        expiration_s=_whole(fields.get("expiration", "0")),
        spender=contract.lower(),
        signer=order.signer.lower(),
        builder="0x" + order.builder.hex(),
    )


def _market(token_id: Any, exchange: Exchange) -> Market:
    text = _digits(token_id)
    market = exchange.market_by_token(text)
    if market is not None:
        return market
    if is_position_id(int(text)) and int(text) >> 104:
        raise ApiError(400, "order_version_mismatch: this exchange lists no such Protocol V2 position")
    raise ApiError(400, "Invalid token id")


def is_position_id(token_id: int) -> bool:
    """Whether an asset id is a Protocol V2 position id, by the rule official clients use."""
    return token_id & _V2_ID_MASK == 0


def order_domain(token_id: int, *, neg_risk: bool) -> tuple[str, bytes]:
    """Return (exchange contract, its EIP-712 domain) that an order on this asset must be signed for."""
    if is_position_id(token_id):
        return EXCHANGE_V3, exchange_domain("3", CHAIN_ID, EXCHANGE_V3)
    contract = NEG_RISK_EXCHANGE_V2 if neg_risk else EXCHANGE_V2
    return contract, exchange_domain("2", CHAIN_ID, contract)


def _check_wallet(order: SignedOrder, key: ApiKey, *, in_session: bool) -> None:
    """The signing key must be the API key's, and the maker a wallet of that key for the signature type.

    `in_session`: the maker is a deposit wallet whose owner let this key trade.
    """
    maker, signer = order.maker.lower(), order.signer.lower()
    if order.signature_type == 0:
        if signer != key.address:
            raise ApiError(400, NOT_SIGNER)
        if maker != signer:
            raise ApiError(400, NOT_A_WALLET)
    elif order.signature_type == 3:
        owned = signer in deposit_wallets(key.address) and not is_of_session(order)
        if signer != maker or not (in_session or owned):
            raise ApiError(400, NOT_SIGNER)
    elif order.signature_type in (1, 2):
        if signer != key.address:
            raise ApiError(400, NOT_SIGNER)
        owned = proxy_wallet(signer) if order.signature_type == 1 else safe_wallet(signer)
        if maker != owned:
            raise ApiError(400, NOT_A_WALLET)
    else:
        raise ApiError(400, "Invalid signature_type")


def _signed(fields: dict[str, Any], side: Side) -> SignedOrder:
    kind = fields.get("signatureType")
    if not isinstance(kind, int) or isinstance(kind, bool):
        raise ApiError(400, "Invalid signature_type")
    return SignedOrder(
        salt=_whole(fields.get("salt")),
        maker=_address(fields.get("maker")),
        signer=_address(fields.get("signer")),
        token_id=_whole(fields.get("tokenId")),
        maker_amount=_whole(fields.get("makerAmount")),
        taker_amount=_whole(fields.get("takerAmount")),
        side=0 if side is Side.BUY else 1,
        signature_type=kind,
        timestamp=_whole(fields.get("timestamp")),
        metadata=_bytes(fields.get("metadata", "0x" + "00" * 32), 32),
        builder=_bytes(fields.get("builder", "0x" + "00" * 32), 32),
        signature=_bytes(fields.get("signature"), None),
    )


def _side(value: Any) -> Side:
    if value in ("BUY", "SELL"):
        return Side(value.lower())
    raise ApiError(400, "Invalid side")


def _order_type(value: Any) -> OrderType:
    try:
        return OrderType(value)
    except ValueError:
        raise ApiError(400, BAD_ORDER) from None


def _flag(value: Any) -> bool:
    if value is None or isinstance(value, bool):
        return bool(value)
    raise ApiError(400, BAD_ORDER)


def _digits(value: Any) -> str:
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) <= 78:
        return value
    raise ApiError(400, "Invalid token id")


def _whole(value: Any) -> int:
    """Accept a JSON number or a text of digits below 2**256: clients differ in which field is which."""
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) <= 78:
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 256:
        return value
    raise ApiError(400, BAD_ORDER)


def _address(value: Any) -> str:
    if isinstance(value, str):
        try:
            address_bytes(value)
        except SignatureError:
            raise ApiError(400, BAD_ORDER) from None
        return value
    raise ApiError(400, BAD_ORDER)


def _bytes(value: Any, size: int | None) -> bytes:
    if isinstance(value, str) and value[:2] in ("0x", "0X"):
        try:
            raw = bytes.fromhex(value[2:])
        except ValueError:
            raise ApiError(400, BAD_ORDER) from None
        if size is None or len(raw) == size:
            return raw
    raise ApiError(400, BAD_ORDER)
