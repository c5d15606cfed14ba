"""The rate budget in figures: windows forget, buckets refill, and each kind sees what is left for it."""

from __future__ import annotations

from markets.venues.polymarket.rate_limits import LIMITS
from orders.domain.rate_figures import bucket_figure, window_figure, window_most, windows_of

NOW = 1_790_000_000_000
WINDOWS = {window.name: (window, routes) for window, routes in windows_of(LIMITS).items()}


def test_each_window_stands_once_with_the_requests_that_count_in_it() -> None:
    assert WINDOWS["clob"][1] == tuple(LIMITS.windows)
    assert WINDOWS["cancel_all:600"][1] == ("DELETE /cancel-all",)
    assert len(WINDOWS) == 2 + 2 * len(LIMITS.windows)


def test_orders_stop_before_cancels_where_both_count() -> None:
    window, routes = WINDOWS["clob"]
    figure = window_figure(window, routes, {NOW // 500: 6_479}, now_ms=NOW)
    assert (figure.left_for_orders, figure.left_for_cancels, figure.reserve) == (1, 1_621, 1_620)
    figure = window_figure(window, routes, {NOW // 500: 7_000}, now_ms=NOW)
    assert (figure.left_for_orders, figure.left_for_cancels) == (0, 1_100)
    assert figure.for_orders == window_most(window, "order") and figure.for_cancels == window_most(window, "cancel")


def test_a_window_of_one_kind_has_no_figure_for_the_other() -> None:
    figure = window_figure(*WINDOWS["order_post:10"], {}, now_ms=NOW)
    assert (figure.left_for_orders, figure.left_for_cancels, figure.reserve, figure.counted_ms) == (
        4_500,
        None,
        0,
        None,
    )
    assert window_figure(*WINDOWS["order_delete:10"], {}, now_ms=NOW).left_for_orders is None


def test_counts_older_than_the_window_and_counts_of_the_future_are_left_out() -> None:
    newest = NOW // 500
    slots = {newest - 21: 100, newest - 20: 7, newest: 2, newest + 1: 50}
    figure = window_figure(*WINDOWS["order_post:10"], slots, now_ms=NOW)
    assert (figure.used, figure.counted_ms) == (9, newest * 500)


def test_a_bucket_refills_up_to_its_burst() -> None:
    stored = {"t": 10.0, "a": float(NOW - 500)}
    assert bucket_figure(LIMITS, "order", stored, now_ms=NOW).left == 30.0  # forty a second
    assert bucket_figure(LIMITS, "order", stored, now_ms=NOW + 60_000).left == 60.0
    assert bucket_figure(LIMITS, "order", stored, now_ms=NOW - 60_000).left == 10.0  # a clock set back gives nothing
    assert bucket_figure(LIMITS, "cancel", {"t": -80.0, "a": float(NOW)}, now_ms=NOW).left == -80.0


def test_a_bucket_that_was_never_used_is_full_and_its_tier_assumed() -> None:
    figure = bucket_figure(LIMITS, "cancel", {}, now_ms=NOW)
    assert (figure.left, figure.burst, figure.tier, figure.told, figure.counted_ms) == (
        120.0,
        120,
        "standard",
        False,
        None,
    )


def test_the_tier_that_the_venue_named_and_its_pause_are_told() -> None:
    stored = {"t": 5.0, "a": float(NOW), "r": 400.0, "b": 600.0, "p": float(NOW + 1_500)}
    figure = bucket_figure(LIMITS, "order", stored, now_ms=NOW)
    assert (figure.tier, figure.told, figure.per_s, figure.burst, figure.paused_ms) == ("gold", True, 400, 600, 1_500)
    assert bucket_figure(LIMITS, "order", stored, now_ms=NOW + 2_000).paused_ms == 0
