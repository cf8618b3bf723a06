"""A year of flights from New York's airports, declared as data assets in layers: raw, cleaned, enriched, marts."""
