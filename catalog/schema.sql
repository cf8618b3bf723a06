-- The tables of the index. All of it is derived from the journal (docs/journal.md) by apply.py and can be made again.
-- Names are plain; only the column "at" needs quotes, or its table before it (cell_failure.at).

CREATE TABLE meta (
    schema_version VARCHAR,
    applied_seq BIGINT,
    applied_digest VARCHAR,
    applied_segment VARCHAR,
    applied_offset BIGINT
);
COMMENT ON TABLE meta IS 'How far this index has followed the journal; one row.';
COMMENT ON COLUMN meta.schema_version IS 'fingerprint of the tables and of the statements that fill them; another one means: rebuild';
COMMENT ON COLUMN meta.applied_seq IS 'sequence number of the last record applied';
COMMENT ON COLUMN meta.applied_digest IS 'hash of that record, 64 hex digits';
COMMENT ON COLUMN meta.applied_segment IS 'name of the journal file that record ends in';
COMMENT ON COLUMN meta.applied_offset IS 'byte of that file behind the record';

CREATE TABLE session (
    seq BIGINT,
    "at" TIMESTAMP,
    user_name VARCHAR,
    host VARCHAR,
    process BIGINT,
    command VARCHAR[],
    product VARCHAR,
    commit_id VARCHAR,
    dirty BOOLEAN
);
COMMENT ON TABLE session IS 'Processes that appended to the journal, one row each.';
COMMENT ON COLUMN session.seq IS 'sequence number of the session record';
COMMENT ON COLUMN session."at" IS 'UTC time of the append; records are ordered by seq, never by time';
COMMENT ON COLUMN session.user_name IS 'who ran it';
COMMENT ON COLUMN session.host IS 'the machine';
COMMENT ON COLUMN session.process IS 'process number there';
COMMENT ON COLUMN session.command IS 'the command line, in words';
COMMENT ON COLUMN session.product IS 'version of assets-core';
COMMENT ON COLUMN session.commit_id IS 'commit of the project; NULL where there is none';
COMMENT ON COLUMN session.dirty IS 'whether the project differed from that commit; NULL where unknown';

CREATE TABLE asset (
    asset VARCHAR,
    kind VARCHAR,
    partitions JSON,
    code_version VARCHAR,
    checks_version VARCHAR,
    owners VARCHAR[],
    tags JSON,
    group_name VARCHAR,
    description VARCHAR,
    file VARCHAR,
    line BIGINT,
    query VARCHAR,
    declared_seq BIGINT
);
COMMENT ON TABLE asset IS 'Assets as they are declared now, one row each; a withdrawn asset has none.';
COMMENT ON COLUMN asset.asset IS 'asset key';
COMMENT ON COLUMN asset.kind IS 'function, sql or external';
COMMENT ON COLUMN asset.partitions IS 'definition of the set of partitions; NULL for an unpartitioned asset';
COMMENT ON COLUMN asset.code_version IS 'digest of the code that makes it';
COMMENT ON COLUMN asset.checks_version IS 'digest of its checks';
COMMENT ON COLUMN asset.owners IS 'who answers for it';
COMMENT ON COLUMN asset.tags IS 'object of free tags';
COMMENT ON COLUMN asset.group_name IS 'group it is shown in';
COMMENT ON COLUMN asset.description IS 'what it is';
COMMENT ON COLUMN asset.file IS 'file of the definition';
COMMENT ON COLUMN asset.line IS 'line of the definition, from 1';
COMMENT ON COLUMN asset.query IS 'SQL text; NULL unless kind is sql';
COMMENT ON COLUMN asset.declared_seq IS 'sequence number of the declared record in force';

CREATE TABLE declaration (
    seq BIGINT,
    "at" TIMESTAMP,
    asset VARCHAR,
    code_version VARCHAR,
    checks_version VARCHAR,
    document JSON
);
COMMENT ON TABLE declaration IS 'Every declaration and withdrawal of an asset, one row each.';
COMMENT ON COLUMN declaration.seq IS 'sequence number of the declared or withdrawn record';
COMMENT ON COLUMN declaration."at" IS 'UTC time of the append; records are ordered by seq, never by time';
COMMENT ON COLUMN declaration.asset IS 'asset key';
COMMENT ON COLUMN declaration.code_version IS 'digest of the code; NULL for a withdrawal';
COMMENT ON COLUMN declaration.checks_version IS 'digest of the checks; NULL for a withdrawal';
COMMENT ON COLUMN declaration.document IS 'payload of the declared record; NULL for a withdrawal';

CREATE TABLE upstream (
    asset VARCHAR,
    position BIGINT,
    name VARCHAR,
    upstream VARCHAR,
    mapping JSON,
    columns VARCHAR[],
    load BOOLEAN
);
COMMENT ON TABLE upstream IS 'What the assets declared now read, one row an edge.';
COMMENT ON COLUMN upstream.asset IS 'the asset that reads';
COMMENT ON COLUMN upstream.position IS 'place of the edge in the declaration, from 0';
COMMENT ON COLUMN upstream.name IS 'name the asset knows it by';
COMMENT ON COLUMN upstream.upstream IS 'key of the asset that is read';
COMMENT ON COLUMN upstream.mapping IS 'which partitions are read';
COMMENT ON COLUMN upstream.columns IS 'columns that are read; NULL where all count';
COMMENT ON COLUMN upstream.load IS 'whether its data is handed to the function';

CREATE TABLE run (
    run VARCHAR,
    kind VARCHAR,
    selection VARCHAR,
    partitions VARCHAR,
    force BOOLEAN,
    cells BIGINT,
    started_at TIMESTAMP,
    ended_at TIMESTAMP,
    state VARCHAR,
    made BIGINT,
    fresh BIGINT,
    failed BIGINT,
    blocked BIGINT,
    seconds DOUBLE,
    by_seq BIGINT,
    started_seq BIGINT
);
COMMENT ON TABLE run IS 'Runs, one row each.';
COMMENT ON COLUMN run.run IS 'its name (UUID)';
COMMENT ON COLUMN run.kind IS 'materialize or backfill';
COMMENT ON COLUMN run.selection IS 'the selection it was asked for';
COMMENT ON COLUMN run.partitions IS 'the range of partitions it was asked for; NULL for all';
COMMENT ON COLUMN run.force IS 'whether fresh cells were made again';
COMMENT ON COLUMN run.cells IS 'cells planned';
COMMENT ON COLUMN run.started_at IS 'UTC time it started first, should it have been resumed';
COMMENT ON COLUMN run.ended_at IS 'UTC time it ended; NULL until then';
COMMENT ON COLUMN run.state IS 'running, done, failed or interrupted; a run whose process died stays running';
COMMENT ON COLUMN run.made IS 'cells made; NULL until it ended';
COMMENT ON COLUMN run.fresh IS 'cells found fresh; NULL until it ended';
COMMENT ON COLUMN run.failed IS 'cells that failed; NULL until it ended';
COMMENT ON COLUMN run.blocked IS 'cells not tried because another failed; NULL until it ended';
COMMENT ON COLUMN run.seconds IS 'how long it took; NULL until it ended';
COMMENT ON COLUMN run.by_seq IS 'sequence number of the session that started or resumed it last';
COMMENT ON COLUMN run.started_seq IS 'sequence number of its first run_started record';

CREATE TABLE step (
    step VARCHAR,
    run VARCHAR,
    asset VARCHAR,
    cells INTEGER,
    started_at TIMESTAMP,
    ended_at TIMESTAMP,
    state VARCHAR,
    claimed_seq BIGINT
);
COMMENT ON TABLE step IS 'Steps that a run began, one row for each time a worker took one up.';
COMMENT ON COLUMN step.step IS 'its name (UUID)';
COMMENT ON COLUMN step.run IS 'the run it belongs to (UUID)';
COMMENT ON COLUMN step.asset IS 'asset key';
COMMENT ON COLUMN step.cells IS 'number of cells it covers';
COMMENT ON COLUMN step.started_at IS 'UTC time it began on the worker';
COMMENT ON COLUMN step.ended_at IS 'UTC time of the last record that tells its outcome; NULL while running';
COMMENT ON COLUMN step.state IS 'running, done (materialized or judged) or failed (at least one cell failed)';
COMMENT ON COLUMN step.claimed_seq IS 'sequence number of the claimed record';

CREATE TABLE cell (
    asset VARCHAR,
    partition VARCHAR,
    ordinal BIGINT,
    scheme VARCHAR,
    version VARCHAR,
    token_a UBIGINT,
    token_b UBIGINT,
    recipe_a UBIGINT,
    recipe_b UBIGINT,
    code_version VARCHAR,
    code_a UBIGINT,
    code_b UBIGINT,
    checks_version VARCHAR,
    rows BIGINT,
    bytes BIGINT,
    file VARCHAR,
    materialized_seq BIGINT,
    published_seq BIGINT,
    signature VARCHAR
);
COMMENT ON TABLE cell IS 'The current version of every cell: the pointers. One row for each asset and partition that was published or observed.';
COMMENT ON COLUMN cell.asset IS 'asset key';
COMMENT ON COLUMN cell.partition IS 'partition key; NULL for the one cell of an unpartitioned asset';
COMMENT ON COLUMN cell.ordinal IS 'number of the partition under the definition in force when it was made';
COMMENT ON COLUMN cell.scheme IS 'what the ordinal depends on: under another scheme the key has another one';
COMMENT ON COLUMN cell.version IS 'data version: content hash, or what an external store gave';
COMMENT ON COLUMN cell.token_a IS 'first lane of the digest of the data version';
COMMENT ON COLUMN cell.token_b IS 'second lane of it';
COMMENT ON COLUMN cell.recipe_a IS 'first lane of the recipe; NULL for an external cell';
COMMENT ON COLUMN cell.recipe_b IS 'second lane of it';
COMMENT ON COLUMN cell.code_version IS 'code version it was made with; NULL for an external cell';
COMMENT ON COLUMN cell.code_a IS 'first lane of the code version; NULL for an external cell';
COMMENT ON COLUMN cell.code_b IS 'second lane of it';
COMMENT ON COLUMN cell.checks_version IS 'checks that judged this version; NULL where none did';
COMMENT ON COLUMN cell.rows IS 'number of rows; NULL for an external cell';
COMMENT ON COLUMN cell.bytes IS 'size of the file in bytes; NULL for an external cell';
COMMENT ON COLUMN cell.file IS 'path below .assets/data; NULL for an external cell';
COMMENT ON COLUMN cell.materialized_seq IS 'sequence number of the materialized record; NULL for an external cell';
COMMENT ON COLUMN cell.published_seq IS 'sequence number of the published or observed record that moved the pointer last';
COMMENT ON COLUMN cell.signature IS 'text by which an unchanged external file is known again; NULL for a cell that was made';

CREATE TABLE materialization (
    seq BIGINT,
    "at" TIMESTAMP,
    run VARCHAR,
    step VARCHAR,
    asset VARCHAR,
    partition VARCHAR,
    ordinal BIGINT,
    scheme VARCHAR,
    version VARCHAR,
    token_a UBIGINT,
    token_b UBIGINT,
    recipe_a UBIGINT,
    recipe_b UBIGINT,
    code_version VARCHAR,
    code_a UBIGINT,
    code_b UBIGINT,
    rows BIGINT,
    bytes BIGINT,
    file VARCHAR,
    position BIGINT,
    seconds DOUBLE
);
COMMENT ON TABLE materialization IS 'Every materialization, published or not, one row each.';
COMMENT ON COLUMN materialization.seq IS 'sequence number of the materialized record';
COMMENT ON COLUMN materialization."at" IS 'UTC time of the append; records are ordered by seq, never by time';
COMMENT ON COLUMN materialization.run IS 'the run it belongs to (UUID)';
COMMENT ON COLUMN materialization.step IS 'the step it belongs to (UUID)';
COMMENT ON COLUMN materialization.asset IS 'asset key';
COMMENT ON COLUMN materialization.partition IS 'partition key; NULL for the one cell of an unpartitioned asset';
COMMENT ON COLUMN materialization.ordinal IS 'number of the partition at that time';
COMMENT ON COLUMN materialization.scheme IS 'what the ordinal depends on: under another scheme the key has another one';
COMMENT ON COLUMN materialization.version IS 'content hash, 64 hex digits';
COMMENT ON COLUMN materialization.token_a IS 'first lane of the digest of the data version';
COMMENT ON COLUMN materialization.token_b IS 'second lane of it';
COMMENT ON COLUMN materialization.recipe_a IS 'first lane of the recipe';
COMMENT ON COLUMN materialization.recipe_b IS 'second lane of it';
COMMENT ON COLUMN materialization.code_version IS 'code version it was made with';
COMMENT ON COLUMN materialization.code_a IS 'first lane of the code version';
COMMENT ON COLUMN materialization.code_b IS 'second lane of it';
COMMENT ON COLUMN materialization.rows IS 'number of rows';
COMMENT ON COLUMN materialization.bytes IS 'size of the file in bytes';
COMMENT ON COLUMN materialization.file IS 'path below .assets/data';
COMMENT ON COLUMN materialization.position IS 'sequence number as of which the inputs were read';
COMMENT ON COLUMN materialization.seconds IS 'how long it took';

CREATE TABLE materialization_input (
    seq BIGINT,
    asset VARCHAR,
    partition VARCHAR,
    name VARCHAR,
    upstream VARCHAR,
    first_ordinal BIGINT,
    end_ordinal BIGINT,
    digest_a UBIGINT,
    digest_b UBIGINT
);
COMMENT ON TABLE materialization_input IS 'What every materialization read, one row an edge and run of consecutive partitions.';
COMMENT ON COLUMN materialization_input.seq IS 'sequence number of the materialized record';
COMMENT ON COLUMN materialization_input.asset IS 'asset key';
COMMENT ON COLUMN materialization_input.partition IS 'partition key; NULL for the one cell of an unpartitioned asset';
COMMENT ON COLUMN materialization_input.name IS 'name the asset knew the upstream by';
COMMENT ON COLUMN materialization_input.upstream IS 'key of the asset that was read, by the declaration in force then; NULL where none was';
COMMENT ON COLUMN materialization_input.first_ordinal IS 'first partition read';
COMMENT ON COLUMN materialization_input.end_ordinal IS 'partition behind the last one read';
COMMENT ON COLUMN materialization_input.digest_a IS 'first lane of the digest of exactly what was read';
COMMENT ON COLUMN materialization_input.digest_b IS 'second lane of it';

CREATE TABLE materialization_column (
    seq BIGINT,
    position BIGINT,
    name VARCHAR,
    type VARCHAR,
    digest VARCHAR
);
COMMENT ON TABLE materialization_column IS 'The columns of every materialization, one row each.';
COMMENT ON COLUMN materialization_column.seq IS 'sequence number of the materialized record';
COMMENT ON COLUMN materialization_column.position IS 'place of the column, from 0';
COMMENT ON COLUMN materialization_column.name IS 'name of the column';
COMMENT ON COLUMN materialization_column.type IS 'Arrow type of the column';
COMMENT ON COLUMN materialization_column.digest IS 'digest of the values of the column';

CREATE TABLE observation (
    seq BIGINT,
    "at" TIMESTAMP,
    run VARCHAR,
    asset VARCHAR,
    partition VARCHAR,
    ordinal BIGINT,
    scheme VARCHAR,
    version VARCHAR,
    token_a UBIGINT,
    token_b UBIGINT,
    signature VARCHAR
);
COMMENT ON TABLE observation IS 'Every version of an external cell that was seen, one row each.';
COMMENT ON COLUMN observation.seq IS 'sequence number of the observed record';
COMMENT ON COLUMN observation."at" IS 'UTC time of the append; records are ordered by seq, never by time';
COMMENT ON COLUMN observation.run IS 'the run it belongs to (UUID)';
COMMENT ON COLUMN observation.asset IS 'asset key';
COMMENT ON COLUMN observation.partition IS 'partition key; NULL for the one cell of an unpartitioned asset';
COMMENT ON COLUMN observation.ordinal IS 'number of the partition at that time';
COMMENT ON COLUMN observation.scheme IS 'what the ordinal depends on: under another scheme the key has another one';
COMMENT ON COLUMN observation.version IS 'what the store gave as its version';
COMMENT ON COLUMN observation.token_a IS 'first lane of the digest of the data version';
COMMENT ON COLUMN observation.token_b IS 'second lane of it';
COMMENT ON COLUMN observation.signature IS 'text by which an unchanged file is known again';

CREATE TABLE publication (
    seq BIGINT,
    asset VARCHAR,
    partition VARCHAR,
    version VARCHAR,
    source_seq BIGINT
);
COMMENT ON TABLE publication IS 'Every move of a pointer, observations of external cells included: what was current when.';
COMMENT ON COLUMN publication.seq IS 'from this record on the version was current';
COMMENT ON COLUMN publication.asset IS 'asset key';
COMMENT ON COLUMN publication.partition IS 'partition key; NULL for an unpartitioned asset';
COMMENT ON COLUMN publication.version IS 'the version';
COMMENT ON COLUMN publication.source_seq IS 'the materialization or observation of that version';

CREATE TABLE check_result (
    seq BIGINT,
    "at" TIMESTAMP,
    run VARCHAR,
    step VARCHAR,
    asset VARCHAR,
    partition VARCHAR,
    version VARCHAR,
    check_name VARCHAR,
    severity VARCHAR,
    passed BOOLEAN,
    failed_rows BIGINT,
    message VARCHAR,
    failures JSON,
    metrics JSON
);
COMMENT ON TABLE check_result IS 'Every verdict of a check, one row each.';
COMMENT ON COLUMN check_result.seq IS 'sequence number of the judged record';
COMMENT ON COLUMN check_result."at" IS 'UTC time of the append; records are ordered by seq, never by time';
COMMENT ON COLUMN check_result.run IS 'the run it belongs to (UUID)';
COMMENT ON COLUMN check_result.step IS 'the step it belongs to (UUID)';
COMMENT ON COLUMN check_result.asset IS 'asset key';
COMMENT ON COLUMN check_result.partition IS 'partition key; NULL for the one cell of an unpartitioned asset';
COMMENT ON COLUMN check_result.version IS 'the version that was judged';
COMMENT ON COLUMN check_result.check_name IS 'the check';
COMMENT ON COLUMN check_result.severity IS 'error (blocks publishing) or warn';
COMMENT ON COLUMN check_result.passed IS 'the verdict';
COMMENT ON COLUMN check_result.failed_rows IS 'rows that failed; NULL where the check does not count rows';
COMMENT ON COLUMN check_result.message IS 'what the check says';
COMMENT ON COLUMN check_result.failures IS 'list of {column, check, row, value}, a sample';
COMMENT ON COLUMN check_result.metrics IS 'object of numbers that the check measured';

CREATE TABLE failure (
    seq BIGINT,
    "at" TIMESTAMP,
    run VARCHAR,
    step VARCHAR,
    asset VARCHAR,
    partition VARCHAR,
    error VARCHAR,
    message VARCHAR,
    traceback VARCHAR
);
COMMENT ON TABLE failure IS 'Every failure of a cell, one row each; see also the view cell_failure.';
COMMENT ON COLUMN failure.seq IS 'sequence number of the failed record';
COMMENT ON COLUMN failure."at" IS 'UTC time of the append; records are ordered by seq, never by time';
COMMENT ON COLUMN failure.run IS 'the run it belongs to (UUID)';
COMMENT ON COLUMN failure.step IS 'the step it belongs to (UUID)';
COMMENT ON COLUMN failure.asset IS 'asset key';
COMMENT ON COLUMN failure.partition IS 'partition key; NULL for the one cell of an unpartitioned asset';
COMMENT ON COLUMN failure.error IS 'kind of the error';
COMMENT ON COLUMN failure.message IS 'what it said';
COMMENT ON COLUMN failure.traceback IS 'where it happened';

CREATE TABLE skip (
    seq BIGINT,
    "at" TIMESTAMP,
    run VARCHAR,
    asset VARCHAR,
    partition VARCHAR
);
COMMENT ON TABLE skip IS 'Cells that a run found fresh when their turn came, one row each.';
COMMENT ON COLUMN skip.seq IS 'sequence number of the skipped record';
COMMENT ON COLUMN skip."at" IS 'UTC time of the append; records are ordered by seq, never by time';
COMMENT ON COLUMN skip.run IS 'the run it belongs to (UUID)';
COMMENT ON COLUMN skip.asset IS 'asset key';
COMMENT ON COLUMN skip.partition IS 'partition key; NULL for the one cell of an unpartitioned asset';

CREATE TABLE block (
    seq BIGINT,
    "at" TIMESTAMP,
    run VARCHAR,
    asset VARCHAR,
    partition VARCHAR,
    reason VARCHAR
);
COMMENT ON TABLE block IS 'Cells that a run did not try, one row each.';
COMMENT ON COLUMN block.seq IS 'sequence number of the blocked record';
COMMENT ON COLUMN block."at" IS 'UTC time of the append; records are ordered by seq, never by time';
COMMENT ON COLUMN block.run IS 'the run it belongs to (UUID)';
COMMENT ON COLUMN block.asset IS 'asset key';
COMMENT ON COLUMN block.partition IS 'partition key; NULL for the one cell of an unpartitioned asset';
COMMENT ON COLUMN block.reason IS 'why not';

CREATE TABLE column_lineage (
    asset VARCHAR,
    column_name VARCHAR,
    upstream VARCHAR,
    upstream_column VARCHAR,
    how VARCHAR,
    code_version VARCHAR
);
COMMENT ON TABLE column_lineage IS 'Which columns the columns of an asset come from, one row for each pair; a withdrawn asset has none.';
COMMENT ON COLUMN column_lineage.asset IS 'asset key';
COMMENT ON COLUMN column_lineage.column_name IS 'column of the asset';
COMMENT ON COLUMN column_lineage.upstream IS 'key of the asset it comes from';
COMMENT ON COLUMN column_lineage.upstream_column IS 'column it comes from';
COMMENT ON COLUMN column_lineage.how IS 'identity, transformed or indirect';
COMMENT ON COLUMN column_lineage.code_version IS 'code version this is true of';

CREATE VIEW cell_failure AS
SELECT f.*
FROM (SELECT * FROM failure QUALIFY row_number() OVER (PARTITION BY asset, partition ORDER BY seq DESC) = 1) AS f
LEFT JOIN cell AS c ON c.asset = f.asset AND c.partition IS NOT DISTINCT FROM f.partition
WHERE c.asset IS NULL OR f.seq > c.published_seq;
COMMENT ON VIEW cell_failure IS 'The newest failure of every cell that was not published since, one row a cell.';
COMMENT ON COLUMN cell_failure.seq IS 'sequence number of the failed record';
COMMENT ON COLUMN cell_failure."at" IS 'UTC time of the append; records are ordered by seq, never by time';
COMMENT ON COLUMN cell_failure.run IS 'the run it belongs to (UUID)';
COMMENT ON COLUMN cell_failure.step IS 'the step it belongs to (UUID)';
COMMENT ON COLUMN cell_failure.asset IS 'asset key';
COMMENT ON COLUMN cell_failure.partition IS 'partition key; NULL for the one cell of an unpartitioned asset';
COMMENT ON COLUMN cell_failure.error IS 'kind of the error';
COMMENT ON COLUMN cell_failure.message IS 'what it said';
COMMENT ON COLUMN cell_failure.traceback IS 'where it happened';
