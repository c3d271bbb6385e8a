"""Reads the body of a request, a JSON object of any Content-Type, into a pydantic model."""

import re
from typing import Annotated, Any, TypeVar

from flask import request
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
)

from identity.core import strict_json
from identity.core.strict_json import is_text
from identity.problems import MissingParameter, Problem, UnreadableBody, WrongParameter

MAX_INTEGER = 2**53 - 1  # the largest integer in Matrix's canonical JSON
MAX_NAME = 100  # characters of an unknown field that an answer repeats
WRITTEN_NUMBER = re.compile(r"([0-9]{1,19})(?:\.0{1,3})?", re.ASCII)


def check_text(value: str) -> str:
    """Refuse strings that cannot be stored: NUL and lone surrogates. Raises ValueError."""
    if not is_text(value):
        raise ValueError("is no text")
    return value


def read_number(value: object) -> object:
    """Accept integers written as a string or as a float, as some clients do; keep all else."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    written = WRITTEN_NUMBER.fullmatch(value) if isinstance(value, str) else None
    return int(written[1]) if written else value


Text = Annotated[str, AfterValidator(check_text)]
Number = Annotated[int, BeforeValidator(read_number)]
Seconds = Annotated[float, BeforeValidator(read_number), Field(ge=0, le=MAX_INTEGER)]


class Body(BaseModel):
    """The base of all models of bodies; unknown fields are ignored."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)


BodyModel = TypeVar("BodyModel", bound=Body)


def read_object() -> dict[str, Any]:
    """The JSON object in the body. Raises UnreadableBody."""
    try:
        return strict_json.read_object(request.get_data())
    except ValueError:
        raise UnreadableBody from None


def read_body(model: type[BodyModel]) -> BodyModel:
    """The body as this model. Raises UnreadableBody, MissingParameter, WrongParameter."""
    return read_as(model, read_object())


def read_as(model: type[BodyModel], given: dict[str, Any]) -> BodyModel:
    """A JSON object as this model. Raises MissingParameter, WrongParameter."""
    try:
        return model.model_validate(given)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_context=False, include_input=False)
    missing = [_name(model, fault["loc"]) for fault in faults if fault["type"] == "missing"]
    if missing:
        raise _about(missing[0], MissingParameter(f"Missing: {', '.join(missing)}."))
    unknown = [fault["loc"] for fault in faults if fault["type"] == "extra_forbidden"]
    if unknown:
        name = str(unknown[0][-1])[:MAX_NAME]
        raise _about(name, WrongParameter(f"There is no such field: {name}."))
    names = list(dict.fromkeys(_name(model, fault["loc"]) for fault in faults))
    raise _about(names[0], WrongParameter(f"Not as it should be: {', '.join(names)}."))


def _about(field: str, problem: Problem) -> Problem:
    """The problem, which names the first field that it is about."""
    problem.further = {**problem.further, "org.guichet.field": field}
    return problem


def _name(model: type[BaseModel] | None, where: tuple[int | str, ...]) -> str:
    """The name of a field, without what pydantic adds (list items, branches of unions)."""
    names = []
    for part in where:
        if model is None or part not in model.model_fields:
            break
        names.append(str(part))
        kind = model.model_fields[str(part)].annotation
        model = kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None
    return ".".join(names)
