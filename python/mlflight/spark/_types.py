"""Result types between Spark and Arrow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlflight.errors import invalid, unsupported

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql.types import DataType


def parse(result_type: Any) -> DataType:
    """Return the Spark type that a caller asked for: a type, or DDL that Spark itself reads."""
    from pyspark.errors import PySparkException
    from pyspark.sql import types

    if isinstance(result_type, types.DataType):
        asked = result_type
    elif isinstance(result_type, str):
        text = "boolean" if result_type.strip().lower() == "bool" else result_type
        try:
            asked = types._parse_datatype_string(text)
        except PySparkException as error:
            raise invalid(f"Invalid 'spark_udf' result type: {result_type!r} is no type: {_first_line(error)}") from error
    else:
        raise invalid(f"Invalid 'spark_udf' result type: {result_type!r}; give a DataType or a DDL string")
    if not allowed(asked):
        raise invalid(
            f"Invalid 'spark_udf' result type: {asked.simpleString()}; it must be int, long, float, double, string or boolean, "
            "or an array, struct or map (with string keys) of these"
        )
    return asked


def allowed(kind: DataType) -> bool:
    """Whether a caller may ask for a type (MLflow's rule)."""
    from pyspark.sql import types as t

    if isinstance(kind, t.ArrayType):
        return allowed(kind.elementType)
    if isinstance(kind, t.StructType):
        return all(allowed(field.dataType) for field in kind.fields)
    if isinstance(kind, t.MapType):
        return isinstance(kind.keyType, t.StringType) and allowed(kind.valueType)
    scalars = (t.IntegerType, t.LongType, t.FloatType, t.DoubleType, t.StringType, t.BooleanType)
    return isinstance(kind, scalars)


def to_arrow(kind: DataType) -> pa.DataType:
    """Return the Arrow type in which Spark exchanges a type."""
    import pyarrow as pa
    from pyspark.sql import types as t

    if isinstance(kind, t.ArrayType):
        return pa.list_(pa.field("element", to_arrow(kind.elementType), nullable=True))
    if isinstance(kind, t.StructType):
        return pa.struct([pa.field(field.name, to_arrow(field.dataType), nullable=True) for field in kind.fields])
    if isinstance(kind, t.MapType):
        return pa.map_(to_arrow(kind.keyType), to_arrow(kind.valueType))
    for spark, arrow in (
        (t.BooleanType, pa.bool_()),
        (t.ByteType, pa.int8()),
        (t.ShortType, pa.int16()),
        (t.IntegerType, pa.int32()),
        (t.LongType, pa.int64()),
        (t.FloatType, pa.float32()),
        (t.DoubleType, pa.float64()),
        (t.StringType, pa.string()),
        (t.BinaryType, pa.binary()),
        (t.TimestampType, pa.timestamp("us", tz="UTC")),
        (t.DateType, pa.date32()),
    ):
        if isinstance(kind, spark):
            return arrow
    raise unsupported(f"a prediction of type {kind.simpleString()} is not supported", "RESULT_TYPE")


def from_arrow(kind: pa.DataType) -> DataType:
    """Return the Spark type of a prediction whose Arrow type the model declares."""
    import pyarrow as pa
    from pyspark.sql import types as t

    p = pa.types
    if p.is_list(kind) or p.is_large_list(kind) or p.is_fixed_size_list(kind):
        return t.ArrayType(from_arrow(kind.value_type))
    if p.is_struct(kind):
        return t.StructType([t.StructField(field.name, from_arrow(field.type)) for field in kind])
    if p.is_map(kind):
        return t.MapType(from_arrow(kind.key_type), from_arrow(kind.item_type))
    for is_arrow, spark in (
        (p.is_boolean, t.BooleanType),
        (p.is_int8, t.ByteType),
        (p.is_int16, t.ShortType),
        (p.is_int32, t.IntegerType),
        (p.is_int64, t.LongType),
        (p.is_float32, t.FloatType),
        (p.is_float64, t.DoubleType),
        (p.is_string, t.StringType),
        (p.is_large_string, t.StringType),
        (p.is_binary, t.BinaryType),
        (p.is_large_binary, t.BinaryType),
        (p.is_timestamp, t.TimestampType),
        (p.is_date32, t.DateType),
    ):
        if is_arrow(kind):
            return spark()
    raise unsupported(f"the model's predictions are of type {kind}, which Spark does not have; give a result_type", "RESULT_TYPE")


def schema_bytes(kind: DataType) -> bytes:
    """Return the Arrow IPC schema of one prediction column of a Spark type."""
    import pyarrow as pa

    return pa.schema([pa.field("prediction", to_arrow(kind), nullable=True)]).serialize().to_pybytes()


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
