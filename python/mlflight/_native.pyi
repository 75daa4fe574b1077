from pathlib import Path
from typing import Any

import pyarrow as pa

__version__: str
COMPATS: tuple[str, ...]
ENGINES: tuple[str, ...]
ENV_MANAGERS: tuple[str, ...]
LAYOUT_VERSION: str
MODES: tuple[str, ...]

class Model:
    uri: str
    engine: str
    reason: str
    flavor: str
    input_schema: pa.Schema | None
    inputs: str | None
    output_schema: pa.Schema | None
    def predict(self, data: pa.Table, params: str | None = None) -> pa.RecordBatchReader: ...
    def stream(self, schema: pa.Schema, spec: bytes | None = None) -> Stream: ...

class Stream:
    def score(self, batch: pa.RecordBatch) -> pa.RecordBatch: ...

class Spec:
    input_names: list[str] | None
    required_count: int | None
    input_schema: pa.Schema | None
    output_schema: pa.Schema | None
    plain_type: str | None
    unnamed: bool
    optional_inputs: bool
    digest: str
    model_dir: Path
    engine: str
    reason: str
    def to_bytes(self) -> bytes: ...
    uri: str
    def with_result(self, result_schema: bytes) -> Spec: ...
    def at_origin(self) -> Spec: ...

class Draft:
    path: Path
    target: Path
    def __init__(self, target: str | Path) -> None: ...
    def copy(self, source: str | Path, name: str) -> None: ...
    def write_environment(
        self,
        python: str,
        build: list[str],
        requirements: list[str],
        constraints: list[str],
        conda: dict[str, Any] | None = None,
    ) -> None: ...
    def write_table_example(self, data: Any, named: bool, params: str | None = None) -> dict[str, Any]: ...
    def write_json_example(
        self, kind: str, data: str, serving: str | None = None, params: str | None = None
    ) -> dict[str, Any]: ...
    def write_model(self, keys: dict[str, Any]) -> None: ...
    def commit(self, keys: dict[str, Any]) -> dict[str, Any]: ...
    def discard(self) -> None: ...

def new_mlmodel() -> dict[str, Any]: ...
def read_mlmodel(text: str) -> dict[str, Any]: ...
def load_mlmodel(directory: str | Path) -> dict[str, Any]: ...
def write_mlmodel(keys: dict[str, Any]) -> str: ...
def model_code_allowed() -> bool: ...
def read_yaml(text: str) -> dict[str, Any]: ...
def write_yaml(keys: dict[str, Any]) -> str: ...
def check_signature(
    inputs: str | None = None, outputs: str | None = None, params: str | None = None
) -> tuple[str | None, str | None, str | None]: ...
def schema_to_arrow(columns: str) -> pa.Schema: ...
def infer_columns(data: Any, named: bool = True) -> str: ...
def load_model(
    uri: str,
    *,
    engine: str | None = None,
    compat: str | None = None,
    model_config: str | None = None,
    env_manager: str | None = None,
    result_type: str | None = None,
    result_schema: bytes | None = None,
    python: str | None = None,
) -> Model: ...
def load_spec(
    spec: bytes,
    *,
    directory: str | None = None,
    python: str | None = None,
    path: list[str] | None = None,
) -> Model: ...
def make_spec(
    uri: str,
    *,
    engine: str | None = None,
    compat: str | None = None,
    params: str | None = None,
    model_config: str | None = None,
    predict_fn: str | None = None,
    env_manager: str | None = None,
    extra_env: dict[str, str] | None = None,
    result_schema: bytes | None = None,
    time_zone: str | None = None,
    python: str | None = None,
) -> Spec: ...
def check_server(uri: str, what: str) -> None: ...
def load_key(spec: bytes) -> str: ...
def fetch(uri: str, destination: str | Path | None = None) -> str: ...
def pack_model(directory: str | Path, out_dir: str | Path) -> Path: ...
def unpack_model(archive: str | Path, digest: str, cache_dir: str | Path) -> Path: ...
def start_run(
    *,
    run_id: str | None = None,
    run_name: str | None = None,
    experiment_name: str | None = None,
    tags: list[tuple[str, str]] = ...,
    source_name: str = "",
) -> dict[str, str]: ...
def end_run(run_id: str, status: str) -> None: ...
def log_directory(
    directory: str | Path,
    name: str,
    *,
    run_id: str | None = None,
    experiment_name: str | None = None,
    registered_model_name: str | None = None,
    alias: str | None = None,
    params: list[tuple[str, str]] = ...,
    tags: list[tuple[str, str]] = ...,
) -> dict[str, str | int | None]: ...
def log_artifacts(directory: str | Path, artifact_path: str, run_id: str) -> str: ...
