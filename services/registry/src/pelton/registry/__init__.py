"""Runs, models, versions, stages, approvals and lineage."""
