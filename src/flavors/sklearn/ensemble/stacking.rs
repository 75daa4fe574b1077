//! `StackingClassifier` and `StackingRegressor`

use std::sync::Arc;

use crate::{
    error::Result,
    flavors::sklearn::{
        base::{Estimator, Frame, Labels, Made, Method, Part, View, Work, encoded, frame_of, labels, members, numbers, python},
        registry::build,
    },
    kernels::block::{Block, Kind},
};

/// Estimators whose answers are the input of a final estimator.
struct Stack {
    members: Vec<(Estimator, Method)>,
    last: Estimator,
    passthrough: bool,
    labels: Vec<Labels>,
    frame: Frame,
}

/// `StackingClassifier` and `StackingRegressor`
pub fn stacked(view: View<'_>) -> Made<Estimator> {
    let members = members(view, "estimators_")?;
    let methods: Vec<Option<Method>> =
        view.get("stack_method_")?.items().into_iter().map(|method| Method::from_name(method.text()?)).collect();
    // Since 1.2 the list of methods leaves out those of dropped estimators.
    let last = build(view.get("final_estimator_")?)?;
    let labels = if view.name().ends_with("Classifier") { vec![labels(view)?] } else { Vec::new() };
    let paired: Option<Vec<(Estimator, Method)>> =
        members.iter().cloned().zip(methods.iter().copied()).map(|(m, n)| Some((m, n?))).collect();
    let fits =
        methods.len() == members.len() && labels.first().is_none_or(|labels| encoded(std::slice::from_ref(&last), labels.len()));
    let frame = frame_of(view, &members);
    match paired.filter(|paired| fits && paired.iter().all(|(member, method)| member.has(*method))) {
        Some(members) => Ok(Arc::new(Stack { members, last, passthrough: view.flag("passthrough"), labels, frame })),
        None => python(format!("{}: not every estimator has its method here", view.name())),
    }
}

impl Part for Stack {
    fn has(&self, method: Method) -> bool {
        !matches!(method, Method::Transform | Method::LogProba) && self.last.has(method)
    }

    fn run(&self, method: Method, input: &Block, work: &mut Work, out: &mut Block) -> Result<()> {
        let mut columns = work.take();
        columns.reset(input.rows(), 0, Kind::Double);
        for (member, with) in &self.members {
            let mut made = work.take();
            match with {
                Method::Predict => numbers(&**member, input, work, &mut made)?,
                _ => member.run(*with, input, work, &mut made)?,
            }
            // With two classes the first probability is left out.
            let first = usize::from(*with == Method::Proba && made.width() == 2);
            for column in first..made.width() {
                columns.append_column(&made, column);
            }
            work.give(made);
        }
        if self.passthrough {
            columns.append(input);
        }
        let made = self.last.run(method, &columns, work, out);
        work.give(columns);
        made?;
        if let (Some(own), Kind::Class) = (self.last.labels().first(), out.kind()) {
            out.column_mut(0).iter_mut().for_each(|class| *class = own.number(*class as usize));
        }
        Ok(())
    }

    fn labels(&self) -> &[Labels] {
        &self.labels
    }

    fn frame(&self) -> Frame {
        self.frame.clone()
    }

    fn memory(&self) -> usize {
        self.members.iter().map(|(member, _)| member.memory()).sum::<usize>() + self.last.memory()
    }
}
