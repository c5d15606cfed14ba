"""Template tags of the desk: numbers, shapes and pictures in one spelling. Built in to every template."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from django import template
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from markets.domain.units import text_from_micro
from polybot.dashboard import glyphs, numbers, pictures
from polybot.dashboard.words import wallet_words

register = template.Library()

register.simple_tag(glyphs.icon, name="icon")
register.simple_tag(glyphs.shape, name="shape")
register.simple_tag(glyphs.lamp, name="lamp")
register.simple_tag(glyphs.sort_arrow, name="sort_arrow")
register.simple_tag(pictures.split_bar, name="split_bar")
register.simple_tag(pictures.cap_bar, name="cap_bar")
register.simple_tag(pictures.share_bar, name="share_bar")
register.simple_tag(pictures.range_dot, name="range_dot")
register.simple_tag(pictures.spark, name="spark")
register.filter("micro", numbers.micro)
register.filter("wallet_words", wallet_words)
register.filter("count", numbers.count)
register.filter("big_money", lambda v: numbers.big_money(numbers.as_decimal(v)))
register.filter("shares", lambda v: numbers.shares(numbers.as_decimal(v)))
register.filter("percent", lambda v, places=1: numbers.percent(numbers.as_decimal(v), places))
register.filter("duration", numbers.age)


@register.filter
def cents(price: object, tick: object = None) -> str:
    return numbers.cents(numbers.as_decimal(price), numbers.as_decimal(tick))


@register.filter
def cents_mid(price: object, tick: object = None) -> str:
    """A mid or an average: one more digit than the tick has."""
    return numbers.cents(numbers.as_decimal(price), numbers.as_decimal(tick), extra=1)


@register.filter
def money(value: object, places: int = 2) -> str:
    return numbers.money(numbers.as_decimal(value), places)


@register.filter
def signed(value: object, unit: str = "") -> SafeString:
    number = numbers.as_decimal(value)
    return format_html('<span class="{}">{}</span>', numbers.tone(number), numbers.signed(number, unit=unit))


@register.filter
def signed_exact(value: object, unit: str = "") -> SafeString:
    """A signed value with every digit it has: what a person agrees to is not rounded."""
    number = numbers.as_decimal(value)
    if not number:
        return signed(value, unit)
    sign = numbers.MINUS if number < 0 else "+"
    return format_html('<span class="{}">{}{}{}</span>', numbers.tone(number, 6), sign, unit, plain(abs(number)))


@register.filter
def side(value: object) -> SafeString:
    word = str(value).lower()
    return format_html('<span class="side {}">{}</span>', word, word.upper())


@register.filter
def plain(value: object) -> str:
    """A Decimal without trailing zeros."""
    if isinstance(value, Decimal):
        return format(value.normalize(), "f") if value else "0"
    return numbers.NONE if value is None else str(value)


@register.filter
def micro(value: int) -> str:
    """Millionths as the shortest plain number."""
    return text_from_micro(value)


@register.simple_tag
def age(at: datetime | None, limit_s: float | None = None, live: bool = True) -> SafeString:
    """The age of something, counting up in the browser; past its limit it says so."""
    if at is None:
        return mark_safe('<span class="age dead">never</span>')
    seconds = max(0.0, (timezone.now() - at).total_seconds())
    stale = limit_s is not None and seconds > limit_s
    return format_html(
        '<span class="age{}{}" data-at="{}"{} title="{} UTC">{}{}</span>',
        " stale" if stale else "",
        "" if live or stale else " still",
        int(at.timestamp() * 1000),
        format_html(' data-limit="{}"', limit_s) if limit_s is not None else "",
        at.strftime("%d %b %H:%M:%S"),
        numbers.age(seconds),
        f", limit {numbers.age(limit_s)}" if stale else "",
    )


@register.simple_tag
def ago(at: datetime | None) -> SafeString:
    """An age inside a table cell: plain text, counting up."""
    if at is None:
        return mark_safe('<span class="dim">never</span>')
    seconds = max(0.0, (timezone.now() - at).total_seconds())
    return format_html(
        '<span data-at="{}" title="{} UTC">{}</span>',
        int(at.timestamp() * 1000),
        at.strftime("%d %b %Y %H:%M:%S"),
        numbers.age(seconds),
    )


@register.simple_tag
def clock(at: datetime | None, form: str = "time") -> SafeString:
    """A moment: shown in the viewer's zone by the script, in UTC without it. Forms: time, ms, hm, day, full."""
    if at is None:
        return mark_safe('<span class="dim">none</span>')
    shown = {
        "time": at.strftime("%H:%M:%S"),
        "ms": at.strftime("%H:%M:%S.") + f"{at.microsecond // 1000:03d}",
        "day": f"{at.day} {at.strftime('%b')}",
        "hm": at.strftime("%H:%M"),
        "full": f"{at.day} {at.strftime('%b %H:%M')}",
    }[form]
    return format_html(
        '<time datetime="{}" data-form="{}" title="{} UTC">{}</time>',
        at.isoformat(timespec="milliseconds"),
        form,
        at.strftime("%d %b %Y %H:%M:%S"),
        shown,
    )


@register.filter
def get(mapping: object, key: object) -> object:
    """`mapping[key]` or nothing."""
    return mapping.get(key) if isinstance(mapping, dict) else None


@register.filter
def epoch_ms(at: datetime | None) -> int:
    """A moment as the script counts it."""
    return int(at.timestamp() * 1000) if at else 0


@register.filter
def plain2(value: object) -> str:
    """A dollar amount in a table: the unit stands in the head."""
    number = numbers.as_decimal(value)
    return numbers.NONE if number is None else numbers.money(number).replace("$", "")


@register.filter
def signed_percent(value: object) -> SafeString:
    number = numbers.as_decimal(value)
    return format_html('<span class="{}">{} %</span>', numbers.tone(number), numbers.signed(number))


@register.simple_tag
def places(tick: object) -> int:
    """Decimals of a price in cents at this tick."""
    return numbers.places_of_tick(numbers.as_decimal(tick))


@register.simple_tag
def age_text(at: datetime | None) -> str:
    return numbers.NONE if at is None else numbers.age((timezone.now() - at).total_seconds())


@register.filter
def cents_exact(price: object) -> str:
    """A computed price: two decimals of a cent whatever the tick."""
    number = numbers.as_decimal(price)
    return numbers.NONE if number is None else f"{number * 100:.2f}"


@register.filter
def tick_cents(tick: object) -> str:
    """A tick in cents: `1`, `0.1`."""
    number = numbers.as_decimal(tick)
    return numbers.NONE if number is None else format((number * 100).normalize(), "f")


@register.filter
def signed_cents(value: object) -> SafeString:
    number = numbers.as_decimal(value)
    if number is None:
        return mark_safe('<span class="dim">–</span>')
    in_cents = number * 100
    arrow = "▲ " if in_cents > 0 else "▼ " if in_cents < 0 else ""
    return format_html(
        '<span class="{}">{}{}<span class="u">¢</span></span>',
        numbers.tone(in_cents, 1),
        arrow,
        numbers.signed(in_cents, 1),
    )


@register.filter
def times(value: object, factor: object) -> Decimal | None:
    one, other = numbers.as_decimal(value), numbers.as_decimal(factor)
    return None if one is None or other is None else one * other


@register.filter
def words(text: str) -> list[str]:
    return text.split()


@register.filter
def as_percent(share: float) -> str:
    """A share of one as a percentage."""
    return numbers.percent(numbers.as_decimal(round(share * 100, 3)))


_UNITS = {"usd": "$", "usd/share": "$ / sh", "shares": "sh", "x": "×"}


@register.filter
def unit(name: str) -> str:
    """A parameter's unit as the desk writes it."""
    return _UNITS.get(name, name)


@register.filter
def lots(value: object) -> str:
    """A size in the ladder: whole from 100 shares up, one decimal below."""
    number = numbers.as_decimal(value)
    if number is None:
        return numbers.NONE
    return f"{number:,.0f}" if number >= 100 else numbers.shares(round(number, 1))


@register.filter
def compact(value: object) -> str:
    """A bound in few characters: `100 k`, `1 bn`."""
    number = numbers.as_decimal(value)
    if number is None:
        return ""
    for size, word in ((10**9, " bn"), (10**6, " m"), (10**4, " k")):
        if abs(number) >= size:
            return f"{plain(number / (1000 if word == ' k' else size))}{word}"
    return plain(number)
