"""Features made at the time of the request: one evaluation, in training and in serving."""

from collections.abc import Mapping

from pelton.contracts.definitions import TransformationDefinition
from pelton.tiles.expressions import Column, Columns, Expression
from pelton.tiles.features import Features


def computed(
    transformation: TransformationDefinition, feature: str, request: Columns, views: Mapping[str, Features]
) -> Column:
    """A feature of a transformation, of shape (n,): float64 with NaN for null, or objects with None.

    `request` has the fields of the request, by name; `views` what was read of each view for the same rows, by name.

    Raises:
        ExpressionError: a field of the request is missing, or a text is where a number belongs.
    """
    columns = {name: request[name] for name in transformation.request if name in request}
    for name, ref in transformation.inputs.items():
        view, _, of_view = ref.partition(":")
        columns[name] = views[view].columns[of_view]
    return Expression.parse(transformation.features[feature]).column(columns)
