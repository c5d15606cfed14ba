"""Prices over time. Rows are written in bulk by the feed; only a candle's minute may be completed later."""

from __future__ import annotations

from django.db import models

from markets.models.catalogue import Outcome

_PRICE = {"max_digits": 8, "decimal_places": 6}


class Candle(models.Model):
    """Mid price and traded volume of one minute (or 5 m, 1 h, 1 d when compacted)."""

    outcome = models.ForeignKey(Outcome, on_delete=models.CASCADE)
    period_s = models.IntegerField(default=60)
    opens_at = models.DateTimeField()
    open = models.DecimalField(**_PRICE)
    high = models.DecimalField(**_PRICE)
    low = models.DecimalField(**_PRICE)
    close = models.DecimalField(**_PRICE)
    volume = models.DecimalField(max_digits=20, decimal_places=6, default=0)
    trades = models.IntegerField(default=0)
    # Who stored it last, and what earlier ones had left: so that a repeated write counts nothing twice.
    writer = models.BigIntegerField(default=0)
    earlier_volume = models.DecimalField(max_digits=20, decimal_places=6, default=0)
    earlier_trades = models.IntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["outcome", "period_s", "opens_at"], name="candle_once")]
        indexes = [models.Index(fields=["period_s", "opens_at"])]


class TradePrint(models.Model):
    """A public trade. The venue gives no trade id, so `digest` names its content (services.history says how far)."""

    outcome = models.ForeignKey(Outcome, on_delete=models.CASCADE)
    at = models.DateTimeField()
    side = models.CharField(max_length=4)  # the taker's
    price = models.DecimalField(**_PRICE)
    size = models.DecimalField(max_digits=20, decimal_places=6)
    inferred = models.BooleanField(default=False)
    digest = models.CharField(max_length=40, unique=True)

    class Meta:
        indexes = [models.Index(fields=["outcome", "-at"]), models.Index(fields=["at"])]


class MarketSnapshot(models.Model):
    """Price, depth and volume of one watched outcome, every ten minutes.

    Depths are the shares on the levels that a `BookView` shows. Volume and liquidity are the market's, in dollars.
    """

    outcome = models.ForeignKey(Outcome, on_delete=models.CASCADE)
    at = models.DateTimeField()
    best_bid = models.DecimalField(**_PRICE, null=True)
    best_ask = models.DecimalField(**_PRICE, null=True)
    bid_depth = models.DecimalField(max_digits=20, decimal_places=6, default=0)
    ask_depth = models.DecimalField(max_digits=20, decimal_places=6, default=0)
    volume_24h = models.DecimalField(max_digits=20, decimal_places=6, default=0)
    liquidity = models.DecimalField(max_digits=20, decimal_places=6, default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["outcome", "at"], name="market_snapshot_once")]
        indexes = [models.Index(fields=["at"])]
