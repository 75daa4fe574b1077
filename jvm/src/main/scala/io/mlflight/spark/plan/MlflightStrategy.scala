// SPDX-License-Identifier: Apache-2.0
package io.mlflight.spark.plan

import scala.collection.mutable

import io.mlflight.spark.MlflightConf
import io.mlflight.spark.columns.ArrowTypes
import io.mlflight.spark.exec.{MlflightEvalExec, Settings}
import io.mlflight.spark.library.{NativeBridge, NativeLibrary}
import org.apache.spark.sql.catalyst.expressions._
import org.apache.spark.sql.catalyst.plans.logical.{ArrowEvalPython, LogicalPlan, Project}
import org.apache.spark.sql.execution.{SparkPlan, SparkStrategy}

/**
 * Plans marked UDFs as native scoring. Spark has extracted them from every kind of expression into `ArrowEvalPython`, as it does
 * with all Python UDFs; here that one node is replaced, so a prediction may stand wherever a UDF may.
 */
object MlflightStrategy extends SparkStrategy {

  override def apply(plan: LogicalPlan): Seq[SparkPlan] = plan match {
    case Project(list, eval: ArrowEvalPython) if isMarked(eval) =>
      val needed = AttributeSet(list.flatMap(_.references))
      planLater(Project(list, new Swap(eval).plan(needed))) :: Nil
    case eval: ArrowEvalPython if isMarked(eval) =>
      planLater(Project(eval.output, new Swap(eval).plan(eval.outputSet))) :: Nil
    case MlflightEval(scoring, arguments, result, carried, child) =>
      MlflightEvalExec(scoring, arguments, result, carried, planLater(child)) :: Nil
    case _ => Nil
  }

  private def isMarked(eval: ArrowEvalPython): Boolean =
    eval.udfs.exists(_.exists { case udf: PythonUDF => markOf(udf).isDefined; case _ => false })

  /** The mark, unless the user wants the Python body to run. */
  private def markOf(udf: PythonUDF): Option[Mark] =
    Mark.of(udf).filter(Planning.mode(_) != MlflightConf.PYTHON)

  /**
   * Splits one `ArrowEvalPython`, whose UDFs may be chained (`f(g(x))`) and mixed with ordinary ones, into one node for each
   * prediction and one for each layer of ordinary UDFs.
   */
  private final class Swap(eval: ArrowEvalPython) {
    private var plan: LogicalPlan = eval.child
    private val done = mutable.HashMap.empty[Expression, Attribute]

    def plan(needed: AttributeSet): LogicalPlan = {
      val pairs = eval.udfs.zip(eval.resultAttrs)
      val (marked, plain) = pairs.partition { case (udf, _) => udf.exists(isMarkedUdf) }
      val again = marked.flatMap { case (udf, result) => evaluate(udf, result) }
      if (plain.nonEmpty) {
        plan = ArrowEvalPython(plain.map(_._1), plain.map(_._2), plan, eval.evalType)
      }
      if (again.nonEmpty) {
        plan = Project(plan.output ++ again, plan)
      }
      prune(plan, needed)
    }

    private def isMarkedUdf(expression: Expression): Boolean = expression match {
      case udf: PythonUDF => markOf(udf).isDefined
      case _ => false
    }

    /** Plans a UDF under a given result; an alias when the same value is there already. */
    private def evaluate(udf: PythonUDF, result: Attribute): Option[NamedExpression] =
      done.get(udf.canonicalized) match {
        case Some(same) => Some(Alias(same, result.name)(exprId = result.exprId))
        case None =>
          add(udf, result)
          None
      }

    private def add(udf: PythonUDF, result: Attribute): Unit = {
      val arguments = udf.children.map(inner)
      plan = markOf(udf) match {
        case Some(mark) => predict(mark, udf, arguments, result)
        case None =>
          val plain = udf.withNewChildren(arguments).asInstanceOf[PythonUDF]
          ArrowEvalPython(Seq(plain), Seq(result), plan, eval.evalType)
      }
      done.put(udf.canonicalized, result)
    }

    private def inner(expression: Expression): Expression = expression match {
      case udf: PythonUDF =>
        done.getOrElse(
          udf.canonicalized, {
            val result = AttributeReference("prediction", udf.dataType)()
            add(udf, result)
            result
          })
      case other => other.mapChildren(inner)
    }

    private def predict(mark: Mark, udf: PythonUDF, values: Seq[Expression], result: Attribute): LogicalPlan = {
      NativeLibrary.load(Settings.get(MlflightConf.NATIVE_PATH).orNull)
      val scoring = Planning.scoring(mark, udf)
      val arguments = NamedArguments.of(mark, values)
      NativeBridge.check(scoring.specBytes, ArrowTypes.schema(arguments.schema))
      ArrowTypes.schema(scoring.output)
      MlflightEval(scoring, arguments, result, plan.output, plan)
    }
  }

  /** Carries only what is needed above: a row that is not carried is not copied. */
  private def prune(plan: LogicalPlan, needed: AttributeSet): LogicalPlan = plan match {
    case eval: MlflightEval =>
      val carried = eval.carried.filter(needed.contains)
      val below = needed ++ AttributeSet(eval.arguments.columns.flatMap(_.references))
      eval.copy(carried = carried, child = prune(eval.child, below))
    case other => other
  }
}
