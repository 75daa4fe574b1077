// SPDX-License-Identifier: Apache-2.0
package io.mlflight.spark.exec

import scala.collection.mutable.ArrayBuffer

import io.mlflight.spark.columns.{ArrowTypes, ColumnWriter}
import io.mlflight.spark.library.SentFiles
import org.apache.spark.TaskContext
import org.apache.spark.sql.catalyst.InternalRow
import org.apache.spark.sql.catalyst.expressions._
import org.apache.spark.sql.types.StructType
import org.apache.spark.sql.vectorized.{ColumnarBatch, ColumnVector}
import org.apache.spark.util.TaskCompletionListener

/** The work of one node on one partition. The stream is opened for the first row, so an empty partition costs nothing. */
final case class ScoreTask(
    scoring: Scoring,
    arguments: Arguments,
    input: Seq[Attribute],
    carried: Seq[Attribute],
    files: SentFiles,
    metrics: ScoreMetrics) {

  /** The columnar path. The child overwrites its vectors when it is asked for the next batch, so there is no looking ahead. */
  def columnar(batches: Iterator[ColumnarBatch]): Iterator[ColumnarBatch] = {
    val session = new ScoreSession(this)
    val carriedAt = carried.map(ordinal).toArray
    val readers = arguments.columns.map(reader).toArray
    batches.filter(_.numRows > 0).map { batch =>
      val rows = batch.numRows
      var i = 0
      while (i < readers.length) {
        readers(i)(batch, session.columns(i))
        i += 1
      }
      val vectors = carriedAt.map(batch.column) :+ session.score(rows)
      new ColumnarBatch(vectors, rows)
    }
  }

  /** The row path: rows are copied, then scored together. */
  def rows(rows: Iterator[InternalRow]): Iterator[InternalRow] = new RowIterator(this, rows)

  private[spark] def ordinal(attribute: Attribute): Int = input.indexWhere(_.exprId == attribute.exprId)

  private def reader(column: Expression): (ColumnarBatch, ColumnWriter) => Unit = column match {
    case GetStructField(struct: Attribute, field, _) =>
      val at = ordinal(struct)
      (batch, writer) => ScoreTask.appendField(batch.column(at), field, writer, batch.numRows)
    case attribute: Attribute =>
      val at = ordinal(attribute)
      (batch, writer) => writer.appendVector(batch.column(at), batch.numRows)
  }
}

object ScoreTask {

  /** A field of a struct that is null is null, whatever lies in the field's own vector. */
  private def appendField(struct: ColumnVector, field: Int, writer: ColumnWriter, rows: Int): Unit =
    if (struct.hasNull) {
      val values = new org.apache.spark.sql.vectorized.ColumnarArray(struct.getChild(field), 0, rows)
      var i = 0
      while (i < rows) {
        if (struct.isNullAt(i)) writer.appendNull() else writer.append(values, i)
        i += 1
      }
    } else {
      writer.appendVector(struct.getChild(field), rows)
    }
}

/** The columns being filled and the stream they go to; freed when the task ends. */
private[spark] final class ScoreSession(task: ScoreTask) {
  private val context = TaskContext.get()
  private val schema: StructType = task.arguments.schema
  val columns: Array[ColumnWriter] = schema.fields.map(field => ColumnWriter.create(field.dataType))
  private var stream: ScoreStream = _
  private var closed = false

  context.addTaskCompletionListener(new TaskCompletionListener {
    override def onTaskCompletion(context: TaskContext): Unit = close()
  })

  def bytes: Long = columns.foldLeft(0L)(_ + _.bytes)

  /** Scores what the columns hold; the answer lives until the next call. */
  def score(rows: Int): ColumnVector = {
    if (stream == null) {
      val start = System.nanoTime
      stream = new ScoreStream(
        context,
        columns,
        task.scoring.resultType,
        task.scoring.specBytes,
        ArrowTypes.schema(schema),
        ArrowTypes.schema(task.scoring.output),
        () => StreamOptions.of(task.scoring, task.files, context))
      task.metrics.open += System.nanoTime - start
    }
    task.metrics.bytes += bytes
    val start = System.nanoTime
    val prediction = stream.score(rows)
    task.metrics.score += System.nanoTime - start
    task.metrics.batches += 1
    task.metrics.rows += rows
    prediction
  }

  def close(): Unit = if (!closed) {
    closed = true
    if (stream != null) stream.close() else columns.foreach(_.close())
  }
}

/** Gathers rows, scores them, and gives each back with its prediction. */
private final class RowIterator(task: ScoreTask, rows: Iterator[InternalRow]) extends Iterator[InternalRow] {
  private val session = new ScoreSession(task)
  private val direct: Option[Array[Int]] =
    if (task.arguments.columns.forall(_.isInstanceOf[Attribute])) {
      Some(task.arguments.columns.map(column => task.ordinal(column.asInstanceOf[Attribute])).toArray)
    } else {
      None
    }
  private val evaluate =
    if (direct.isDefined) null else UnsafeProjection.create(task.arguments.columns, task.input)
  private val ordinals = direct.getOrElse(task.arguments.columns.indices.toArray)
  private val carry = UnsafeProjection.create(task.carried, task.input)
  private val join = {
    val result = AttributeReference("prediction", task.scoring.resultType)()
    UnsafeProjection.create(task.carried :+ result, task.carried :+ result)
  }
  private val carried = new ArrayBuffer[UnsafeRow]
  private val joined = new JoinedRow
  private var prediction: ColumnarBatch = _
  private var filled = 0
  private var next_ = 0

  override def hasNext: Boolean = {
    if (next_ >= filled) {
      fill()
    }
    next_ < filled
  }

  override def next(): InternalRow = {
    if (!hasNext) throw new NoSuchElementException("no more rows")
    val row = joined(if (task.carried.isEmpty) InternalRow.empty else carried(next_), prediction.getRow(next_))
    next_ += 1
    join(row)
  }

  private def fill(): Unit = {
    carried.clear()
    filled = 0
    next_ = 0
    while (filled < task.scoring.maxRecords && !full && rows.hasNext) {
      val row = rows.next()
      val values = if (evaluate == null) row else evaluate(row)
      var i = 0
      while (i < ordinals.length) {
        session.columns(i).append(values, ordinals(i))
        i += 1
      }
      if (task.carried.nonEmpty) {
        carried += carry(row).copy()
      }
      filled += 1
    }
    if (filled > 0) {
      prediction = new ColumnarBatch(Array(session.score(filled)), filled)
    } else {
      session.close()
    }
  }

  /** Wide rows make smaller batches; looked at now and then only. */
  private def full: Boolean = (filled & 63) == 63 && session.bytes > RowIterator.MaxBytes
}

private object RowIterator {
  val MaxBytes: Long = 16L << 20
}
