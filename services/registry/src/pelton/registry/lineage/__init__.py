"""What was made of what, as a graph; how two things in it differ; and the graph in OpenLineage's words."""
