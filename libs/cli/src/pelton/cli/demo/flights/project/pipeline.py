"""The estimator: gradient boosting, which takes missing values as they are."""

from sklearn.ensemble import HistGradientBoostingClassifier


def build(max_leaf_nodes: int, max_iter: int, learning_rate: float) -> HistGradientBoostingClassifier:
    """An estimator for one candidate of the search."""
    return HistGradientBoostingClassifier(
        max_leaf_nodes=max_leaf_nodes,
        max_iter=max_iter,
        learning_rate=learning_rate,
        min_samples_leaf=60,
        early_stopping=False,
    )
