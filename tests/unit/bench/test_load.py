import pytest

from bench.load import Finished, Measured, Request, medians, read_summary, write

SAID = """Running 2s test @ http://127.0.0.1:8000
  1 threads and 16 connections
    Latency     2.06ms    1.01ms  20.11ms   88.11%
  15401 requests in 2.01s, 3.12MB read
Requests/sec:   7662.19
measured 15401 2010017 1 2 1905 6480
"""


def test_the_summary_of_wrk_is_read():
    assert read_summary(SAID) == Finished(
        answers=15_401, seconds=2.010017, broken=1, errors=2, median_ms=1.905, p99_ms=6.48
    )


def test_an_output_without_a_summary_is_no_measurement():
    with pytest.raises(ValueError, match="unable to connect"):
        read_summary("unable to connect to 127.0.0.1:8000 Connection refused\n")


def test_medians_are_taken_figure_by_figure():
    runs = [Measured(10, 1, 0.1, 5, 9), Measured(30, 3, 0.2, 4, 7), Measured(20, 2, 0.3, 6, 8)]
    assert medians(runs) == Measured(20, 2, 0.2, 5, 8)


def test_requests_stand_in_a_file_one_in_a_line(tmp_path):
    asked = [
        Request("GET", "/versions"),
        Request("POST", "/lookup", "token", "2001:db8::1", '{"a": "{n}"}'),
    ]
    lines = write(tmp_path / "asked", asked).read_text(encoding="utf-8").splitlines()
    assert [Request(*line.split("\t")) for line in lines] == asked
