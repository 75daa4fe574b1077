// SPDX-License-Identifier: Apache-2.0
package io.mlflight.spark.plan

import io.mlflight.spark.exec.{Arguments, Scoring}
import org.apache.spark.sql.catalyst.expressions.{Attribute, AttributeSet}
import org.apache.spark.sql.catalyst.plans.logical.{LogicalPlan, UnaryNode}

/** One prediction over a child: its carried columns and the result. */
final case class MlflightEval(
    scoring: Scoring,
    arguments: Arguments,
    result: Attribute,
    carried: Seq[Attribute],
    child: LogicalPlan)
    extends UnaryNode {

  override def output: Seq[Attribute] = carried :+ result

  override def producedAttributes: AttributeSet = AttributeSet(result :: Nil)

  override protected def withNewChildInternal(newChild: LogicalPlan): MlflightEval = copy(child = newChild)
}
