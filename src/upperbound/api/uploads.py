"""Bodies that carry a scenario: as JSON with what belongs to it, or as YAML and nothing else."""

from collections.abc import Sequence
from typing import Any, Final, TypeVar

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from pydantic.json_schema import models_json_schema
from starlette.requests import Request

from upperbound.api.errors import ApiProblem

Model = TypeVar("Model", bound=BaseModel)

YAML_TYPES: Final = ("application/yaml", "application/x-yaml", "text/yaml", "text/x-yaml")
_REFS: Final = "#/components/schemas/{model}"


async def read_upload(request: Request, model: type[Model]) -> Model:
    """Return a request's body as ``model``, whose field ``scenario`` takes a body that is YAML.

    Raises:
        RequestValidationError: it is not what the model wants; every problem at once.
        ApiProblem: it is neither JSON nor YAML.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    body = await request.body()
    try:
        if kind == "application/json":
            return model.model_validate_json(body)
        if kind in YAML_TYPES:
            return model.model_validate({"scenario": body.decode("utf-8-sig")})
    except UnicodeDecodeError:
        raise ApiProblem(422, "request_invalid", "the body is not UTF-8 text") from None
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False, include_context=False)
        raise RequestValidationError([{**one, "loc": ("body", *one["loc"])} for one in found]) from None
    raise ApiProblem(415, "unsupported_media_type", "the body is neither JSON nor YAML", hint="send application/json")


def upload_body(model: type[BaseModel]) -> dict[str, Any]:
    """Return what the documentation says of such a body."""
    text = {"schema": {"type": "string", "description": "A scenario in YAML."}}
    content = {
        "application/json": {"schema": {"$ref": _REFS.format(model=model.__name__)}},
        "application/yaml": text,
    }
    return {"requestBody": {"required": True, "content": content}}


def upload_schemas(models: Sequence[type[BaseModel]]) -> dict[str, Any]:
    """Return the schemas of such bodies, which the documentation refers to."""
    _, schema = models_json_schema([(model, "validation") for model in models], ref_template=_REFS)
    definitions: dict[str, Any] = schema["$defs"]
    return definitions
