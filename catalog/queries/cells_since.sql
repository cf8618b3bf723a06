-- The cells whose current version was made, or made current, by a record or one after it.
SELECT asset, partition FROM cell WHERE materialized_seq >= $seq OR published_seq >= $seq ORDER BY asset, ordinal
