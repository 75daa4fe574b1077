// SPDX-License-Identifier: Apache-2.0
package io.mlflight.spark.columns;

import org.apache.spark.sql.catalyst.expressions.SpecializedGetters;
import org.apache.spark.sql.types.*;
import org.apache.spark.sql.vectorized.ColumnVector;
import org.apache.spark.sql.vectorized.ColumnarArray;
import org.apache.spark.unsafe.Platform;

/**
 * Writes Spark values as one Arrow array outside the heap: value by value from rows, or a whole vector at once. The memory is
 * kept from batch to batch. Arrow Java is not used, so its version does not matter.
 */
public abstract class ColumnWriter implements AutoCloseable {
  /** Words of one node in a table: length, null count, addresses of validity, of the first and of the second buffer. */
  public static final int NODE_WORDS = 5;

  /** Longest array: offsets are 32-bit. */
  static final long MAX_BYTES = Integer.MAX_VALUE;

  private final OffHeap validity = new OffHeap();
  private int count;
  private int nulls;

  /** A writer for a type that {@link ArrowTypes} maps. */
  public static ColumnWriter create(DataType type) {
    if (type instanceof NullType) {
      return new NullWriter();
    } else if (type instanceof StringType || type instanceof BinaryType) {
      return new BytesWriter(type instanceof StringType);
    } else if (type instanceof ArrayType) {
      return new NestedWriters.ListWriter(create(((ArrayType) type).elementType()));
    } else if (type instanceof MapType) {
      MapType map = (MapType) type;
      return new NestedWriters.MapWriter(create(map.keyType()), create(map.valueType()));
    } else if (type instanceof StructType) {
      StructField[] fields = ((StructType) type).fields();
      ColumnWriter[] children = new ColumnWriter[fields.length];
      for (int i = 0; i < fields.length; i++) {
        children[i] = create(fields[i].dataType());
      }
      return new NestedWriters.StructWriter(children);
    } else if (type instanceof UserDefinedType) {
      return create(((UserDefinedType<?>) type).sqlType());
    }
    return FixedWriter.of(type);
  }

  /** Appends the value at {@code ordinal}. */
  public final void append(SpecializedGetters values, int ordinal) {
    if (values.isNullAt(ordinal)) {
      appendNull();
    } else {
      appendValid(values, ordinal);
    }
  }

  /** Appends a value that is known not to be null. */
  final void appendValid(SpecializedGetters values, int ordinal) {
    if (nulls > 0) {
      mark(count, true);
    }
    write(count, values, ordinal);
    count++;
  }

  public final void appendNull() {
    if (nulls == 0) {
      long bytes = (count >> 3) + 1;
      validity.ensure(bytes);
      Platform.setMemory(null, validity.address(), bytes, (byte) 0xff);
    }
    mark(count, false);
    nulls++;
    writeNull(count);
    count++;
  }

  /** Appends the first {@code rows} values of a vector to an empty writer. */
  public void appendVector(ColumnVector vector, int rows) {
    ColumnarArray values = new ColumnarArray(vector, 0, rows);
    for (int i = 0; i < rows; i++) {
      append(values, i);
    }
  }

  /** Takes over nulls of a vector whose values were copied at once. */
  final void appendNulls(ColumnVector vector, int rows) {
    if (vector.hasNull()) {
      long bytes = (rows + 7) >> 3;
      validity.ensure(bytes);
      for (int at = 0; at < bytes; at++) {
        int bits = 0;
        for (int i = at << 3; i < Math.min(rows, (at + 1) << 3); i++) {
          if (vector.isNullAt(i)) {
            nulls++;
          } else {
            bits |= 1 << (i & 7);
          }
        }
        Platform.putByte(null, validity.address() + at, (byte) bits);
      }
    }
    count = rows;
  }

  private void mark(int row, boolean valid) {
    int at = row >> 3;
    validity.ensure(at + 1L);
    long address = validity.address() + at;
    int bit = 1 << (row & 7);
    int old = (row & 7) == 0 ? 0 : Platform.getByte(null, address);
    Platform.putByte(null, address, (byte) (valid ? old | bit : old & ~bit));
  }

  /** Writes the node and its children from word {@code at}; answers the first word behind them. */
  public final int export(long[] table, int at) {
    table[at] = count;
    table[at + 1] = nulls;
    table[at + 2] = nulls == 0 ? 0 : validity.address();
    table[at + 3] = first();
    table[at + 4] = second();
    return exportChildren(table, at + NODE_WORDS);
  }

  /** Forgets the values and keeps the memory. */
  public final void reset() {
    count = 0;
    nulls = 0;
    resetValues();
  }

  final int count() {
    return count;
  }

  /** Writes a value at a row, the next one. */
  abstract void write(int row, SpecializedGetters values, int ordinal);

  /** Makes room for a null. */
  abstract void writeNull(int row);

  abstract void resetValues();

  /** Address of the node's first buffer behind the validity, 0 for none. */
  abstract long first();

  abstract long second();

  /** Bytes of the values written so far, roughly. */
  public abstract long bytes();

  /** Nodes of the table that this column takes. */
  public int nodes() {
    return 1;
  }

  int exportChildren(long[] table, int at) {
    return at;
  }

  @Override
  public void close() {
    validity.close();
  }

  /** A column of nothing. */
  private static final class NullWriter extends ColumnWriter {
    @Override
    void write(int row, SpecializedGetters values, int ordinal) {}

    @Override
    void writeNull(int row) {}

    @Override
    void resetValues() {}

    @Override
    long first() {
      return 0;
    }

    @Override
    long second() {
      return 0;
    }

    @Override
    public long bytes() {
      return 0;
    }
  }
}
