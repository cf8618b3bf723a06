"""Run a plan: the coordinator, the steps, and where steps run."""
