use std::{
    path::PathBuf,
    sync::{
        Barrier,
        atomic::{AtomicUsize, Ordering},
    },
};

use arrow::datatypes::{DataType, SchemaRef};

use super::*;
use crate::{
    flavors::Engine,
    mlmodel::MlModel,
    score::{Model, Session, SessionOptions},
};

struct Sized(usize);

impl Model for Sized {
    fn input(&self) -> Option<SchemaRef> {
        None
    }

    fn output(&self) -> Option<DataType> {
        None
    }

    fn memory(&self) -> usize {
        self.0
    }

    fn session(&self, _: &SessionOptions) -> Result<Box<dyn Session>> {
        Err(Error::new(Kind::Unimplemented, "TEST", "not scored in this test"))
    }
}

fn model(bytes: usize) -> Arc<LoadedModel> {
    Arc::new(LoadedModel {
        mlmodel: MlModel::new(),
        directory: PathBuf::from("model"),
        model: Arc::new(Sized(bytes)),
        engine: Engine::Native,
        flavor: "test".into(),
        reason: "a test".into(),
        origin: Default::default(),
        lease: None,
    })
}

#[test]
fn one_caller_loads_and_all_get_it() {
    let (models, loads, start) = (Models::default(), AtomicUsize::new(0), Barrier::new(8));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                start.wait();
                let loaded = models.get_or_load("key", || {
                    loads.fetch_add(1, Ordering::SeqCst);
                    Ok(model(1))
                });
                assert!(loaded.is_ok());
            });
        }
    });
    assert_eq!(loads.load(Ordering::SeqCst), 1);
}

#[test]
fn a_broken_model_is_not_loaded_again_but_a_lost_connection_is_tried_again() {
    let models = Models::default();
    let loads = AtomicUsize::new(0);
    let try_load = |key: &str, kind: Kind| {
        let outcome = models.get_or_load(key, || {
            loads.fetch_add(1, Ordering::SeqCst);
            let error = Error::new(kind, "BROKEN", "it is broken").column("a").expected("b").found("c").row(7);
            Err(error.remedy("mend it").traceback("line 1"))
        });
        let Err(error) = outcome else { panic!("loaded") };
        let whole = "column 'a': it is broken (row 7): expected b, found c; mend it";
        assert_eq!((error.kind(), error.to_string().as_str(), error.traceback_text()), (kind, whole, Some("line 1")));
    };
    try_load("bad", Kind::InvalidModel);
    try_load("bad", Kind::InvalidModel);
    assert_eq!(loads.swap(0, Ordering::SeqCst), 1);
    try_load("away", Kind::Unavailable);
    try_load("away", Kind::Unavailable);
    assert_eq!(loads.load(Ordering::SeqCst), 2);
}

#[test]
fn a_broken_model_is_tried_again_after_a_while() {
    let models = Models::new(ModelsOptions { remember_bad: Duration::ZERO, ..Default::default() });
    assert!(models.get_or_load("key", || Err(Error::new(Kind::InvalidModel, "BROKEN", "it is broken"))).is_err());
    assert!(models.get_or_load("key", || Ok(model(1))).is_ok());
}

#[test]
fn a_panic_while_loading_leaves_the_key_free() {
    let models = Models::default();
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _ = models.get_or_load("key", || panic!("on purpose"));
    }));
    assert!(panicked.is_err());
    assert!(models.get_or_load("key", || Ok(model(1))).is_ok());
}

#[test]
fn idle_models_make_room_and_used_ones_stay() {
    let models = Models::new(ModelsOptions { memory_limit: Some(100), ..Default::default() });
    let held = models.get_or_load("held", || Ok(model(40))).unwrap();
    models.get_or_load("idle", || Ok(model(40))).unwrap();
    models.get_or_load("new", || Ok(model(50))).unwrap();
    assert_eq!(models.memory(), 90);
    let Err(error) = models.get_or_load("large", || Ok(model(61))) else { panic!("loaded") };
    assert_eq!(error.kind(), Kind::ResourceExhausted);
    assert_eq!(models.memory(), 40, "the idle model left, the one that did not fit too");
    drop(held);
    models.get_or_load("large", || Ok(model(61))).unwrap();
}

#[test]
fn no_more_idle_models_are_kept_than_allowed() {
    let models = Models::new(ModelsOptions { idle_limit: 2, ..Default::default() });
    let held = models.get_or_load("held", || Ok(model(1))).unwrap();
    let count = |key: &str| models.get_or_load(key, || Err(Error::new(Kind::Unavailable, "GONE", "not cached"))).is_ok();
    for key in ["a", "b", "a", "c", "d"] {
        models.get_or_load(key, || Ok(model(1))).unwrap();
    }
    // The one that was loaded last is kept beside two others.
    assert_eq!(models.memory(), 4);
    assert_eq!(["held", "a", "b", "c", "d"].map(count), [true, true, false, true, true]);
    drop(held);
}

#[test]
fn failures_are_not_remembered_without_bound() {
    let bad = |models: &Models, key: &str| {
        assert!(models.get_or_load(key, || Err(Error::new(Kind::InvalidModel, "BROKEN", "it is broken"))).is_err());
    };
    let models = Models::default();
    for i in 0..2 * REMEMBERED_BAD {
        bad(&models, &i.to_string());
    }
    assert_eq!(models.lock().slots.len(), REMEMBERED_BAD);
    let models = Models::new(ModelsOptions { remember_bad: Duration::ZERO, ..Default::default() });
    for i in 0..10 {
        bad(&models, &i.to_string());
    }
    assert_eq!(models.lock().slots.len(), 1);
}

#[test]
fn names_are_listed_and_removed() {
    let models = Models::default();
    assert!(models.insert("a", model(1)).is_none());
    assert!(models.insert("b", model(2)).is_none());
    assert!(models.insert("a", model(3)).is_some());
    let names: Vec<String> = models.list().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["a", "b"]);
    assert_eq!(models.memory(), 5);
    assert!(models.remove("a") && !models.remove("a"));
    assert!(models.get("a").is_none());
}
