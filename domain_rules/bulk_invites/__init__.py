"""Reads a list of people (a spreadsheet as CSV, a pasted text) and checks each row by the rules.

In reading order: `files` (bytes to text), `records` (text to cells), `people` (one cell), `headers`
and `doubts` (what the words around addresses say), `tables` and `cutting` (records to tables),
`reading` (the result: columns to choose from), `checks` (each row by the rules).
"""
