"""Data in and out: streams of Arrow batches, the IO manager port, the Parquet store, the hand-off to functions."""
