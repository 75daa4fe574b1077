// SPDX-License-Identifier: Apache-2.0
package io.mlflight.spark.columns;

import io.mlflight.spark.MlflightException;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.channels.Channels;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import org.apache.arrow.vector.ipc.WriteChannel;
import org.apache.arrow.vector.ipc.message.MessageSerializer;
import org.apache.arrow.vector.types.DateUnit;
import org.apache.arrow.vector.types.FloatingPointPrecision;
import org.apache.arrow.vector.types.TimeUnit;
import org.apache.arrow.vector.types.pojo.ArrowType;
import org.apache.arrow.vector.types.pojo.Field;
import org.apache.arrow.vector.types.pojo.FieldType;
import org.apache.arrow.vector.types.pojo.Schema;
import org.apache.spark.sql.types.*;

/** Spark types as Arrow types. Spark's own mapping changes its signature between versions. */
public final class ArrowTypes {
  private ArrowTypes() {}

  /** The schema of a struct type as an encapsulated IPC message. */
  public static byte[] schema(StructType type) {
    List<Field> fields = new ArrayList<>();
    for (StructField field : type.fields()) {
      try {
        fields.add(field(field.name(), field.dataType(), true));
      } catch (MlflightException error) {
        throw MlflightException.invalidArgument(
            error.code(), "column '" + field.name() + "': " + error.getMessage());
      }
    }
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (WriteChannel channel = new WriteChannel(Channels.newChannel(bytes))) {
      MessageSerializer.serialize(channel, new Schema(fields));
    } catch (IOException error) {
      throw new UncheckedIOException(error);
    }
    return bytes.toByteArray();
  }

  static MlflightException unsupported(DataType type) {
    return MlflightException.invalidArgument(
        "UNSUPPORTED_TYPE", "the Spark type " + type.simpleString() + " has no counterpart in a model's input or output");
  }

  private static Field field(String name, DataType type, boolean nullable) {
    List<Field> children = Collections.emptyList();
    ArrowType arrow;
    if (type instanceof UserDefinedType) {
      return field(name, ((UserDefinedType<?>) type).sqlType(), nullable);
    } else if (type instanceof ArrayType) {
      arrow = ArrowType.List.INSTANCE;
      children = Collections.singletonList(field("element", ((ArrayType) type).elementType(), true));
    } else if (type instanceof StructType) {
      arrow = ArrowType.Struct.INSTANCE;
      children = new ArrayList<>();
      for (StructField child : ((StructType) type).fields()) {
        children.add(field(child.name(), child.dataType(), true));
      }
    } else if (type instanceof MapType) {
      MapType map = (MapType) type;
      arrow = new ArrowType.Map(false);
      List<Field> entry =
          Arrays.asList(field("key", map.keyType(), false), field("value", map.valueType(), true));
      children =
          Collections.singletonList(
              new Field("entries", new FieldType(false, ArrowType.Struct.INSTANCE, null), entry));
    } else {
      arrow = scalar(type);
    }
    return new Field(name, new FieldType(nullable, arrow, null), children);
  }

  private static ArrowType scalar(DataType type) {
    if (type instanceof DoubleType) {
      return new ArrowType.FloatingPoint(FloatingPointPrecision.DOUBLE);
    } else if (type instanceof FloatType) {
      return new ArrowType.FloatingPoint(FloatingPointPrecision.SINGLE);
    } else if (type instanceof LongType) {
      return new ArrowType.Int(64, true);
    } else if (type instanceof IntegerType) {
      return new ArrowType.Int(32, true);
    } else if (type instanceof ShortType) {
      return new ArrowType.Int(16, true);
    } else if (type instanceof ByteType) {
      return new ArrowType.Int(8, true);
    } else if (type instanceof BooleanType) {
      return ArrowType.Bool.INSTANCE;
    } else if (type instanceof StringType) {
      return ArrowType.Utf8.INSTANCE;
    } else if (type instanceof BinaryType) {
      return ArrowType.Binary.INSTANCE;
    } else if (type instanceof DateType) {
      return new ArrowType.Date(DateUnit.DAY);
    } else if (type instanceof TimestampType) {
      return new ArrowType.Timestamp(TimeUnit.MICROSECOND, "UTC");
    } else if (type instanceof TimestampNTZType) {
      return new ArrowType.Timestamp(TimeUnit.MICROSECOND, null);
    } else if (type instanceof DecimalType) {
      return new ArrowType.Decimal(
          ((DecimalType) type).precision(), ((DecimalType) type).scale(), 128);
    } else if (type instanceof NullType) {
      return ArrowType.Null.INSTANCE;
    }
    throw unsupported(type);
  }
}
