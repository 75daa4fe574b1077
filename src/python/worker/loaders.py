"""Loads the models of MLflow's own loader modules where MLflow is not installed.

The worker program uses it, and so does the ``mlflight`` package in its own process. It needs nothing beside the standard library
and the model's own packages. Each class answers ``predict`` as MLflow's own wrapper of that flavor does.
"""

from __future__ import annotations

import bz2
import contextlib
import gzip
import importlib
import importlib.util
import inspect
import lzma
import os
import pickle
import sys
import types
import typing
import uuid
from typing import Any


def has(module: str) -> bool:
    """Whether a loader module is one of these."""
    return module in LOADERS


def load(module: str, data: str, directory: str, flavors: dict[str, Any], config: dict[str, Any] | None = None) -> Any:
    """Return the model of a directory as an object with ``predict``.

    ``data`` is the path that the loader module would be given, ``flavors`` are those of the ``MLmodel`` file.
    """
    return LOADERS[module](data, directory, flavors, config)


class Raw:
    """A library's own model, which predicts by itself."""

    def __init__(self, model: Any) -> None:
        self.model = model

    def predict(self, data: Any, params: dict[str, Any] | None = None) -> Any:
        """Answer as the library does."""
        return self.model.predict(data)


class Sklearn(Raw):
    """A scikit-learn estimator; other methods than ``predict`` may be the one that scores."""

    def __getattr__(self, name: str) -> Any:
        if name in ("predict_proba", "predict_log_proba", "predict_joint_log_proba", "score"):
            return getattr(self.model, name)
        raise AttributeError(name)


class XGBoost(Raw):
    """An XGBoost booster or estimator."""

    def predict(self, data: Any, params: dict[str, Any] | None = None) -> Any:
        """Answer as MLflow does: a booster is given a matrix, and what it does not know of the params is left out."""
        import xgboost

        booster = isinstance(self.model, xgboost.Booster)
        named = inspect.signature(self.model.predict).parameters
        known = {name: value for name, value in (params or {}).items() if name in named}
        return self.model.predict(xgboost.DMatrix(data) if booster else data, validate_features=True, **known)


class Onnx:
    """An ONNX model, run by ONNX Runtime."""

    def __init__(self, path: str, flavor: dict[str, Any]) -> None:
        import onnxruntime

        wanted = flavor.get("providers") or ["CUDAExecutionProvider", "CPUExecutionProvider"]
        wanted = [wanted] if isinstance(wanted, str) else wanted
        there = onnxruntime.get_available_providers()
        providers = [tuple(item) if isinstance(item, list) else item for item in wanted]
        usable = [item for item in providers if (item[0] if isinstance(item, tuple) else item) in there]
        options = session_options(onnxruntime, flavor.get("onnx_session_options") or {})
        self.session = onnxruntime.InferenceSession(path, options, providers=usable or ["CPUExecutionProvider"])
        self.model = self.session
        self.inputs = [(item.name, item.type) for item in self.session.get_inputs()]
        self.outputs = [item.name for item in self.session.get_outputs()]

    def predict(self, data: Any, params: dict[str, Any] | None = None) -> Any:
        """Answer a frame with a frame of flat columns, and tensors with a dict of tensors."""
        import numpy as np
        import pandas as pd

        is_frame = isinstance(data, pd.DataFrame)
        if is_frame and len(self.inputs) > 1:
            feeds = {name: data[name].values for name, _ in self.inputs}
        elif is_frame or isinstance(data, np.ndarray):
            if len(self.inputs) != 1:
                raise ValueError(f"the model takes {len(self.inputs)} tensors: {[name for name, _ in self.inputs]}")
            feeds = {self.inputs[0][0]: data.values if is_frame else data}
        else:
            feeds = dict(data)
        for name, kind in self.inputs:
            if kind == "tensor(float)" and name in feeds and feeds[name].dtype == np.float64:
                feeds[name] = feeds[name].astype(np.float32)
        answers = self.session.run(self.outputs, feeds)
        if is_frame:
            return pd.DataFrame({name: np.asarray(answer).reshape(-1) for name, answer in zip(self.outputs, answers)})
        return dict(zip(self.outputs, answers))


def session_options(onnxruntime: Any, wanted: dict[str, Any]) -> Any:
    """Return ONNX Runtime's options as MLflow writes them."""
    options = onnxruntime.SessionOptions()
    for name in ("inter_op_num_threads", "intra_op_num_threads"):
        if wanted.get(name):
            setattr(options, name, wanted[name])
    if wanted.get("execution_mode"):
        options.execution_mode = getattr(onnxruntime.ExecutionMode, "ORT_" + wanted["execution_mode"].upper())
    if wanted.get("graph_optimization_level"):
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel(wanted["graph_optimization_level"])
    for key, value in (wanted.get("extra_session_config") or {}).items():
        options.add_session_config_entry(key, value)
    return options


class Keras(Raw):
    """A Keras model."""

    def predict(self, data: Any, params: dict[str, Any] | None = None) -> Any:
        """Answer a frame with a frame, and tensors with tensors."""
        import pandas as pd

        if isinstance(data, pd.DataFrame):
            return pd.DataFrame(self.model.predict(data.values), index=data.index)
        return self.model.predict(data)


class TensorFlowModule(Raw):
    """A TensorFlow module that is called."""

    def predict(self, data: Any, params: dict[str, Any] | None = None) -> Any:
        """Answer an array with an array."""
        import tensorflow

        answer = self.model(tensorflow.convert_to_tensor(data))
        return answer.numpy() if isinstance(answer, tensorflow.Tensor) else answer


class TensorFlowSignature(Raw):
    """One signature of a TensorFlow SavedModel."""

    def __init__(self, model: Any, infer: Any) -> None:
        super().__init__(model)
        self.infer = infer

    def predict(self, data: Any, params: dict[str, Any] | None = None) -> Any:
        """Answer a dict of tensors with one, and a frame with a frame."""
        import numpy as np
        import pandas as pd
        import tensorflow

        is_frame = isinstance(data, pd.DataFrame)
        feeds = {name: np.array(data[name].to_list()) for name in data.columns} if is_frame else data
        answers = {}
        for name, answer in self.infer(**{name: tensorflow.constant(value) for name, value in feeds.items()}).items():
            array = answer.numpy()
            flat = array.ndim != 1 and all(len(item) == 1 for item in array)
            answers[name] = array.ravel() if flat else array.tolist()
        return pd.DataFrame(answers) if is_frame else answers


class H2O(Raw):
    """A model in an H2O cluster."""

    def predict(self, data: Any, params: dict[str, Any] | None = None) -> Any:
        """Answer with a frame."""
        import h2o

        answer = self.model.predict(h2o.H2OFrame(data)).as_data_frame()
        answer.index = data.index
        return answer


class PythonFunction:
    """A `PythonModel` with its context."""

    def __init__(self, model: Any, context: Any) -> None:
        self.model = model
        self.python_model = model
        self.context = context
        names = inspect.signature(model.predict).parameters
        self.takes_params = "params" in names
        self.takes_context = "context" in names or len([name for name in names if name != "params"]) > 1
        self.hint = input_hint(model, self.takes_context)

    def predict(self, data: Any, params: dict[str, Any] | None = None) -> Any:
        """Call the model's ``predict`` with what it has arguments for."""
        keywords = {"params": params} if self.takes_params else {}
        arguments = [self.context] if self.takes_context else []
        return self.model.predict(*arguments, as_hinted(data, self.hint), **keywords)


def input_hint(model: Any, takes_context: bool) -> Any:
    """Return the type hint of what ``predict`` takes."""
    function = getattr(model, "func", None) or model.predict
    try:
        names = [name for name in inspect.signature(function).parameters if name != "params"]
        at = 1 if takes_context and function == model.predict else 0
        return typing.get_type_hints(function).get(names[at])
    except Exception:
        return None


def as_hinted(data: Any, hint: Any) -> Any:
    """Return a frame as the list that a model which hints at one takes."""
    if not hasattr(data, "to_dict") or typing.get_origin(hint) is not list:
        return data
    item = typing.get_args(hint)[0]
    if item is str and len(data):
        texts = [name for name, value in data.iloc[0].items() if isinstance(value, str)]
        return data[texts[0]].tolist() if texts else data
    return data.to_dict(orient="records") if typing.get_origin(item) is dict else data


class Context:
    """What ``load_context`` and ``predict`` are given beside the data."""

    def __init__(self, artifacts: dict[str, str], model_config: dict[str, Any] | None) -> None:
        self.artifacts = artifacts
        self.model_config = model_config


class PythonModel:
    """Stands in for MLflow's base class of the same name, whose subclasses are pickled without it."""

    def load_context(self, context: Any) -> None:
        """Load nothing."""


class FunctionModel(PythonModel):
    """A function in the form of a model."""

    def __init__(self, func: Any = None, signature: Any = None) -> None:
        self.func = func
        self.signature = signature

    def predict(self, model_input: Any) -> Any:
        """Call the function."""
        return self.func(model_input)


class FuncInfo(typing.NamedTuple):
    """What MLflow keeps of the type hint of ``predict``."""

    input_type_hint: Any
    input_param_name: str


class TypeHints:
    """What MLflow keeps of both type hints."""

    def __init__(self, input: Any = None, output: Any = None) -> None:
        self.input = input
        self.output = output


def hinted_arguments(args: Any, kwargs: Any, position: int, hint: Any, name: str) -> tuple[Any, Any]:
    """Return the arguments of ``predict`` with its input as its type hint says."""
    if name in kwargs:
        return args, {**kwargs, name: as_hinted(kwargs[name], hint)}
    if len(args) <= position:
        return args, kwargs
    return (*args[:position], as_hinted(args[position], hint), *args[position + 1 :]), kwargs


class Unpickler(pickle.Unpickler):
    """Unpickles a model of MLflow's base classes where MLflow is not installed."""

    STANDINS: typing.ClassVar[dict[str, Any]] = {
        "PythonModel": PythonModel,
        "_FunctionPythonModel": FunctionModel,
        "PythonModelContext": Context,
        "FuncInfo": FuncInfo,
        "_TypeHints": TypeHints,
        "_validate_model_input": hinted_arguments,
        "MlflowException": ValueError,
    }

    def find_class(self, module: str, name: str) -> Any:
        """Return a class or function of the pickle."""
        if module.partition(".")[0] == "mlflow" and name in self.STANDINS and not installed("mlflow"):
            return self.STANDINS[name]
        return super().find_class(module, name)


def installed(name: str) -> bool:
    """Whether a top-level module can be imported."""
    return sys.modules.get(name) is not None or importlib.util.find_spec(name) is not None


OPENERS = {"lzma": lzma.open, "bz2": bz2.open, "gzip": gzip.open}


def python_model(directory: str, flavor: dict[str, Any], config: dict[str, Any] | None) -> tuple[Any, Context]:
    """Return the `PythonModel` of a directory, its context loaded."""
    if flavor.get("model_code_path"):
        model = code_model(os.path.join(directory, os.path.basename(flavor["model_code_path"])), config)
    else:
        opener = OPENERS.get(flavor.get("python_model_compression") or "", open)
        with opener(os.path.join(directory, flavor["python_model"]), "rb") as file:
            model = Unpickler(file).load()
    if callable(model) and not hasattr(model, "predict"):
        model = FunctionModel(model)
    paths = {name: os.path.join(directory, item["path"]) for name, item in (flavor.get("artifacts") or {}).items()}
    context = Context(paths, config)
    if hasattr(model, "load_context"):
        model.load_context(context)
    return model, context


def code_model(path: str, config: Any) -> Any:
    """Run a model's script and return what it gave to ``set_model``."""
    name = f"code_model_{uuid.uuid4().hex}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"the model's code cannot be imported: {path}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    slot = Slot(config)
    with slot:
        spec.loader.exec_module(module)
    if slot.model is None:
        raise ValueError(f"{os.path.basename(path)} sets no model: call mlflow.models.set_model() or mlflight.models.set_model()")
    return slot.model


class Slot:
    """Where ``set_model`` leaves a model: MLflow's own place, that of mlflight, or a module that stands in for either."""

    def __init__(self, config: Any) -> None:
        self.model: Any = None
        self.config = config
        self.stack = contextlib.ExitStack()

    def __enter__(self) -> Slot:
        for root in ("mlflow", "mlflight"):
            if not installed(root):
                self.stack.enter_context(stand_in(root, self))
                continue
            models = importlib.import_module(f"{root}.models")
            self.stack.enter_context(replaced(models, "set_model", self.take))
            place = sys.modules.get(f"{root}.models.model_config") or sys.modules.get(f"{root}.models.config")
            if self.config is not None and hasattr(place, "_set_model_config"):
                place._set_model_config(self.config)
                self.stack.callback(place._set_model_config, None)
        return self

    def __exit__(self, *raised: object) -> None:
        self.stack.close()

    def take(self, model: Any) -> None:
        """Be given the model."""
        self.model = model


@contextlib.contextmanager
def replaced(module: Any, name: str, value: Any) -> Any:
    """Give an attribute of a module another value for a while."""
    before = getattr(module, name)
    setattr(module, name, value)
    try:
        yield
    finally:
        setattr(module, name, before)


@contextlib.contextmanager
def stand_in(root: str, slot: Slot) -> Any:
    """Let a script import what it needs of MLflow, or of mlflight, to define a model."""

    class ModelConfig:
        def __init__(self, *, development_config: Any = None) -> None:
            self.values = slot.config if slot.config is not None else development_config

        def get(self, key: str) -> Any:
            return self.values[key]

        def to_dict(self) -> Any:
            return dict(self.values)

    contents = {
        root: {},
        f"{root}.models": {"set_model": slot.take, "ModelConfig": ModelConfig},
        f"{root}.pyfunc": {"PythonModel": PythonModel, "PythonModelContext": Context},
        f"{root}.pyfunc.model": {"PythonModel": PythonModel, "PythonModelContext": Context},
    }
    for name, attributes in contents.items():
        module = types.ModuleType(name)
        module.__dict__.update(attributes, __path__=[])
        sys.modules[name] = module
        outer, _, last = name.rpartition(".")
        if outer:
            setattr(sys.modules[outer], last, module)
    try:
        yield
    finally:
        for name in contents:
            sys.modules.pop(name, None)


def estimator(path: str, form: str | None, trusted: Any) -> Any:
    """Return a pickled estimator, or one that skops saved."""
    if form == "skops":
        import skops.io

        return skops.io.load(path, trusted=trusted)
    with open(path, "rb") as file:
        return pickle.load(file)


def class_of(name: str) -> Any:
    """Return the class of a full name."""
    module, _, name = name.rpartition(".")
    return getattr(importlib.import_module(module), name)


def sklearn_model(directory: str, flavors: dict[str, Any], path: str | None = None) -> Any:
    """Return scikit-learn's own object."""
    flavor = flavors.get("sklearn") or {}
    path = path or os.path.join(directory, flavor["pickled_model"])
    return estimator(path, flavor.get("serialization_format", "pickle"), flavor.get("skops_trusted_types"))


def load_sklearn(data: str, directory: str, flavors: dict[str, Any], config: Any) -> Any:
    """Load what ``mlflow.sklearn`` saves."""
    function = flavors.get("python_function") or {}
    if not os.path.isfile(data) and function.get("model_path"):
        data = os.path.join(directory, function["model_path"])
    return Sklearn(sklearn_model(directory, flavors, data if os.path.isfile(data) else None))


def xgboost_model(directory: str, flavors: dict[str, Any]) -> Any:
    """Return XGBoost's own object."""
    flavor = flavors.get("xgboost") or {}
    model = class_of(flavor.get("model_class") or "xgboost.core.Booster")()
    model.load_model(os.path.join(directory, flavor.get("data") or "model.xgb"))
    return model


def lightgbm_model(directory: str, flavors: dict[str, Any]) -> Any:
    """Return LightGBM's own object."""
    flavor = flavors.get("lightgbm") or {}
    path = os.path.join(directory, flavor.get("data") or "model.lgb")
    if (flavor.get("model_class") or "lightgbm.basic.Booster") == "lightgbm.basic.Booster":
        import lightgbm

        return lightgbm.Booster(model_file=path)
    return estimator(path, flavor.get("serialization_format", "cloudpickle"), flavor.get("skops_trusted_types"))


def catboost_model(directory: str, flavors: dict[str, Any]) -> Any:
    """Return CatBoost's own object."""
    import catboost

    flavor = flavors.get("catboost") or {}
    model = getattr(catboost, flavor.get("model_type") or "CatBoost")()
    model.load_model(os.path.join(directory, flavor.get("data") or "model.cb"), flavor.get("save_format") or "cbm")
    return model


def keras_path(path: str, form: str) -> str:
    """Return the file or directory that holds a Keras model, by the names that versions gave it."""
    if os.path.isfile(path):
        return path
    path = os.path.join(path, "model")
    return path + ".h5" if form == "h5" else path + ".keras" if os.path.exists(path + ".keras") else path


def tensorflow_model(directory: str, flavors: dict[str, Any], **keywords: Any) -> Any:
    """Return TensorFlow's own object: a Keras model, a module, or the function of a signature."""
    flavor = flavors.get("keras") or flavors.get("tensorflow") or {}
    if flavor.get("model_type", "keras" if "keras" in flavors else None) == "keras":
        data = os.path.join(directory, flavor.get("data") or "data")
        objects: dict[str, Any] = {}
        for name in ("global_custom_objects.cloudpickle", "custom_objects.cloudpickle"):
            if os.path.isfile(os.path.join(data, name)):
                with open(os.path.join(data, name), "rb") as file:
                    objects.update(pickle.load(file))
        models = importlib.import_module(flavor.get("keras_module", "tensorflow.keras") + ".models")
        custom = {**objects, **(keywords.pop("custom_objects", None) or {})}
        path = keras_path(data, flavor.get("save_format", "h5"))
        return models.load_model(path, custom_objects=custom or None, **keywords)
    import tensorflow

    path = os.path.join(directory, flavor["saved_model_dir"])
    if flavor.get("model_type") == "tf2-module":
        return tensorflow.saved_model.load(path, **keywords)
    loaded = tensorflow.saved_model.load(path, tags=flavor.get("meta_graph_tags"), **keywords)
    function = loaded.signatures[flavor["signature_def_key"]]
    # The function holds its variables by weak references only.
    function._mlflight_model = loaded
    return function


def load_tensorflow(data: str, directory: str, flavors: dict[str, Any], config: Any) -> Any:
    """Load what ``mlflow.tensorflow`` and ``mlflow.keras`` save."""
    model = tensorflow_model(directory, flavors)
    if hasattr(model, "_mlflight_model"):
        return TensorFlowSignature(model._mlflight_model, model)
    return Keras(model) if hasattr(model, "predict") else TensorFlowModule(model)


def h2o_model(directory: str, flavors: dict[str, Any], init: bool = False) -> Any:
    """Return the model in an H2O cluster."""
    import h2o

    flavor = flavors.get("h2o") or {}
    path = os.path.abspath(os.path.join(directory, flavor.get("data") or "model.h2o"))
    if init:
        h2o.init()
        h2o.no_progress()
    with open(os.path.join(path, "h2o.yaml"), encoding="utf-8") as file:
        found = [line.split(":", 1)[1].strip() for line in file if line.startswith("model_file:")]
    return h2o.upload_model(os.path.join(path, found[0].strip("'\"")))


LOADERS: dict[str, Any] = {
    "mlflow.pyfunc.model": lambda data, d, f, config: PythonFunction(*python_model(d, f["python_function"], config)),
    "mlflow.pyfunc.loaders.code_model": lambda data, d, f, config: PythonFunction(*python_model(d, f["python_function"], config)),
    "mlflow.sklearn": load_sklearn,
    "mlflow.xgboost": lambda data, d, f, config: XGBoost(xgboost_model(d, f)),
    "mlflow.lightgbm": lambda data, d, f, config: Raw(lightgbm_model(d, f)),
    "mlflow.catboost": lambda data, d, f, config: Raw(catboost_model(d, f)),
    "mlflow.onnx": lambda data, d, f, config: Onnx(data, f.get("onnx") or {}),
    "mlflow.tensorflow": load_tensorflow,
    "mlflow.keras": load_tensorflow,
    "mlflow.h2o": lambda data, d, f, config: H2O(h2o_model(d, f, init=True)),
}
