"""Artifacts that could run code in whoever loads them, and that an administrator answers for."""
