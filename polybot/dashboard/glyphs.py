"""The desk's icons and state shapes as inline SVG. A shape repeats what a colour says.

`ICONS` are 16 px line drawings for buttons and the menu; `SHAPES` are 14 px state marks.
Attribute values stay free of inline style, so the strict content policy holds.
"""

from __future__ import annotations

from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

ICONS = {
    "search": '<circle cx="7" cy="7" r="4.5"/><path d="M10.5 10.5L14 14"/>',
    "theme": '<circle cx="8" cy="8" r="5.5"/><path d="M8 2.5v11A5.5 5.5 0 0 0 8 2.5z" fill="currentColor"/>',
    "stop": '<path d="M5.3 1.5h5.4l3.8 3.8v5.4l-3.8 3.8H5.3l-3.8-3.8V5.3z" fill="currentColor" stroke="none"/>'
    '<path d="M5 8h6" class="cut" stroke-width="2"/>',
    "cockpit": '<path d="M2.5 11.5a6 6 0 1 1 11 0M8 10l2.5-3.5"/>',
    "markets": '<path d="M2 12.5l3.5-4 3 2.5L14 4M10.5 4H14v3.5"/>',
    "orders": '<path d="M5.5 4H14M5.5 8H14M5.5 12H14M2 4h.01M2 8h.01M2 12h.01"/>',
    "positions": '<path d="M2 5.5C2 4.5 2.7 4 3.5 4H12v2M2 5.5V12c0 .8.7 1.5 1.5 1.5H14V6H3.5M11 9.7h.01"/>',
    "strategies": '<path d="M4 5.5v5M4 8.5c6 0 8-.5 8-3"/><circle cx="4" cy="4" r="1.5"/>'
    '<circle cx="4" cy="12" r="1.5"/><circle cx="12" cy="4" r="1.5"/>',
    "backtests": '<path d="M2.5 8a5.5 5.5 0 1 0 1.8-4.1M2.5 2.5v3h3M8 5v3.2l2.2 1.6"/>',
    "why": '<path d="M2 3h12l-4.5 5.5V13l-3-1.5V8.5z"/>',
    "risk": '<path d="M8 2l5 2v4c0 3-2.2 5-5 6-2.8-1-5-3-5-6V4z"/>',
    "reconcile": '<path d="M3 5.5h9M9.5 3L12 5.5 9.5 8M13 10.5H4M6.5 8L4 10.5 6.5 13"/>',
    "alerts": '<path d="M4 11V7a4 4 0 0 1 8 0v4l1 1.5H3zM6.8 14h2.4"/>',
    "audit": '<path d="M4 2h6l3 3v9H4zM6.5 8h4M6.5 11h4"/>',
    "data": '<path d="M1.5 8H5l2-5 3 10 1.5-5h3"/>',
    "doctor": '<path d="M8 4.5v7M4.5 8h7"/><rect x="1.5" y="1.5" width="13" height="13" rx="2.5"/>',
    "system": '<rect x="4" y="4" width="8" height="8" rx="1"/>'
    '<path d="M6.5 1.5V4M9.5 1.5V4M6.5 12v2.5M9.5 12v2.5M1.5 6.5H4M1.5 9.5H4M12 6.5h2.5M12 9.5h2.5"/>',
    "settings": '<circle cx="8" cy="8" r="2"/><path d="M8 1.8v2M8 12.2v2M1.8 8h2M12.2 8h2'
    'M3.6 3.6L5 5M11 11l1.4 1.4M12.4 3.6L11 5M5 11l-1.4 1.4"/>',
    "more": '<path d="M3 8h.01M8 8h.01M13 8h.01" stroke-width="2.5"/>',
    "download": '<path d="M8 2v8M5 7.5L8 10.5l3-3M3 13.5h10"/>',
    "pause": '<path d="M5.5 3v10M10.5 3v10" stroke-width="2"/>',
    "play": '<path d="M5 3l8 5-8 5z"/>',
    "eye": '<path d="M1.5 8S4 3.8 8 3.8 14.5 8 14.5 8 12 12.2 8 12.2 1.5 8 1.5 8z"/><circle cx="8" cy="8" r="1.8"/>',
    "square": '<rect x="3.5" y="3.5" width="9" height="9" rx="1"/>',
    "cross": '<path d="M4 4l8 8M12 4l-8 8"/>',
    "release": '<path d="M5 7V5a3 3 0 0 1 5.8-1M3.5 7h9v6.5h-9z"/>',
    "key": '<circle cx="5.5" cy="10.5" r="3"/><path d="M7.7 8.3L13.5 2.5M11 5l2 2"/>',
}

_X = '<path d="M4.5 4.5l5 5M9.5 4.5l-5 5" stroke="var(--surface)" stroke-width="1.6" stroke-linecap="round"/>'
_RING = '<circle cx="7" cy="7" r="5.7" fill="none" stroke="currentColor" stroke-width="1.5"/>'

# name: (colour class, drawing)
SHAPES = {
    "ok": (
        "up",
        '<circle cx="7" cy="7" r="6.5" fill="currentColor"/>'
        '<path d="M4 7.2l2.1 2.1L10.2 5" fill="none" stroke="var(--surface)" stroke-width="1.6"/>',
    ),
    "bad": ("down", '<rect x=".8" y=".8" width="12.4" height="12.4" rx="1.5" fill="currentColor"/>' + _X),
    "warn": (
        "warn",
        '<path d="M7 .4L13.6 7 7 13.6.4 7z" fill="currentColor"/>'
        '<path d="M7 3.8v3.8M7 9.6v.3" stroke="var(--surface)" stroke-width="1.6" stroke-linecap="round"/>',
    ),
    "shrunk": (
        "warn",
        '<path d="M7 .4L13.6 7 7 13.6.4 7z" fill="none" stroke="currentColor" stroke-width="1.4"/>'
        '<path d="M4.5 7h5" stroke="currentColor" stroke-width="1.6"/>',
    ),
    "paused": (
        "soft",
        '<circle cx="7" cy="7" r="6.5" fill="currentColor"/>'
        '<path d="M5.3 4.5v5M8.7 4.5v5" stroke="var(--surface)" stroke-width="1.6"/>',
    ),
    "off": ("dim", _RING),
    "open": ("soft", _RING),
    "half": ("soft", _RING + '<path d="M7 1.3a5.7 5.7 0 0 1 0 11.4z" fill="currentColor"/>'),
    "bought": ("up", '<path d="M7 2l6 10H1z" fill="currentColor"/>'),
    "sold": ("down", '<path d="M7 12L1 2h12z" fill="currentColor"/>'),
    "star": (
        "rew",
        '<path d="M7 .8l1.9 4 4.3.5-3.2 3 .9 4.3L7 10.4l-3.9 2.2.9-4.3-3.2-3 4.3-.5z" fill="currentColor"/>',
    ),
    "dot": ("dim", '<circle cx="7" cy="7" r="2.5" fill="currentColor"/>'),
}

LAMPS = {
    "yes": '<circle cx="16" cy="16" r="15" fill="currentColor"/>'
    '<path d="M9.5 16.5l4.5 4.5 8.5-9.5" fill="none" stroke="var(--surface)" stroke-width="3"/>',
    "no": '<rect x="1.5" y="1.5" width="29" height="29" rx="4" fill="currentColor"/>'
    '<path d="M10.5 10.5l11 11M21.5 10.5l-11 11" stroke="var(--surface)" stroke-width="3"/>',
}
SORT = {
    "": '<path d="M4 0l2.5 3.3h-5zM4 8L1.5 4.7h5z" fill="currentColor"/>',
    "ascending": '<path d="M4 1l3.5 6h-7z" fill="currentColor"/>',
    "descending": '<path d="M4 7L.5 1h7z" fill="currentColor"/>',
}


def icon(name: str) -> SafeString:
    return format_html(
        '<svg class="i" viewBox="0 0 16 16" aria-hidden="true">{}</svg>',
        mark_safe(ICONS[name]),  # noqa: S308
    )


def shape(name: str) -> SafeString:
    colour, drawing = SHAPES[name]
    return format_html(
        '<svg class="sh {}" viewBox="0 0 14 14" aria-hidden="true">{}</svg>',
        colour,
        mark_safe(drawing),  # noqa: S308
    )


def lamp(name: str) -> SafeString:
    return format_html(
        '<svg class="lamp" viewBox="0 0 32 32" aria-hidden="true">{}</svg>',
        mark_safe(LAMPS[name]),  # noqa: S308
    )


def sort_arrow(direction: str) -> SafeString:
    return format_html(
        '<svg viewBox="0 0 8 8" aria-hidden="true">{}</svg>',
        mark_safe(SORT[direction]),  # noqa: S308
    )
