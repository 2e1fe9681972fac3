"""The fields of a registry's messages, by their numbers in Feast's `feast/core/*.proto`."""

from enum import IntEnum

SPEC = 1
"""Entities, views and services are each a message with a `spec`, and with `meta`, which nothing here reads."""


class RegistryField(IntEnum):
    """Of feast.core.Registry."""

    ENTITIES = 1
    FEATURE_VIEWS = 6
    FEATURE_SERVICES = 7
    ON_DEMAND_FEATURE_VIEWS = 8
    STREAM_FEATURE_VIEWS = 14


class EntityField(IntEnum):
    """Of feast.core.EntitySpecV2."""

    NAME = 1
    VALUE_TYPE = 2
    DESCRIPTION = 3
    JOIN_KEY = 4
    TAGS = 8
    PROJECT = 9
    OWNER = 10


class ViewField(IntEnum):
    """Of feast.core.FeatureViewSpec; name and project are the same in those of on-demand and stream feature views."""

    NAME = 1
    PROJECT = 2
    ENTITIES = 3
    FEATURES = 4
    TAGS = 5
    TTL = 6
    BATCH_SOURCE = 7
    STREAM_SOURCE = 9
    DESCRIPTION = 10
    OWNER = 11
    ENTITY_COLUMNS = 12
    SOURCE_VIEWS = 14
    FEATURE_TRANSFORMATION = 15


class ColumnField(IntEnum):
    """Of feast.core.FeatureSpecV2."""

    NAME = 1
    VALUE_TYPE = 2


class SourceField(IntEnum):
    """Of feast.core.DataSource."""

    FIELD_MAPPING = 2
    TIMESTAMP_FIELD = 3
    NAME = 20
    DESCRIPTION = 23
    TAGS = 24
    OWNER = 25


class ServiceField(IntEnum):
    """Of feast.core.FeatureServiceSpec."""

    NAME = 1
    PROJECT = 2
    FEATURES = 3
    TAGS = 4
    DESCRIPTION = 5
    OWNER = 6


class ProjectionField(IntEnum):
    """Of feast.core.FeatureViewProjection."""

    VIEW = 1
    COLUMNS = 2
    ALIAS = 3
    JOIN_KEY_MAP = 4


DURATION_SECONDS = 1
"""Of google.protobuf.Duration."""
