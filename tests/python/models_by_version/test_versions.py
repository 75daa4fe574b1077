"""Models of every flavor, saved by mlflight and loaded by the MLflow of this environment, and the other way round."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import mlflow
import mlflow.pyfunc
import numpy as np
import pytest
import yaml
from flavor_cases import CASES, LARGE_CASES, ROWS, SKOPS_CASES, Case, flat

import mlflight
from mlflight.models import Model

VERSION = tuple(int(part) for part in mlflow.__version__.split(".")[:2])
ALL = {**CASES, **(SKOPS_CASES if VERSION >= (3, 15) else {}), **(LARGE_CASES if VERSION >= (3, 18) else {})}


@pytest.fixture(scope="module", params=ALL)
def saved(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Case, Path, Path]:
    """Return a case and its two directories: the one that mlflight saved, and MLflow's."""
    case = ALL[request.param]()
    root = tmp_path_factory.mktemp("saved")
    case.save_ours(root / "ours")
    case.save_theirs(root / "theirs")
    return case, root / "ours", root / "theirs"


def load(root: str, case: Case, path: Path) -> Any:
    """Return the library's own object, as ``mlflow`` or ``mlflight`` loads it."""
    return importlib.import_module(f"{root}.{case.flavor}").load_model(str(path))


def rows(case: Case) -> Any:
    """Return what MLflow's pyfunc is given: tensors where the signature declares them."""
    return case.input.to_numpy("float32") if case.flavor == "tensorflow" else case.input


def test_what_mlflight_saves_mlflow_loads_and_scores(saved: tuple[Case, Path, Path]):
    case, ours, _ = saved
    np.testing.assert_allclose(flat(mlflow.pyfunc.load_model(str(ours)).predict(rows(case))), case.expected, rtol=1e-5)
    loaded = load("mlflow", case, ours)
    assert type(loaded).__name__ == type(case.model).__name__ or case.flavor in ("tensorflow", "h2o")
    np.testing.assert_allclose(flat(case.answer(loaded)), case.expected, rtol=1e-5)


def test_what_mlflow_saves_mlflight_loads_and_scores(saved: tuple[Case, Path, Path]):
    case, _, theirs = saved
    loaded = load("mlflight", case, theirs)
    assert type(loaded).__name__ == type(case.model).__name__ or case.flavor in ("tensorflow", "h2o")
    np.testing.assert_allclose(flat(case.answer(loaded)), case.expected, rtol=1e-5)
    np.testing.assert_allclose(flat(scored(case, theirs)), case.expected, rtol=1e-5)


@pytest.mark.skipif(VERSION < (3, 18), reason="the libraries of the other versions are scored in test_model_api.py")
def test_what_mlflight_saves_it_scores(saved: tuple[Case, Path, Path]):
    case, ours, _ = saved
    if case.flavor in ("tensorflow", "h2o"):
        np.testing.assert_allclose(flat(scored(case, ours)), case.expected, rtol=1e-5)


@pytest.mark.skipif(VERSION < (3, 18), reason="the loaders of the other flavors are tested in test_model_api.py")
def test_mlflights_own_loaders_answer_as_mlflows(saved: tuple[Case, Path, Path]):
    from mlflight import _loaders
    from mlflight.models.environment import task_of

    case, _, theirs = saved
    task = task_of(theirs, Model.load(theirs).to_dict())
    loaded = _loaders.load(task["module"], task["data"], task["directory"], task["flavors"])
    predict = getattr(loaded, task["predict_fn"] or "predict")
    np.testing.assert_allclose(flat(predict(rows(case))), case.expected, rtol=1e-5)


@pytest.mark.skipif(VERSION < (3, 18), reason="TensorFlow is in one environment")
def test_saved_model_directories_go_both_ways(tmp_path: Path):
    import tensorflow

    import mlflight.tensorflow

    class Twice(tensorflow.Module):
        @tensorflow.function(input_signature=[tensorflow.TensorSpec([None], tensorflow.float64, name="a")])
        def __call__(self, a: Any) -> Any:
            return {"y": a * 2}

    model = Twice()
    tensorflow.saved_model.save(model, str(tmp_path / "raw"), signatures={"serving_default": model.__call__})
    mlflight.tensorflow.save_saved_model(tmp_path / "raw", tmp_path / "m", pip_requirements=["mlflow"])
    frame = ROWS[["a"]]
    np.testing.assert_allclose(mlflow.pyfunc.load_model(str(tmp_path / "m")).predict(frame)["y"], frame["a"] * 2)
    answer = mlflight.tensorflow.load_model(tmp_path / "m")(a=tensorflow.constant(frame["a"].to_numpy()))
    np.testing.assert_allclose(answer["y"].numpy(), frame["a"] * 2)
    answer = mlflow.tensorflow.load_model(str(tmp_path / "m"))(a=tensorflow.constant(frame["a"].to_numpy()))
    np.testing.assert_allclose(answer["y"].numpy(), frame["a"] * 2)
    with pytest.raises(mlflight.MlflightError, match="no SavedModel directory"):
        mlflight.tensorflow.save_saved_model(tmp_path, tmp_path / "n")


def scored(case: Case, path: Path) -> Any:
    """Return what mlflight answers; a tensor is one column of lists."""
    if case.flavor != "tensorflow":
        return mlflight.load_model(path).predict(case.input)
    import pyarrow as pa

    lists = pa.array(case.input.to_numpy("float32").tolist(), pa.list_(pa.float32()))
    return mlflight.load_model(path).predict(pa.table({"0": lists}))


def test_the_keys_are_those_of_mlflow(saved: tuple[Case, Path, Path]):
    case, ours, theirs = saved
    mine, others = (yaml.safe_load((path / "MLmodel").read_text()) for path in (ours, theirs))
    for flavor in ("python_function", case.flavor):
        known = {"model_class", "python_version", "loader_module", "predict_fn"}
        known |= {"data", "model_path"} if VERSION >= (3, 18) else set()
        assert others["flavors"][flavor].keys() - mine["flavors"][flavor].keys() <= set(), flavor
        for key in known & others["flavors"][flavor].keys():
            assert mine["flavors"][flavor][key] == others["flavors"][flavor][key], (flavor, key)
    if VERSION >= (3, 18):
        assert mine.keys() == others.keys()
        same = {path.name for path in theirs.iterdir()} | {"constraints.txt"}
        assert {path.name for path in ours.iterdir()} <= same


def test_unknown_keys_pass_through_both(saved: tuple[Case, Path, Path], tmp_path: Path):
    _, _, theirs = saved
    keys = yaml.safe_load((theirs / "MLmodel").read_text())
    keys["a_key_of_tomorrow"] = {"nested": [1, None, "x"]}
    keys["flavors"]["a_flavor_of_tomorrow"] = {"data": "x", "when": 1.5}
    (tmp_path / "MLmodel").write_text(yaml.safe_dump(keys))
    Model.load(tmp_path).save(tmp_path / "again")
    assert yaml.safe_load((tmp_path / "again/MLmodel").read_text()) == {**_made(), **keys}
    # MLflow's, of what mlflight wrote.
    read = mlflow.models.Model.load(str(tmp_path / "again"))
    assert read.a_key_of_tomorrow == keys["a_key_of_tomorrow"]
    assert read.flavors == keys["flavors"]


def _made() -> dict[str, Any]:
    """Return the keys that mlflight writes into every file."""
    return {"model_id": None, "prompts": None}


class Scaled(mlflow.pyfunc.PythonModel):
    """A model of MLflow's base class."""

    def load_context(self, context: Any) -> None:
        self.factor = float(Path(context.artifacts["factor"]).read_text())

    def predict(self, context: Any, model_input: Any, params: Any = None) -> Any:
        return model_input["a"] * self.factor


def test_python_models_go_both_ways(tmp_path: Path):
    import cloudpickle

    import mlflight.pyfunc

    class Ours(mlflight.pyfunc.PythonModel):
        def load_context(self, context: Any) -> None:
            self.factor = float(Path(context.artifacts["factor"]).read_text())

        def predict(self, context: Any, model_input: Any, params: Any = None) -> Any:
            return model_input["a"] * self.factor

    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    (tmp_path / "factor.txt").write_text("2.5")
    arguments: dict[str, Any] = {"artifacts": {"factor": str(tmp_path / "factor.txt")}, "pip_requirements": ["mlflow"]}
    expected = ROWS["a"] * 2.5
    mlflight.pyfunc.save_model(tmp_path / "ours", python_model=Ours(), **arguments)
    mlflight.pyfunc.save_model(tmp_path / "mixed", python_model=Scaled(), **arguments)
    mlflow.pyfunc.save_model(str(tmp_path / "theirs"), python_model=Scaled(), **arguments)
    for name in ("ours", "mixed"):
        np.testing.assert_allclose(mlflow.pyfunc.load_model(str(tmp_path / name)).predict(ROWS), expected)
    np.testing.assert_allclose(mlflight.pyfunc.load_model(tmp_path / "theirs").predict(ROWS), expected)


def test_loader_modules_and_functions_go_both_ways(tmp_path: Path):
    import mlflight.pyfunc

    (tmp_path / "my_loader.py").write_text(
        "from pathlib import Path\n"
        "class Model:\n"
        "    def __init__(self, k):\n        self.k = k\n"
        "    def predict(self, frame):\n        return frame['b'] + self.k\n"
        "def _load_pyfunc(path):\n    return Model(float(Path(path).read_text()))\n"
    )
    (tmp_path / "k.txt").write_text("4")
    arguments: dict[str, Any] = {"loader_module": "my_loader", "data_path": str(tmp_path / "k.txt")}
    mlflight.pyfunc.save_model(tmp_path / "ours", code_paths=[tmp_path / "my_loader.py"], **arguments)
    theirs = "code_path" if VERSION < (2, 12) else "code_paths"
    mlflow.pyfunc.save_model(str(tmp_path / "theirs"), **{theirs: [str(tmp_path / "my_loader.py")]}, **arguments)
    np.testing.assert_allclose(mlflow.pyfunc.load_model(str(tmp_path / "ours")).predict(ROWS), ROWS["b"] + 4)
    np.testing.assert_allclose(mlflight.load_model(tmp_path / "theirs").predict(ROWS), ROWS["b"] + 4)
    # MLflow 2.9 reads no signature with the key "required", which MLflow writes since 2.10.
    keywords = {"signature": False} if VERSION < (2, 10) else {}
    mlflight.pyfunc.save_model(
        tmp_path / "function", python_model=lambda frame: frame["a"] + 1, input_example=ROWS.head(2), **keywords
    )
    np.testing.assert_allclose(mlflow.pyfunc.load_model(str(tmp_path / "function")).predict(ROWS), ROWS["a"] + 1)


@pytest.mark.skipif(VERSION < (2, 13), reason="MLflow reads models from code since 2.12.2")
def test_models_from_code_go_both_ways(tmp_path: Path):
    import mlflight.pyfunc

    for root in ("mlflow", "mlflight"):
        script = tmp_path / f"{root}_model.py"
        script.write_text(
            f"from {root}.models import set_model\n"
            f"from {root}.pyfunc import PythonModel\n"
            "class Plus(PythonModel):\n"
            "    def predict(self, context, model_input, params=None):\n        return model_input['c'] + 3\n"
            "set_model(Plus())\n"
        )
        mlflight.pyfunc.save_model(tmp_path / f"ours-{root}", python_model=script, pip_requirements=["mlflow"])
    mlflow.pyfunc.save_model(
        str(tmp_path / "theirs"), python_model=str(tmp_path / "mlflow_model.py"), pip_requirements=["mlflow"]
    )
    for name in ("ours-mlflow", "ours-mlflight"):
        np.testing.assert_allclose(mlflow.pyfunc.load_model(str(tmp_path / name)).predict(ROWS), ROWS["c"] + 3)
    for name in ("ours-mlflight", "theirs"):
        np.testing.assert_allclose(mlflight.load_model(tmp_path / name).predict(ROWS), ROWS["c"] + 3)
