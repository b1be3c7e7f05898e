"""A mapping of a YAML file, declared once: the same frozen object is read from the file and used by the program."""

from __future__ import annotations

from collections.abc import Collection
from functools import cache
from typing import Annotated, ClassVar, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema, core_schema

from exporter.config.values import LabelName

ItemT = TypeVar("ItemT")

# Only lax validation makes a tuple of YAML's lists; the items are validated as strictly as everything else.
Items = Annotated[tuple[ItemT, ...], Field(strict=False)]
"""A list of the file, kept as a tuple so that it can be hashed and never changes."""


class Section(BaseModel):
    """A mapping of the file. Unknown keys and values of another type are errors."""

    # Built at the first use: no program needs all of them, and each takes a while.
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", defer_build=True)

    unsupported: ClassVar[Collection[str]] = ()
    """Keys that other programs know in this place and this one does not."""

    @classmethod
    @cache
    def unset(cls) -> Self:
        """Return the section with all its defaults; everything that leaves it out shares this one."""
        return cls()

    @classmethod
    def declared(cls) -> dict[str, FieldInfo]:
        """Return the declarations by their keys in the file."""
        return {field.alias or name: field for name, field in cls.model_fields.items()}

    def over(self, base: Section) -> Self:
        """Return this section with all that it was not given taken from `base`: mappings merge, lists do not.

        `model_fields_set` still says what was given here.
        """
        given, merged = self.model_fields_set, self.model_copy()
        values = merged.__dict__  # `update` of a copy would say that all of it was given here
        for key, inherited in base.__dict__.items():
            if key not in given:
                values[key] = inherited
            elif isinstance(inherited, Section | Labels):
                values[key] = values[key].over(inherited)
        return merged


class Labels(tuple[tuple[str, str], ...]):
    """Label names with their values, sorted by name. In the file: a mapping."""

    __slots__ = ()

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Read a mapping of label names to text."""
        return core_schema.no_info_after_validator_function(cls.of, handler.generate_schema(dict[LabelName, str]))

    @classmethod
    def of(cls, values: dict[str, str]) -> Self:
        return cls(sorted(values.items()))

    def over(self, base: Labels) -> Labels:
        """Return these labels and those of `base` whose names are not among them."""
        return self.of({**dict(base), **dict(self)})
