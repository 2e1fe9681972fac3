"""Signatures and provenance statements of models: made by whoever registers, verified by whoever serves."""
