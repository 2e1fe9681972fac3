"""Features made at the time of the request, written as a Python function over columns."""

import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from pelton.contracts.definitions import TransformationDefinition
from pelton.sdk.tracing import TransformationError, field, traced

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pelton.sdk.frames import FrameT


class Transformation:
    """A function that was traced into a definition; the platform evaluates the definition, never the function.

    Called with arrays, numbers or texts it gives its features as arrays of shape (n,), computed as the platform does.
    """

    def __init__(self, definition: TransformationDefinition, function: Callable[..., Any]) -> None:
        self.definition = definition
        self.function = function
        self.__doc__ = function.__doc__
        self.__name__ = function.__name__

    @property
    def name(self) -> str:
        """What it is called; its features are `name:feature`."""
        return self.definition.name

    @property
    def features(self) -> dict[str, str]:
        """The expression of each feature."""
        return dict(self.definition.features)

    def __call__(self, *columns: object, **named: object) -> dict[str, "NDArray[Any]"]:
        """The features of some rows, given as the function's arguments.

        Raises:
            TypeError: the arguments are not those of the function.
            ExpressionError: a text is where a number belongs.
        """
        from pelton.sdk.computing import of_arrays  # noqa: PLC0415 - whoever only declares needs no NumPy

        given = inspect.signature(self.function).bind(*columns, **named).arguments
        return of_arrays(self.definition, given)

    def compute(self, frame: "FrameT") -> "FrameT":
        """The frame with a column for each feature; the function's arguments are columns of it by name.

        Raises:
            PeltonError: a column is missing, or cannot be read as numbers or texts.
        """
        from pelton.sdk.computing import of_columns  # noqa: PLC0415 - as above

        return of_columns(self.definition, frame)


def transformation(
    *,
    inputs: Mapping[str, str] | None = None,
    name: str | None = None,
    description: str | None = None,
    owner: str = "",
    tags: Mapping[str, str] | None = None,
) -> Callable[[Callable[..., Any]], Transformation]:
    """Make a transformation of a function over columns.

    An argument that `inputs` names is the feature that it says, `view:feature`; any other is the field of the request
    of its name. The function gives back its features as `{name: column}`, or one column: the feature of its own name.
    It is run once, without data: `where` and `& | ~` stand for `if`, `and`, `or` and `not`.

    Raises:
        TransformationError: the function cannot be traced, or the result is no definition.
    """

    def make(function: Callable[..., Any]) -> Transformation:
        arguments = list(inspect.signature(function).parameters.values())
        if any(one.kind in (one.VAR_POSITIONAL, one.VAR_KEYWORD) for one in arguments):
            raise TransformationError(f"{function.__name__}: name each argument; `*` and `**` name no column")
        names = [one.name for one in arguments]
        unknown = sorted(set(inputs or {}) - set(names))
        if unknown:
            raise TransformationError(f"{function.__name__}: `inputs` names {', '.join(unknown)}, no argument of it")
        try:
            result = function(*(field(one) for one in names))
            columns = result if isinstance(result, Mapping) else {function.__name__: result}
            features = {str(feature): traced(column).text() for feature, column in columns.items()}
            definition = TransformationDefinition(
                name=name or function.__name__,
                description=inspect.getdoc(function) or "" if description is None else description,
                inputs=dict(inputs or {}),
                request=tuple(one for one in names if one not in (inputs or {})),
                features=features,
                owner=owner,
                tags=dict(tags or {}),
            )
            _check(definition)
        except TransformationError as error:
            raise TransformationError(f"{function.__name__}: {error}") from error
        except ValidationError as error:
            raise TransformationError(f"{function.__name__}: {error}") from error
        return Transformation(definition, function)

    return make


def _check(definition: TransformationDefinition) -> None:
    """See that what was traced is of the language: it may be too long, or nested too deep."""
    from pelton.tiles.expressions import Expression, ExpressionError  # noqa: PLC0415 - as above

    for feature, text in definition.features.items():
        try:
            Expression.parse(text)
        except ExpressionError as error:
            raise TransformationError(f"feature {feature!r}: {error}; make several features of it") from error
