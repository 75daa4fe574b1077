// SPDX-License-Identifier: Apache-2.0
package io.mlflight.spark.columns;

import java.math.BigDecimal;
import java.math.BigInteger;
import org.apache.spark.sql.types.*;
import org.apache.spark.sql.vectorized.ColumnVector;
import org.apache.spark.sql.vectorized.ColumnarArray;
import org.apache.spark.sql.vectorized.ColumnarMap;
import org.apache.spark.unsafe.Platform;
import org.apache.spark.unsafe.types.UTF8String;

/** Reads an Arrow array where it lies in native memory; valid until its owner is closed. */
public final class NativeColumnVector extends ColumnVector {
  private static final NativeColumnVector[] NONE = {};

  private final int nulls;
  private final long validity;
  private final long first;
  private final long second;
  private final NativeColumnVector[] children;
  private Runnable owner;

  private NativeColumnVector(DataType type, long[] table, int[] cursor) {
    super(type instanceof UserDefinedType ? ((UserDefinedType<?>) type).sqlType() : type);
    int at = cursor[0];
    cursor[0] = at + ColumnWriter.NODE_WORDS;
    nulls = (int) table[at + 1];
    validity = table[at + 2];
    first = table[at + 3];
    second = table[at + 4];
    children = children(dataType(), table, cursor);
  }

  /** The vector of a table's first node; {@code owner} runs once, at {@link #close}. */
  public static NativeColumnVector of(DataType type, long[] table, Runnable owner) {
    NativeColumnVector vector = new NativeColumnVector(type, table, new int[1]);
    vector.owner = owner;
    return vector;
  }

  private static NativeColumnVector[] children(DataType type, long[] table, int[] cursor) {
    if (type instanceof ArrayType) {
      return new NativeColumnVector[] {
        new NativeColumnVector(((ArrayType) type).elementType(), table, cursor)
      };
    } else if (type instanceof MapType) {
      // The node of the entries struct: entries are never null.
      cursor[0] += ColumnWriter.NODE_WORDS;
      MapType map = (MapType) type;
      return new NativeColumnVector[] {
        new NativeColumnVector(map.keyType(), table, cursor),
        new NativeColumnVector(map.valueType(), table, cursor)
      };
    } else if (type instanceof StructType) {
      StructField[] fields = ((StructType) type).fields();
      NativeColumnVector[] children = new NativeColumnVector[fields.length];
      for (int i = 0; i < fields.length; i++) {
        children[i] = new NativeColumnVector(fields[i].dataType(), table, cursor);
      }
      return children;
    }
    return NONE;
  }

  /** Closed by us at the next batch and the end of the task, in Spark 4 also by ColumnarToRow. */
  @Override
  public void close() {
    Runnable once = owner;
    owner = null;
    if (once != null) {
      once.run();
    }
  }

  @Override
  public boolean hasNull() {
    return nulls > 0 || dataType() instanceof NullType;
  }

  @Override
  public int numNulls() {
    return nulls;
  }

  @Override
  public boolean isNullAt(int row) {
    if (validity == 0) {
      return dataType() instanceof NullType;
    }
    return (Platform.getByte(null, validity + (row >> 3)) & 1 << (row & 7)) == 0;
  }

  @Override
  public boolean getBoolean(int row) {
    return (Platform.getByte(null, first + (row >> 3)) & 1 << (row & 7)) != 0;
  }

  @Override
  public byte getByte(int row) {
    return Platform.getByte(null, first + row);
  }

  @Override
  public short getShort(int row) {
    return Platform.getShort(null, first + 2L * row);
  }

  @Override
  public int getInt(int row) {
    return Platform.getInt(null, first + 4L * row);
  }

  @Override
  public long getLong(int row) {
    return Platform.getLong(null, first + 8L * row);
  }

  @Override
  public float getFloat(int row) {
    return Platform.getFloat(null, first + 4L * row);
  }

  @Override
  public double getDouble(int row) {
    return Platform.getDouble(null, first + 8L * row);
  }

  @Override
  public double[] getDoubles(int row, int count) {
    double[] values = new double[count];
    Platform.copyMemory(null, first + 8L * row, values, Platform.DOUBLE_ARRAY_OFFSET, 8L * count);
    return values;
  }

  private int start(int row) {
    return Platform.getInt(null, first + 4L * row);
  }

  @Override
  public UTF8String getUTF8String(int row) {
    if (isNullAt(row)) {
      return null;
    }
    int start = start(row);
    return UTF8String.fromAddress(null, second + start, start(row + 1) - start);
  }

  @Override
  public byte[] getBinary(int row) {
    if (isNullAt(row)) {
      return null;
    }
    int start = start(row);
    byte[] value = new byte[start(row + 1) - start];
    Platform.copyMemory(null, second + start, value, Platform.BYTE_ARRAY_OFFSET, value.length);
    return value;
  }

  @Override
  public Decimal getDecimal(int row, int precision, int scale) {
    if (isNullAt(row)) {
      return null;
    }
    long low = Platform.getLong(null, first + 16L * row);
    if (precision <= Decimal.MAX_LONG_DIGITS()) {
      return Decimal.createUnsafe(low, precision, scale);
    }
    long high = Platform.getLong(null, first + 16L * row + 8);
    byte[] bytes = new byte[16];
    for (int i = 0; i < 8; i++) {
      bytes[i] = (byte) (high >> (56 - 8 * i));
      bytes[8 + i] = (byte) (low >> (56 - 8 * i));
    }
    return Decimal.apply(new BigDecimal(new BigInteger(bytes), scale), precision, scale);
  }

  @Override
  public ColumnarArray getArray(int row) {
    if (isNullAt(row)) {
      return null;
    }
    int start = start(row);
    return new ColumnarArray(children[0], start, start(row + 1) - start);
  }

  @Override
  public ColumnarMap getMap(int row) {
    if (isNullAt(row)) {
      return null;
    }
    int start = start(row);
    return new ColumnarMap(children[0], children[1], start, start(row + 1) - start);
  }

  @Override
  public ColumnVector getChild(int ordinal) {
    return children[ordinal];
  }

  /** Nodes that a column of this type takes in a table. */
  public static int nodes(DataType type) {
    if (type instanceof UserDefinedType) {
      return nodes(((UserDefinedType<?>) type).sqlType());
    } else if (type instanceof ArrayType) {
      return 1 + nodes(((ArrayType) type).elementType());
    } else if (type instanceof MapType) {
      return 2 + nodes(((MapType) type).keyType()) + nodes(((MapType) type).valueType());
    } else if (type instanceof StructType) {
      int sum = 1;
      for (StructField field : ((StructType) type).fields()) {
        sum += nodes(field.dataType());
      }
      return sum;
    }
    return 1;
  }
}
