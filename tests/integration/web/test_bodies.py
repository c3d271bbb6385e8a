"""A body that is refused is refused by the names its sender wrote, whichever body it is."""

import re

import pytest
from pydantic import BaseModel

from identity import app, problems
from identity.web.json_body import Body, read_as
from tests.worlds.api import *

WRONG = [
    5,
    5.5,
    "\ud800",
    "\0",
    True,
    None,
    [],
    {},
    [None],
    [5],
    ["\0"],
    [{}],
    {"medium": 5},
    -1,
    10**30,
]


def models() -> list[type[Body]]:
    """Every body that is read anywhere."""
    assert app.create_app
    found, waiting = [], [Body]
    while waiting:
        inside = waiting.pop().__subclasses__()
        found += inside
        waiting += inside
    return [each for each in found if each.__module__.startswith("identity.")]


def names_of(model: type[BaseModel]) -> set[str]:
    """Its fields as they are written, those of objects inside with a point between."""
    found = set(model.model_fields)
    for name, field in model.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            found |= {f"{name}.{each}" for each in names_of(inner)}
    return found


def test_there_are_bodies():
    assert len(models()) > 10


@pytest.mark.parametrize("model", models(), ids=lambda model: model.__name__)
def test_a_body_is_refused_by_the_names_of_its_fields_and_no_words_of_ours(model):
    wrong = [{}, *(dict.fromkeys(model.model_fields, value) for value in WRONG)]
    refusals = [said for body in wrong if (said := refusal(model, body))]
    assert len(refusals) > len(wrong) / 2
    for said in refusals:
        told = re.fullmatch(r"(?:Missing|Not as it should be): (.+)\.", said)
        assert told, said
        assert set(told[1].split(", ")) <= names_of(model)


def refusal(model: type[Body], body: dict) -> str | None:
    try:
        read_as(model, body)
    except (problems.MissingParameter, problems.WrongParameter) as refused:
        return str(refused)
    return None
