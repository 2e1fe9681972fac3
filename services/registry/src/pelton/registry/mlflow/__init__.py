"""MLflow's REST interface (3.x): its clients work against the registry unchanged.

One file for each group of routes; `wire` says what a request, an answer and an error are, and `front` finds the route.
"""
