"""The only place that hashes: the version of code, of data, and the recipe that joins them."""
