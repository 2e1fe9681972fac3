"""What the steps of the round share: the client, the data, and the names of the identifiers that servers make up."""

from collections.abc import Callable
from typing import Any

from mlflow.exceptions import MlflowException
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

from mlflow import MlflowClient

EXPERIMENT = "round/iris: Schwertlilien, düster"
MODEL = "iris"


class World:
    """One round against one server."""

    def __init__(self) -> None:
        self.client = MlflowClient()
        self.features, self.labels = load_iris(return_X_y=True, as_frame=True)
        self.estimator = LogisticRegression(max_iter=500).fit(self.features, self.labels)
        self.expected = self.estimator.predict(self.features).tolist()
        self.ids: dict[str, str] = {}

    def call(self, name: str, identifier: str) -> str:
        """Give an identifier the name under which the answers tell it; returns the identifier."""
        self.ids[name] = identifier
        return identifier

    def named(self, text: str) -> str:
        """The text with names for identifiers; the longest first, for one may be part of another."""
        for name, identifier in sorted(self.ids.items(), key=lambda item: -len(item[1])):
            if len(identifier) > _TOO_SHORT_TO_BE_TOLD_APART:
                text = text.replace(identifier, f"<{name}>")
        return text


_TOO_SHORT_TO_BE_TOLD_APART = 20


def code_of(call: Callable[[], Any]) -> str:
    """The code of the error with which a call fails."""
    try:
        call()
    except MlflowException as error:
        return str(error.error_code)
    return "no error"
