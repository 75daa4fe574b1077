// SPDX-License-Identifier: Apache-2.0
package io.mlflight.spark.exec

import io.mlflight.spark.library.SentFiles
import org.apache.spark.rdd.RDD
import org.apache.spark.sql.catalyst.InternalRow
import org.apache.spark.sql.catalyst.expressions._
import org.apache.spark.sql.catalyst.plans.physical.Partitioning
import org.apache.spark.sql.execution.{SparkPlan, UnaryExecNode}
import org.apache.spark.sql.execution.metric.{SQLMetric, SQLMetrics}
import org.apache.spark.sql.vectorized.ColumnarBatch

/**
 * Scores its child's rows with a model. Where the child gives column batches and every argument is one of their columns, whole
 * vectors are handed to the scorer and the prediction is appended to the batch; otherwise rows are gathered into batches.
 */
final case class MlflightEvalExec(
    scoring: Scoring,
    arguments: Arguments,
    result: Attribute,
    carried: Seq[Attribute],
    child: SparkPlan)
    extends UnaryExecNode {

  override def output: Seq[Attribute] = carried :+ result

  override def producedAttributes: AttributeSet = AttributeSet(result :: Nil)

  override def outputPartitioning: Partitioning = child.outputPartitioning

  override def outputOrdering: Seq[SortOrder] = child.outputOrdering

  override val supportsColumnar: Boolean = child.supportsColumnar && arguments.columnar

  override lazy val metrics: Map[String, SQLMetric] = Map(
    ScoreMetrics.Rows -> SQLMetrics.createMetric(sparkContext, "number of output rows"),
    ScoreMetrics.Batches -> SQLMetrics.createMetric(sparkContext, "number of batches"),
    ScoreMetrics.Bytes -> SQLMetrics.createSizeMetric(sparkContext, "size of scored columns"),
    ScoreMetrics.Open -> SQLMetrics.createNanoTimingMetric(sparkContext, "time to open streams"),
    ScoreMetrics.Score -> SQLMetrics.createNanoTimingMetric(sparkContext, "time waiting for predictions"))

  private def task: ScoreTask =
    ScoreTask(scoring, arguments, child.output, carried, SentFiles.ofSession(), ScoreMetrics.of(metrics))

  override protected def doExecuteColumnar(): RDD[ColumnarBatch] = {
    val task = this.task
    child.executeColumnar().mapPartitions(task.columnar)
  }

  override protected def doExecute(): RDD[InternalRow] = {
    val task = this.task
    child.execute().mapPartitions(task.rows)
  }

  private def call: String = {
    val columns = arguments.names.zip(arguments.columns).map { case (name, column) => s"$name=${column.sql}" }
    s"(${columns.mkString(", ")}) AS ${result.name}#${result.exprId.id}"
  }

  override def simpleString(maxFields: Int): String = s"$nodeName [${scoring.describe}] $call"

  override def verboseStringWithOperatorId(): String =
    s"""$formattedNodeName
       |Model: ${scoring.model}
       |Mode: ${scoring.server.fold(scoring.mode)(uri => s"${scoring.mode} at $uri")}
       |Engine: ${scoring.engine}
       |Prediction: $call
       |""".stripMargin

  override protected def withNewChildInternal(newChild: SparkPlan): MlflightEvalExec = copy(child = newChild)
}

/** The metrics of one node, as its tasks see them. */
final case class ScoreMetrics(rows: SQLMetric, batches: SQLMetric, bytes: SQLMetric, open: SQLMetric, score: SQLMetric)

object ScoreMetrics {
  val Rows = "numOutputRows"
  val Batches = "numBatches"
  val Bytes = "inputBytes"
  val Open = "openTime"
  val Score = "scoreTime"

  def of(metrics: Map[String, SQLMetric]): ScoreMetrics =
    ScoreMetrics(metrics(Rows), metrics(Batches), metrics(Bytes), metrics(Open), metrics(Score))
}
