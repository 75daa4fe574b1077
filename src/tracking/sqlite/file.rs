//! The file itself: opened to read, or for one transaction.

use std::{collections::HashMap, time::Duration};

use rusqlite::{
    Connection, OpenFlags, OptionalExtension, Params, Row, ToSql, TransactionBehavior, params_from_iter, types::ToSqlOutput,
};

use super::{Sqlite, revisions};
use crate::error::{Error, Kind, Result};

/// How long another writer is waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// The open file, with the columns of its tables.
pub(super) struct File<'a> {
    connection: &'a Connection,
    pub shown: &'a str,
    tables: HashMap<String, Vec<Column>>,
}

struct Column {
    name: String,
    /// Whether a row must say something for it.
    demanded: bool,
}

/// A value to be written, or left out where the file has no column for it.
pub(super) enum Cell<'a> {
    Needed(&'a dyn ToSql),
    IfThere(&'a dyn ToSql),
}

impl Sqlite {
    /// Reads, and can do nothing else.
    pub(super) fn read<T>(&self, work: impl FnOnce(&File<'_>) -> Result<T>) -> Result<T> {
        let connection = self.open(OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        work(&File::new(&connection, &self.shown)?)
    }

    /// One transaction: all of it is done, or nothing.
    pub(super) fn write<T>(&self, work: impl FnOnce(&File<'_>) -> Result<T>) -> Result<T> {
        let mut connection = self.open(OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        let failed = |error| failed(&self.shown, error);
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        let file = File::new(&transaction, &self.shown)?;
        let revision: Option<String> = file.row("SELECT version_num FROM alembic_version", [], |row| row.get(0))?;
        revisions::check(revision.as_deref(), &self.shown)?;
        let done = work(&file)?;
        transaction.commit().map_err(failed)?;
        Ok(done)
    }

    fn open(&self, access: OpenFlags) -> Result<Connection> {
        if !self.path.is_file() {
            let message = format!("there is no database at '{}'", self.path.display());
            let remedy = "set MLFLOW_TRACKING_URI to the store to be used, or name the model's directory";
            return Err(Error::new(Kind::NotFound, "TRACKING_STORE_NOT_FOUND", message).remedy(remedy));
        }
        let failed = |error| failed(&self.shown, error);
        let connection = Connection::open_with_flags(&self.path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX).map_err(failed)?;
        connection.busy_timeout(PATIENCE).map_err(failed)?;
        Ok(connection)
    }
}

impl<'a> File<'a> {
    fn new(connection: &'a Connection, shown: &'a str) -> Result<Self> {
        let mut file = Self { connection, shown, tables: HashMap::new() };
        let sql = "SELECT m.name, c.name, c.\"notnull\", c.dflt_value FROM sqlite_master m, pragma_table_info(m.name) c \
                   WHERE m.type = 'table'";
        let columns = file.rows(sql, [], |row| {
            let demanded = row.get::<_, bool>(2)? && row.get::<_, Option<String>>(3)?.is_none();
            Ok((row.get::<_, String>(0)?, Column { name: row.get(1)?, demanded }))
        })?;
        for (table, column) in columns {
            file.tables.entry(table).or_default().push(column);
        }
        if !file.has_table("experiments") || !file.has_table("runs") {
            let error = Error::new(Kind::FailedPrecondition, "NO_MLFLOW_STORE", format!("'{shown}' is no database of MLflow's"));
            return Err(error.remedy("check MLFLOW_TRACKING_URI"));
        }
        Ok(file)
    }

    pub(super) fn has_table(&self, table: &str) -> bool {
        self.tables.contains_key(table)
    }

    pub(super) fn has(&self, table: &str, column: &str) -> bool {
        self.tables.get(table).is_some_and(|columns| columns.iter().any(|known| known.name == column))
    }

    /// A condition that keeps to the default workspace, where the file has workspaces.
    pub(super) fn workspace(&self, table: &str) -> &'static str {
        if self.has(table, "workspace") { " AND workspace = 'default'" } else { "" }
    }

    pub(super) fn row<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>> {
        self.connection.query_row(sql, params, read).optional().map_err(|error| failed(self.shown, error))
    }

    pub(super) fn rows<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>> {
        let failed = |error| failed(self.shown, error);
        let mut statement = self.connection.prepare(sql).map_err(failed)?;
        let rows = statement.query_map(params, read).map_err(failed)?;
        rows.collect::<rusqlite::Result<_>>().map_err(failed)
    }

    /// How many rows it changed.
    pub(super) fn execute(&self, sql: &str, params: impl Params) -> Result<usize> {
        self.connection.execute(sql, params).map_err(|error| failed(self.shown, error))
    }

    /// Adds a row and returns its number.
    pub(super) fn insert(&self, table: &str, row: &[(&str, Cell<'_>)]) -> Result<i64> {
        self.add("INSERT", table, row)?;
        Ok(self.connection.last_insert_rowid())
    }

    /// Adds a row, or replaces that of the same key.
    pub(super) fn put(&self, table: &str, row: &[(&str, Cell<'_>)]) -> Result<()> {
        self.add("INSERT OR REPLACE", table, row)
    }

    /// The file's own columns decide: one that is needed must be there, and one that the file demands must be given.
    fn add(&self, verb: &str, table: &str, row: &[(&str, Cell<'_>)]) -> Result<()> {
        let columns = self.tables.get(table).map(Vec::as_slice).unwrap_or_default();
        let unknown = |what: String| {
            Error::new(Kind::FailedPrecondition, "TRACKING_SCHEMA", format!("table '{table}' of '{}' {what}", self.shown))
                .remedy("log through an `mlflow server` over this database, or with the MLflow that made it")
        };
        if let Some(column) = columns.iter().find(|column| column.demanded && row.iter().all(|(name, _)| *name != column.name)) {
            return Err(unknown(format!("demands the column '{}', which is not known", column.name)));
        }
        let mut names = Vec::new();
        let mut values = Vec::<ToSqlOutput<'_>>::new();
        for (name, cell) in row {
            let (Cell::Needed(value) | Cell::IfThere(value)) = cell;
            if columns.iter().any(|column| column.name == *name) {
                names.push(format!("\"{name}\""));
                values.push(value.to_sql().map_err(|error| failed(self.shown, error))?);
            } else if matches!(cell, Cell::Needed(_)) {
                return Err(unknown(format!("has no column '{name}'")));
            }
        }
        let marks = vec!["?"; names.len()].join(", ");
        let sql = format!("{verb} INTO {table} ({}) VALUES ({marks})", names.join(", "));
        self.execute(&sql, params_from_iter(values))?;
        Ok(())
    }
}

pub(super) fn failed(shown: &str, error: rusqlite::Error) -> Error {
    use rusqlite::ErrorCode::{CannotOpen, DatabaseBusy, DatabaseLocked, NotADatabase, PermissionDenied, ReadOnly};
    let (kind, code, remedy) = match error.sqlite_error_code() {
        Some(NotADatabase) => (Kind::FailedPrecondition, "NO_MLFLOW_STORE", "check MLFLOW_TRACKING_URI"),
        Some(DatabaseBusy | DatabaseLocked) => (Kind::Unavailable, "TRACKING_BUSY", "another process writes to it: try again"),
        Some(CannotOpen | PermissionDenied | ReadOnly) => {
            (Kind::PermissionDenied, "TRACKING_PERMISSION", "check who may read and write the file and its directory")
        }
        _ => (Kind::FailedPrecondition, "TRACKING_FAILED", "check the file with the MLflow that made it"),
    };
    Error::new(kind, code, format!("the database '{shown}' fails: {error}")).remedy(remedy).source(error)
}
