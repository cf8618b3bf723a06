-- Each asset's declaration as last recorded, as JSON text; an asset that was withdrawn has none.
SELECT asset, document
FROM declaration
QUALIFY row_number() OVER (PARTITION BY asset ORDER BY seq DESC) = 1 AND document IS NOT NULL
