"""One step on a worker, from its inputs to what became of its cells. Nothing here knows the catalog or the journal."""
