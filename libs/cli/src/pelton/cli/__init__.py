"""The pelton command: supervisor, demos, audit and operations from a terminal."""
