-- From which record on the materializations of each of $assets had read which columns of their inputs.
SELECT asset, seq, reads::VARCHAR AS reads FROM reading WHERE list_contains($assets::VARCHAR[], asset) ORDER BY seq
