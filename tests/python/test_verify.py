"""`mlflight verify`: MLflow, Python workers and native kernels over the same rows."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.models import infer_signature
from mlflow.models.model import Model
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from mlflight._paths import BINARY


def verify(model: Path, *arguments: str, python: str = sys.executable) -> tuple[int, dict, str]:
    """Run the command; its exit code, its report and stderr."""
    command = [BINARY, "verify", model, "--json", "--python", python, *arguments]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=300)
    return done.returncode, json.loads(done.stdout) if done.stdout else {}, done.stderr


def scored(report: dict) -> list[str]:
    return [run["by"] for run in report["runs"] if "rows" in run]


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    dice = np.random.default_rng(7)
    rows = 60
    return pd.DataFrame({
        "amount": dice.normal(size=rows),
        "count": dice.integers(0, 9, size=rows),
        "country": dice.choice(["de", "fr", "é\x1b[31m"], size=rows),
    })


@pytest.fixture(scope="module")
def classifier(frame: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    columns = ColumnTransformer([("words", OneHotEncoder(), ["country"]), ("numbers", StandardScaler(), ["amount", "count"])])
    labels = np.where(frame["amount"] + frame["count"] > 4, "yes", "no")
    model = make_pipeline(columns, LogisticRegression()).fit(frame, labels)
    path = tmp_path_factory.mktemp("verify") / "classifier"
    mlflow.sklearn.save_model(model, path, signature=infer_signature(frame, labels), input_example=frame.head(20))
    return path


def test_all_three_agree_on_the_input_example(classifier: Path) -> None:
    code, report, error = verify(classifier)
    assert (code, error) == (0, "")
    assert scored(report) == ["mlflow", "python", "native"]
    assert {run["rows"] for run in report["runs"]} == {20}
    pairs = [(comparison["reference"], comparison["by"], comparison["differences"]) for comparison in report["comparisons"]]
    assert pairs == [("mlflow", "python", []), ("mlflow", "native", [])]


def test_arrays_and_several_outputs(tmp_path: Path) -> None:
    dice = np.random.default_rng(3)
    inputs, outputs = dice.normal(size=(30, 4)), dice.normal(size=(30, 2))
    model = LinearRegression().fit(inputs, outputs)
    mlflow.sklearn.save_model(model, tmp_path / "model", signature=infer_signature(inputs, outputs), input_example=inputs[:7])
    code, report, error = verify(tmp_path / "model")
    assert (code, error, scored(report)) == (0, "", ["mlflow", "python", "native"])
    assert {run["rows"] for run in report["runs"]} == {7}


def test_other_rows(classifier: Path, frame: pd.DataFrame, tmp_path: Path) -> None:
    frame.to_parquet(tmp_path / "rows.parquet")
    code, report, _ = verify(classifier, "--data", str(tmp_path / "rows.parquet"))
    assert (code, scored(report)) == (0, ["mlflow", "python", "native"])
    assert {run["rows"] for run in report["runs"]} == {60}


def test_a_difference_is_shown_and_is_exit_code_2(tmp_path: Path) -> None:
    inputs = pd.DataFrame({"x": np.arange(8.0)})
    path = tmp_path / "model"
    mlflow.sklearn.save_model(
        LinearRegression().fit(inputs, inputs["x"] * 2), path, serialization_format="pickle", input_example=inputs
    )
    # The flavor that is scored natively leads to a file, python_function to that of another model.
    mlflow.sklearn.save_model(
        LinearRegression().fit(inputs, inputs["x"] * 2 + 1), tmp_path / "other", serialization_format="pickle"
    )
    shutil.copy(tmp_path / "other" / "model.pkl", path / "other.pkl")
    metadata = Model.load(path)
    metadata.flavors["sklearn"]["pickled_model"] = "other.pkl"
    metadata.save(path / "MLmodel")
    code, report, error = verify(path)
    assert code == 2
    assert "the answers differ" in error
    python, native = report["comparisons"]
    assert (python["by"], python["differences"]) == ("python", [])
    assert native["by"] == "native"
    [difference] = native["differences"]
    assert difference["rows"] == 8
    assert difference["largest"] == pytest.approx(1)
    assert difference["first"]["row"] == 0
    assert float(difference["first"]["found"]) == pytest.approx(1)
    code, _, _ = verify(path, "--tolerance", "0.999")
    assert code == 2
    command = [BINARY, "verify", path, "--python", sys.executable]
    text = subprocess.run(command, check=False, capture_output=True, text=True).stdout
    assert "native differs from mlflow: column 'prediction': 8 rows" in text
    assert "python agrees with mlflow" in text


def test_params_of_the_example_are_used(tmp_path: Path) -> None:
    # Defined here, so that it is pickled by value.
    class Scaled(mlflow.pyfunc.PythonModel):
        def predict(self, context, model_input, params=None):
            return model_input["x"] * params["factor"]

    example = (pd.DataFrame({"x": [1.0, 2.0]}), {"factor": 3.0})
    signature = infer_signature(example[0], np.array([3.0, 6.0]), params=example[1])
    mlflow.pyfunc.save_model(tmp_path / "model", python_model=Scaled(), signature=signature, input_example=example)
    code, report, _ = verify(tmp_path / "model")
    assert (code, scored(report)) == (0, ["mlflow", "python"])
    native = report["runs"][2]
    assert native["by"] == "native"
    assert native["code"] == "NEEDS_PYTHON"


def test_what_cannot_be_verified(tmp_path: Path, classifier: Path, frame: pd.DataFrame) -> None:
    inputs = pd.DataFrame({"x": np.arange(8.0)})
    mlflow.sklearn.save_model(LinearRegression().fit(inputs, inputs["x"]), tmp_path / "model")
    code, _, error = verify(tmp_path / "model")
    assert code == 4
    assert "without an input example" in error
    assert "--data" in error
    inputs.to_csv(tmp_path / "rows.csv", index=False)
    code, report, _ = verify(tmp_path / "model", "--data", str(tmp_path / "rows.csv"))
    assert (code, scored(report)) == (0, ["mlflow", "python", "native"])
    code, report, _ = verify(classifier, "--no-code-execution")
    assert (code, scored(report), report["comparisons"]) == (0, ["native"], [])
