"""The body of a request: a JSON object, whatever the Content-Type says, read into a model."""

import json
from typing import Annotated, Any, NoReturn, TypeVar

from flask import request
from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError

from identity.problems import MissingParameter, UnreadableBody, WrongParameter


def is_text(said: str) -> bool:
    """Whether it can be kept and sent on: JSON also knows NUL, and halves of letters."""
    return "\0" not in said and not any("\ud800" <= letter <= "\udfff" for letter in said)


def check_text(said: str) -> str:
    if not is_text(said):
        raise ValueError("is no text")
    return said


Text = Annotated[str, AfterValidator(check_text)]


class Body(BaseModel):
    """What is asked for; fields that are not known here are no fault."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)


Asked = TypeVar("Asked", bound=Body)


def read_object() -> dict[str, Any]:
    """The JSON object that was sent. Raises UnreadableBody."""
    try:
        found = json.loads(request.get_data().decode(), parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise UnreadableBody from None
    if not isinstance(found, dict):
        raise UnreadableBody("The body is JSON, but no object.")
    return found


def read_body(model: type[Asked]) -> Asked:
    """The object as this model. Raises UnreadableBody, MissingParameter, WrongParameter."""
    return read_as(model, read_object())


def read_as(model: type[Asked], given: dict[str, Any]) -> Asked:
    """See `read_body`, for a body that was looked at already."""
    try:
        return model.model_validate(given)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_context=False, include_input=False)
    missing = [_name(fault["loc"]) for fault in faults if fault["type"] == "missing"]
    if missing:
        raise MissingParameter(f"Missing: {', '.join(missing)}.")
    names = dict.fromkeys(_name(fault["loc"]) for fault in faults)
    raise WrongParameter(f"Not as it should be: {', '.join(names)}.")


def _name(where: tuple[int | str, ...]) -> str:
    """The field; which item of a list it was does not matter."""
    return ".".join(part for part in where if isinstance(part, str))


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")
