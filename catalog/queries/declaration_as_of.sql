-- What is declared of an asset as of a record: kind and partitions (JSON text). No row where it was not declared.
SELECT kind, partitions FROM asset_as_of($position) WHERE asset = $asset
