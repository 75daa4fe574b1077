// SPDX-License-Identifier: Apache-2.0
package io.mlflight.spark.columns;

import io.mlflight.spark.MlflightConf;
import io.mlflight.spark.MlflightException;
import org.apache.spark.sql.catalyst.InternalRow;
import org.apache.spark.sql.catalyst.expressions.SpecializedGetters;
import org.apache.spark.sql.catalyst.util.ArrayData;
import org.apache.spark.sql.catalyst.util.MapData;
import org.apache.spark.sql.vectorized.ColumnVector;
import org.apache.spark.unsafe.Platform;

/** Lists, maps and structs: writers of writers. */
final class NestedWriters {
  private NestedWriters() {}

  static MlflightException tooLong(String what) {
    return new MlflightException(
        "RESOURCE_EXHAUSTED",
        "BATCH_TOO_LARGE",
        "a column of one batch has more than 2^31-1 " + what + "; set " + MlflightConf.MAX_RECORDS.key() + " lower");
  }

  /** Children in order, and the bookkeeping all nested types share. */
  private abstract static class Nested extends ColumnWriter {
    final ColumnWriter[] children;

    Nested(ColumnWriter... children) {
      this.children = children;
    }

    @Override
    void resetValues() {
      for (ColumnWriter child : children) {
        child.reset();
      }
    }

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
      long sum = 0;
      for (ColumnWriter child : children) {
        sum += child.bytes();
      }
      return sum;
    }

    @Override
    public int nodes() {
      int sum = 1;
      for (ColumnWriter child : children) {
        sum += child.nodes();
      }
      return sum;
    }

    @Override
    int exportChildren(long[] table, int at) {
      for (ColumnWriter child : children) {
        at = child.export(table, at);
      }
      return at;
    }

    @Override
    public void close() {
      super.close();
      for (ColumnWriter child : children) {
        child.close();
      }
    }
  }

  static final class StructWriter extends Nested {
    StructWriter(ColumnWriter... children) {
      super(children);
    }

    @Override
    void write(int row, SpecializedGetters values, int ordinal) {
      InternalRow struct = values.getStruct(ordinal, children.length);
      for (int i = 0; i < children.length; i++) {
        children[i].append(struct, i);
      }
    }

    @Override
    void writeNull(int row) {
      for (ColumnWriter child : children) {
        child.appendNull();
      }
    }

    @Override
    public void appendVector(ColumnVector vector, int rows) {
      if (vector.hasNull()) {
        super.appendVector(vector, rows);
        return;
      }
      appendNulls(vector, rows);
      for (int i = 0; i < children.length; i++) {
        children[i].appendVector(vector.getChild(i), rows);
      }
    }
  }

  /** What has offsets into its child. */
  private abstract static class Offsets extends Nested {
    private final OffHeap offsets = new OffHeap();
    private long end;

    Offsets(ColumnWriter... children) {
      super(children);
      close(-1);
    }

    final void close(int row) {
      offsets.ensure((row + 2L) * 4);
      Platform.putInt(null, offsets.address() + (row + 1L) * 4, (int) end);
    }

    final void grow(int items) {
      end += items;
      if (end > MAX_BYTES) {
        throw tooLong("list items");
      }
    }

    @Override
    void writeNull(int row) {
      close(row);
    }

    @Override
    void resetValues() {
      super.resetValues();
      end = 0;
      close(-1);
    }

    @Override
    long first() {
      return offsets.address();
    }

    @Override
    public long bytes() {
      return super.bytes() + count() * 4L;
    }

    @Override
    public void close() {
      super.close();
      offsets.close();
    }
  }

  static final class ListWriter extends Offsets {
    ListWriter(ColumnWriter items) {
      super(items);
    }

    @Override
    void write(int row, SpecializedGetters values, int ordinal) {
      ArrayData list = values.getArray(ordinal);
      int items = list.numElements();
      grow(items);
      for (int i = 0; i < items; i++) {
        children[0].append(list, i);
      }
      close(row);
    }
  }

  /** A list of entries, each a struct of key and value. */
  static final class MapWriter extends Offsets {
    MapWriter(ColumnWriter keys, ColumnWriter values) {
      super(new Entries(keys, values));
    }

    @Override
    void write(int row, SpecializedGetters values, int ordinal) {
      MapData map = values.getMap(ordinal);
      grow(map.numElements());
      ((Entries) children[0]).appendAll(map.keyArray(), map.valueArray(), map.numElements());
      close(row);
    }
  }

  private static final class Entries extends Nested {
    private ArrayData keys;
    private ArrayData items;

    Entries(ColumnWriter keys, ColumnWriter values) {
      super(keys, values);
    }

    void appendAll(ArrayData keys, ArrayData items, int entries) {
      this.keys = keys;
      this.items = items;
      for (int i = 0; i < entries; i++) {
        appendValid(keys, i);
      }
    }

    @Override
    void write(int row, SpecializedGetters values, int ordinal) {
      children[0].append(keys, ordinal);
      children[1].append(items, ordinal);
    }

    @Override
    void writeNull(int row) {
      throw new IllegalStateException("an entry is never null");
    }
  }
}
