// SPDX-License-Identifier: Apache-2.0
package io.mlflight.spark.columns;

import java.util.concurrent.atomic.AtomicLong;
import org.apache.spark.unsafe.Platform;

/** A growing block of memory outside the heap. */
public final class OffHeap implements AutoCloseable {
  private static final AtomicLong LIVE_BYTES = new AtomicLong();

  private long address;
  private long capacity;

  /** Bytes held by all blocks of this class loader: zero when nothing leaks. */
  public static long liveBytes() {
    return LIVE_BYTES.get();
  }

  long address() {
    return address;
  }

  /** Makes room for this many bytes and keeps what is there. */
  void ensure(long bytes) {
    if (bytes > capacity) {
      long grown = Math.max(64, Math.max(bytes, capacity + (capacity >> 1)));
      address = Platform.reallocateMemory(address, capacity, grown);
      LIVE_BYTES.addAndGet(grown - capacity);
      capacity = grown;
    }
  }

  @Override
  public void close() {
    if (capacity > 0) {
      Platform.freeMemory(address);
      LIVE_BYTES.addAndGet(-capacity);
      address = 0;
      capacity = 0;
    }
  }
}
