"""The interface of Feast's feature server, as its version 0.67 answers: requests, answers and errors in its format."""
