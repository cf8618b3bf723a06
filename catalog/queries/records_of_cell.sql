-- The version that a cell has now, and the records that tell how it came to be: run, making, verdicts, publishing, actors.
SELECT c.version, list_distinct(list_concat(
    [c.materialized_seq, c.published_seq, r.started_seq],
    (SELECT list(t.by_seq) FROM record AS t WHERE t.seq IN (c.materialized_seq, c.published_seq)),
    (SELECT list(j.seq) FROM judged AS j WHERE j.source_seq = c.materialized_seq)
)) AS seqs
FROM cell AS c LEFT JOIN run AS r ON r.run = c.run
WHERE c.asset = $asset AND c.partition IS NOT DISTINCT FROM $partition
