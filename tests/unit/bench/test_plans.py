from bench.plans import long_scans, read_plans, show

LOG = """2026-11-30 20:00:00.000 UTC [12] LOG:  checkpoint starting: time
2026-11-30 20:00:00.010 UTC [13] LOG:  duration: 0.020 ms  plan:
\t{
\t  "Query Text": "select hash\\nfrom lookup_hashes",
\t  "Plan": {"Node Type": "Nested Loop", "Actual Rows": 1, "Actual Loops": 1, "Plans": [
\t    {"Node Type": "Seq Scan", "Relation Name": "associations", "Actual Rows": 1,
\t     "Rows Removed by Filter": 700, "Actual Loops": 2},
\t    {"Node Type": "Index Scan", "Relation Name": "lookup_hashes", "Index Name": "pk",
\t     "Actual Rows": 5000, "Actual Loops": 1}]}
\t}
2026-11-30 20:00:00.020 UTC [13] LOG:  disconnection
"""
((STATEMENT, PLAN),) = read_plans(LOG)


def test_plans_are_read_from_the_log_with_their_statements():
    assert STATEMENT == "select hash from lookup_hashes"
    assert read_plans("no plan\n") == []


def test_a_plan_is_shown_a_step_in_a_line():
    assert list(show(PLAN)) == [
        "  Nested Loop: 1 rows, 1 times",
        "    Seq Scan on associations: 1 rows, 2 times",
        "    Index Scan on lookup_hashes by pk: 5000 rows, 1 times",
    ]


def test_a_scan_is_long_by_the_rows_it_reads_and_an_index_never_is():
    assert list(long_scans(PLAN)) == ["associations (1,402 rows)"]
