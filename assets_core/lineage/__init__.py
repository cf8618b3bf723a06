"""Lineage: which columns a query reads, and what the journal says to others as OpenLineage events."""
