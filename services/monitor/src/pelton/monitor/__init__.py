"""Windows, drift, performance and alerts."""
