"""Run MLflow itself over dtype x declared type x nulls and write down what it does.

``python tests/oracle/make.py`` writes ``tests/data/oracle``: the inputs as one Arrow file, the outcomes as JSON. A column goes to
MLflow as Spark's own Arrow conversion shows it to a pandas UDF (route ``spark``, session zone America/New_York), or, for types
that Spark has not, as ``pyarrow`` converts it (route ``pandas``, no session).
"""

from __future__ import annotations

import copy
import json
import logging
import pathlib
import warnings
from typing import Any

import canon
import cases
import mlflow
import outputs
import pandas as pd
import pyarrow as pa
import rules
from mlflow.models import Model, ModelSignature
from mlflow.pyfunc import PyFuncModel
from mlflow.types.schema import ColSpec, Schema
from pyspark.sql.conversion import ArrowBatchTransformer

ZONE = "America/New_York"
TARGET = pathlib.Path(__file__).parent.parent / "data" / "oracle"


class Echo:
    """A model that gives back what enforcement gave it."""

    def predict(self, model_input: Any, params: dict[str, Any] | None = None) -> Any:
        """Return the input."""
        return model_input


def enforce(schema: Schema, frame: pd.DataFrame) -> Any:
    """Run MLflow's schema enforcement on a frame."""
    meta = Model(signature=ModelSignature(inputs=schema))
    meta.add_flavor("python_function", loader_module="echo")
    return PyFuncModel(model_meta=meta, model_impl=Echo()).predict(frame)


def to_pandas(array: pa.Array, route: str) -> pd.Series:
    """Show a column to pandas as Spark does, or as pyarrow does."""
    if route == "spark":
        batch = pa.record_batch([array], names=["x"])
        return ArrowBatchTransformer.to_pandas(batch, timezone=ZONE)[0]
    return array.to_pandas(maps_as_pydicts="strict")


def said(error: Exception) -> str:
    """Return the start of MLflow's own message, without the data it quotes."""
    return str(error).rpartition("Error: ")[2][:60]


def mlflow_outcome(schema: Schema, frame: pd.DataFrame) -> dict[str, Any]:
    """Return what MLflow's enforcement makes of a frame."""
    try:
        made = enforce(schema, copy.deepcopy(frame))
    except Exception as error:
        return {"refused": said(error)}
    if not isinstance(made, pd.DataFrame):
        return canon.tensor(made)
    return {str(name): {"dtype": str(made[name].dtype), "values": canon.column(made[name])} for name in made.columns}


def default_outcome(specs: list[ColSpec], columns: dict[str, pa.Array], zone: str | None) -> dict[str, Any]:
    """Return what mlflight's default rule makes of the columns."""
    named = all(spec.name is not None for spec in specs)
    made = {}
    try:
        for at, spec in enumerate(specs):
            name = spec.name if named else str(at)
            array = columns.get(name) if named else (list(columns.values())[at] if at < len(columns) else None)
            if array is None:
                if spec.required:
                    raise rules.Refused(None)
                continue
            made[name] = {"values": [canon.value(v, exact=True) for v in rules.column(spec.type, array, zone)]}
    except rules.Refused as refused:
        return {"refused": refused.row}
    return made


def cell(case: cases.Case, inputs: dict[str, pa.Array]) -> dict[str, Any]:
    """Return one row of the oracle."""
    columns = {name: inputs[source] for name, source in case.columns.items()}
    routes = {cases.route(source) for source in case.columns.values()}
    route = "pandas" if "pandas" in routes else "spark"
    frame = pd.DataFrame({name: to_pandas(array, route) for name, array in columns.items()})
    zone = ZONE if route == "spark" else None
    row = {
        "columns": case.columns,
        "inputs": json.loads(case.schema.to_json()),
        "zone": zone,
        "mlflow": mlflow_outcome(case.schema, frame),
    }
    if not case.schema.is_tensor_spec():
        row["default"] = default_outcome(case.schema.inputs, columns, zone)
    return row


def write(path: pathlib.Path, about: str, rows: list[dict[str, Any]]) -> None:
    """Write rows as JSON, one a line, so that a change shows as a small diff."""
    lines = ",\n".join(json.dumps(row, separators=(",", ":")) for row in rows)
    path.write_text(f'{{"mlflow":"{mlflow.__version__}","pandas":"{pd.__version__}","about":"{about}","cells":[\n{lines}\n]}}\n')


def main() -> None:
    """Write the oracle."""
    warnings.filterwarnings("ignore")
    logging.disable(logging.CRITICAL)
    TARGET.mkdir(parents=True, exist_ok=True)
    inputs = cases.inputs()
    batch = pa.record_batch(list(inputs.values()), names=list(inputs))
    with pa.ipc.new_file(TARGET / "inputs.arrow", batch.schema) as file:
        file.write(batch)
    write(TARGET / "enforce.json", "schema enforcement", [cell(case, inputs) for case in cases.cases(inputs)])
    frames = outputs.columns()
    batch = pa.record_batch(list(frames.values()), names=list(frames))
    with pa.ipc.new_file(TARGET / "outputs.arrow", batch.schema) as file:
        file.write(batch)
    write(TARGET / "convert.json", "output conversion", outputs.cells(frames))


if __name__ == "__main__":
    main()
