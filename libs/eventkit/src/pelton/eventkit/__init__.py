"""Event store, outbox relay, inbox, dead letters, telemetry, identity and the service host."""
