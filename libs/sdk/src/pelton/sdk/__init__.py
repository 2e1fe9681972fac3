"""What users import: declare entities, sources, features and models, and talk to the services.

from pelton.sdk import Aggregate, Client, FeatureView, Source
"""

from pelton.contracts.definitions import Aggregate, Latest, ModelDefinition
from pelton.contracts.definitions import EntityDefinition as Entity
from pelton.contracts.definitions import FeatureServiceDefinition as FeatureService
from pelton.contracts.definitions import SourceDefinition as Source
from pelton.sdk.client import Client
from pelton.sdk.errors import PeltonError
from pelton.sdk.features import FeatureView
from pelton.sdk.transformations import Transformation, transformation

__all__ = [
    "Aggregate",
    "Client",
    "Entity",
    "FeatureService",
    "FeatureView",
    "Latest",
    "ModelDefinition",
    "PeltonError",
    "Source",
    "Transformation",
    "transformation",
]
