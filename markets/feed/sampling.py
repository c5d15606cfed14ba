"""Ring samples by the second and the minute, and the candles that a minute's end closes."""

from __future__ import annotations

from collections.abc import Iterable

from markets.domain.candles import MINUTE_MS
from markets.domain.rings import MINUTES, SECONDS
from markets.domain.views import BookStatus, Sample
from markets.feed.outbox import Outbox
from markets.feed.tracked import Tracked

_SAMPLED = (BookStatus.LIVE, BookStatus.POLLED)


class Sampler:
    """Knows which second and minute were last sampled."""

    def __init__(self) -> None:
        self._second = 0
        self._minute = 0

    def sample(self, tracked: Iterable[Tracked], now_ms: int, out: Outbox) -> None:
        """Sample the second (and minute) that has just ended. Quiet books are repeated every `fill_s`.

        A minute's candles are closed two seconds late: a trade may still be on its way.
        """
        second, minute = now_ms // 1000, now_ms // MINUTE_MS
        if second == self._second:
            return
        new_minute = minute != self._minute and self._minute > 0
        self._second, self._minute = second, minute
        at_second, at_minute = (second - 1) * 1000, (minute - 1) * MINUTE_MS
        for item in tracked:
            out.finish_candle(item.candle.close_before(now_ms - 2_000))
            mid, micro = item.book.mid(), item.book.microprice()
            if not item.ready or item.status not in _SAMPLED or mid is None or micro is None:
                item.traded_second = 0  # a slot without a price is left out; its trades are no later slot's
                item.traded_minute = 0 if new_minute else item.traded_minute
                continue
            prices = (mid, micro)
            due = at_second - item.sampled_ms >= SECONDS.fill_s * 1000
            if prices != item.sampled or item.traded_second or due:
                sample = Sample(at_ms=at_second, mid=mid, microprice=micro, traded=item.traded_second)
                out.batch.samples.append((SECONDS.period_s, item.outcome_id, sample))
                item.sampled, item.sampled_ms, item.traded_second = prices, at_second, 0
            if new_minute:
                sample = Sample(at_ms=at_minute, mid=mid, microprice=micro, traded=item.traded_minute)
                out.batch.samples.append((MINUTES.period_s, item.outcome_id, sample))
                item.traded_minute = 0
