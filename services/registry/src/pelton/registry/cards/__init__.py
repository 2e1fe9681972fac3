"""Model cards: written from the facts of a version, with what people add to them, and kept as they were published."""
