"""Retraining policy; datasets to models; evaluation; search."""
