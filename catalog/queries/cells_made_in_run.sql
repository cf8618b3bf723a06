-- The cells that a run has made and published, or one that it went on with, or one that went on with either.
WITH RECURSIVE chain AS (
    SELECT run, continues FROM run WHERE run = $run
    UNION
    SELECT r.run, r.continues FROM run AS r JOIN chain AS c ON r.run = c.continues OR r.continues = c.run)
SELECT DISTINCT m.asset, m.partition
FROM materialized AS m JOIN chain AS c ON c.run = m.run SEMI JOIN publication AS p ON p.source_seq = m.seq
