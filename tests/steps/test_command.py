"""A command is run as it is declared, sees what it may see, leaves nothing behind, and fails with words that help."""

from __future__ import annotations

import json
import logging
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets_core.errors import CommandFailed, OutputError
from assets_core.io.inputs import MemoryInput, ParquetInput
from assets_core.loading.commands import Argument, Command
from assets_core.model.keys import PartitionKey
from assets_core.model.partitions import Partition
from assets_core.steps.command import CommandCall, file_name, result_of_command
from assets_core.steps.command_process import RunningCommands
from assets_core.steps.reported import LINES, Reported

ROOT = Path(__file__).parents[2]
TABLE = pa.table({"n": [1, 2], "t": ["a", None]})
DAY = Partition(PartitionKey("2026-01-05"), datetime(2026, 1, 5, tzinfo=UTC), datetime(2026, 1, 6, tzinfo=UTC))
SAY = "import json, os, sys; say = lambda **m: os.write(3, json.dumps(m).encode() + b'\\n');"


def argument(text: str) -> Argument:
    parts = re.split(r"\{([a-z_.]+)\}", text)
    names = [*parts[1::2], None]
    return Argument(tuple(zip(parts[::2], names, strict=True)))


@dataclass
class Case:
    """A command in a folder of its own, and what became of it."""

    folder: Path
    variables: tuple[str, ...] = ()
    fixed: dict[str, str] = field(default_factory=dict)
    output: str | None = None
    partition: Partition | None = None
    inputs: dict[str, Any] = field(default_factory=dict)
    running: RunningCommands = field(default_factory=RunningCommands)
    reported: Reported = field(default_factory=lambda: Reported("made", {0: "2026-01-05"}))

    @property
    def scratch(self) -> Path:
        return self.folder / "scratch"

    def run(self, *arguments: str) -> Any:
        """Return the table that the command made, or the version that it told."""
        texts = tuple(map(argument, arguments))
        command = Command(texts, self.output, self.folder, self.variables, self.fixed)
        call = CommandCall("made", self.partition, self.inputs, self.reported, self.scratch, self.running)
        with result_of_command(command, call) as value:
            return value.read_all() if isinstance(value, pa.RecordBatchReader) else value

    def metadata(self, code: str, *arguments: str) -> Mapping[str, Any]:
        self.run(sys.executable, "-c", SAY + code, *arguments)
        return self.reported.of(0)


@pytest.fixture
def case(tmp_path: Path) -> Iterator[Case]:
    made = Case(tmp_path)
    yield made
    assert not made.scratch.exists() or not list(made.scratch.iterdir())


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.DEBUG, "assets.command")
    return caplog


@pytest.mark.parametrize(
    "key",
    [
        "a b",
        "'; rm -rf / #",
        '"$(id)"',
        "two\nlines",
        "-rf",
        "--help",
        "*",
        "\\",
        "é\u0301 🌍",
        "a|b\\|c",
        "",
        "x" * 5000,
    ],
)
def test_a_partition_key_is_one_argument_whatever_is_in_it(case: Case, key: str) -> None:
    case.partition = Partition(PartitionKey(key))
    told = case.metadata(
        "say(metadata=dict(a=sys.argv[1:], e=os.environ['ASSETS_PARTITION']))", "{partition}", "x{partition}y"
    )
    assert told == {"a": [key, f"x{key}y"], "e": key}


def test_a_key_with_a_nul_is_refused(case: Case) -> None:
    case.partition = Partition(PartitionKey("a\0b"))
    with pytest.raises(CommandFailed, match="holds a NUL"):
        case.run("true", "{partition}")


def test_times_and_dimensions_stand_in_arguments(case: Case) -> None:
    case.partition = Partition(PartitionKey("2026-01-05|eu"), DAY.start, DAY.end, {"day": DAY})
    told = case.metadata(
        "say(metadata=dict(a=sys.argv[1:]))", "{partition_start}", "{partition_end}", "{dimension.day}"
    )
    assert told["a"] == ["2026-01-05T00:00:00+00:00", "2026-01-06T00:00:00+00:00", "2026-01-05"]


def test_a_command_sees_the_named_variables_and_no_others(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALLOWED", "yes")
    monkeypatch.setenv("OTHER", "no")
    case.variables, case.fixed, case.partition = ("ALLOWED",), {"MODE": "a b"}, DAY
    told = case.metadata("say(metadata=dict(os.environ))")
    seen = {name: value for name, value in told.items() if name != "LC_CTYPE"}  # Python sets that one itself
    assert Path(seen.pop("TMPDIR")).is_relative_to(case.scratch)
    assert seen == {"ALLOWED": "yes", "MODE": "a b", "ASSETS_PARTITION": "2026-01-05", "ASSETS_REPORT_FD": "3"}


def test_a_variable_that_is_not_set_is_named(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOT_THERE", raising=False)
    case.variables = ("NOT_THERE",)
    with pytest.raises(CommandFailed, match="NOT_THERE, which is not set"):
        case.run("true")


def test_it_runs_in_its_folder_with_nothing_to_read_and_no_other_files_open(case: Case) -> None:
    code = "say(metadata=dict(d=os.getcwd(), i=sys.stdin.read(), f=sorted(os.listdir('/proc/self/fd'))))"
    told = case.metadata(code)
    assert (told["d"], told["i"]) == (str(case.folder), "")
    assert told["f"][:4] == ["0", "1", "2", "3"]
    assert len(told["f"]) == 5  # and the list itself


def test_what_fails_says_how_and_ends_with_the_last_lines(case: Case) -> None:
    code = "import sys; print('out'); [print('line', n, file=sys.stderr) for n in range(30)]; sys.exit(7)"
    with pytest.raises(CommandFailed) as caught:
        case.run(sys.executable, "-c", code, "two words")
    text = str(caught.value)
    assert "ended with exit status 7: " in text
    assert "'two words'" in text
    assert "line 10\n" in text
    assert "line 29\n" in text
    assert "line 9\n" not in text


def test_a_signal_is_named(case: Case) -> None:
    with pytest.raises(CommandFailed, match=r"was ended by signal 9 \(Killed\)"):
        case.run("sh", "-c", "kill -9 $$")


def test_what_a_failed_command_has_reported_is_kept(case: Case) -> None:
    with pytest.raises(CommandFailed):
        case.metadata("say(metadata=dict(rows=3)); sys.exit(1)")
    assert case.reported.of(0) == {"rows": 3}


def test_no_value_of_an_allowed_variable_is_told(
    case: Case, said: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = 'canary "7" of many\nsecond line of it'  # noqa: S105  # a canary
    monkeypatch.setenv("DB_URL", secret)
    case.variables = ("DB_URL",)
    code = (
        "s = os.environ['DB_URL']; print(s); print('x' * 70000 + s); print(json.dumps(s), file=sys.stderr);"
        "say(log=dict(text=s)); say(metadata={s: [s, {s: s}]}); say(nothing=s); os.write(3, s.encode() + b'\\n');"
        "say(version=s); print(s, file=sys.stderr); sys.exit(s)"
    )
    with pytest.raises(CommandFailed) as caught:
        case.metadata(code, secret)
    told = [str(caught.value), said.text, json.dumps(case.reported.of(0)), str(case.reported.told_version)]
    for text in told:
        assert "canary" not in text
        assert "second line" not in text
        assert "***" in text


@pytest.mark.parametrize(
    ("name", "content", "mode", "message"),
    [
        ("no-such-command-anywhere", None, 0, "there is no command 'no-such-command-anywhere' on the PATH"),
        ("./absent", None, 0, "there is no file ./absent"),
        ("./there", "#!/bin/sh\n", 0o644, "may not be executed"),
        ("./there", "#!/no/such/interpreter\n", 0o755, "cannot be started: No such file or directory"),
        ("./there", "\x7fELF nothing", 0o755, "cannot be started: Exec format error"),
    ],
)
def test_what_cannot_be_started_says_why(case: Case, name: str, content: str | None, mode: int, message: str) -> None:
    if content is not None:
        (case.folder / name).write_text(content, encoding="utf-8")
        (case.folder / name).chmod(mode)
    with pytest.raises(CommandFailed, match=re.escape(message)):
        case.run(name)


def test_too_many_arguments_are_no_crash(case: Case) -> None:
    with pytest.raises(CommandFailed, match="cannot be started: Argument list too long"):
        case.run("true", "x" * (1 << 22))


# What it leaves behind


def held(pipe: Path) -> Any:
    """Return a file that ends when every process is gone that has the pipe open."""
    return pipe.open("rb", buffering=0)


def test_what_a_command_leaves_running_ends_with_it(case: Case) -> None:
    pipe = case.folder / "pipe"
    os.mkfifo(pipe)
    ended: list[bytes] = []

    def read() -> None:
        with held(pipe) as file:
            ended.append(file.readall())

    reader = threading.Thread(target=read)
    reader.start()
    case.run("sh", "-c", "exec 9>pipe; (sleep 1000 &); setsid sh -c '(sleep 1001 &) ; exec sleep 1002' & echo here >&9")
    reader.join(30)
    assert ended == [b"here\n"]


def test_a_command_that_is_ended_from_outside_fails_with_all_that_it_has_started(case: Case) -> None:
    pipe = case.folder / "pipe"
    os.mkfifo(pipe)
    errors: list[BaseException] = []

    def run() -> None:
        try:
            case.run("sh", "-c", "trap '' TERM INT; exec 9>pipe; echo here >&9; setsid sleep 1000 & sleep 1001")
        except CommandFailed as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    with held(pipe) as file:
        assert file.read(5) == b"here\n"
        case.running.end()
        assert file.read() == b""
    thread.join(30)
    assert "was ended by signal 9" in str(errors[0])


@pytest.mark.parametrize("kill", ["process", "group"])
def test_a_command_does_not_outlive_the_process_that_runs_it(case: Case, kill: str) -> None:
    pipe = case.folder / "pipe"
    os.mkfifo(pipe)
    code = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from pathlib import Path
from test_command import Case
Case(Path({str(case.folder)!r})).run("sh", "-c", "exec 9>pipe; echo here >&9; (sleep 1000 &); sleep 1001")
"""
    process = subprocess.Popen([sys.executable, "-c", code], start_new_session=True, cwd=ROOT)
    with held(pipe) as file:
        assert file.read(5) == b"here\n"
        if kill == "process":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)
        assert file.read() == b""
    process.wait()
    for left in case.scratch.iterdir():  # what a killed process leaves is for whoever clears the folder of the run
        subprocess.run(["rm", "-r", str(left)], check=True)


def test_a_command_that_kills_what_watches_it_fails_and_ends(case: Case) -> None:
    pipe = case.folder / "pipe"
    os.mkfifo(pipe)
    ended: list[bytes] = []

    def read() -> None:
        with held(pipe) as file:
            ended.append(file.readall())

    reader = threading.Thread(target=read)
    reader.start()
    with pytest.raises(CommandFailed, match="was lost"):
        case.run("sh", "-c", "exec 9>pipe; sleep 0.5; kill -9 $PPID; sleep 1000")
    reader.join(30)
    assert ended == [b""]


# What it reports


def test_reports_reach_metadata_logs_and_the_version(case: Case, said: pytest.LogCaptureFixture) -> None:
    code = (
        "say(metadata=dict(a=1)); say(metadata=dict(a=2, b=[None, {'c': 1.5}]));"
        "say(progress=0.25, message='quarter'); say(log=dict(text='careful', level='warning')); say(version='v1');"
        "print('out'); print('err', file=sys.stderr)"
    )
    assert case.metadata(code) == {"a": 2, "b": [None, {"c": 1.5}]}
    assert case.reported.told_version == "v1"
    lines = {(record.levelname, record.getMessage()) for record in said.records}
    assert lines == {("INFO", "25% quarter"), ("WARNING", "careful"), ("INFO", "out"), ("INFO", "err")}


def test_a_last_line_without_an_end_and_one_by_the_path_count(case: Case) -> None:
    case.run("sh", "-c", 'printf \'{"version": "last"}\' > "$0"; printf end', "{report}")
    assert case.reported.told_version == "last"


@pytest.mark.parametrize(
    "line",
    [
        b"not json",
        b"\xff\xfe\x00\x01",
        b"[1]",
        b"{}",
        b'{"unknown": 1}',
        b'{"metadata": 1}',
        b'{"progress": 2}',
        b'{"progress": NaN}',
        b'{"progress": true}',
        b'{"progress": 0.5, "message": 1}',
        b'{"log": "text"}',
        b'{"log": {"text": "x", "level": "loud"}}',
        b'{"log": {"text": "x", "level": []}}',
        b'{"version": 1}',
        b"[" * 100_000,
        b'{"metadata": {"a": "' + b"x" * 1_000_001 + b'"}}',
    ],
)
def test_a_line_that_is_no_report_is_one_warning(case: Case, said: pytest.LogCaptureFixture, line: bytes) -> None:
    (case.folder / "lines").write_bytes(line + b"\n" + line + b'\n{"version": "after"}\n')
    assert case.run("sh", "-c", "cat lines >&3") == "after"
    warnings = [record.getMessage() for record in said.records if record.levelname == "WARNING"]
    assert len(warnings) == 2
    assert "cannot be read" in warnings[0]
    assert warnings[1].startswith("2 lines")
    assert all(len(warning) < 1000 for warning in warnings)


def test_a_flood_is_bounded(case: Case, said: pytest.LogCaptureFixture) -> None:
    code = (
        'os.write(3, b\'\'.join(b\'{"log": {"text": "x"}}\\n\' for _ in range(30000)));'
        "[say(metadata={str(n): 'y' * 1000}) for n in range(200)]; sys.stdout.buffer.write(b'\\x00\\xff' * 1000000)"
    )
    told = case.metadata(code)
    assert len(said.records) == LINES + 1
    assert "left out" in said.records[-1].getMessage()
    assert 0 < len(json.dumps(told)) <= 70_000


# What it is given, what it gives back


def test_an_input_is_a_file_a_folder_or_what_the_environment_names(case: Case) -> None:
    published = case.folder / "published.parquet"
    pq.write_table(TABLE, published)
    several = {"eu west": MemoryInput((TABLE,), ("n",)), "a/b": MemoryInput((TABLE,), None)}
    case.inputs = {
        "one": ParquetInput((published,), None),
        "two": ParquetInput((published, published), ("t",)),
        "each": several,
    }
    code = """
import os, sys, json, shutil
one, two, each = sys.argv[1:]
assert [os.environ["ASSETS_INPUT_" + n] for n in ("ONE", "TWO", "EACH")] == [one, two, each]
for name, path in (("one", one), ("two", two)):
    shutil.copy(path, name)
shutil.copytree(each, "each")
open(one, "wb").close()
"""
    case.run(sys.executable, "-c", code, "{input.one}", "{input.two}", "{inputs.each}")
    assert pq.read_table(case.folder / "one").equals(TABLE)
    assert ds.dataset(case.folder / "two").to_table().to_pydict() == {"t": ["a", None] * 2}
    assert sorted(path.name for path in (case.folder / "each").iterdir()) == ["a%2Fb.parquet", "eu%20west.parquet"]
    assert pq.read_table(case.folder / "each/eu%20west.parquet").to_pydict() == {"n": [1, 2]}
    assert pq.read_table(published).equals(TABLE), "a command cannot reach what is published"


def test_a_folder_of_no_partitions_is_an_empty_folder(case: Case) -> None:
    case.inputs = {"each": {}}
    assert case.metadata("say(metadata=dict(f=os.listdir(sys.argv[1])))", "{inputs.each}") == {"f": []}


@given(st.text(max_size=300), st.text(max_size=300))
def test_the_file_names_of_two_keys_differ_and_fit(one: str, other: str) -> None:
    names = [file_name(one), file_name(other)]
    assert (names[0] == names[1]) == (one == other)
    for name, key in zip(names, (one, other), strict=True):
        assert re.fullmatch(r"[A-Za-z0-9_%~-]*", name)
        assert len(name) <= 220
        assert "~" in name or unquote(name) == key


@pytest.mark.parametrize("output", ["parquet", "csv", "arrow", "ndjson"])
def test_each_format_is_read(case: Case, output: str) -> None:
    code = f"""
import sys, polars as pl
frame = pl.DataFrame({{"n": [1, 2], "t": ["a", None]}})
getattr(frame, "write_{output}".replace("arrow", "ipc"))(sys.argv[1])
"""
    case.output = output
    made = case.run(sys.executable, "-c", code, "{output}")
    assert made.to_pydict() == {"n": [1, 2], "t": ["a", None]}


def test_parquet_keeps_its_types_and_an_arrow_stream_is_read_too(case: Case) -> None:
    table = pa.table({"d": pa.array(["a"], pa.dictionary(pa.int8(), pa.string())), "x": pa.array([1], pa.int8())})
    pq.write_table(table, case.folder / "rows")
    with pa.OSFile(str(case.folder / "stream"), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    for case.output, name in (("parquet", "rows"), ("arrow", "stream")):
        assert case.run("cp", name, "{output}").schema.equals(table.schema)


@pytest.mark.parametrize("output", ["parquet", "csv", "arrow", "ndjson"])
@pytest.mark.parametrize("content", [b"", b"\x00\xff{nonsense\nmore,\n", b"PAR1"])
def test_what_cannot_be_read_is_an_error_of_the_output(case: Case, output: str, content: bytes) -> None:
    (case.folder / "bad").write_bytes(content)
    case.output = output
    if (output, content) == ("csv", b"PAR1"):
        assert case.run("cp", "bad", "{output}").num_rows == 0
        return
    with pytest.raises(OutputError, match=rf"cannot be read as {output}|is not valid UTF-8"):
        case.run("cp", "bad", "{output}")


@pytest.mark.parametrize("command", ["true", "mkdir {output}", "mkfifo {output}"])
def test_a_command_that_writes_no_file_is_told(case: Case, command: str) -> None:
    case.output = "parquet"
    with pytest.raises(OutputError, match="it wrote no file"):
        case.run(*command.split())


def test_without_an_output_the_value_is_the_version_that_was_told(case: Case) -> None:
    assert case.run("true") is None
    assert case.run("sh", "-c", 'echo "{\\"version\\": \\"v7\\"}" >&3') == "v7"


# The reporters in other languages


def test_the_reporter_of_the_shell_says_every_text_as_it_is(case: Case, said: pytest.LogCaptureFixture) -> None:
    text = "a \"b\" \\n \\\\ 'c' $HOME `id` %s é🌍\ttab\nnext"
    script = (
        '. "$0"; assets_metadata "na\\"me" "$1"; assets_number rows 3; assets_progress 0.5 half;'
        'assets_log "$1" error; assets_version "$1"'
    )
    case.run("sh", "-c", script, str(ROOT / "docs/reporters/report.sh"), text)
    assert case.reported.of(0) == {'na"me': text, "rows": 3}
    assert case.reported.told_version == text
    assert [(record.levelname, record.getMessage()) for record in said.records] == [
        ("INFO", "50% half"),
        ("ERROR", text),
    ]


def test_the_reporter_of_the_shell_is_silent_outside_of_a_run() -> None:
    script = ". docs/reporters/report.sh; assets_log x; assets_version y"
    done = subprocess.run(
        ["sh", "-c", script], cwd=ROOT, env={"PATH": os.environ["PATH"]}, capture_output=True, check=True
    )
    assert (done.stdout, done.stderr) == (b"", b"")


@pytest.mark.skipif(
    subprocess.run(["sh", "-c", "command -v node"], capture_output=True).returncode != 0, reason="no Node"
)
def test_the_reporter_of_node_says_every_text_as_it_is(case: Case, said: pytest.LogCaptureFixture) -> None:
    text = 'a "b" \\n é🌍\ttab\nnext'
    script = (
        f"const r = require({json.dumps(str(ROOT / 'docs/reporters/report.js'))}); const t = process.argv[1];"
        "r.metadata({t, n: [1, null]}); r.progress(0.5, 'half'); r.log(t, 'error'); r.version(r.partition() + t)"
    )
    case.partition = DAY
    case.run("node", "-e", script, "--", text)
    assert case.reported.of(0) == {"t": text, "n": [1, None]}
    assert case.reported.told_version == "2026-01-05" + text
    assert ("ERROR", text) in [(record.levelname, record.getMessage()) for record in said.records]
