"""Rollouts: shadow, canary, rollback."""
