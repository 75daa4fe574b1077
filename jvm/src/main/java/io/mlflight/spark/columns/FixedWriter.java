// SPDX-License-Identifier: Apache-2.0
package io.mlflight.spark.columns;

import java.math.BigInteger;
import org.apache.spark.sql.catalyst.expressions.SpecializedGetters;
import org.apache.spark.sql.execution.vectorized.OffHeapColumnVector;
import org.apache.spark.sql.execution.vectorized.WritableColumnVector;
import org.apache.spark.sql.types.*;
import org.apache.spark.sql.vectorized.ColumnVector;
import org.apache.spark.unsafe.Platform;

/** Values of a fixed width: numbers, dates, timestamps, decimals; and bits. */
abstract class FixedWriter extends ColumnWriter {
  final OffHeap values = new OffHeap();
  private final int width;
  private long borrowed;

  private FixedWriter(int width) {
    this.width = width;
  }

  static FixedWriter of(DataType type) {
    if (type instanceof BooleanType) {
      return new Bits();
    } else if (type instanceof ByteType) {
      return new Bytes();
    } else if (type instanceof ShortType) {
      return new Shorts();
    } else if (type instanceof IntegerType || type instanceof DateType) {
      return new Ints();
    } else if (type instanceof LongType
        || type instanceof TimestampType
        || type instanceof TimestampNTZType) {
      return new Longs();
    } else if (type instanceof FloatType) {
      return new Floats();
    } else if (type instanceof DoubleType) {
      return new Doubles();
    } else if (type instanceof DecimalType) {
      return new Decimals((DecimalType) type);
    }
    throw ArrowTypes.unsupported(type);
  }

  /** Address of the value of a row, with room made for it. */
  final long slot(int row) {
    long at = (long) row * width;
    values.ensure(at + width);
    return values.address() + at;
  }

  @Override
  void writeNull(int row) {
    Platform.setMemory(null, slot(row), width, (byte) 0);
  }

  /** Copies a vector's values at once; only where null rows are harmless to read. */
  abstract void copy(ColumnVector vector, int rows);

  @Override
  public void appendVector(ColumnVector vector, int rows) {
    if (rows == 0 || !copies(vector)) {
      super.appendVector(vector, rows);
      return;
    }
    appendNulls(vector, rows);
    if (vector instanceof OffHeapColumnVector
        && !((OffHeapColumnVector) vector).hasDictionary()
        && !(this instanceof Bits)) {
      borrowed = ((OffHeapColumnVector) vector).valuesNativeAddress();
    } else {
      values.ensure((long) rows * width);
      copy(vector, rows);
    }
  }

  /** Arrow's vectors refuse to read null rows; Spark's do not decode dictionaries of bytes and shorts in bulk. */
  private boolean copies(ColumnVector vector) {
    if (vector instanceof WritableColumnVector) {
      return width >= 4 || this instanceof Bits || !((WritableColumnVector) vector).hasDictionary();
    }
    return !vector.hasNull();
  }

  final void put(Object array, long offset, int rows) {
    Platform.copyMemory(array, offset, null, values.address(), (long) rows * width);
  }

  @Override
  void resetValues() {
    borrowed = 0;
  }

  @Override
  long first() {
    return borrowed == 0 ? values.address() : borrowed;
  }

  @Override
  long second() {
    return 0;
  }

  @Override
  public long bytes() {
    return (long) count() * width;
  }

  @Override
  public void close() {
    super.close();
    values.close();
  }

  private static final class Bits extends FixedWriter {
    Bits() {
      super(1);
    }

    private void set(int row, boolean value) {
      int at = row >> 3;
      values.ensure(at + 1L);
      long address = values.address() + at;
      int old = (row & 7) == 0 ? 0 : Platform.getByte(null, address);
      Platform.putByte(null, address, (byte) (value ? old | 1 << (row & 7) : old));
    }

    @Override
    void write(int row, SpecializedGetters from, int ordinal) {
      set(row, from.getBoolean(ordinal));
    }

    @Override
    void writeNull(int row) {
      set(row, false);
    }

    @Override
    void copy(ColumnVector vector, int rows) {
      for (int i = 0; i < rows; i++) {
        set(i, vector.getBoolean(i));
      }
    }
  }

  private static final class Bytes extends FixedWriter {
    Bytes() {
      super(1);
    }

    @Override
    void write(int row, SpecializedGetters from, int ordinal) {
      Platform.putByte(null, slot(row), from.getByte(ordinal));
    }

    @Override
    void copy(ColumnVector vector, int rows) {
      put(vector.getBytes(0, rows), Platform.BYTE_ARRAY_OFFSET, rows);
    }
  }

  private static final class Shorts extends FixedWriter {
    Shorts() {
      super(2);
    }

    @Override
    void write(int row, SpecializedGetters from, int ordinal) {
      Platform.putShort(null, slot(row), from.getShort(ordinal));
    }

    @Override
    void copy(ColumnVector vector, int rows) {
      put(vector.getShorts(0, rows), Platform.SHORT_ARRAY_OFFSET, rows);
    }
  }

  private static final class Ints extends FixedWriter {
    Ints() {
      super(4);
    }

    @Override
    void write(int row, SpecializedGetters from, int ordinal) {
      Platform.putInt(null, slot(row), from.getInt(ordinal));
    }

    @Override
    void copy(ColumnVector vector, int rows) {
      put(vector.getInts(0, rows), Platform.INT_ARRAY_OFFSET, rows);
    }
  }

  private static final class Longs extends FixedWriter {
    Longs() {
      super(8);
    }

    @Override
    void write(int row, SpecializedGetters from, int ordinal) {
      Platform.putLong(null, slot(row), from.getLong(ordinal));
    }

    @Override
    void copy(ColumnVector vector, int rows) {
      put(vector.getLongs(0, rows), Platform.LONG_ARRAY_OFFSET, rows);
    }
  }

  private static final class Floats extends FixedWriter {
    Floats() {
      super(4);
    }

    @Override
    void write(int row, SpecializedGetters from, int ordinal) {
      Platform.putFloat(null, slot(row), from.getFloat(ordinal));
    }

    @Override
    void copy(ColumnVector vector, int rows) {
      put(vector.getFloats(0, rows), Platform.FLOAT_ARRAY_OFFSET, rows);
    }
  }

  private static final class Doubles extends FixedWriter {
    Doubles() {
      super(8);
    }

    @Override
    void write(int row, SpecializedGetters from, int ordinal) {
      Platform.putDouble(null, slot(row), from.getDouble(ordinal));
    }

    @Override
    void copy(ColumnVector vector, int rows) {
      put(vector.getDoubles(0, rows), Platform.DOUBLE_ARRAY_OFFSET, rows);
    }
  }

  /** Little-endian 128-bit integers. */
  private static final class Decimals extends FixedWriter {
    private final int precision;
    private final int scale;

    Decimals(DecimalType type) {
      super(16);
      precision = type.precision();
      scale = type.scale();
    }

    @Override
    void write(int row, SpecializedGetters from, int ordinal) {
      Decimal value = from.getDecimal(ordinal, precision, scale);
      long slot = slot(row);
      if (precision <= Decimal.MAX_LONG_DIGITS()) {
        long unscaled = value.toUnscaledLong();
        Platform.putLong(null, slot, unscaled);
        Platform.putLong(null, slot + 8, unscaled >> 63);
      } else {
        BigInteger unscaled = value.toJavaBigDecimal().unscaledValue();
        Platform.putLong(null, slot, unscaled.longValue());
        Platform.putLong(null, slot + 8, unscaled.shiftRight(64).longValue());
      }
    }

    @Override
    public void appendVector(ColumnVector vector, int rows) {
      appendEach(vector, rows);
    }

    @Override
    void copy(ColumnVector vector, int rows) {
      throw new UnsupportedOperationException("decimals are appended one by one");
    }
  }

  final void appendEach(ColumnVector vector, int rows) {
    super.appendVector(vector, rows);
  }
}
