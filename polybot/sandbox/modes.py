"""Whether the matching engine takes orders: restarts, post-only after them, cancel-only, disabled.

The restart drill runs by the clock: 425 while the engine is away, then 503 for everything but post-only
orders and cancels, then as usual. Times are Unix milliseconds.
"""

from __future__ import annotations

from enum import StrEnum

from polybot.sandbox.messages import Refusal

NOT_READY = "service not ready"
POST_ONLY = "post-only mode: only post-only orders and cancels are allowed"
CANCEL_ONLY = "Trading is currently cancel-only. New orders are not accepted, but cancels are allowed."
DISABLED = "Trading is currently disabled. Check polymarket.com for updates"


class Mode(StrEnum):
    NORMAL = "normal"
    RESTARTING = "restarting"
    POST_ONLY = "post_only"
    CANCEL_ONLY = "cancel_only"
    DISABLED = "disabled"


class Modes:
    def __init__(self) -> None:
        self._stages: list[tuple[Mode, int | None]] = []  # (mode, until when), in order; None: until told otherwise

    def restart(self, now_ms: int, *, down_ms: int, post_only_ms: int) -> None:
        """Begin the drill: away for `down_ms`, then post-only for `post_only_ms`."""
        back = now_ms + down_ms
        self._stages = [(Mode.RESTARTING, back), (Mode.POST_ONLY, back + post_only_ms)]

    def enter(self, mode: Mode, *, until_ms: int | None) -> None:
        self._stages = [] if mode is Mode.NORMAL else [(mode, until_ms)]

    def at(self, now_ms: int) -> tuple[Mode, int | None]:
        """Return (mode, until when) at this moment."""
        while self._stages and self._stages[0][1] is not None and self._stages[0][1] <= now_ms:
            self._stages.pop(0)
        return self._stages[0] if self._stages else (Mode.NORMAL, None)

    def check_place(self, now_ms: int, *, post_only: bool) -> None:
        """Raise the venue's refusal when an order cannot be taken now."""
        mode, until = self.at(now_ms)
        seconds = None if until is None else max(1, -(-(until - now_ms) // 1000))
        wait = {} if seconds is None else {"retry-after": str(seconds)}
        if mode is Mode.RESTARTING:
            raise Refusal(425, NOT_READY, headers=wait)
        if mode is Mode.POST_ONLY and not post_only:
            raise Refusal(
                503, POST_ONLY, headers=wait, extra={"code": "post_only_mode", "retry_after_seconds": seconds or 1}
            )
        if mode is Mode.CANCEL_ONLY:
            raise Refusal(503, CANCEL_ONLY, headers=wait)
        if mode is Mode.DISABLED:
            raise Refusal(503, DISABLED, headers=wait)

    def check_cancel(self, now_ms: int) -> None:
        mode, _ = self.at(now_ms)
        if mode is Mode.RESTARTING:
            raise Refusal(425, NOT_READY)
        if mode is Mode.DISABLED:
            raise Refusal(503, DISABLED)

    def matching(self, now_ms: int) -> bool:
        """Whether the engine runs at all: nothing trades while it is away."""
        return self.at(now_ms)[0] is not Mode.RESTARTING
