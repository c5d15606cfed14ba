"""The vocabulary of the journal and of alert rules: how serious an event is, when two are the same."""

from __future__ import annotations

from enum import StrEnum


class Severity(StrEnum):
    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        return _RANK[self]


_RANK = {Severity.INFO: 0, Severity.WARNING: 1, Severity.CRITICAL: 2}


class RepeatBy(StrEnum):
    """What makes two events the same thing for a rule, so that the second is not told again at once."""

    SUBJECT = "subject"  # the same order, strategy, market …
    ACCOUNT = "account"  # anything on the same account
    RULE = "rule"  # anything that this rule matches
