import pytest

from bench.machine import Processors, is_quiet, read_processors, watched
from bench.processor_time import TICKS


def test_busy_and_stolen_time_of_all_processors_are_told_apart():
    first = " ".join(str(each * TICKS) for each in (30, 2, 10, 900, 50, 1, 3, 7, 0, 0))
    assert read_processors(f"cpu  {first}\ncpu0 1 2 3\n") == Processors(busy=46, stolen=7)


@pytest.mark.parametrize(
    ("others", "stolen", "expected"),
    [(0.01, 0.02, True), (0.5, 0.0, False), (0.03, 0.04, False)],
)
def test_a_machine_is_quiet_if_others_used_hardly_any_of_its_processors(others, stolen, expected):
    assert is_quiet({"others": others, "stolen": stolen}) is expected


def test_what_a_block_left_to_others_is_a_share_of_all_processors():
    with watched() as found:
        assert "others" not in found
    assert min(found["others"], found["stolen"]) >= 0
    assert len(found["load"]) == 2
