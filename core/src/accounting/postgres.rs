//! Records in a PostgreSQL database, which a fleet may share.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::TryStreamExt;
use rustls::pki_types::{CertificateDer, pem::PemObject};
use rustls_platform_verifier::Verifier;
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Config, Transaction};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::{Sink, together};
use crate::types::{CallRecord, Secret};

/// The steps from no tables to those of today. What is published is never changed: a change is a further step.
const STEPS: [&str; 1] = [include_str!("postgres/schema-1.sql")];
const INSERT: [&str; 2] = [include_str!("postgres/insert-calls.sql"), include_str!("postgres/insert-attempts.sql")];
const READ: &str = include_str!("postgres/read.sql");
const CONNECT: Duration = Duration::from_secs(10);
/// How long a server may take for a batch.
const PATIENCE: Duration = Duration::from_secs(30);
/// Names the lock under which one process at a time changes the tables.
const LOCK: i64 = 0x6c6f_6375_6d00;

/// How a database is reached.
#[derive(Clone)]
pub(crate) struct Address {
    config: Config,
    /// Certificates to trust instead of the system's.
    roots: Option<PathBuf>,
}

impl Address {
    /// Reads `postgres://user:password@host:port/database?sslmode=…&sslrootcert=…`. A server's certificate is always checked where
    /// there is one; by default one is demanded unless the server is on this machine.
    ///
    /// # Errors
    /// Says what is wrong, without a word of the address.
    pub(crate) fn new(url: &Secret) -> Result<Self, &'static str> {
        const SHAPE: &str = "is no address such as postgres://user:password@host:5432/database";
        let url = url.expose();
        if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
            return Err(SHAPE);
        }
        let (place, query) = url.split_once('?').unwrap_or((url, ""));
        let (mut mode, mut roots, mut rest) = (None, None, Vec::new());
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=') {
                Some(("sslmode", "disable")) => mode = Some(SslMode::Disable),
                Some(("sslmode", "prefer" | "allow")) => mode = Some(SslMode::Prefer),
                Some(("sslmode", "require" | "verify-ca" | "verify-full")) => mode = Some(SslMode::Require),
                Some(("sslmode", _)) => return Err("sslmode must be disable, prefer, require or verify-full"),
                Some(("sslrootcert", path)) => {
                    let path = percent_encoding::percent_decode_str(path).decode_utf8();
                    roots = Some(PathBuf::from(path.map_err(|_| "sslrootcert is not UTF-8")?.into_owned()));
                }
                _ => rest.push(pair),
            }
        }
        let mut config: Config = format!("{place}?{}", rest.join("&")).parse().map_err(|_| SHAPE)?;
        let is_here = |host: &Host| match host {
            Host::Tcp(name) => matches!(name.as_str(), "localhost" | "127.0.0.1" | "::1" | "[::1]"),
            #[cfg(unix)]
            Host::Unix(_) => true,
        };
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err(SHAPE);
        }
        let here = config.get_hosts().iter().all(is_here) && config.get_hostaddrs().iter().all(|ip| ip.is_loopback());
        config.ssl_mode(mode.unwrap_or(if here { SslMode::Disable } else { SslMode::Require }));
        if config.get_application_name().is_none() {
            config.application_name("locum");
        }
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT);
        }
        Ok(Self { config, roots })
    }

    #[cfg(test)]
    pub(super) fn demands_tls(&self) -> bool {
        self.config.get_ssl_mode() == SslMode::Require
    }

    pub(crate) fn has_password(&self) -> bool {
        self.config.get_password().is_some()
    }

    async fn connect(&self) -> Result<Client, String> {
        let (client, connection) = self.config.connect(self.tls()?).await.map_err(|error| told(&error))?;
        // It ends with the client.
        drop(tokio::spawn(connection));
        Ok(client)
    }

    fn tls(&self) -> Result<MakeRustlsConnect, String> {
        let failed = |error: rustls::Error| error.to_string();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(Arc::clone(&provider));
        let config = config.with_safe_default_protocol_versions().map_err(failed)?;
        let config = match &self.roots {
            Some(path) => {
                let unread = |why: String| format!("sslrootcert {}: {why}", path.display());
                let mut roots = rustls::RootCertStore::empty();
                for root in CertificateDer::pem_file_iter(path).map_err(|error| unread(error.to_string()))? {
                    let root = root.map_err(|error| unread(error.to_string()))?;
                    roots.add(root).map_err(|error| unread(error.to_string()))?;
                }
                config.with_root_certificates(roots)
            }
            None => {
                let verifier = Arc::new(Verifier::new(provider).map_err(failed)?);
                config.dangerous().with_custom_certificate_verifier(verifier)
            }
        };
        Ok(MakeRustlsConnect::new(config.with_no_client_auth()))
    }
}

/// The tables `locum_calls` and `locum_attempts` of a database.
pub(crate) struct Postgres {
    address: Address,
    live: Option<(Runtime, Client)>,
}

impl Postgres {
    pub(crate) fn new(address: Address) -> Self {
        Self { address, live: None }
    }
}

impl Sink for Postgres {
    fn write(&mut self, records: &[Arc<CallRecord>]) -> Result<(), String> {
        let records = together(records);
        // A connection that waited may be gone, which shows in its use alone.
        if let Some((runtime, mut client)) = self.live.take()
            && within(&runtime, insert(&mut client, &records)).is_ok()
        {
            self.live = Some((runtime, client));
            return Ok(());
        }
        let runtime = runtime()?;
        let written = within(&runtime, async {
            let mut client = self.address.connect().await?;
            migrate(&mut client).await?;
            insert(&mut client, &records).await?;
            Ok(client)
        });
        self.live = Some((runtime, written.map_err(|why| format!("PostgreSQL: {why}"))?));
        Ok(())
    }
}

fn runtime() -> Result<Runtime, String> {
    Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string())
}

fn within<T>(runtime: &Runtime, work: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    let late = || Err(format!("the server did not answer within {} s", PATIENCE.as_secs()));
    runtime.block_on(async { timeout(PATIENCE, work).await.unwrap_or_else(|_| late()) })
}

async fn insert(client: &mut Client, records: &str) -> Result<(), String> {
    let insert = async {
        let transaction = client.transaction().await?;
        for statement in INSERT {
            transaction.execute_typed(statement, &[(&records, Type::TEXT)]).await?;
        }
        transaction.commit().await
    };
    insert.await.map_err(|error| told(&error))
}

/// Brings the tables up to date.
async fn migrate(client: &mut Client) -> Result<(), String> {
    let migrate = async {
        let transaction = client.transaction().await?;
        // Where nothing is to do the account need not be allowed to.
        if version(&transaction).await?.unwrap_or(0) == STEPS.len() {
            return transaction.commit().await.map(Ok);
        }
        transaction.execute_typed("SELECT pg_advisory_xact_lock($1)", &[(&LOCK, Type::INT8)]).await?;
        let before = version(&transaction).await?;
        let Some(steps) = STEPS.get(before.unwrap_or(0)..) else {
            return Ok(Err(super::newer(before.unwrap_or(0), STEPS.len())));
        };
        if before.is_none() {
            transaction.batch_execute("CREATE TABLE locum_schema (version integer NOT NULL)").await?;
            transaction.batch_execute("INSERT INTO locum_schema VALUES (0)").await?;
        }
        for step in steps {
            transaction.batch_execute(step).await?;
            transaction.batch_execute("UPDATE locum_schema SET version = version + 1").await?;
        }
        transaction.commit().await.map(Ok)
    };
    migrate.await.map_err(|error| told(&error)).flatten()
}

/// The shape that the tables have, if they are there.
async fn version(transaction: &Transaction<'_>) -> Result<Option<usize>, tokio_postgres::Error> {
    // Not by to_regclass, which may remember from before the lock.
    const THERE: &str = "SELECT FROM pg_class WHERE relname = 'locum_schema' AND pg_table_is_visible(oid)";
    if transaction.query_typed(THERE, &[]).await?.is_empty() {
        return Ok(None);
    }
    let rows = transaction.query_typed("SELECT version FROM locum_schema", &[]).await?;
    Ok(rows.first().and_then(|row| usize::try_from(row.get::<_, i32>(0)).ok()))
}

/// Hands over what a report needs of each call that began in this time, as JSON; milliseconds since the Unix epoch. Whether the tables
/// are there.
///
/// # Errors
/// Says why they cannot be read.
pub(crate) fn read(address: &Address, time: [f64; 2], take: &mut (dyn FnMut(&str) + Send)) -> Result<bool, String> {
    // The caller's thread may be one of a runtime, which would not have another one on it.
    let read = std::thread::scope(|scope| scope.spawn(|| read_here(address, time, take)).join());
    read.unwrap_or_else(|_| Err("reading broke off".to_owned()))
}

fn read_here(address: &Address, time: [f64; 2], take: &mut dyn FnMut(&str)) -> Result<bool, String> {
    let runtime = runtime()?;
    let mut client = within(&runtime, address.connect())?;
    let begin = async {
        let transaction = client.transaction().await?;
        let there = version(&transaction).await?.is_some();
        Ok((transaction, there))
    };
    let (transaction, there) = within(&runtime, async { begin.await.map_err(|error| told(&error)) })?;
    if !there {
        return Ok(false);
    }
    let rows = transaction.query_typed_raw(READ, time.map(|time| (time, Type::FLOAT8)));
    let rows = within(&runtime, async { rows.await.map_err(|error| told(&error)) })?;
    let mut rows = std::pin::pin!(rows);
    while let Some(row) = within(&runtime, async { rows.try_next().await.map_err(|error| told(&error)) })? {
        take(row.try_get(0).map_err(|error| told(&error))?);
    }
    Ok(true)
}

/// The server's own sentence, else that of the innermost cause.
fn told(error: &tokio_postgres::Error) -> String {
    if let Some(said) = error.as_db_error() {
        return format!("{} ({})", said.message(), said.code().code());
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
