"""The data plane: serves predictions and logs them."""
