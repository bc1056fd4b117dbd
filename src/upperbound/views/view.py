"""What all read models share."""

from pydantic import BaseModel, ConfigDict


class View(BaseModel):
    """A part of what is shown: never changes, and its names in JSON are those of the documentation."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        serialize_by_alias=True,
        validate_by_name=True,
        validate_by_alias=True,
        # What is written below a field is its description in the reference of the API.
        use_attribute_docstrings=True,
    )
