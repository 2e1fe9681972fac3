"""The local supervisor: every part of the platform as a process of its own, started in order and kept alive."""
