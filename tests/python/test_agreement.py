"""One model, one answer: every front end gives what the model's own library gives, for every model of the test set."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.flight as flight
import pyarrow.parquet as pq
import pytest

import mlflight
from mlflight import _native

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from make_models import BUILDERS

#: Sums in another order than the library's differ in their last bits.
TOLERANCE = 1e-12


def columns(answer: pa.ChunkedArray | pa.Array) -> list[np.ndarray]:
    """Return the answer's columns."""
    array = answer.combine_chunks() if isinstance(answer, pa.ChunkedArray) else answer
    if isinstance(array, pa.ChunkedArray):
        array = array.chunk(0)
    if pa.types.is_struct(array.type):
        return [field.to_numpy(zero_copy_only=False) for field in array.flatten()]
    if pa.types.is_list(array.type):
        return list(np.array(array.to_pylist()).T)
    return [array.to_numpy(zero_copy_only=False)]


def assert_agree(answer: pa.ChunkedArray | pa.Array, expected: pa.Table, place: str) -> None:
    got = columns(answer)
    assert len(got) == expected.num_columns, place
    for mine, theirs in zip(got, expected.columns, strict=True):
        wanted = theirs.to_numpy()
        if wanted.dtype.kind in "fc":
            np.testing.assert_allclose(mine.astype(wanted.dtype), wanted, rtol=TOLERANCE, err_msg=place)
        else:
            np.testing.assert_array_equal(mine, wanted, err_msg=place)


def by_spark(session, udf, case) -> pa.ChunkedArray:
    frame = session.read.parquet(str(case.input_path)).coalesce(1)
    return frame.select(udf(*case.input.column_names).alias("prediction")).toArrow().column(0)


@pytest.fixture(scope="module")
def service(binary: Path, models: Path, tmp_path_factory) -> Iterator[str]:
    """Return the address of a service that holds every model."""
    socket = tmp_path_factory.mktemp("service") / "s"
    command = [str(binary), "serve", "--flight", f"unix:{socket}"]
    for name in BUILDERS:
        command += ["--model", f"{name}={models / name / 'model'}"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    address = f"grpc+unix://{socket}"
    try:
        with flight.connect(address, generic_options=[("grpc.default_authority", "localhost")]) as client:
            client.wait_for_available(timeout=60)
        yield address
    finally:
        process.terminate()
        process.wait(timeout=60)


def by_flight(address: str, case) -> pa.ChunkedArray:
    spec = _native.make_spec(str(case.path), python=sys.executable)
    descriptor = flight.FlightDescriptor.for_command(spec.to_bytes())
    table, answers = case.input, []
    with flight.connect(address, generic_options=[("grpc.default_authority", "localhost")]) as client:
        writer, reader = client.do_exchange(descriptor)
        with writer:
            writer.begin(table.schema)
            for batch in table.to_batches():
                writer.write_batch(batch)
                answers.append(reader.read_chunk().data)
            writer.done_writing()
    return pa.Table.from_batches(answers).column(0)


@pytest.mark.parametrize("name", BUILDERS)
class TestAgreement:
    """Each front end on each model."""

    def test_load_model(self, model, name):
        case = model(name)
        assert_agree(mlflight.load_model(case.path).predict(case.input), case.expected, "load_model")
        python = mlflight.load_model(case.path, engine="python")
        assert_agree(python.predict(case.input), case.expected, "load_model, python")

    def test_spark_with_the_jar(self, spark, model, name):
        case = model(name)
        udf = mlflight.spark_udf(spark, case.path)
        frame = spark.read.parquet(str(case.input_path)).select(udf(*case.input.column_names))
        assert "MlflightEval" in frame._jdf.queryExecution().executedPlan().toString()
        assert_agree(by_spark(spark, udf, case), case.expected, "spark")

    def test_spark_without_the_jar(self, spark, model, name):
        case = model(name)
        # A session that the strategy was not installed into.
        plain = spark.newSession()
        udf = mlflight.spark_udf(spark, case.path)
        frame = plain.read.parquet(str(case.input_path)).select(udf(*case.input.column_names))
        assert "MlflightEval" not in frame._jdf.queryExecution().executedPlan().toString()
        assert_agree(by_spark(plain, udf, case), case.expected, "spark without the jar")

    def test_flight(self, service, model, name):
        case = model(name)
        assert_agree(by_flight(service, case), case.expected, "flight")

    def test_batch_score(self, binary, model, name, tmp_path):
        case = model(name)
        out = tmp_path / "out.parquet"
        command = [binary, "batch-score", "--model", case.path, "--input", case.input_path, "--output", out]
        subprocess.run(command, check=True, capture_output=True)
        scored = pq.read_table(out)
        assert scored.column_names == [*case.input.column_names, "prediction"]
        assert scored.drop_columns(["prediction"]).equals(case.input.cast(scored.drop_columns(["prediction"]).schema))
        assert_agree(scored.column("prediction"), case.expected, "batch-score")


def test_whole_numbers_in_a_double_column_are_among_them():
    assert "whole_numbers" in BUILDERS
