"""Lists: sorting by address, pages, and CSV cells that no spreadsheet runs."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from decimal import Decimal

import pytest
from django.test import RequestFactory

from polybot.dashboard.tables import Column, Table, _cell


@dataclass
class Row:
    name: str
    size: Decimal | None


ROWS = [Row("b", Decimal(2)), Row("a", None), Row("c", Decimal(1))]
COLUMNS = (
    Column(key="name", label="Name", value=lambda r: r.name),
    Column(key="size", label="Size", value=lambda r: r.size, css="r"),
    Column(key="icon", label=""),
    Column(key="hidden", label="Hidden", value=lambda r: r.name, shown=False),
)


def table(address: str = "/", **values: object) -> Table:
    return Table(RequestFactory().get(address), COLUMNS, ROWS, **values)  # type: ignore[arg-type]


def test_missing_values_come_last_whichever_way_one_sorts() -> None:
    assert [row.name for row in table("/?sort=size").rows] == ["c", "b", "a"]
    assert [row.name for row in table("/?sort=-size").rows] == ["b", "c", "a"]


def test_a_head_links_to_the_other_direction_and_says_its_own() -> None:
    name, size, icon = table("/?sort=-size&q=x").head
    assert (size.aria, size.href) == ("descending", "?q=x&sort=size")
    assert (name.aria, name.href) == ("", "?q=x&sort=name")
    assert icon.href == ""


def test_numbers_begin_with_the_largest() -> None:
    assert table().head[1].href == "?sort=-size"


def test_pages_keep_the_filters_and_stay_in_bounds() -> None:
    one = table("/?q=x&page=2", rows_per_page=2)
    assert (one.page, one.pages, one.first_row, one.last_row) == (2, 2, 3, 3)
    assert one.previous_href == "?q=x" and one.next_href == ""
    assert table("/?page=99", rows_per_page=2).page == 2
    assert table("/?page=x").page == 1


def test_two_tables_of_one_page_sort_apart() -> None:
    assert [row.name for row in table("/?po-sort=-name&sort=name", name="po").rows] == ["c", "b", "a"]


def test_csv_has_every_row_and_the_hidden_column() -> None:
    text = table("/?csv=all&page=2", rows_per_page=1).csv_response("x").content.decode()
    rows = list(csv.reader(io.StringIO(text)))
    assert rows[0] == ["Name", "Size", "Hidden"] and len(rows) == 4


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("@x", "'@x"),
        ("-cmd", "'-cmd"),
        ("-5", "-5"),
        (Decimal("1.500000"), "1.5"),
        (Decimal("0.000000"), "0"),
        (None, ""),
    ],
)
def test_a_cell_is_never_a_formula(value: object, cell: str) -> None:
    assert _cell(value) == cell
