-- When cells of $assets were found fresh, at $since or later and before $until (UTC): a row for each range of neighbours,
-- with who ran it, when the run began, and what was compared.
SELECT s.seq, strftime(s."at", '%Y-%m-%d %H:%M:%S') AS "at", s.run,
    coalesce(w.identity, w.user_name) || coalesce(' on behalf of ' || w.on_behalf_of, '') AS who, s.asset, s.partition,
    s.last_partition, s.scheme, s.first_ordinal, s.last_ordinal, s.is_planned, r.started_seq, c.code_version, c.cells,
    format('{:016x}{:016x}', c.recipe_a, c.recipe_b) AS recipes, c.position, i.reads
FROM skip AS s
LEFT JOIN record AS e ON e.seq = s.seq
LEFT JOIN session AS w ON w.seq = e.by_seq
LEFT JOIN run AS r ON r.run = s.run
LEFT JOIN comparison AS c ON c.seq = s.seq AND c.asset = s.asset
LEFT JOIN (
    SELECT seq, asset, list({'name': name, 'upstream': upstream, 'first_ordinal': first_ordinal,
        'end_ordinal': end_ordinal, 'digest': format('{:016x}{:016x}', digest_a, digest_b)} ORDER BY name) AS reads
    FROM comparison_input GROUP BY seq, asset
) AS i ON i.seq = s.seq AND i.asset = s.asset
WHERE list_contains($assets::VARCHAR[], s.asset) AND s."at" >= CAST($since AS TIMESTAMP)
    AND s."at" < CAST($until AS TIMESTAMP)
ORDER BY s.seq, s.asset, s.first_ordinal
