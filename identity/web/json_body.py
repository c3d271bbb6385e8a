"""The body of a request: a JSON object, whatever the Content-Type says, read into a model."""

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
from identity.problems import MissingParameter, UnreadableBody, WrongParameter

LARGEST = 2**53 - 1  # integer of the specification's JSON
WRITTEN_NUMBER = re.compile(r"([0-9]{1,19})(?:\.0{1,3})?", re.ASCII)


def check_text(said: str) -> str:
    if not is_text(said):
        raise ValueError("is no text")
    return said


def read_number(said: object) -> object:
    """A whole number that was written as text or with a point, as clients in the field do; all else as it is."""
    if isinstance(said, float) and said.is_integer():
        return int(said)
    written = WRITTEN_NUMBER.fullmatch(said) if isinstance(said, str) else None
    return int(written[1]) if written else said


Text = Annotated[str, AfterValidator(check_text)]
Number = Annotated[int, BeforeValidator(read_number)]
Seconds = Annotated[float, BeforeValidator(read_number), Field(ge=0, le=LARGEST)]


class Body(BaseModel):
    """What is asked for; fields that are not known here are no fault."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)


Asked = TypeVar("Asked", bound=Body)


def read_object() -> dict[str, Any]:
    """The JSON object that was sent. Raises UnreadableBody."""
    try:
        return strict_json.read_object(request.get_data())
    except ValueError:
        raise UnreadableBody from None


def read_body(model: type[Asked]) -> Asked:
    """The object as this model. Raises UnreadableBody, MissingParameter, WrongParameter."""
    return read_as(model, read_object())


def read_as(model: type[Asked], given: dict[str, Any]) -> Asked:
    """See `read_body`, for a body that was looked at already."""
    try:
        return model.model_validate(given)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_context=False, include_input=False)
    missing = [_name(model, fault["loc"]) for fault in faults if fault["type"] == "missing"]
    if missing:
        raise MissingParameter(f"Missing: {', '.join(missing)}.")
    names = dict.fromkeys(_name(model, fault["loc"]) for fault in faults)
    raise WrongParameter(f"Not as it should be: {', '.join(names)}.")


def _name(model: type[BaseModel] | None, where: tuple[int | str, ...]) -> str:
    """The field as the client wrote it. What pydantic puts behind it (items, branches of types) is our affair."""
    names = []
    for part in where:
        if model is None or part not in model.model_fields:
            break
        names.append(str(part))
        kind = model.model_fields[str(part)].annotation
        model = kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None
    return ".".join(names)
