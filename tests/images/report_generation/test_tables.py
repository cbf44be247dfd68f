from __future__ import annotations

from report_generation.formats import Kind
from report_generation.tables.model import Column, Table

TABLE = Table(
    "Amounts",
    [Column("Group"), Column("Name"), Column("Amount", Kind.MONEY)],
    [["a", "1", 5.0], ["b", "2", -1.0], ["a", "3", -9.0], ["b", "4", 3.0], ["a", "5", 7.0]],
)


def names(table: Table) -> list[str]:
    return [row[1] for row in table.rows]


def test_the_largest_amounts_stay_in_their_order() -> None:
    found = TABLE.largest(3, by="Amount")
    assert names(found) == ["1", "3", "5"]
    assert found.of == 5


def test_each_group_keeps_its_largest_amounts() -> None:
    assert names(TABLE.largest(1, by="Amount", within="Group")) == ["3", "4"]
    assert names(TABLE.largest(2, by="Amount", within="Group")) == ["2", "3", "4", "5"]


def test_a_table_that_is_whole_says_nothing_of_it() -> None:
    assert TABLE.first(5).of is None
    assert TABLE.largest(9, by="Amount").of is None
    assert (names(TABLE.first(2)), TABLE.first(2).of) == (["1", "2"], 5)
