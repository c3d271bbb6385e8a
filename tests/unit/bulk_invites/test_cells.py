import csv

import pytest
from hypothesis import given, strategies as st

from domain_rules.spreadsheet_cells import guard_cell, unguard_cell, write_table


@pytest.mark.parametrize(
    "sign", ["=", "+", "-", "'", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20"]
)
def test_no_cell_is_a_formula(sign):
    assert guard_cell(f"{sign}1+1") == f"'{sign}1+1"
    assert guard_cell(f"1{sign}1") == f"1{sign}1"


@pytest.mark.slow
@given(st.text(st.sampled_from("=+-'@\t\r\na1;,\""), max_size=8))
def test_a_file_of_ours_says_the_same_when_it_is_read_again(cell):
    assert unguard_cell(guard_cell(cell)) == cell


@pytest.mark.slow
@given(st.lists(st.lists(st.text(st.sampled_from("=+-'@\t\r\na1;,\"")), min_size=1)))
def test_every_cell_of_a_table_is_guarded_and_can_be_read_back(rows):
    table = write_table(rows, delimiter=";")
    read = list(csv.reader(table.splitlines(keepends=True), delimiter=";"))
    assert [[unguard_cell(cell) for cell in row] for row in read] == rows
    assert not any(cell.startswith(tuple("=+-@\t\r\n")) for row in read for cell in row)
