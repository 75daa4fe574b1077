from pathlib import Path

import pyarrow as pa

__version__: str
COMPATS: tuple[str, ...]
ENGINES: tuple[str, ...]
ENV_MANAGERS: tuple[str, ...]
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
    def with_result(self, result_schema: bytes) -> Spec: ...

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
