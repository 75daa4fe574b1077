//! The text of `--sql`: that it is one query, and what its calls of `predict` mean.

use std::ops::ControlFlow;

use arrow::datatypes::{Schema, SchemaRef};
use datafusion::{
    common::{DataFusionError, tree_node::TreeNode as _},
    logical_expr::{Expr as LogicalExpr, LogicalPlan},
    prelude::SessionContext,
    sql::{
        parser::Statement,
        sqlparser::ast::{
            Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, Statement as SqlStatement,
            visit_expressions_mut,
        },
    },
};

use super::{
    errors::{external, failed},
    predict::NAME,
};
use crate::{
    batch::{read::column_names, subject::Subject},
    error::{Error, Kind, Result},
    mlmodel::SchemaSpec,
};

/// Parses `--sql`, which must be one query.
pub(super) fn parse(context: &SessionContext, sql: &str) -> Result<Statement> {
    let state = context.state();
    let dialect = state.config().options().sql_parser.dialect;
    let statement =
        state.sql_to_statement(sql, &dialect).map_err(|error| failed(error).context(format_args!("--sql '{}'", short(sql))))?;
    match &statement {
        Statement::Statement(inner) if matches!(**inner, SqlStatement::Query(_)) => Ok(statement),
        _ => Err(Error::new(Kind::InvalidArgument, "NOT_A_QUERY", format!("--sql '{}' is no query", short(sql)))
            .remedy("write SELECT … FROM input")),
    }
}

/// Gives every `predict()` without arguments `columns`. Whether `predict` is called at all, and whether without arguments.
pub(super) fn fill_arguments(statement: &mut Statement, columns: &[String]) -> (bool, bool) {
    let (mut calls, mut bare) = (false, false);
    let Statement::Statement(inner) = statement else { return (false, false) };
    let _ = visit_expressions_mut(inner, |expr| {
        if let Expr::Function(Function { name, args: FunctionArguments::List(list), .. }) = expr
            && name.to_string().trim_matches('"').eq_ignore_ascii_case(NAME)
        {
            calls = true;
            if list.args.is_empty() {
                bare = true;
                let column =
                    |name: &String| FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Identifier(Ident::with_quote('"', name))));
                list.args = columns.iter().map(column).collect();
            }
        }
        ControlFlow::<()>::Continue(())
    });
    (calls, bare)
}

/// Refuses calls of `predict` where DataFusion cannot run an async function: it can in projections, filters and the arguments of one aggregate.
pub(super) fn refuse_misplaced(plan: &LogicalPlan) -> std::result::Result<(), DataFusionError> {
    let calls = |expr: &LogicalExpr| {
        expr.exists(|inner| Ok(matches!(inner, LogicalExpr::ScalarFunction(function) if function.name() == NAME)))
    };
    let misplaced = plan.exists(|node| {
        let keyed = match node {
            LogicalPlan::Projection(_) | LogicalPlan::Filter(_) => return Ok(false),
            LogicalPlan::Aggregate(aggregate) => {
                let used = aggregate.aggr_expr.iter().map(calls).collect::<std::result::Result<Vec<_>, _>>()?;
                if used.iter().filter(|used| **used).count() <= 1 {
                    aggregate.group_expr.clone()
                } else {
                    return Ok(true);
                }
            }
            other => other.expressions(),
        };
        keyed.iter().try_fold(false, |found, expr| Ok(found || calls(expr)?))
    })?;
    if misplaced {
        let error = Error::new(Kind::Unimplemented, "PREDICT_HERE", "predict() cannot be used as a key or in several aggregates")
            .remedy("compute it in a subquery: SELECT … FROM (SELECT *, predict() AS p FROM input)");
        return Err(external(error));
    }
    Ok(())
}

/// The start of a query, for messages.
pub(super) fn short(sql: &str) -> String {
    match sql.char_indices().nth(60) {
        Some((cut, _)) => format!("{}…", &sql[..cut]),
        None => sql.to_owned(),
    }
}

/// The columns that `predict()` means: the signature's names, without optional ones that the table lacks.
pub(super) fn arguments(subject: &Subject, expected: Option<&SchemaRef>, table: &Schema) -> Vec<String> {
    let optional = |at: usize| match &subject.signature.inputs {
        Some(SchemaSpec::Columns(columns)) => columns.get(at).is_some_and(|column| !column.required),
        _ => false,
    };
    let Some(expected) = expected else { return Vec::new() };
    let mut all = column_names(expected);
    // Arguments go by position, so only optional columns at the end can be left out.
    while all.last().is_some_and(|name| optional(all.len() - 1) && table.index_of(name).is_err()) {
        all.pop();
    }
    all
}
