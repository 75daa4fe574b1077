use std::{
    ops::Range,
    sync::atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;
use futures::StreamExt;

use super::*;
use crate::{http, store::place::Part};

/// A place in memory that counts what it is asked.
#[derive(Default)]
struct Memory {
    files: Vec<(&'static str, &'static str, Option<&'static str>)>,
    settled: bool,
    lists: AtomicUsize,
    reads: AtomicUsize,
}

#[async_trait]
impl Place for Memory {
    fn origin(&self) -> &str {
        "memory:/model"
    }

    fn settled(&self) -> bool {
        self.settled
    }

    async fn list(&self) -> Result<Vec<Entry>> {
        self.lists.fetch_add(1, Ordering::SeqCst);
        let entry = |(name, content, version): &(&str, &str, Option<&str>)| Entry {
            name: (*name).to_owned(),
            size: content.len() as u64,
            version: version.map(str::to_owned),
        };
        Ok(self.files.iter().map(entry).collect())
    }

    async fn read(&self, name: &str, range: Option<Range<u64>>) -> Result<Part> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        let (_, content, _) = self.files.iter().find(|file| file.0 == name).unwrap();
        let range = range.unwrap_or(0..content.len() as u64);
        let bytes = content.as_bytes()[range.start as usize..range.end as usize].into();
        Ok(futures::stream::iter([Ok(bytes)]).boxed())
    }

    async fn write(&self, _: &str, _: &Path) -> Result<()> {
        unreachable!()
    }
}

fn bring(root: &Path, memory: Memory) -> (Held, usize, usize) {
    let memory = Arc::new(memory);
    let place: Arc<dyn Place> = memory.clone();
    let cache = Cache::open(root.to_owned(), 1 << 30);
    let held = http::block_on(async { cache.bring(&place, &|_, _| Ok(())).await }).unwrap().unwrap();
    (held, memory.lists.load(Ordering::SeqCst), memory.reads.load(Ordering::SeqCst))
}

#[test]
fn what_never_changes_is_not_asked_for_again_and_what_tells_no_version_always() {
    let root = tempfile::tempdir().unwrap();
    let file = |version| vec![("MLmodel", "flavors: {}\n", version)];
    let (first, lists, reads) = bring(root.path(), Memory { files: file(None), ..Memory::default() });
    assert_eq!((lists, reads), (1, 1));
    let (second, lists, reads) = bring(root.path(), Memory { files: file(None), ..Memory::default() });
    assert_eq!((lists, reads), (1, 1), "nothing tells whether it has changed");
    assert_eq!(first.directory, second.directory);
    let settled = Memory { files: file(None), settled: true, ..Memory::default() };
    assert_eq!(bring(root.path(), settled).1, 0);
    bring(root.path(), Memory { files: file(Some("1")), ..Memory::default() });
    let (_, lists, reads) = bring(root.path(), Memory { files: file(Some("1")), ..Memory::default() });
    assert_eq!((lists, reads), (1, 0));
}

#[test]
fn a_cached_model_has_the_digest_that_its_directory_is_named_by() {
    let root = tempfile::tempdir().unwrap();
    let files = vec![("MLmodel", "flavors: {}\n", Some("1")), ("data/a", "", Some("1")), ("data-b", "x", Some("1"))];
    let (held, ..) = bring(root.path(), Memory { files, ..Memory::default() });
    let digest = digest::digest(&held.directory).unwrap();
    assert!(held.directory.ends_with(digest.as_str()));
    assert_eq!(fs::read_dir(root.path().join("parts")).unwrap().count(), 0, "nothing half-written is left");
}
