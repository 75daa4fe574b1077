//! Learns the type of predictions that the model does not know, because a query cannot be planned without it: the first rows are scored.

use std::sync::{Arc, PoisonError};

use arrow::datatypes::DataType;
use datafusion::{
    common::{
        DataFusionError,
        tree_node::{TreeNode as _, TreeNodeRecursion},
    },
    logical_expr::{Expr as LogicalExpr, LogicalPlan, LogicalPlanBuilder, ScalarUDF},
    prelude::SessionContext,
    sql::parser::Statement,
};

use super::predict::{NAME, Trial};

/// Rows that are scored to learn the type of the predictions, which a query's plan must know.
const SAMPLE: usize = 100;

/// Scores the first rows that a query's innermost `predict(...)` gets; the type of its answers.
pub(super) async fn learn(
    context: &SessionContext,
    statement: &Statement,
    function: &dyn Fn(Trial) -> ScalarUDF,
) -> Result<DataType, DataFusionError> {
    let told = Arc::default();
    let mut planned = Err(DataFusionError::Plan("no type was tried".into()));
    // To find the calls the whole query must be planned, which needs some type that its other expressions accept.
    for kind in [DataType::Null, DataType::Float64, DataType::Utf8, DataType::Boolean] {
        context.register_udf(function(Trial { kind, told: Arc::clone(&told) }));
        planned = context.state().statement_to_plan(statement.clone()).await;
        if planned.is_ok() {
            break;
        }
    }
    let plan = planned?;
    let mut call: Option<(LogicalExpr, LogicalPlan)> = None;
    plan.apply_with_subqueries(|node| {
        let inputs = node.inputs();
        for expr in node.expressions() {
            expr.apply(|inner| {
                let found = matches!(inner, LogicalExpr::ScalarFunction(function) if function.name() == NAME);
                if let ([input], true) = (inputs.as_slice(), found) {
                    call = Some((inner.clone(), (*input).clone()));
                }
                Ok(TreeNodeRecursion::Continue)
            })?;
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    if let Some((call, input)) = call {
        let sample = LogicalPlanBuilder::from(input).limit(0, Some(SAMPLE))?.project([call.alias(NAME)])?.build()?;
        context.execute_logical_plan(sample).await?.collect().await?;
    }
    let told = told.lock().unwrap_or_else(PoisonError::into_inner).clone();
    Ok(told.unwrap_or(DataType::Null))
}
