"""Models and versions that any program logs, beside those that Pelton trains: their tables, tags and aliases."""
