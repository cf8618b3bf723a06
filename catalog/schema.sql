-- The tables of the index. All of it is derived from the journal (docs/journal.md) by apply.py and can be made again.
-- No random value stands in it twice: views.sql puts together what people ask for.
-- Names are plain; only "at", "before", "first" and "last" need quotes, or their table before them (failure.at).

CREATE TABLE meta (
    schema_version VARCHAR, applied_seq BIGINT, applied_digest VARCHAR, applied_segment VARCHAR,
    applied_offset BIGINT,
    library VARCHAR
);
COMMENT ON TABLE meta IS 'How far this index has followed the journal; one row.';
COMMENT ON COLUMN meta.schema_version IS 'fingerprint of the tables and of the statements that fill them; another one means: rebuild';
COMMENT ON COLUMN meta.applied_seq IS 'sequence number of the last record applied';
COMMENT ON COLUMN meta.applied_digest IS 'hash of that record, 64 hex digits';
COMMENT ON COLUMN meta.applied_segment IS 'name of the journal file that record ends in';
COMMENT ON COLUMN meta.applied_offset IS 'byte of that file behind the record';
COMMENT ON COLUMN meta.library IS 'version of DuckDB that made the file';

CREATE TABLE record (
    seq BIGINT, "at" TIMESTAMP, by_seq BIGINT, kind VARCHAR
);
COMMENT ON TABLE record IS 'Every record of the journal whose text is there, one row each.';
COMMENT ON COLUMN record.seq IS 'sequence number';
COMMENT ON COLUMN record."at" IS 'UTC time of the append; records are ordered by seq, never by time';
COMMENT ON COLUMN record.by_seq IS 'sequence number of the session record of the process that wrote it';
COMMENT ON COLUMN record.kind IS 'what sort of fact';

CREATE TABLE other_record (
    seq BIGINT, "at" TIMESTAMP, by_seq BIGINT, kind VARCHAR, v BIGINT, payload JSON
);
COMMENT ON TABLE other_record IS 'Records of a kind or payload version that this version does not know, kept as they stand.';
COMMENT ON COLUMN other_record.seq IS 'sequence number';
COMMENT ON COLUMN other_record."at" IS 'UTC time of the append; records are ordered by seq, never by time';
COMMENT ON COLUMN other_record.by_seq IS 'sequence number of the session record of the process that wrote it';
COMMENT ON COLUMN other_record.kind IS 'what sort of fact';
COMMENT ON COLUMN other_record.v IS 'version of the payload''s form';
COMMENT ON COLUMN other_record.payload IS 'the payload';

CREATE TABLE session (
    seq BIGINT, "at" TIMESTAMP, user_name VARCHAR, identity VARCHAR, on_behalf_of VARCHAR, host VARCHAR,
    process BIGINT, command VARCHAR[], product VARCHAR, commit_id VARCHAR, dirty BOOLEAN
);
COMMENT ON TABLE session IS 'Processes that appended to the journal, one row each.';
COMMENT ON COLUMN session.seq IS 'sequence number of the session record';
COMMENT ON COLUMN session."at" IS 'UTC time of the append; records are ordered by seq, never by time';
COMMENT ON COLUMN session.user_name IS 'account it ran under';
COMMENT ON COLUMN session.identity IS 'configured name of who ran it; NULL where none is';
COMMENT ON COLUMN session.on_behalf_of IS 'for whom; NULL where that was not said';
COMMENT ON COLUMN session.host IS 'the machine';
COMMENT ON COLUMN session.process IS 'process number there';
COMMENT ON COLUMN session.command IS 'the command line, in words';
COMMENT ON COLUMN session.product IS 'version of assets-core';
COMMENT ON COLUMN session.commit_id IS 'commit of the project; NULL where there is none';
COMMENT ON COLUMN session.dirty IS 'whether the project differed from that commit; NULL where unknown';

CREATE TABLE declaration (
    seq BIGINT, "at" TIMESTAMP, asset VARCHAR, code_version VARCHAR, checks_version VARCHAR, document JSON
);
COMMENT ON TABLE declaration IS 'Every declaration and withdrawal of an asset, one row each; the view asset shows those in force.';
COMMENT ON COLUMN declaration.seq IS 'sequence number of the declared or withdrawn record';
COMMENT ON COLUMN declaration."at" IS 'UTC time of the append; records are ordered by seq, never by time';
COMMENT ON COLUMN declaration.asset IS 'asset key';
COMMENT ON COLUMN declaration.code_version IS 'digest of the code; NULL for a withdrawal';
COMMENT ON COLUMN declaration.checks_version IS 'digest of the checks; NULL for a withdrawal';
COMMENT ON COLUMN declaration.document IS 'payload of the declared record; NULL for a withdrawal';

CREATE TABLE traced (
    seq BIGINT, asset VARCHAR, code_version VARCHAR, column_name VARCHAR, upstream VARCHAR, upstream_column VARCHAR,
    how VARCHAR
);
COMMENT ON TABLE traced IS 'Every statement of which columns the columns of an asset come from; see the view column_lineage for what holds now.';
COMMENT ON COLUMN traced.seq IS 'sequence number of the column_lineage record';
COMMENT ON COLUMN traced.asset IS 'asset key';
COMMENT ON COLUMN traced.code_version IS 'code version this is true of';
COMMENT ON COLUMN traced.column_name IS 'column of the asset; NULL in the one row of a record that names none';
COMMENT ON COLUMN traced.upstream IS 'key of the asset it comes from';
COMMENT ON COLUMN traced.upstream_column IS 'column it comes from';
COMMENT ON COLUMN traced.how IS 'identity, transformed or indirect';

CREATE TABLE run (
    run VARCHAR, kind VARCHAR, selection VARCHAR, partitions VARCHAR, force BOOLEAN, atomic BOOLEAN,
    cells BIGINT, started_at TIMESTAMP, ended_at TIMESTAMP, state VARCHAR, made BIGINT, fresh BIGINT,
    failed BIGINT, blocked BIGINT, seconds DOUBLE, by_seq BIGINT, started_seq BIGINT, ended_seq BIGINT,
    plan VARCHAR, continues VARCHAR
);
COMMENT ON TABLE run IS 'Runs, one row each.';
COMMENT ON COLUMN run.run IS 'its name (UUID)';
COMMENT ON COLUMN run.kind IS 'materialize or backfill';
COMMENT ON COLUMN run.selection IS 'the selection it was asked for';
COMMENT ON COLUMN run.partitions IS 'the range of partitions it was asked for; NULL for all';
COMMENT ON COLUMN run.force IS 'whether fresh cells were made again';
COMMENT ON COLUMN run.atomic IS 'whether its cells are published together at the end, or none';
COMMENT ON COLUMN run.cells IS 'cells planned';
COMMENT ON COLUMN run.started_at IS 'UTC time it started first, should it have been resumed';
COMMENT ON COLUMN run.ended_at IS 'UTC time it ended; NULL until then';
COMMENT ON COLUMN run.state IS 'running, done, failed, interrupted or cancelled; a run whose process died stays running until another takes over';
COMMENT ON COLUMN run.made IS 'cells made; NULL until it ended';
COMMENT ON COLUMN run.fresh IS 'cells found fresh; NULL until it ended';
COMMENT ON COLUMN run.failed IS 'cells that failed; NULL until it ended';
COMMENT ON COLUMN run.blocked IS 'cells not tried because another failed; NULL until it ended';
COMMENT ON COLUMN run.seconds IS 'how long it took; NULL until it ended';
COMMENT ON COLUMN run.by_seq IS 'sequence number of the session that started or resumed it last';
COMMENT ON COLUMN run.started_seq IS 'sequence number of its first run_started record';
COMMENT ON COLUMN run.ended_seq IS 'sequence number of its run_ended record; NULL until it ended';
COMMENT ON COLUMN run.plan IS 'digest of the plan file that it was bound to; NULL where it planned for itself';
COMMENT ON COLUMN run.continues IS 'the earlier run whose cells it was asked to go on with; NULL for a run of its own';

CREATE TABLE claim (
    seq BIGINT, run VARCHAR, step INTEGER, asset VARCHAR, cells INTEGER, started_at TIMESTAMP
);
COMMENT ON TABLE claim IS 'Steps that a run began, one row for each time a worker took one up; see the view step.';
COMMENT ON COLUMN claim.seq IS 'sequence number of the claimed record';
COMMENT ON COLUMN claim.run IS 'the run it belongs to (UUID)';
COMMENT ON COLUMN claim.step IS 'number of the step within the run';
COMMENT ON COLUMN claim.asset IS 'asset key';
COMMENT ON COLUMN claim.cells IS 'number of cells it covers';
COMMENT ON COLUMN claim.started_at IS 'UTC time it began on the worker';

CREATE TABLE materialized (
    seq BIGINT, "at" TIMESTAMP, run VARCHAR, step INTEGER, asset VARCHAR, partition VARCHAR, version VARCHAR,
    code_version VARCHAR, rows BIGINT, bytes BIGINT, file VARCHAR, position BIGINT, seconds DOUBLE,
    file_digest_a UBIGINT, file_digest_b UBIGINT, metadata JSON
);
COMMENT ON TABLE materialized IS 'Every materialization, published or not, one row each; see the view materialization.';
COMMENT ON COLUMN materialized.seq IS 'sequence number of the materialized record';
COMMENT ON COLUMN materialized."at" IS 'UTC time of the append; records are ordered by seq, never by time';
COMMENT ON COLUMN materialized.run IS 'the run it belongs to (UUID)';
COMMENT ON COLUMN materialized.step IS 'number of its step within the run';
COMMENT ON COLUMN materialized.asset IS 'asset key';
COMMENT ON COLUMN materialized.partition IS 'partition key; NULL for the one cell of an unpartitioned asset';
COMMENT ON COLUMN materialized.version IS 'content hash, 64 hex digits';
COMMENT ON COLUMN materialized.code_version IS 'code version it was made with';
COMMENT ON COLUMN materialized.rows IS 'number of rows';
COMMENT ON COLUMN materialized.bytes IS 'size of the file in bytes';
COMMENT ON COLUMN materialized.file IS 'path below .assets/data where it is not asset/version.parquet; empty where none was recorded';
COMMENT ON COLUMN materialized.position IS 'sequence number as of which the inputs were read';
COMMENT ON COLUMN materialized.seconds IS 'how long it took';
COMMENT ON COLUMN materialized.metadata IS 'what the step reported about it, an object; NULL where nothing';
COMMENT ON COLUMN materialized.file_digest_a IS 'first lane of the digest of the file''s bytes; NULL in older records';
COMMENT ON COLUMN materialized.file_digest_b IS 'second lane of it';

CREATE TABLE unpublished (
    seq BIGINT, ordinal BIGINT, scheme VARCHAR, token_a UBIGINT, token_b UBIGINT, recipe_a UBIGINT,
    recipe_b UBIGINT, whole_a UBIGINT, whole_b UBIGINT, code_a UBIGINT, code_b UBIGINT
);
COMMENT ON TABLE unpublished IS 'What is compared of materializations that no pointer ever named, one row each; of others publication holds it.';
COMMENT ON COLUMN unpublished.seq IS 'sequence number of the materialized record';
COMMENT ON COLUMN unpublished.ordinal IS 'number of the partition at that time';
COMMENT ON COLUMN unpublished.scheme IS 'what the ordinal depends on: under another scheme the key has another one';
COMMENT ON COLUMN unpublished.token_a IS 'first lane of the digest of the data version';
COMMENT ON COLUMN unpublished.token_b IS 'second lane of it';
COMMENT ON COLUMN unpublished.recipe_a IS 'first lane of the recipe';
COMMENT ON COLUMN unpublished.recipe_b IS 'second lane of it';
COMMENT ON COLUMN unpublished.whole_a IS 'first lane of the recipe as if all columns had been read; NULL where they were';
COMMENT ON COLUMN unpublished.whole_b IS 'second lane of it';
COMMENT ON COLUMN unpublished.code_a IS 'first lane of the code version';
COMMENT ON COLUMN unpublished.code_b IS 'second lane of it';

CREATE TABLE materialization_input (
    seq BIGINT, name VARCHAR, upstream VARCHAR, first_ordinal BIGINT, end_ordinal BIGINT, digest UBIGINT
);
COMMENT ON TABLE materialization_input IS 'What every materialization read, one row an edge and run of consecutive partitions; see the view input.';
COMMENT ON COLUMN materialization_input.seq IS 'sequence number of the materialized record';
COMMENT ON COLUMN materialization_input.name IS 'name the asset knew the upstream by';
COMMENT ON COLUMN materialization_input.upstream IS 'key of the asset that was read, by the declaration in force then; NULL where none was';
COMMENT ON COLUMN materialization_input.first_ordinal IS 'first partition read';
COMMENT ON COLUMN materialization_input.end_ordinal IS 'partition behind the last one read';
COMMENT ON COLUMN materialization_input.digest IS 'first lane of the digest of exactly what was read';

CREATE TABLE materialization_column (
    seq BIGINT, position SMALLINT, name VARCHAR, type VARCHAR, digest_a UBIGINT, digest_b UBIGINT
);
COMMENT ON TABLE materialization_column IS 'The columns of every materialization, one row each.';
COMMENT ON COLUMN materialization_column.seq IS 'sequence number of the materialized record';
COMMENT ON COLUMN materialization_column.position IS 'place of the column, from 0';
COMMENT ON COLUMN materialization_column.name IS 'name of the column';
COMMENT ON COLUMN materialization_column.type IS 'Arrow type of the column';
COMMENT ON COLUMN materialization_column.digest_a IS 'first lane of the digest of the values of the column';
COMMENT ON COLUMN materialization_column.digest_b IS 'second lane of it';

CREATE TABLE observed (
    seq BIGINT, "at" TIMESTAMP, run VARCHAR, asset VARCHAR, partition VARCHAR, version VARCHAR
);
COMMENT ON TABLE observed IS 'Every version of an external cell that was seen, one row each.';
COMMENT ON COLUMN observed.seq IS 'sequence number of the observed record';
COMMENT ON COLUMN observed."at" IS 'UTC time of the append; records are ordered by seq, never by time';
COMMENT ON COLUMN observed.run IS 'the run it belongs to (UUID)';
COMMENT ON COLUMN observed.asset IS 'asset key';
COMMENT ON COLUMN observed.partition IS 'partition key; NULL for the one cell of an unpartitioned asset';
COMMENT ON COLUMN observed.version IS 'what the store gave as its version';

CREATE TABLE numbering (
    seq BIGINT, asset VARCHAR, scheme VARCHAR
);
COMMENT ON TABLE numbering IS 'From which record on the partitions of an asset were numbered under which scheme.';
COMMENT ON COLUMN numbering.seq IS 'the first materialized or observed record under it';
COMMENT ON COLUMN numbering.asset IS 'asset key';
COMMENT ON COLUMN numbering.scheme IS 'what ordinals depend on';

CREATE TABLE reading (
    seq BIGINT, asset VARCHAR, reads JSON
);
COMMENT ON TABLE reading IS 'From which record on the materializations of an asset had read which columns of their inputs.';
COMMENT ON COLUMN reading.seq IS 'the first materialized record of which that is true';
COMMENT ON COLUMN reading.asset IS 'asset key';
COMMENT ON COLUMN reading.reads IS 'by name of the edge: the columns that counted, and whether the names and types of all did; everything of an edge that is not there counted';

CREATE TABLE publication (
    asset VARCHAR, partition VARCHAR, ordinal BIGINT, scheme VARCHAR, published_seq BIGINT,
    superseded_seq BIGINT, source_seq BIGINT, token_a UBIGINT, token_b UBIGINT, recipe_a UBIGINT,
    recipe_b UBIGINT, whole_a UBIGINT, whole_b UBIGINT, code_a UBIGINT, code_b UBIGINT, checks_version VARCHAR,
    signature VARCHAR
);
COMMENT ON TABLE publication IS 'Every move of a pointer: which version of a cell was current from which record to which. The view cell shows what is current.';
COMMENT ON COLUMN publication.asset IS 'asset key';
COMMENT ON COLUMN publication.partition IS 'partition key; NULL for the one cell of an unpartitioned asset';
COMMENT ON COLUMN publication.ordinal IS 'number of the partition when the version was made';
COMMENT ON COLUMN publication.scheme IS 'what the ordinal depends on: under another scheme the key has another one';
COMMENT ON COLUMN publication.published_seq IS 'from this published, observed or rolled_back record on the version was current';
COMMENT ON COLUMN publication.superseded_seq IS 'until this record, when another one became current; NULL while it is current';
COMMENT ON COLUMN publication.source_seq IS 'the materialized or observed record of the version';
COMMENT ON COLUMN publication.token_a IS 'first lane of the digest of the data version';
COMMENT ON COLUMN publication.token_b IS 'second lane of it';
COMMENT ON COLUMN publication.recipe_a IS 'first lane of the recipe; NULL for an external cell';
COMMENT ON COLUMN publication.recipe_b IS 'second lane of it';
COMMENT ON COLUMN publication.whole_a IS 'first lane of the recipe as if all columns had been read; NULL where they were';
COMMENT ON COLUMN publication.whole_b IS 'second lane of it';
COMMENT ON COLUMN publication.code_a IS 'first lane of the code version; NULL for an external cell';
COMMENT ON COLUMN publication.code_b IS 'second lane of it';
COMMENT ON COLUMN publication.checks_version IS 'checks that judged this version; NULL where none did';
COMMENT ON COLUMN publication.signature IS 'text by which an unchanged external file is known again; NULL for a cell that was made';

CREATE TABLE rollback (
    seq BIGINT, "at" TIMESTAMP, asset VARCHAR, partition VARCHAR, version VARCHAR, to_text VARCHAR,
    reason VARCHAR
);
COMMENT ON TABLE rollback IS 'Every cell that was to go back to an earlier version, one row each; publication says where its pointer moved.';
COMMENT ON COLUMN rollback.seq IS 'sequence number of the rolled_back record';
COMMENT ON COLUMN rollback."at" IS 'UTC time of the append; records are ordered by seq, never by time';
COMMENT ON COLUMN rollback.asset IS 'asset key';
COMMENT ON COLUMN rollback.partition IS 'partition key; NULL for the one cell of an unpartitioned asset';
COMMENT ON COLUMN rollback.version IS 'the version to go back to';
COMMENT ON COLUMN rollback.to_text IS 'what was asked for, in words';
COMMENT ON COLUMN rollback.reason IS 'why; NULL where that was not said';

CREATE TABLE judged (
    seq BIGINT, "at" TIMESTAMP, run VARCHAR, step INTEGER, asset VARCHAR, partition VARCHAR,
    source_seq BIGINT, version VARCHAR, check_name VARCHAR, severity VARCHAR, passed BOOLEAN,
    failed_rows BIGINT, message VARCHAR, failures JSON, metrics JSON
);
COMMENT ON TABLE judged IS 'Every verdict of a check, one row each; see the view check_result.';
COMMENT ON COLUMN judged.seq IS 'sequence number of the judged record';
COMMENT ON COLUMN judged."at" IS 'UTC time of the append; records are ordered by seq, never by time';
COMMENT ON COLUMN judged.run IS 'the run it belongs to (UUID)';
COMMENT ON COLUMN judged.step IS 'number of its step within the run';
COMMENT ON COLUMN judged.asset IS 'asset key';
COMMENT ON COLUMN judged.partition IS 'partition key; NULL for the one cell of an unpartitioned asset';
COMMENT ON COLUMN judged.source_seq IS 'the materialized or observed record of the version that was judged; NULL where there is none';
COMMENT ON COLUMN judged.version IS 'the version that was judged, where source_seq is NULL';
COMMENT ON COLUMN judged.check_name IS 'the check';
COMMENT ON COLUMN judged.severity IS 'error (blocks publishing) or warn';
COMMENT ON COLUMN judged.passed IS 'the verdict';
COMMENT ON COLUMN judged.failed_rows IS 'rows that failed; NULL where the check does not count rows';
COMMENT ON COLUMN judged.message IS 'what the check says';
COMMENT ON COLUMN judged.failures IS 'list of {column, check, row, value}, a sample';
COMMENT ON COLUMN judged.metrics IS 'object of numbers that the check measured';

CREATE TABLE failure (
    seq BIGINT, "at" TIMESTAMP, run VARCHAR, step INTEGER, asset VARCHAR, partition VARCHAR, error VARCHAR,
    message VARCHAR, traceback VARCHAR, attempt INTEGER
);
COMMENT ON TABLE failure IS 'Every failure of a cell, one row each; see also the view cell_failure.';
COMMENT ON COLUMN failure.seq IS 'sequence number of the failed record';
COMMENT ON COLUMN failure."at" IS 'UTC time of the append; records are ordered by seq, never by time';
COMMENT ON COLUMN failure.run IS 'the run it belongs to (UUID)';
COMMENT ON COLUMN failure.step IS 'number of its step within the run';
COMMENT ON COLUMN failure.asset IS 'asset key';
COMMENT ON COLUMN failure.partition IS 'partition key; NULL for the one cell of an unpartitioned asset';
COMMENT ON COLUMN failure.error IS 'kind of the error';
COMMENT ON COLUMN failure.message IS 'what it said';
COMMENT ON COLUMN failure.traceback IS 'where it happened';
COMMENT ON COLUMN failure.attempt IS 'which attempt of the run it was, the last one';

CREATE TABLE failed_attempt (
    seq BIGINT, "at" TIMESTAMP, run VARCHAR, step INTEGER, asset VARCHAR, partition VARCHAR, attempt INTEGER,
    error VARCHAR, message VARCHAR, traceback VARCHAR, seconds DOUBLE, wait_seconds DOUBLE
);
COMMENT ON TABLE failed_attempt IS 'Failures of a cell that were followed by another attempt of the same run, one row each.';
COMMENT ON COLUMN failed_attempt.seq IS 'sequence number of the attempt_failed record';
COMMENT ON COLUMN failed_attempt."at" IS 'UTC time of the append; records are ordered by seq, never by time';
COMMENT ON COLUMN failed_attempt.run IS 'the run it belongs to (UUID)';
COMMENT ON COLUMN failed_attempt.step IS 'number of its step within the run; the next attempt is another step';
COMMENT ON COLUMN failed_attempt.asset IS 'asset key';
COMMENT ON COLUMN failed_attempt.partition IS 'partition key; NULL for the one cell of an unpartitioned asset';
COMMENT ON COLUMN failed_attempt.attempt IS 'which attempt of the run it was, from 1';
COMMENT ON COLUMN failed_attempt.error IS 'kind of the error';
COMMENT ON COLUMN failed_attempt.message IS 'what it said';
COMMENT ON COLUMN failed_attempt.traceback IS 'where it happened';
COMMENT ON COLUMN failed_attempt.seconds IS 'how long it took';
COMMENT ON COLUMN failed_attempt.wait_seconds IS 'how long the run waits before the next attempt';

CREATE TABLE steering (
    seq BIGINT, "at" TIMESTAMP, run VARCHAR, action VARCHAR, value BIGINT, reason VARCHAR
);
COMMENT ON TABLE steering IS 'What was asked of runs while they went on, one row each.';
COMMENT ON COLUMN steering.seq IS 'sequence number of the steered record';
COMMENT ON COLUMN steering."at" IS 'UTC time of the append; records are ordered by seq, never by time';
COMMENT ON COLUMN steering.run IS 'the run (UUID)';
COMMENT ON COLUMN steering.action IS 'pause, resume, cancel or concurrency';
COMMENT ON COLUMN steering.value IS 'how many steps at a time; NULL for other actions';
COMMENT ON COLUMN steering.reason IS 'why, as it was given; NULL where it was not';

CREATE TABLE skip (
    seq BIGINT, "at" TIMESTAMP, run VARCHAR, asset VARCHAR, partition VARCHAR, last_partition VARCHAR,
    scheme VARCHAR, first_ordinal BIGINT, last_ordinal BIGINT, is_planned BOOLEAN
);
COMMENT ON TABLE skip IS 'Cells that a run found fresh, one row for each range of neighbours; comparison says what was compared.';
COMMENT ON COLUMN skip.seq IS 'sequence number of the found_fresh or skipped record';
COMMENT ON COLUMN skip."at" IS 'UTC time of the append; records are ordered by seq, never by time';
COMMENT ON COLUMN skip.run IS 'the run it belongs to (UUID)';
COMMENT ON COLUMN skip.asset IS 'asset key';
COMMENT ON COLUMN skip.partition IS 'partition key of the first cell; NULL for the one cell of an unpartitioned asset';
COMMENT ON COLUMN skip.last_partition IS 'partition key of the last cell';
COMMENT ON COLUMN skip.scheme IS 'what the ordinals depend on; NULL in older records, which name each cell';
COMMENT ON COLUMN skip.first_ordinal IS 'number of the first cell; NULL in older records';
COMMENT ON COLUMN skip.last_ordinal IS 'number of the last cell; NULL in older records';
COMMENT ON COLUMN skip.is_planned IS 'whether that was so when the run was planned; else when the turn of the cells came';

CREATE TABLE block (
    seq BIGINT, "at" TIMESTAMP, run VARCHAR, asset VARCHAR, partition VARCHAR, reason VARCHAR
);
COMMENT ON TABLE block IS 'Cells that a run did not try, one row each.';
COMMENT ON COLUMN block.seq IS 'sequence number of the blocked record';
COMMENT ON COLUMN block."at" IS 'UTC time of the append; records are ordered by seq, never by time';
COMMENT ON COLUMN block.run IS 'the run it belongs to (UUID)';
COMMENT ON COLUMN block.asset IS 'asset key';
COMMENT ON COLUMN block.partition IS 'partition key; NULL for the one cell of an unpartitioned asset';
COMMENT ON COLUMN block.reason IS 'why not';

CREATE TABLE collection (
    seq BIGINT, "at" TIMESTAMP, asset VARCHAR, version VARCHAR, file VARCHAR, reason VARCHAR
);
COMMENT ON TABLE collection IS 'Files that were removed because nothing needed them, one row each.';
COMMENT ON COLUMN collection.seq IS 'sequence number of the collected record';
COMMENT ON COLUMN collection."at" IS 'UTC time of the append; records are ordered by seq, never by time';
COMMENT ON COLUMN collection.asset IS 'asset key';
COMMENT ON COLUMN collection.version IS 'version whose file was removed';
COMMENT ON COLUMN collection.file IS 'path below .assets/data where it was not asset/version.parquet; empty where none was recorded';
COMMENT ON COLUMN collection.reason IS 'why';

CREATE TABLE seal (
    seq BIGINT, "at" TIMESTAMP, segment VARCHAR, records BIGINT, segment_root VARCHAR, segments BIGINT,
    "last" BIGINT, last_digest VARCHAR, root VARCHAR, frontier VARCHAR[], reason VARCHAR, public_key VARCHAR,
    signature VARCHAR
);
COMMENT ON TABLE seal IS 'Segments of the journal that were sealed, one row each.';
COMMENT ON COLUMN seal.seq IS 'sequence number of the sealed record';
COMMENT ON COLUMN seal."at" IS 'UTC time of the append; records are ordered by seq, never by time';
COMMENT ON COLUMN seal.segment IS 'the segment';
COMMENT ON COLUMN seal.records IS 'number of its records';
COMMENT ON COLUMN seal.segment_root IS 'root of the hash tree over them';
COMMENT ON COLUMN seal.segments IS 'number of segments sealed so far';
COMMENT ON COLUMN seal."last" IS 'sequence number of the last record sealed';
COMMENT ON COLUMN seal.last_digest IS 'hash of that record';
COMMENT ON COLUMN seal.root IS 'root of the hash tree over all sealed segments';
COMMENT ON COLUMN seal.frontier IS 'hashes from which that tree can be grown';
COMMENT ON COLUMN seal.reason IS 'why it was sealed';
COMMENT ON COLUMN seal.public_key IS 'key that proves the signature; NULL where it is not signed';
COMMENT ON COLUMN seal.signature IS 'signature of the seal; NULL where it is not signed';

CREATE TABLE pruning (
    seq BIGINT, "at" TIMESTAMP, "before" VARCHAR, segment VARCHAR, records BIGINT, dropped BIGINT,
    reason VARCHAR
);
COMMENT ON TABLE pruning IS 'Segments of the journal whose old records lost their texts to retention, one row each.';
COMMENT ON COLUMN pruning.seq IS 'sequence number of the pruned record';
COMMENT ON COLUMN pruning."at" IS 'UTC time of the append; records are ordered by seq, never by time';
COMMENT ON COLUMN pruning."before" IS 'what was older than this was dropped';
COMMENT ON COLUMN pruning.segment IS 'the segment';
COMMENT ON COLUMN pruning.records IS 'number of its records';
COMMENT ON COLUMN pruning.dropped IS 'how many of them lost their text';
COMMENT ON COLUMN pruning.reason IS 'why';

CREATE TABLE loss (
    seq BIGINT, "at" TIMESTAMP, "first" BIGINT, "last" BIGINT, reason VARCHAR
);
COMMENT ON TABLE loss IS 'Records that are gone, which an operator has accepted, one row for each range.';
COMMENT ON COLUMN loss.seq IS 'sequence number of the loss_accepted record';
COMMENT ON COLUMN loss."at" IS 'UTC time of the append; records are ordered by seq, never by time';
COMMENT ON COLUMN loss."first" IS 'first record that is gone';
COMMENT ON COLUMN loss."last" IS 'last record that is gone';
COMMENT ON COLUMN loss.reason IS 'what the operator said';

CREATE TABLE comparison (
    seq BIGINT, asset VARCHAR, position BIGINT, code_version VARCHAR, cells BIGINT, recipe_a UBIGINT,
    recipe_b UBIGINT
);
COMMENT ON TABLE comparison IS 'What was compared, and equal, when cells were found fresh: one row an asset of a record; skip says which cells.';
COMMENT ON COLUMN comparison.seq IS 'sequence number of the found_fresh or skipped record';
COMMENT ON COLUMN comparison.asset IS 'asset key';
COMMENT ON COLUMN comparison.position IS 'sequence number as of which it was compared';
COMMENT ON COLUMN comparison.code_version IS 'code version of then, with which the current versions had been made';
COMMENT ON COLUMN comparison.cells IS 'number of cells';
COMMENT ON COLUMN comparison.recipe_a IS 'first lane of the sum of their recipes, recorded and computed anew';
COMMENT ON COLUMN comparison.recipe_b IS 'second lane of it';

CREATE TABLE comparison_input (
    seq BIGINT, asset VARCHAR, name VARCHAR, upstream VARCHAR, first_ordinal BIGINT, end_ordinal BIGINT,
    digest_a UBIGINT, digest_b UBIGINT
);
COMMENT ON TABLE comparison_input IS 'What the cells that were found fresh when their turn came would have read, one row an edge.';
COMMENT ON COLUMN comparison_input.seq IS 'sequence number of the skipped record';
COMMENT ON COLUMN comparison_input.asset IS 'asset key';
COMMENT ON COLUMN comparison_input.name IS 'name the asset knew the upstream by';
COMMENT ON COLUMN comparison_input.upstream IS 'key of the asset that is read';
COMMENT ON COLUMN comparison_input.first_ordinal IS 'first partition that one of them reads';
COMMENT ON COLUMN comparison_input.end_ordinal IS 'partition behind the last one';
COMMENT ON COLUMN comparison_input.digest_a IS 'first lane of the sum of the digests of exactly what each reads';
COMMENT ON COLUMN comparison_input.digest_b IS 'second lane of it';

CREATE TABLE partition_key (
    set_name VARCHAR, key VARCHAR, place INTEGER, added_seq BIGINT, removed_seq BIGINT
);
COMMENT ON TABLE partition_key IS 'Keys of the sets of dynamic partitions, one row for each time that one was added.';
COMMENT ON COLUMN partition_key.set_name IS 'name of the set';
COMMENT ON COLUMN partition_key.key IS 'the key';
COMMENT ON COLUMN partition_key.place IS 'its place in the record that added it, from 0';
COMMENT ON COLUMN partition_key.added_seq IS 'sequence number of the partitions_added record';
COMMENT ON COLUMN partition_key.removed_seq IS 'sequence number of the partitions_removed record; NULL while the key is there';

CREATE TABLE code_part (
    seq BIGINT, asset VARCHAR, code_version VARCHAR, kind VARCHAR, name VARCHAR, digest VARCHAR, text VARCHAR
);
COMMENT ON TABLE code_part IS 'What each code version of an asset is made of, one row each function, global, query, parameter or library.';
COMMENT ON COLUMN code_part.seq IS 'sequence number of the code record';
COMMENT ON COLUMN code_part.asset IS 'asset key';
COMMENT ON COLUMN code_part.code_version IS 'the code version';
COMMENT ON COLUMN code_part.kind IS 'function, class, global, module, query, command, file, interface (what the code is handed), parameter or library';
COMMENT ON COLUMN code_part.name IS 'what it is called; of a function its module and its name there';
COMMENT ON COLUMN code_part.digest IS 'digest of its text and of the names of what it uses';
COMMENT ON COLUMN code_part.text IS 'normalised text; NULL where an earlier row of the asset and this digest has it';
