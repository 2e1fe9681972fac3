"""How a model's requests are answered, and what is tried on them. Pure: facts in, facts out."""
