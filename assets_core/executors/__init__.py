"""Where steps run: threads, processes, a Dask cluster. Nothing here decides what runs, or writes it down."""
