"""Merkle log, signed checkpoints and proofs."""
