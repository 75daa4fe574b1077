"""The Model API: what is made, saved and read back, beside what MLflow does with the same."""

from __future__ import annotations

import datetime
import json
import math
import os
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cloudpickle
import mlflow
import mlflow.models
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import yaml
from flavor_cases import CASES, LABELS, ROWS, SKOPS_CASES, Case, flat

import mlflight
import mlflight.pyfunc
import mlflight.sklearn
from mlflight.models import Model, ModelSignature, get_model_info, infer_signature

cloudpickle.register_pickle_by_value(sys.modules[__name__])

#: Environment files are not what most of these tests are about: nothing is loaded to find them.
NO_INFERENCE: dict[str, Any] = {"pip_requirements": ["mlflow"]}


# ---- the model as an object


def everything() -> dict[str, Any]:
    return {
        "none": None,
        "flag": True,
        "whole": 3,
        "large": 2**70,
        "real": 0.1,
        "nan": math.inf,
        "text": "1e5",
        "yes": "yes",
        "bytes": b"\x00\xff",
        "when": datetime.datetime(2018, 5, 25, 17, 28, 53, 350000),
        "zoned": datetime.datetime(2018, 5, 25, 17, 28, 53, tzinfo=datetime.UTC),
        "day": datetime.date(2020, 1, 2),
        "list": [1, [2, None], {"a": [True]}],
        "nested": {"a": {"b": {"c": 1.5}}, 7: "seven"},
        "empty": {},
        "unicode": "ünïcode \U0001f600\n\ttab",
    }


def test_every_value_passes_through_the_file_as_pyyaml_reads_it():
    model = Model().add_flavor("mine", **everything())
    text = model.to_yaml()
    assert yaml.safe_load(text)["flavors"]["mine"] == everything()
    assert Model.from_dict(yaml.safe_load(text)) == model
    read = mlflow.models.Model.from_dict(yaml.safe_load(text))
    assert read.flavors["mine"] == everything()
    assert read.utc_time_created == model.utc_time_created


def test_numpy_and_other_values_are_written_as_what_they_hold(tmp_path: Path):
    import enum

    class Color(enum.IntEnum):
        RED = 3

    model = Model().add_flavor(
        "mine",
        whole=np.int32(4),
        real=np.float32(0.5),
        flag=np.bool_(True),
        array=np.arange(3),
        path=tmp_path,
        pair=(1, "x"),
        some={"b"},
        color=Color.RED,
    )
    assert yaml.safe_load(model.to_yaml())["flavors"]["mine"] == {
        "whole": 4,
        "real": 0.5,
        "flag": True,
        "array": [0, 1, 2],
        "path": str(tmp_path),
        "pair": [1, "x"],
        "some": ["b"],
        "color": 3,
    }
    with pytest.raises(TypeError, match="no form for a value of type object"):
        Model().add_flavor("mine", thing=object()).to_yaml()
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(TypeError, match="nested"):
        Model().add_flavor("mine", loop=loop).to_yaml()


def test_a_model_is_saved_and_read_back_with_all_its_keys(tmp_path: Path):
    signature = infer_signature(ROWS, LABELS)
    model = Model(metadata={"team": "risk"}, signature=signature, a_key_of_mine=[1, 2]).add_flavor("mine", data="x")
    model.save(tmp_path / "model")
    again = Model.load(tmp_path / "model")
    assert again == model
    assert Model.load(tmp_path / "model/MLmodel") == model
    assert again.a_key_of_mine == [1, 2]
    assert again.metadata == {"team": "risk"}
    assert again.signature == signature
    assert again.get_input_schema().input_names() == ["a", "b", "c", "d"]
    info = again.get_model_info()
    assert (info.flavors, info.signature, info.metadata) == ({"mine": {"data": "x"}}, signature, {"team": "risk"})
    assert get_model_info(tmp_path / "model").model_uri == str(tmp_path / "model")
    read = mlflow.models.Model.load(str(tmp_path / "model"))
    assert read.signature.to_dict() == signature.to_dict()
    # And MLflow's own, taken over.
    assert Model.from_dict(read.to_dict()) == model


def test_a_directory_without_a_model_says_so(tmp_path: Path):
    with pytest.raises(mlflight.MlflightError, match="MLmodel") as caught:
        Model.load(tmp_path)
    assert caught.value.code == "MLMODEL_NOT_FOUND"
    with pytest.raises(mlflight.MlflightError) as caught:
        mlflight.sklearn.load_model(tmp_path / "none")
    assert caught.value.kind == "NOT_FOUND"


# ---- signatures

FRAMES: dict[str, Any] = {
    "plain": pd.DataFrame({"a": [1.5, 2], "b": [1, 2], "c": ["x", "y"], "d": [True, False]}),
    "missing": pd.DataFrame({"a": [1.5, np.nan], "c": ["x", None], "d": [True, None], "e": [None, None]}),
    "whole": pd.DataFrame({k: np.array([1, 2], k) for k in ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32"]}),
    "real": pd.DataFrame({k: np.array([1, 2], k) for k in ["float16", "float32", "float64"]}),
    "uint64": pd.DataFrame({"a": np.array([1, 2], "uint64")}),
    "times": pd.DataFrame({"t": pd.to_datetime(["2020-01-01", "2021-01-01"])}),
    "zones": pd.DataFrame({"t": pd.to_datetime(["2020-01-01", "2021-01-01"]).tz_localize("UTC")}),
    "bytes": pd.DataFrame({"t": [b"a", b"b"]}),
    "lists": pd.DataFrame({"t": [[1.5, None], [2.0]], "u": [[[1]], [[2, 3]]], "v": [[], []]}),
    "arrays": pd.DataFrame({"t": [np.array([1.0, 2.0]), np.array([3.0])], "u": [np.array([1], "float32")] * 2}),
    "records": pd.DataFrame({"t": [{"a": 1, "b": "x"}, {"a": 2}], "u": [{"a": 1, "b": None}, {"a": 2, "b": "x"}]}),
    "no record": pd.DataFrame({"t": [{"a": 1}, None]}),
    "record lists": pd.DataFrame({"t": [[{"a": 1, "b": "x"}, {"a": 2}]]}),
    "nullable": pd.DataFrame({"a": pd.array([1, None], "Int64"), "b": pd.array(["a", None], "string")}),
    "series": pd.Series([1, 2]),
    "named series": pd.Series([1.5, None], name="s"),
    "tensor": np.zeros((3, 4), "float32"),
    "words": np.array(["ab", "c"]),
    "objects": np.array([None, "a"], object),
    "tensors": {"a": np.zeros((2, 2), "float32"), "b": np.zeros(2, "int64")},
    "dict": {"a": 1, "b": "x", "c": [1.5, 2.5], "d": {"e": True}, "f": [1, None], "g": None},
    "dicts": [{"a": 1, "b": "x"}, {"a": 2}],
    "texts": ["a", "b"],
    "numbers": [1.5, None],
    "lists of lists": [[1, 2], [3]],
    "nothing": [],
    "text": "hello",
    "time": datetime.datetime(2020, 1, 1),
    "number": np.float32(1.5),
}


@pytest.mark.parametrize("name", FRAMES)
@pytest.mark.filterwarnings("ignore")
def test_signatures_are_those_that_mlflow_infers(name: str):
    expected = mlflow.models.infer_signature(FRAMES[name]).to_dict()["inputs"]
    assert json.loads(infer_signature(FRAMES[name]).to_dict()["inputs"]) == json.loads(expected)


@pytest.mark.parametrize(
    "params",
    [
        {"a": 1, "b": 2.5, "c": "x", "d": True},
        {"a": [1, 2], "b": [1.5], "c": ["x"], "e": [1, 2.5]},
        {"t": datetime.datetime(2020, 1, 1), "n": math.nan, "o": {"x": 1}},
        {"f": np.float32(1.5), "i": np.int64(3), "l": np.array([1, 2])},
    ],
)
def test_params_are_those_that_mlflow_infers(params: dict[str, Any]):
    expected = mlflow.models.infer_signature(ROWS, params=params).to_dict()["params"]
    assert infer_signature(ROWS, params=params).to_dict()["params"] == expected


def test_arrow_data_and_pandas_data_have_one_signature():
    frame = FRAMES["missing"].drop(columns="e")
    expected = infer_signature(frame)
    table = pa.Table.from_pandas(frame)
    assert infer_signature(table) == expected
    assert infer_signature(table.to_batches()[0]) == expected
    assert infer_signature(pa.RecordBatchReader.from_batches(table.schema, table.to_batches())) == expected
    # NaN counts as missing, as in pandas.
    assert infer_signature(pa.table({"a": [1.5, math.nan]})).inputs.optional_input_names() == ["a"]
    assert expected.inputs.to_arrow() == pa.schema({"a": pa.float64(), "c": pa.string(), "d": pa.bool_()})


def test_what_has_no_schema_is_any_with_a_warning():
    with pytest.warns(UserWarning, match="set to any"):
        signature = infer_signature(pd.DataFrame({"a": [object(), 1]}))
    assert signature.inputs.to_dict() == [{"type": "any", "required": True}]
    with pytest.raises(ValueError, match="At least one"):
        ModelSignature()


# ---- whole directories


def files(path: Path) -> set[str]:
    return {str(file.relative_to(path)) for file in path.rglob("*") if file.is_file()}


def test_the_directory_is_laid_out_as_mlflows(tmp_path: Path):
    case = SKOPS_CASES["sklearn-skops"]()
    options = {"input_example": ROWS.head(3), "metadata": {"k": 1}}
    mlflight.sklearn.save_model(case.model, tmp_path / "ours", **options)
    mlflow.sklearn.save_model(case.model, str(tmp_path / "theirs"), **options, **NO_INFERENCE)
    assert files(tmp_path / "ours") == files(tmp_path / "theirs")
    ours, theirs = (yaml.safe_load((tmp_path / name / "MLmodel").read_text()) for name in ("ours", "theirs"))
    for keys in (ours, theirs):
        for name in ("model_uuid", "utc_time_created", "mlflow_version"):
            keys.pop(name)
    # MLflow indents the serving example.
    assert abs(ours.pop("model_size_bytes") - theirs.pop("model_size_bytes")) < 1000
    assert ours == theirs
    for name in ("input_example.json", "serving_input_example.json"):
        assert json.loads((tmp_path / "ours" / name).read_text()) == json.loads((tmp_path / "theirs" / name).read_text())
    environments = [yaml.safe_load((tmp_path / name / "conda.yaml").read_text()) for name in ("ours", "theirs")]
    assert environments[0].keys() == environments[1].keys()
    assert environments[0]["dependencies"][0] == environments[1]["dependencies"][0]
    assert yaml.safe_load((tmp_path / "ours/python_env.yaml").read_text())["dependencies"] == ["-r requirements.txt"]
    requirements = (tmp_path / "ours/requirements.txt").read_text().splitlines()
    assert requirements[0] == f"mlflow=={mlflow.__version__}"
    assert all("==" in line for line in requirements)
    names = {line.split("==")[0] for line in requirements}
    assert names == {"mlflow", "numpy", "pandas", "scikit-learn", "scipy", "skops"}
    np.testing.assert_array_equal(Model.load(tmp_path / "ours").load_input_example(), ROWS.head(3))
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


EXAMPLES: dict[str, Any] = {
    "frame": pd.DataFrame({"a": [1.5, None], "b": ["x", None], "c": [[1, 2], [3]]}),
    "unnamed": pd.DataFrame(np.eye(2)),
    "tensor": np.array([[1.5, np.nan]]),
    "tensors": {"x": np.zeros((1, 2)), "y": np.array([1])},
    "dict": {"a": 1, "b": ["x"]},
    "list": ["a", "b"],
    "text": "hello",
    "params": (pd.DataFrame({"a": [1]}), {"k": 2, "l": [1.5]}),
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_are_written_as_mlflow_writes_them(name: str, tmp_path: Path):
    from mlflow.models.utils import _Example

    _Example(EXAMPLES[name]).save(str(tmp_path))
    mlflight.pyfunc.save_model(
        tmp_path / "ours", python_model=lambda x: x, input_example=EXAMPLES[name], signature=False, **NO_INFERENCE
    )
    for file in ("input_example.json", "serving_input_example.json"):
        # pandas 3 lets MLflow write NaN where text is missing, which JSON has not.
        expected = (tmp_path / file).read_text().replace("NaN", "null")
        assert json.loads((tmp_path / "ours" / file).read_text()) == json.loads(expected)
    info = _Example(EXAMPLES[name]).info
    assert yaml.safe_load((tmp_path / "ours/MLmodel").read_text())["saved_input_example_info"] == info


def test_sparse_examples(tmp_path: Path):
    import scipy.sparse

    matrix = scipy.sparse.csr_matrix(np.eye(3))
    mlflight.pyfunc.save_model(tmp_path / "m", python_model=lambda x: x, input_example=matrix, signature=False, **NO_INFERENCE)
    read = mlflow.models.Model.load(str(tmp_path / "m")).load_input_example(str(tmp_path / "m"))
    assert (read != matrix).nnz == 0


def test_a_failed_save_leaves_nothing_and_nothing_is_overwritten(tmp_path: Path):
    class Unpicklable(mlflight.pyfunc.PythonModel):
        def __reduce__(self) -> Any:
            raise ValueError("not today")

        def predict(self, context: Any, model_input: Any) -> Any:
            return model_input

    with pytest.raises(mlflight.MlflightError, match="not today"):
        mlflight.pyfunc.save_model(tmp_path / "m", python_model=Unpicklable(), **NO_INFERENCE)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "m").mkdir()
    (tmp_path / "m/mine.txt").write_text("keep")
    with pytest.raises(mlflight.MlflightError, match="exists") as caught:
        mlflight.sklearn.save_model(CASES["sklearn-pickle"]().model, tmp_path / "m")
    assert caught.value.code == "ALREADY_EXISTS"
    assert files(tmp_path) == {"m/mine.txt"}


def test_arguments_that_are_not_known_are_refused(tmp_path: Path):
    model = CASES["sklearn-pickle"]().model
    with pytest.raises(TypeError, match="unexpected keyword argument 'pip_requirement'"):
        mlflight.sklearn.save_model(model, tmp_path / "m", pip_requirement=["x"])
    with pytest.raises(ValueError, match="Only one of"):
        mlflight.sklearn.save_model(model, tmp_path / "m", pip_requirements=["x"], conda_env={})
    with pytest.raises(mlflight.MlflightError, match="Unrecognized serialization format"):
        mlflight.sklearn.save_model(model, tmp_path / "m", serialization_format="zip")
    with pytest.raises(mlflight.MlflightError, match="python_model is an instance"):
        mlflight.pyfunc.save_model(tmp_path / "m", python_model=3)
    mlflight.sklearn.save_model(model, tmp_path / "sk", serialization_format="pickle", **NO_INFERENCE)
    with pytest.raises(mlflight.MlflightError, match="has no flavor xgboost; it has"):
        mlflight.xgboost.load_model(tmp_path / "sk")


# ---- environments


def saved_requirements(path: Path, **options: Any) -> tuple[list[str], dict[str, Any]]:
    mlflight.pyfunc.save_model(path, python_model=lambda x: x, signature=False, **options)
    conda = yaml.safe_load((path / "conda.yaml").read_text())
    return (path / "requirements.txt").read_text().splitlines(), conda


def test_requirements_in_every_form(tmp_path: Path):
    (tmp_path / "more.txt").write_text("scipy>=1  # numbers\n")
    (tmp_path / "bounds.txt").write_text("numpy<9\n")
    (tmp_path / "all.txt").write_text("# mine\n-r more.txt\n-c bounds.txt\nmlflow==2.0\n")
    lines, conda = saved_requirements(tmp_path / "a", pip_requirements=str(tmp_path / "all.txt"))
    assert lines == ["scipy>=1", "mlflow==2.0", "-c constraints.txt"]
    assert (tmp_path / "a/constraints.txt").read_text() == "numpy<9"
    assert conda["dependencies"][-1] == {"pip": lines}
    lines, _ = saved_requirements(tmp_path / "b", extra_pip_requirements=["cloudpickle==1.0", "mine"])
    assert lines[0] == f"mlflow=={mlflow.__version__}"
    assert {"cloudpickle==1.0", "mine"} <= set(lines)
    env = {"name": "own", "channels": ["x"], "dependencies": ["python=3.12", "gcc", {"pip": ["pandas"]}]}
    lines, conda = saved_requirements(tmp_path / "c", conda_env=env)
    assert lines == [f"mlflow=={mlflow.__version__}", "pandas"]
    assert conda == {**env, "dependencies": ["python=3.12", "gcc", {"pip": lines}]}
    (tmp_path / "conda.yaml").write_text(yaml.safe_dump(env))
    assert saved_requirements(tmp_path / "d", conda_env=str(tmp_path / "conda.yaml"))[1] == conda


def test_a_model_that_cannot_be_loaded_falls_back_with_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    class Broken(mlflight.pyfunc.PythonModel):
        def load_context(self, context: Any) -> None:
            raise RuntimeError("no gears here")

        def predict(self, context: Any, model_input: Any) -> Any:
            return model_input

    with pytest.warns(UserWarning, match="no gears here"):
        mlflight.pyfunc.save_model(tmp_path / "m", python_model=Broken())
    names = [line.split("==")[0] for line in (tmp_path / "m/requirements.txt").read_text().splitlines()]
    assert names == ["mlflow", "cloudpickle"]


# ---- flavors


@pytest.fixture(scope="module", params={**CASES, **SKOPS_CASES})
def flavor(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Case, Path]:
    """Return a case and its directory."""
    case = {**CASES, **SKOPS_CASES}[request.param]()
    path = tmp_path_factory.mktemp("flavor") / "model"
    case.save_ours(path)
    return case, path


def test_each_flavor_gives_back_an_object_of_its_library(flavor: tuple[Case, Path]):
    import importlib

    case, path = flavor
    loaded = importlib.import_module(f"mlflight.{case.flavor}").load_model(path)
    assert type(loaded) is type(case.model)
    np.testing.assert_array_equal(flat(case.answer(loaded)), case.expected)
    np.testing.assert_allclose(flat(mlflight.load_model(path).predict(ROWS)), case.expected, rtol=1e-6)
    np.testing.assert_allclose(flat(mlflow.pyfunc.load_model(str(path)).predict(ROWS)), case.expected, rtol=1e-6)
    lines = (path / "requirements.txt").read_text().splitlines()
    assert lines[0] == f"mlflow=={mlflow.__version__}"
    own = {"sklearn": "scikit-learn"}.get(case.flavor, case.flavor)
    assert own in {line.split("==")[0] for line in lines}


def test_signatures_come_from_the_input_example(tmp_path: Path):
    import mlflight.xgboost

    case = CASES["xgboost-estimator"]()
    mlflight.xgboost.save_model(case.model, tmp_path / "m", input_example=ROWS.head(2), **NO_INFERENCE)
    signature = Model.load(tmp_path / "m").signature
    assert signature == infer_signature(ROWS, pd.Series(case.model.predict(ROWS)))
    mlflight.xgboost.save_model(case.model, tmp_path / "n", input_example=ROWS.head(2), signature=False, **NO_INFERENCE)
    assert Model.load(tmp_path / "n").signature is None
    theirs = mlflow.models.infer_signature(ROWS)
    mlflight.xgboost.save_model(case.model, tmp_path / "o", signature=theirs, **NO_INFERENCE)
    assert Model.load(tmp_path / "o").signature.to_dict() == theirs.to_dict()


def test_types_that_skops_does_not_trust_are_named(tmp_path: Path):
    from sklearn.preprocessing import FunctionTransformer

    model = FunctionTransformer(np.log1p)
    mlflight.sklearn.save_model(model, tmp_path / "ok", pyfunc_predict_fn="transform", **NO_INFERENCE)
    with pytest.raises(mlflight.MlflightError, match="skops_trusted_types"):
        mlflight.sklearn.save_model(FunctionTransformer(np.testing.suppress_warnings), tmp_path / "m", **NO_INFERENCE)
    assert not (tmp_path / "m").exists()


def test_code_execution_can_be_turned_off(flavor: tuple[Case, Path], monkeypatch: pytest.MonkeyPatch):
    case, path = flavor
    if case.flavor != "sklearn":
        return
    monkeypatch.setenv("MLFLOW_ALLOW_MODEL_CODE_EXECUTION", "false")
    with pytest.raises(mlflight.MlflightError, match="MLFLOW_ALLOW_MODEL_CODE_EXECUTION"):
        mlflight.sklearn.load_model(path)


# ---- models in Python


class Scaled(mlflight.pyfunc.PythonModel):
    """Multiplies by what its artifact, its config and its params say."""

    def load_context(self, context: Any) -> None:
        self.factor = float(Path(context.artifacts["factor"]).read_text())
        self.offset = (context.model_config or {}).get("offset", 0)

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> Any:
        return model_input["a"] * self.factor + self.offset + (params or {}).get("more", 0)


class TheirScaled(mlflow.pyfunc.PythonModel):
    """The same of MLflow's base class, whose predict has no context."""

    def predict(self, model_input, params=None):
        return model_input["a"] * 2.5 + 1 + (params or {}).get("more", 0)


@pytest.fixture(scope="module")
def python_models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return models in Python by their kinds: column ``a`` times 2.5, plus 1, plus the param ``more``."""
    root = tmp_path_factory.mktemp("python")
    (root / "factor.txt").write_text("2.5")
    (root / "config.yaml").write_text("offset: 1\n")
    (root / "script.py").write_text(
        "import pandas\n"
        "from mlflight.models import ModelConfig, set_model\n"
        "from mlflight.pyfunc import PythonModel\n"
        "offset = ModelConfig(development_config={'offset': 0}).get('offset')\n"
        "class Plus(PythonModel):\n"
        "    def predict(self, context, model_input, params=None):\n"
        "        return model_input['a'] * 2.5 + offset + (params or {}).get('more', 0)\n"
        "set_model(Plus())\n"
    )
    (root / "my_loader.py").write_text(
        "import my_helpers\n"
        "from pathlib import Path\n"
        "class Model:\n"
        "    def __init__(self, factor):\n        self.factor = factor\n"
        "    def predict(self, frame, params=None):\n"
        "        return my_helpers.scale(frame['a'], self.factor) + (params or {}).get('more', 0)\n"
        "def _load_pyfunc(path):\n    return Model(float(Path(path, 'factor.txt').read_text()))\n"
    )
    (root / "my_helpers").mkdir()
    (root / "my_helpers/__init__.py").write_text("def scale(column, factor):\n    return column * factor + 1\n")
    (root / "data").mkdir()
    (root / "data/factor.txt").write_text("2.5")
    signature = infer_signature(ROWS, pd.Series([1.5]), {"more": 0.0})
    common: dict[str, Any] = {"signature": signature, **NO_INFERENCE}
    artifacts = {"factor": root / "factor.txt"}
    save = mlflight.pyfunc.save_model
    save(root / "class", python_model=Scaled(), artifacts=artifacts, model_config=root / "config.yaml", **common)
    save(root / "their class", python_model=TheirScaled(), **common)
    save(root / "script", python_model=root / "script.py", model_config={"offset": 1}, **common)
    code = [root / "my_loader.py", root / "my_helpers"]
    save(root / "loader", loader_module="my_loader", data_path=root / "data", code_paths=code, **common)
    return {name: root / name for name in ("class", "their class", "script", "loader")}


@pytest.mark.parametrize("name", ["class", "their class", "script", "loader"])
def test_models_in_python_are_scored_by_both(python_models: dict[str, Path], name: str):
    path = python_models[name]
    expected = ROWS["a"] * 2.5 + 1
    loaded = mlflight.pyfunc.load_pyfunc(path)
    np.testing.assert_allclose(loaded.predict(ROWS), expected)
    np.testing.assert_allclose(loaded.predict(ROWS, params={"more": 2.0}), expected + 2)
    np.testing.assert_allclose(mlflow.pyfunc.load_model(str(path)).predict(ROWS, params={"more": 2.0}), expected + 2)


def test_functions_are_models(tmp_path: Path):
    with pytest.raises(mlflight.MlflightError, match="at least one of"):
        mlflight.pyfunc.save_model(tmp_path / "m", python_model=lambda frame: frame["a"])
    mlflight.pyfunc.save_model(tmp_path / "m", python_model=lambda frame: frame["a"] + 1, input_example=ROWS.head(2))
    assert Model.load(tmp_path / "m").signature.outputs.to_dict() == [{"type": "double", "name": "a", "required": True}]
    np.testing.assert_allclose(mlflow.pyfunc.load_model(str(tmp_path / "m")).predict(ROWS), ROWS["a"] + 1)

    def texts(words: list[str]) -> list[str]:
        return [word.upper() for word in words]

    mlflight.pyfunc.save_model(tmp_path / "t", python_model=texts, signature=infer_signature(["x"], ["X"]), **NO_INFERENCE)
    assert mlflow.pyfunc.load_model(str(tmp_path / "t")).predict(["a", "b"]) == ["A", "B"]
    assert list(mlflight.load_model(tmp_path / "t").predict(pd.DataFrame({"0": ["a", "b"]}))) == ["A", "B"]


def test_artifacts_of_equal_names_do_not_meet(tmp_path: Path):
    for name in ("x", "y"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "w.txt").write_text(name)

    class Reads(mlflight.pyfunc.PythonModel):
        def predict(self, context: Any, model_input: Any, params: Any = None) -> Any:
            return [Path(context.artifacts["x"]).read_text() + Path(context.artifacts["y"]).read_text()] * len(model_input)

    artifacts = {name: (tmp_path / name / "w.txt").as_posix() for name in ("x", "y")}
    mlflight.pyfunc.save_model(tmp_path / "m", python_model=Reads(), artifacts=artifacts, **NO_INFERENCE)
    assert set(mlflight.load_model(tmp_path / "m").predict(ROWS)) == {"xy"}
    assert set(mlflow.pyfunc.load_model(str(tmp_path / "m")).predict(ROWS)) == {"xy"}
    with pytest.raises(mlflight.MlflightError) as caught:
        mlflight.pyfunc.save_model(tmp_path / "n", python_model=Reads(), artifacts={"x": str(tmp_path / "none")})
    assert caught.value.kind == "NOT_FOUND"


# ---- without MLflow


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an interpreter that has every package of this one but MLflow."""
    root = tmp_path_factory.mktemp("bare") / "venv"
    venv.create(root, with_pip=False, symlinks=True)
    target = next((root / "lib").glob("python*")) / "site-packages"
    for entry in Path(sysconfig.get_path("purelib")).iterdir():
        if not entry.name.startswith(("mlflow", "_virtualenv")) and not (target / entry.name).exists():
            (target / entry.name).symlink_to(entry)
    if "site-packages" not in str(mlflight.__file__):
        (target / "mlflight").symlink_to(Path(mlflight.__file__).parent)
    python = root / "bin/python"
    done = subprocess.run([python, "-c", "import mlflow"], capture_output=True, text=True)
    assert "No module named 'mlflow'" in done.stderr
    return python


def run(python: Path, program: str, *arguments: Any) -> Any:
    environment = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    done = subprocess.run(
        [python, "-c", program, *map(str, arguments)], capture_output=True, text=True, env=environment, cwd=python.parent
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


SCORE = """
import json, sys, numpy, pandas, mlflight
rows = pandas.read_json(sys.argv[1], precise_float=True)
answers = []
for path in sys.argv[2:]:
    model = mlflight.load_model(path, engine="python")
    answers.append(numpy.asarray(model.predict(rows)).tolist())
assert "mlflow" not in sys.modules
print(json.dumps(answers))
"""


def test_without_mlflow_every_kind_of_model_is_scored_in_python(bare: Path, python_models: dict[str, Path], tmp_path: Path):
    ROWS.to_json(tmp_path / "rows.json", double_precision=15)
    rows = pd.read_json(tmp_path / "rows.json", precise_float=True)
    paths = {str(path): rows["a"] * 2.5 + 1 for path in python_models.values()}
    # Those that MLflow itself saved, too.
    mlflow.pyfunc.save_model(str(tmp_path / "theirs"), python_model=TheirScaled(), **NO_INFERENCE)
    paths[str(tmp_path / "theirs")] = rows["a"] * 2.5 + 1
    for name, build in {**CASES, **SKOPS_CASES}.items():
        case = build()
        case.save_theirs(tmp_path / name)
        paths[str(tmp_path / name)] = mlflow.pyfunc.load_model(str(tmp_path / name)).predict(rows)
    answers = run(bare, SCORE, tmp_path / "rows.json", *paths)
    for (path, expected), answer in zip(paths.items(), answers, strict=True):
        np.testing.assert_allclose(flat(answer), flat(expected), rtol=1e-6, err_msg=path)


SAVE = """
import json, sys, numpy, pandas, mlflight.pyfunc, mlflight.sklearn
from pathlib import Path
from sklearn.linear_model import LinearRegression
root, rows = Path(sys.argv[1]), pandas.DataFrame({"a": [1.0, 2.0, 4.0], "b": [0.0, 1.0, 0.0]})
class Twice(mlflight.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        return model_input["a"] * 2
mlflight.pyfunc.save_model(root / "python", python_model=Twice(), input_example=rows)
mlflight.sklearn.save_model(LinearRegression().fit(rows, rows["a"] * 2), root / "sklearn", input_example=rows)
assert "mlflow" not in sys.modules
print(json.dumps((root / "python/requirements.txt").read_text().splitlines()))
"""


def test_what_is_saved_without_mlflow_mlflow_scores(bare: Path, tmp_path: Path):
    requirements = run(bare, SAVE, tmp_path)
    assert [line.split("==")[0] for line in requirements] == ["cloudpickle", "numpy", "pandas"]
    rows = pd.DataFrame({"a": [1.0, 2.0, 4.0], "b": [0.0, 1.0, 0.0]})
    for name in ("python", "sklearn"):
        np.testing.assert_allclose(mlflow.pyfunc.load_model(str(tmp_path / name)).predict(rows), rows["a"] * 2)
    # Nothing in the pickle names mlflight: its module is blocked here.
    program = (
        "import sys; sys.modules['mlflight'] = None\n"
        "import json, mlflow.pyfunc, pandas\n"
        "rows = pandas.DataFrame({'a': [1.0], 'b': [0.0]})\n"
        "print(json.dumps(list(mlflow.pyfunc.load_model(sys.argv[1]).predict(rows))))"
    )
    assert run(Path(sys.executable), program, tmp_path / "python") == [2.0]


# ---- logged


@pytest.fixture
def tracked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Return the URI of a database that mlflight and MLflow both log to."""
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.chdir(tmp_path)
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(uri)
    # MLflow makes the database and its tables.
    mlflow.MlflowClient().create_experiment("mine", artifact_location=(tmp_path / "artifacts").as_uri())
    yield uri
    mlflow.set_tracking_uri(before)


def test_models_are_logged_and_registered_and_mlflow_finds_them(tracked: str):
    from mlflight import tracking

    case = CASES["sklearn-cloudpickle"]()
    tracking.set_experiment("mine")
    with tracking.start_run() as run:
        info = mlflight.sklearn.log_model(
            case.model, "clf", registered_model_name="churn", metadata={"k": 1}, params={"c": 1.5}, **case.options, **NO_INFERENCE
        )
    assert (info.run_id, info.name, str(info.registered_model_version)) == (run.run_id, "clf", "1")
    assert info.model_uri == f"models:/{info.model_id}"
    assert info.metadata == {"k": 1}
    for uri in (info.model_uri, f"runs:/{run.run_id}/clf", "models:/churn/1"):
        np.testing.assert_array_equal(mlflow.pyfunc.load_model(uri).predict(ROWS), case.expected)
        np.testing.assert_array_equal(flat(mlflight.load_model(uri).predict(ROWS)), case.expected)
        np.testing.assert_array_equal(case.answer(mlflight.sklearn.load_model(uri)), case.expected)
        assert Model.load(uri).metadata == {"k": 1}
    assert Model.load("clf", run_id=run.run_id).model_id == info.model_id
    assert [model.name for model in mlflow.search_logged_models(["1"], output_format="list")] == ["clf"]
    with pytest.raises(mlflight.MlflightError, match="does not take model_type"):
        mlflight.sklearn.log_model(case.model, "clf", model_type="x")


def test_a_model_is_an_artifact_of_a_run(tracked: str, tmp_path: Path):
    from mlflight import tracking

    tracking.set_experiment("mine")
    with tracking.start_run() as run:
        pass
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/weights.txt").write_text("3")
    model = Model().add_flavor("mine", data="weights.txt")
    model.save(tmp_path / "mine")
    uri = model.log_artifact("kept", run_id=run.run_id)
    assert uri.endswith("kept")
    client = mlflow.MlflowClient()
    assert sorted(item.path for item in client.list_artifacts(run.run_id, "kept")) == ["kept/MLmodel", "kept/weights.txt"]
    # One without files of its own.
    Model().add_flavor("bare", x=1).log_artifact("bare", run_id=run.run_id)
    assert [item.path for item in client.list_artifacts(run.run_id, "bare")] == ["bare/MLmodel"]
    assert Model.load("kept", run_id=run.run_id).flavors == {"mine": {"data": "weights.txt"}}


def test_a_flavor_of_ones_own_is_logged(tracked: str, tmp_path: Path):
    class Mine:
        @staticmethod
        def save_model(path: str, mlflow_model: Model, words: str) -> None:
            Path(path).mkdir()
            Path(path, "words.txt").write_text(words)
            mlflow_model.add_flavor("mine", data="words.txt").save(path)

    info = Model.log("own", Mine, words="hello")
    assert info.flavors == {"mine": {"data": "words.txt"}}
    local = mlflow.artifacts.download_artifacts(info.model_uri)
    assert Path(local, "words.txt").read_text() == "hello"
