"""Lists as every page shows them: sorted and filtered by the address, paged, and downloadable as CSV.

A `Table` reads `?sort=`, `?page=` and `?csv=` (with the table's name as a prefix when a page
holds several). Sorting a queryset uses a column's `order`; sorting a list uses its `value`.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from functools import cached_property
from typing import Any
from urllib.parse import urlencode

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

PAGE_ROWS = 50
CSV_ROWS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column. `value` feeds CSV and list sorting; `order` names the queryset's field; neither: not sortable."""

    key: str
    label: str
    value: Callable[[Any], Any] | None = None
    order: str = ""
    css: str = ""
    title: str = ""
    csv: bool = True
    shown: bool = True  # False: in the CSV only


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    label: str
    css: str
    title: str
    href: str
    aria: str


@dataclass
class Table:
    request: HttpRequest
    columns: Sequence[Column]
    source: QuerySet | Sequence[Any]
    name: str = ""
    default: str = ""
    rows_per_page: int = PAGE_ROWS
    transform: Callable[[list[Any]], list[Any]] | None = None  # page of model rows → what the template shows
    extra: dict[str, Any] = field(default_factory=dict)

    def _parameter(self, key: str) -> str:
        return f"{self.name}-{key}" if self.name else key

    def link(self, **changes: object) -> str:
        """Return this page's address with some parameters of the table changed, an empty one removed."""
        query = self.request.GET.copy()
        for key, value in changes.items():
            query.pop(self._parameter(key), None)
            if value not in ("", None):
                query[self._parameter(key)] = str(value)
        return "?" + urlencode([(k, v) for k, vs in query.lists() for v in vs])

    @cached_property
    def sort(self) -> tuple[Column | None, bool]:
        """The sorted column, and whether it is descending. An unknown name falls back to the default."""
        asked = self.request.GET.get(self._parameter("sort"), "") or self.default
        for wanted in (asked, self.default):
            for column in self.columns:
                if column.key == wanted.removeprefix("-") and (column.order or column.value):
                    return column, wanted.startswith("-")
        return None, False

    @cached_property
    def head(self) -> list[Head]:
        sorted_by, descending = self.sort
        heads = []
        for column in self.columns:
            if not column.shown:
                continue
            is_sorted = sorted_by is not None and sorted_by.key == column.key
            sortable = column.order if isinstance(self.source, QuerySet) else column.value
            target = (
                column.key
                if (is_sorted and descending) or (not is_sorted and "r" not in column.css.split())
                else f"-{column.key}"
            )
            heads.append(
                Head(
                    label=column.label,
                    css=column.css,
                    title=column.title,
                    href=self.link(sort=target, page="") if sortable else "",
                    aria=("descending" if descending else "ascending") if is_sorted else "",
                )
            )
        return heads

    @cached_property
    def ordered(self) -> QuerySet | list[Any]:
        column, descending = self.sort
        if isinstance(self.source, QuerySet):
            if column is None:
                return self.source
            fields = [f"-{column.order}" if descending else column.order, "-pk"]
            return self.source.order_by(*fields)
        rows = list(self.source)
        if column is None or column.value is None:
            return rows
        value = column.value
        known = [row for row in rows if value(row) is not None]
        missing = [row for row in rows if value(row) is None]
        return sorted(known, key=value, reverse=descending) + missing

    @cached_property
    def total(self) -> int:
        return self.source.count() if isinstance(self.source, QuerySet) else len(self.source)

    @cached_property
    def pages(self) -> int:
        return max(1, -(-self.total // self.rows_per_page))

    @cached_property
    def page(self) -> int:
        asked = self.request.GET.get(self._parameter("page"), "1")
        number = int(asked) if asked.isdecimal() and len(asked) < 7 else 1
        return min(max(1, number), self.pages)

    @cached_property
    def rows(self) -> list[Any]:
        first = (self.page - 1) * self.rows_per_page
        page = list(self.ordered[first : first + self.rows_per_page])
        return self.transform(page) if self.transform else page

    @property
    def first_row(self) -> int:
        return (self.page - 1) * self.rows_per_page + 1 if self.total else 0

    @property
    def last_row(self) -> int:
        return min(self.page * self.rows_per_page, self.total)

    @property
    def previous_href(self) -> str:
        return self.link(page=self.page - 1 if self.page > 2 else "") if self.page > 1 else ""

    @property
    def next_href(self) -> str:
        return self.link(page=self.page + 1) if self.page < self.pages else ""

    @property
    def csv_href(self) -> str:
        query = self.request.GET.copy()
        query["csv"] = self.name or "all"
        return "?" + query.urlencode()

    @property
    def wants_csv(self) -> bool:
        return self.request.GET.get("csv") == (self.name or "all")

    def csv_response(self, filename: str) -> HttpResponse:
        """Return every filtered row (at most CSV_ROWS), numbers as plain decimals, times in UTC."""
        response = HttpResponse(content_type="text/csv; charset=utf-8")
        response["Content-Disposition"] = f'attachment; filename="{filename}.csv"'
        writer = csv.writer(response)
        columns = [column for column in self.columns if column.csv and column.value]
        writer.writerow([column.label for column in columns])
        rows = list(self.ordered[:CSV_ROWS])
        if self.transform:
            rows = self.transform(rows)
        for row in rows:
            writer.writerow([_cell(column.value(row)) for column in columns if column.value])
        return response


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Decimal):
        return format(value.normalize() if value else Decimal(0), "f")
    text = str(value)
    # A spreadsheet runs a cell that begins with one of these as a formula.
    return f"'{text}" if text[:1] in ("=", "+", "@", "\t", "\r") or (text[:1] == "-" and not _is_number(text)) else text


def _is_number(text: str) -> bool:
    try:
        Decimal(text)
    except ArithmeticError:
        return False
    return True
