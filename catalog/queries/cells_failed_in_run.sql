-- The cells that failed in a run, those that were not tried since others did, and those that an atomic run withheld.
SELECT asset, partition FROM failure WHERE run = $run
UNION
SELECT asset, partition FROM block WHERE run = $run
UNION
SELECT m.asset, m.partition
FROM materialized AS m JOIN run AS r ON r.run = m.run AND r.atomic ANTI JOIN publication AS p ON p.source_seq = m.seq
WHERE m.run = $run
