-- The keys of the assets that are declared as of a record.
SELECT asset FROM asset_as_of($position) ORDER BY asset
