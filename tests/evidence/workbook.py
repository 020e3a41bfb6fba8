"""Reads a bundle's workbook with openpyxl, which knows nothing of us, and compares it with the tables beside it.

Usage: workbook.py BUNDLE [RECALCULATED.xlsx]
The second file is the same workbook after another program has calculated its formulas anew.
"""

import csv
import datetime
import sys

import openpyxl

bundle = sys.argv[1]
book = openpyxl.load_workbook(f"{bundle}/workbook.xlsx", data_only=True)
assert book.sheetnames == [
    "Summary", "Changes", "Deployments", "Commits", "Exceptions", "Continuity", "Completeness", "Parameters",
], book.sheetnames

tables = {}
for sheet, name in [("Changes", "changes"), ("Deployments", "deployments"), ("Commits", "commits"), ("Exceptions", "exceptions"), ("Continuity", "gaps"), ("Completeness", "gaps")]:
    with open(f"{bundle}/{name}.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    if name == "gaps":
        # Only a stretch of time says how many changes landed in it.
        landed = rows[0].index("landed")
        rows = rows[:1] + [row for row in rows[1:] if (row[landed] != "") == (sheet == "Continuity")]
    tables[sheet] = rows
    page = book[sheet]
    assert page.freeze_panes == "A2" and page.auto_filter.ref, sheet
    head = [cell.value for cell in page[1]]
    assert head[: len(rows[0])] == rows[0], head
    assert all(cell.comment for cell in page[1]), "every column says what it holds"
    for number, row in enumerate(rows[1:], start=2):
        for at, expected in enumerate(row, start=1):
            cell = page.cell(number, at)
            value = cell.value
            if isinstance(value, datetime.datetime):
                got, expected = value.strftime("%Y-%m-%dT%H:%M:%S"), expected[:19]
                # Fractions of a second are rounded.
                ahead = datetime.datetime.fromisoformat(expected) + datetime.timedelta(seconds=1)
                assert got in (expected, ahead.strftime("%Y-%m-%dT%H:%M:%S")), (sheet, number, at, got, expected)
            else:
                got = "" if value is None else str(value)
                assert got == expected, (sheet, number, at, got, expected)
            assert cell.data_type != "f" or cell.value.startswith("=HYPERLINK("), (sheet, number, at)
    assert page.max_row == max(len(rows), 1), (sheet, page.max_row)

formulas = openpyxl.load_workbook(f"{bundle}/workbook.xlsx")["Summary"]
shown = book["Summary"]
counts = {}
for row in range(1, formulas.max_row + 1):
    formula = formulas.cell(row, 2).value
    if isinstance(formula, str) and formula.startswith("="):
        counts[row] = int(shown.cell(row, 2).value)
names = [str(formulas.cell(row, 1).value) for row in counts]
assert len(counts) >= 15, names
first = next(iter(counts))
assert counts[first] == len(tables["Changes"]) - 1

if len(sys.argv) > 2:
    again = openpyxl.load_workbook(sys.argv[2], data_only=True)["Summary"]
    for row, number in counts.items():
        calculated = again.cell(row, 2).value
        assert int(calculated) == number, (formulas.cell(row, 1).value, calculated, number)
    print(f"{len(counts)} formulas calculated anew", end="; ")
print(f"{sum(len(rows) - 1 for rows in tables.values())} rows hold")
