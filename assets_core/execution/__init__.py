"""The coordinator of a run: what may start, what is written about it. How a step is made, it does not know."""
