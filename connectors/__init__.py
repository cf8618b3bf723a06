"""Outside stores: one file a store, named for the thing, each proved by the suite in `contract.py`."""
