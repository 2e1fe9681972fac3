"""Signatures of versions: every version that Pelton keeps is signed, with a statement of how it came about."""
