"""Who may call the API: a browser session, or an API key with scopes.

Scopes: `read` for every safe method, `trade` for orders and switches, `admin` for halts, limits and
keys. A signed-in person has read; trade too when they own an account or are staff; admin when staff.
A view names another scope for its writes with a `required_scope` attribute.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request
from rest_framework.throttling import UserRateThrottle

from orders.selectors import portfolio
from polybot.identity import keys
from polybot.identity.models import ApiKey, User

if TYPE_CHECKING:  # the views read these classes from the settings: importing them back would be a circle
    from rest_framework.views import APIView

SCHEME = "Bearer"


class ApiKeyAuthentication(BaseAuthentication):
    """`Authorization: Bearer pb_…`. A key acts as its owner, within its scopes."""

    def authenticate(self, request: Request) -> tuple[User, ApiKey] | None:
        header = request.headers.get("Authorization", "")
        scheme, _, secret = header.partition(" ")
        if scheme.lower() != SCHEME.lower():
            return None
        key = keys.key_find(secret.strip())
        if key is None:
            raise AuthenticationFailed("this API key is unknown, revoked, or its owner may not sign in")
        return key.user, key

    def authenticate_header(self, request: Request) -> str:
        return SCHEME


class DeskSessionAuthentication(SessionAuthentication):
    """The browser's session, with CSRF protection on writes."""

    def authenticate_header(self, request: Request) -> str:
        return SCHEME


def scopes_of(user: Any, auth: Any) -> frozenset[str]:
    """Return what the caller may do. A key never does more than the person behind it."""
    if not getattr(user, "is_authenticated", False):
        return frozenset()
    person = {"read"}
    if user.is_staff:
        person |= {"trade", "admin"}
    elif any(account.owner_id == user.pk for account in portfolio.account_list()):
        person.add("trade")
    return frozenset(person & set(auth.scopes) if isinstance(auth, ApiKey) else person)


class ScopePermission(BasePermission):
    message = "this key or person lacks the scope this address needs"

    def has_permission(self, request: Request, view: APIView) -> bool:
        held = scopes_of(request.user, request.auth)
        needed = "read" if request.method in SAFE_METHODS else getattr(view, "required_scope", "trade")
        if needed not in held:
            self.message = f"this needs the scope `{needed}`; the caller holds {', '.join(sorted(held)) or 'none'}"
            return False
        return True


class ReadThrottle(UserRateThrottle):
    scope = "read"

    def allow_request(self, request: Request, view: APIView) -> bool:
        return True if request.method not in SAFE_METHODS else super().allow_request(request, view)


class WriteThrottle(UserRateThrottle):
    scope = "write"

    def allow_request(self, request: Request, view: APIView) -> bool:
        return True if request.method in SAFE_METHODS else super().allow_request(request, view)


class ApiKeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """How the description names key authentication."""

    target_class = "polybot.api_access.ApiKeyAuthentication"
    name = "apiKey"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "description": "an API key, `pb_…`"}


class SessionScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "polybot.api_access.DeskSessionAuthentication"
    name = "session"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "apiKey", "in": "cookie", "name": "sessionid"}
