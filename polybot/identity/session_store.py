"""Sessions in the database under a hash of their key: whoever reads the table, or a dump of it, cannot sign in with it.

A drop-in for Django's database store (SESSION_ENGINE). The cookie holds the key, the row its hash.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any

from django.contrib.sessions.backends import db
from django.contrib.sessions.models import Session
from django.utils import timezone


def stored_key(session_key: str) -> str:
    """Return what stands in the table for a key: 160 bits of its SHA-256, as the column is 40 characters wide."""
    return hashlib.sha256(session_key.encode()).hexdigest()[:40]


def session_row(session_key: str | None, *, now: datetime | None = None) -> Session | None:
    """Return the live row of a session, or None when it was ended or has expired."""
    if not session_key:
        return None
    now = now or timezone.now()
    return Session.objects.filter(session_key=stored_key(session_key), expire_date__gt=now).first()


class SessionStore(db.SessionStore):
    def _get_session_from_db(self) -> Session | None:
        found = session_row(self.session_key)
        if found is None:
            self._session_key = None
        return found

    async def _aget_session_from_db(self) -> Session | None:
        rows = Session.objects.filter(session_key=stored_key(self.session_key or ""), expire_date__gt=timezone.now())
        found = await rows.afirst()
        if found is None:
            self._session_key = None
        return found

    def exists(self, session_key: str) -> bool:
        return super().exists(stored_key(session_key))

    async def aexists(self, session_key: str) -> bool:
        return await super().aexists(stored_key(session_key))

    def create_model_instance(self, data: Any) -> Session:
        row = super().create_model_instance(data)
        row.session_key = stored_key(row.session_key)
        return row

    async def acreate_model_instance(self, data: Any) -> Session:
        row = await super().acreate_model_instance(data)
        row.session_key = stored_key(row.session_key)
        return row

    def delete(self, session_key: str | None = None) -> None:
        key = session_key or self.session_key
        if key:
            super().delete(stored_key(key))

    async def adelete(self, session_key: str | None = None) -> None:
        key = session_key or self.session_key
        if key:
            await super().adelete(stored_key(key))
