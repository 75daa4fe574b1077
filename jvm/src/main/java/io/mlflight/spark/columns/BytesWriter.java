// SPDX-License-Identifier: Apache-2.0
package io.mlflight.spark.columns;

import org.apache.spark.sql.catalyst.expressions.SpecializedGetters;
import org.apache.spark.unsafe.Platform;
import org.apache.spark.unsafe.types.UTF8String;

/** Strings and byte strings: 32-bit offsets and the bytes. */
final class BytesWriter extends ColumnWriter {
  private final OffHeap offsets = new OffHeap();
  private final OffHeap data = new OffHeap();
  private final boolean text;
  private long end;

  BytesWriter(boolean text) {
    this.text = text;
    resetValues();
  }

  @Override
  void write(int row, SpecializedGetters values, int ordinal) {
    if (text) {
      UTF8String value = values.getUTF8String(ordinal);
      put(value.getBaseObject(), value.getBaseOffset(), value.numBytes());
    } else {
      byte[] value = values.getBinary(ordinal);
      put(value, Platform.BYTE_ARRAY_OFFSET, value.length);
    }
    close(row);
  }

  private void put(Object base, long offset, int length) {
    if (end + length > MAX_BYTES) {
      throw NestedWriters.tooLong("bytes of text");
    }
    data.ensure(end + length);
    Platform.copyMemory(base, offset, null, data.address() + end, length);
    end += length;
  }

  private void close(int row) {
    offsets.ensure((row + 2L) * 4);
    Platform.putInt(null, offsets.address() + (row + 1L) * 4, (int) end);
  }

  @Override
  void writeNull(int row) {
    close(row);
  }

  @Override
  void resetValues() {
    end = 0;
    offsets.ensure(4);
    Platform.putInt(null, offsets.address(), 0);
  }

  @Override
  long first() {
    return offsets.address();
  }

  @Override
  long second() {
    return data.address();
  }

  @Override
  public long bytes() {
    return end + count() * 4L;
  }

  @Override
  public void close() {
    super.close();
    offsets.close();
    data.close();
  }
}
