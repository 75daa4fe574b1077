//! Keeps encoded Parquet pages until their row group ends: in memory up to a bound, beyond it in a temporary file without a name.

use std::{
    fs::File,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use parquet::{
    column::page_store::{PageKey, PageStore, PageStoreArgs, PageStoreFactory},
    errors::{ParquetError, Result},
};

/// Makes the page stores of one file.
#[derive(Debug)]
pub(super) struct PageSpill {
    area: Arc<SpillArea>,
}

/// Where the pages of all columns of one file are kept.
#[derive(Debug)]
struct SpillArea {
    directory: PathBuf,
    limit: usize,
    /// Bytes of pages in memory.
    resident: AtomicUsize,
    /// The temporary file and its length.
    overflow: Mutex<(Option<File>, u64)>,
}

impl PageSpill {
    /// Keeps up to `limit` bytes in memory and the rest in a file in `directory`.
    pub(super) fn new(directory: &Path, limit: usize) -> Arc<Self> {
        let directory = if directory == Path::new("") { PathBuf::from(".") } else { directory.to_owned() };
        let area = SpillArea { directory, limit, resident: AtomicUsize::new(0), overflow: Mutex::new((None, 0)) };
        Arc::new(Self { area: Arc::new(area) })
    }
}

impl PageStoreFactory for PageSpill {
    fn create(&self, _args: &PageStoreArgs<'_>) -> Result<Box<dyn PageStore>> {
        Ok(Box::new(ColumnPages { area: self.area.clone(), pages: Vec::new() }))
    }
}

/// The pages of one column chunk.
struct ColumnPages {
    area: Arc<SpillArea>,
    pages: Vec<Page>,
}

enum Page {
    Memory(Bytes),
    File { offset: u64, length: usize },
    Taken,
}

impl PageStore for ColumnPages {
    fn put(&mut self, value: Bytes) -> Result<PageKey> {
        let key = PageKey::new(self.pages.len() as u64);
        let area = &self.area;
        if area.resident.load(Ordering::Relaxed) + value.len() <= area.limit {
            area.resident.fetch_add(value.len(), Ordering::Relaxed);
            self.pages.push(Page::Memory(value));
            return Ok(key);
        }
        let mut overflow = area.overflow.lock().unwrap_or_else(PoisonError::into_inner);
        let (file, end) = &mut *overflow;
        if file.is_none() {
            *file = Some(tempfile::tempfile_in(&area.directory)?);
        }
        if let Some(file) = file {
            file.write_all_at(&value, *end)?;
        }
        self.pages.push(Page::File { offset: *end, length: value.len() });
        *end += value.len() as u64;
        Ok(key)
    }

    fn take(&mut self, key: PageKey) -> Result<Bytes> {
        let missing = || ParquetError::General("a page was asked for twice".into());
        let page = self.pages.get_mut(key.get() as usize).ok_or_else(missing)?;
        match std::mem::replace(page, Page::Taken) {
            Page::Memory(bytes) => {
                self.area.resident.fetch_sub(bytes.len(), Ordering::Relaxed);
                Ok(bytes)
            }
            Page::File { offset, length } => {
                let overflow = self.area.overflow.lock().unwrap_or_else(PoisonError::into_inner);
                let file = overflow.0.as_ref().ok_or_else(missing)?;
                let mut bytes = vec![0; length];
                file.read_exact_at(&mut bytes, offset)?;
                Ok(bytes.into())
            }
            Page::Taken => Err(missing()),
        }
    }
}

impl Drop for ColumnPages {
    fn drop(&mut self) {
        for page in &self.pages {
            if let Page::Memory(bytes) = page {
                self.area.resident.fetch_sub(bytes.len(), Ordering::Relaxed);
            }
        }
    }
}
