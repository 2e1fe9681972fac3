"""What the registry decides. Pure: facts in, facts out."""
