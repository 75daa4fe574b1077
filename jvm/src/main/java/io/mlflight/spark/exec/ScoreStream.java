// SPDX-License-Identifier: Apache-2.0
package io.mlflight.spark.exec;

import io.mlflight.spark.MlflightException;
import io.mlflight.spark.columns.ColumnWriter;
import io.mlflight.spark.columns.NativeColumnVector;
import io.mlflight.spark.library.NativeBridge;
import java.util.function.Supplier;
import org.apache.spark.TaskContext;
import org.apache.spark.sql.types.DataType;
import org.apache.spark.sql.vectorized.ColumnVector;

/** One task's stream of batches to the scorer. Closed with the task at the latest. */
final class ScoreStream implements AutoCloseable {
  private final TaskContext task;
  private final DataType resultType;
  private final ColumnWriter[] columns;
  private final long[] table;
  private final long[] prediction;
  private long stream;
  private ColumnVector last;

  /** Opens a stream; blocks while the service starts and loads the model. */
  ScoreStream(
      TaskContext task,
      ColumnWriter[] columns,
      DataType resultType,
      byte[] spec,
      byte[] input,
      byte[] output,
      Supplier<byte[]> options) {
    this.task = task;
    this.columns = columns;
    this.resultType = resultType;
    int nodes = 0;
    for (ColumnWriter column : columns) {
      nodes += column.nodes();
    }
    table = new long[nodes * ColumnWriter.NODE_WORDS];
    prediction = new long[NativeColumnVector.nodes(resultType) * ColumnWriter.NODE_WORDS];
    try {
      // Looked up first: that loads the native library.
      byte[] found = options.get();
      stream = NativeBridge.create();
      CancelPoller.watch(stream, task);
      NativeBridge.open(stream, spec, input, output, found);
    } catch (MlflightException error) {
      close();
      throw failure(error);
    }
  }

  /** Scores what the columns hold and empties them. The answer lives until the next call. */
  ColumnVector score(int rows) {
    release();
    int at = 0;
    for (ColumnWriter column : columns) {
      at = column.export(table, at);
    }
    try {
      long result = NativeBridge.score(stream, rows, table, prediction);
      last = NativeColumnVector.of(resultType, prediction, () -> NativeBridge.freeResult(result));
    } catch (MlflightException error) {
      throw failure(error);
    }
    for (ColumnWriter column : columns) {
      column.reset();
    }
    return last;
  }

  private RuntimeException failure(MlflightException error) {
    return Failures.inTask(error, task, columns.length + " columns", resultType);
  }

  private void release() {
    if (last != null) {
      last.close();
      last = null;
    }
  }

  @Override
  public void close() {
    release();
    if (stream != 0) {
      CancelPoller.forget(stream);
      NativeBridge.close(stream);
      stream = 0;
    }
    for (ColumnWriter column : columns) {
      column.close();
    }
  }
}
