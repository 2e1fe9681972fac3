"""The Merkle log over all events, replay and proofs."""
