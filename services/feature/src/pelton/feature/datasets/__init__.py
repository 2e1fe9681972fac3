"""Datasets: rows with the features that they had at their own times, kept for good or answered at once.

`history` computes the features of rows, `labelled` the rows of a training, `queries` what people ask for;
`materializer` keeps datasets as immutable files, `profiles` sums them up and `differences` compares them.
"""
